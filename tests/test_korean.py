"""Each Korean page has the headings' levels and the code blocks of its English one.

`python tests/test_korean.py` copies the code blocks of the English pages into the Korean ones that
have as many; the words around them are a translator's.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = {  # Korean: English
    "README.ko.md": "README.md",
    **{
        f"docs/ko/{page}": f"docs/{page}"
        for path in sorted((ROOT / "docs/ko").rglob("*.md"))
        if (page := path.relative_to(ROOT / "docs/ko").as_posix()) != "index.md"  # has no other
    },
}
pytestmark = pytest.mark.skipif(
    not (ROOT / "docs").is_dir(), reason="a source distribution has no documentation"
)
FENCE = re.compile(r"^(?P<fence>```+|:::+)(?P<kind>[^\n]*)\n(?P<text>.*?)^(?P=fence)$", re.M | re.S)
PROSE = {"warning", "note", "tip", "important", "hint", "seealso", "admonition", "toctree"}


def is_code(match):
    """Says whether a fenced block is code, rather than words to translate."""
    directive = re.match(r"\{([\w-]+)\}", match["kind"])
    return not (directive and directive[1] in PROSE)


def code_blocks(page):
    """Returns the fenced blocks of code of a page, with their kinds."""
    return [match[0] for match in FENCE.finditer(page) if is_code(match)]


def levels(page):
    """Returns the levels of the headings of a page."""
    return [len(marks) for marks in re.findall(r"^(#+) ", FENCE.sub("", page), re.M)]


def with_code(page, blocks):
    """Returns a page with these blocks of code in the places of its own."""
    left = iter(blocks)
    return FENCE.sub(lambda match: next(left) if is_code(match) else match[0], page)


def read(page):
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("korean", PAGES)
def test_headings(korean):
    assert levels(read(korean)) == levels(read(PAGES[korean]))


@pytest.mark.parametrize("korean", PAGES)
def test_code_blocks(korean):
    assert code_blocks(read(korean)) == code_blocks(read(PAGES[korean])), (
        "run `python tests/test_korean.py`, and look whether the words around still fit"
    )


@pytest.mark.parametrize("korean", PAGES)
def test_words_are_korean(korean):
    """No paragraph was left in English, and no table has lost rows."""
    words = re.sub(r"`[^`\n]*`|\]\([^)\n]*\)", "", FENCE.sub("", read(korean)))
    for paragraph in re.split(r"\n\s*\n", words):
        if not paragraph.startswith(("#", "|")) and len(paragraph) > 80:
            assert len(re.findall("[가-힣]", paragraph)) > 0.2 * len(paragraph), paragraph
    rows = [len(re.findall(r"^\|", read(page), re.M)) for page in (korean, PAGES[korean])]
    assert rows[0] == rows[1]


def test_reading_of_pages():
    page = "# a\n```python\n# no heading\n```\n## b\n```{warning}\nwords\n```\n"
    assert levels(page) == [1, 2]
    assert code_blocks(page) == ["```python\n# no heading\n```"]
    assert with_code(page, ["```python\nx\n```"]).count("words") == 1


if __name__ == "__main__":
    for korean, english in PAGES.items():
        page, blocks = read(korean), code_blocks(read(english))
        if len(code_blocks(page)) == len(blocks):
            (ROOT / korean).write_text(with_code(page, blocks), encoding="utf-8")
        else:
            print(f"{korean} has {len(code_blocks(page))} blocks, {english} {len(blocks)}")
