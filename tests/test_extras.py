"""What is not installed is an error that says how to install it, from PyPI or from a clone."""

import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import jkeras as keras

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _model():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])


CASES = {
    "onnx": ("onnx", lambda: _model().export("m.onnx", format="onnx", verbose=False)),
    "safetensors": ("safetensors", lambda: _model().save_weights("m.safetensors")),
    "PIL": (
        "image",
        lambda: keras.visualization.draw_bounding_boxes(np.zeros((4, 4, 3)), {}, "xyxy"),
    ),
    "matplotlib": (
        "plot",
        lambda: keras.visualization.plot_image_gallery(np.zeros((1, 4, 4, 3))),
    ),
    "orbax": ("orbax", lambda: keras.callbacks.OrbaxCheckpoint("folder")),
}


@pytest.mark.parametrize("module", CASES)
def test_a_missing_package(module, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in [n for n in sys.modules if n.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    extra, call = CASES[module]
    with pytest.raises(ImportError, match="which is not installed: `pip install") as error:
        call()
    assert f'`pip install ".[{extra}]"` in a clone' in str(error.value)
    packages = re.search("`pip install ([^`]*)`", str(error.value))[1].split()
    extras = PROJECT["optional-dependencies"][extra]
    assert {*packages} <= {re.split("[>=]", line)[0] for line in extras}


def test_every_extra_named_in_the_package_and_the_pages_exists():
    """No word says `pip install jkeras[...]` either: the package is on no public index yet."""
    files = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("jkeras/**/*.py")]
    files += ROOT.glob("examples/*.py")
    named = set()
    for path in files:
        text = path.read_text()
        assert "_build" in path.parts or not re.search(r"pip install \"?jkeras\[", text), path
        for extras in re.findall(r"pip install (?:-e )?\"\.\[([\w,]+)\]", text):
            named |= set(extras.split(","))
    assert {"plot", "onnx"} <= named <= set(PROJECT["optional-dependencies"])
