"""A reader who copies the blocks of a page in their order has all names: pages import them."""

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


def test_reading_of_pages():
    page = (
        "```{doctest}\n>>> import numpy as np\n>>> def f(x):\n...     return np.sin(x) + y\n```\n"
    )
    assert unknown(page) == ["y"]
