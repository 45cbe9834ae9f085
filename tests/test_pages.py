"""Pages import the names that their blocks use, in their order; and their links lead somewhere."""

import ast
import builtins
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "docs").rglob("*.md")
    if "_build" not in path.parts and re.search(r"^>>> ", path.read_text("utf-8"), re.M)
)
BLOCK = re.compile(r"^```(?:\{doctest\}|pycon)[^\n]*\n(.*?)^```$", re.M | re.S)


def program(page):
    """Returns the lines that a reader would type, as one program."""
    lines = [line for block in BLOCK.findall(page) for line in block.splitlines()]
    return "\n".join(line[4:] for line in lines if line.startswith((">>> ", "... ")))


def bound_names(tree):
    """Returns all names that a program binds anywhere."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).split(".")[0])
    return found


def used_names(tree):
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def unknown(page):
    tree = ast.parse(program(page))
    return sorted(used_names(tree) - bound_names(tree) - set(dir(builtins)) - {"_"})


@pytest.mark.skipif(not PAGES, reason="a source distribution has no documentation")
def test_there_are_pages():
    assert "docs/quickstart.md" in PAGES


@pytest.mark.parametrize("page", PAGES)
def test_a_page_imports_what_it_uses(page):
    assert unknown((ROOT / page).read_text("utf-8")) == []


FILES = sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md"))
WRITTEN = [p.relative_to(ROOT).as_posix() for p in FILES if "_build" not in p.parts]


def anchors(page):
    """Returns the anchors that GitHub and MyST make of the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", page, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", WRITTEN)
def test_links_lead_somewhere(page):
    """Also where no site is built: on GitHub, and in an editor."""
    path = ROOT / page
    text = re.sub(r"^```\w.*?^```$|`[^`\n]*`", "", path.read_text("utf-8"), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in link:
            name, _, anchor = link.partition("#")
            target = path.parent / name if name else path
            assert target.exists(), link
            assert not anchor or anchor in anchors(target.read_text("utf-8")), link


def test_reading_of_pages():
    page = (
        "```{doctest}\n>>> import numpy as np\n>>> def f(x):\n...     return np.sin(x) + y\n```\n"
    )
    assert unknown(page) == ["y"]
    assert anchors("# What's new, in `fit`\n```\n# no heading\n```\n") == {"whats-new-in-fit"}
