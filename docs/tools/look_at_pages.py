"""Looks at every page of the built documentation in a headless Chromium, wide and narrow.

    pip install playwright
    python docs/tools/look_at_pages.py docs/_build/html --shots /tmp/shots

Complains about pages that scroll sideways, are higher than 20,000 pixels or larger than 300 KB, of
pictures that are missing, of errors in the console, and of searches that find nothing. `--shots`
also keeps a picture of each page. Chromium is looked for on the path; `--chromium` says where else.
"""

import argparse
import functools
import http.server
import shutil
import sys
import threading
from pathlib import Path

from playwright.sync_api import sync_playwright

WIDTHS = (1400, 390)
HEIGHT, SIZE = 20_000, 300_000
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
FLAGS += ["--disable-component-update", "--hide-scrollbars"]
SEARCHES = ["transfer learning", "multiple GPUs", "ensemble", "resume", "한국어"]
MEASURE = """() => ({
    wide: document.documentElement.scrollWidth - window.innerWidth,
    height: document.documentElement.scrollHeight,
    missing: [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src),
    culprits: [...document.querySelectorAll('article *')].filter(
        e => e.getBoundingClientRect().right > window.innerWidth + 1
        && !e.closest('.highlight, .table-wrapper, pre, .math, .sig, svg')).slice(0, 3).map(
        e => e.tagName + ' ' + e.className + ' ' + e.textContent.slice(0, 60)),
})"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def serve(folder):
    """Serves a folder on a free port, and returns its address."""
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/"


def look(page, size):
    """Returns what is wrong with a page that is open."""
    found = page.evaluate(MEASURE)
    problems = [f"missing picture {source}" for source in found["missing"]]
    if found["wide"] > 0:
        problems.append(f"{found['wide']} px too wide: {found['culprits']}")
    if found["height"] > HEIGHT:
        problems.append(f"{found['height']:,} px high")
    if size > SIZE:
        problems.append(f"{size // 1000} KB")
    return problems


def search(page, root, words):
    """Returns the titles of the first pages that the site's search finds."""
    page.goto(f"{root}search.html?q={words}")
    page.wait_for_function(
        "/finished|did not|found/.test(document.querySelector('.search-summary')?.textContent)"
    )
    return page.locator("ul.search li a").all_text_contents()[:4]


def pick(path, options):
    """Says whether to look at a page: not at the package's sources, which are a page a file."""
    name = path.relative_to(options.folder).as_posix()
    return options.only in name and not name.startswith(("_modules/", "_static/"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shots", type=Path)
    parser.add_argument("--only", default="", help="pages whose names contain this")
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    options = parser.parse_args()
    root, bad = serve(options.folder), 0
    pages = [path for path in sorted(options.folder.rglob("*.html")) if pick(path, options)]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=FLAGS)
        for path in pages:
            name = path.relative_to(options.folder).as_posix()
            page, errors = browser.new_page(), []
            page.on("pageerror", lambda error, errors=errors: errors.append(str(error)))
            page.on(
                "response",
                lambda r, errors=errors: r.status >= 400 and errors.append(f"{r.status} {r.url}"),
            )
            page.goto(root + name)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                problems = errors + look(page, path.stat().st_size)
                if options.shots:
                    height = page.evaluate("document.documentElement.scrollHeight")
                    page.set_viewport_size({"width": width, "height": min(height, 9000)})
                    page.screenshot(path=options.shots / f"{name.replace('/', '.')}.{width}.png")
                bad += bool(problems)
                for problem in problems:
                    print(f"{name} at {width}: {problem}", flush=True)
                errors.clear()
            page.close()
        page = browser.new_page()
        for words in SEARCHES:
            titles = search(page, root, words)
            bad += not titles
            print(f"search {words!r}: {', '.join(titles) or 'nothing'}")
    print(f"{len(pages)} pages looked at, {bad} bad")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
