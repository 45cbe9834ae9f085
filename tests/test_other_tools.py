"""The blocks of the page on other tools, run with those tools: `nox -s tools` installs them."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/how_to/other_tools.md"
pytestmark = pytest.mark.skipif(
    not PAGE.exists(), reason="a source distribution has no documentation"
)
TOOLS = {"Weights & Biases": "wandb", "MLflow": "mlflow", "Hugging Face data sets": "datasets"}


def blocks():
    """Returns the code of each section; that before the first one belongs to all."""
    first, *others = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.M)
    code = re.compile(r"^```pycon\n(.*?)^```$", re.M | re.S)
    start = code.findall(first)
    return {s.splitlines()[0]: "\n".join([*start, *code.findall(s)]) for s in others}


def test_each_section_has_its_tool():
    assert list(blocks()) == list(TOOLS)


@pytest.mark.parametrize("section", TOOLS)
def test_section(section, tmp_path):
    tool = TOOLS[section]
    if importlib.util.find_spec(tool) is None:
        pytest.skip(f"{tool} is not installed")
    (tmp_path / "section.txt").write_text(blocks()[section])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HOME": str(tmp_path)}
    environment |= {"WANDB_SILENT": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-m", "doctest", "section.txt"]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
