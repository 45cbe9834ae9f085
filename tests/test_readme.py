"""README.md: its code runs, and its figures are those of the documentation's benchmarks."""

import re
from pathlib import Path

import pytest

import jkeras as keras

ROOT = Path(__file__).parents[1]
DOCS = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="a source distribution has no docs")


def read(page):
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.no_cover
def test_code(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", read("README.md"), re.S)
    exec(code, {})
    assert "val_accuracy: 0.8" in capsys.readouterr().out
    assert keras.models.load_model("fashion.keras").count_params() == 79_510


@DOCS
@pytest.mark.parametrize(
    "page", ["README.md", "README.ko.md", "docs/index.md", "docs/performance.md"]
)
def test_figures_are_measured_ones(page):
    """No ratio in a table that the page of measurements does not have."""
    measured = set(re.findall(r"\b\d+\.\d+\b", read("docs/benchmarks.md")))
    rows = [row for row in read(page).splitlines() if row.startswith("|")]
    cells = [re.sub(r"\*", "", cell).strip() for row in rows for cell in row.split("|")[2:-1]]
    figures = [cell for cell in cells if re.fullmatch(r"\d+\.\d+", cell)]
    assert len(figures) > 10
    assert set(figures) <= measured


@DOCS
def test_version_is_one():
    version = re.search(r'^version = "(.*)"', read("pyproject.toml"), re.M)[1]
    assert version == keras.__version__
