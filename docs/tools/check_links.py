"""Follows every link of the built documentation that leads to a page or a heading of it.

    python docs/tools/check_links.py docs/_build/html

Complains about files that are not there, and about headings and names that a page does not have.
Addresses elsewhere are listed with `--others`: Sphinx's `linkcheck` builder opens these.
"""

import argparse
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """What a page can be linked by, and what it links to."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.links = {"", "top"}, set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)
            elif name in ("href", "src") and value is not None:
                self.links.add(value)


def broken(folder):
    """Returns the links that lead nowhere, as pairs of a page and a link; and those elsewhere."""
    texts = {path.resolve(): path.read_text("utf-8") for path in folder.rglob("*.html")}
    pages = {path: Page(text) for path, text in texts.items()}
    found, others = [], set()
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                others.add(link)
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not target.exists() or (target in pages and anchor not in pages[target].anchors):
                found.append((path.relative_to(folder.resolve()), link))
    return sorted(found), others, sum(len(page.links) for page in pages.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--others", action="store_true", help="list the addresses elsewhere")
    options = parser.parse_args()
    found, others, count = broken(options.folder)
    for page, link in found:
        print(f"{page}: {link} leads nowhere")
    if options.others:
        print("\n".join(sorted(link for link in others if not link.startswith("data:"))))
    print(f"{count:,} links followed, {len(found)} lead nowhere")
    return bool(found) or not count


if __name__ == "__main__":
    sys.exit(main())
