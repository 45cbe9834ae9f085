"""Training runs side by side with real Keras: the same losses, and the same weights in the end.

`JKERAS_WRITE_GOLDEN=1 nox -s interop -- tests/interop/test_trajectories.py` writes Keras's numbers
to `tests/golden/trajectories.npz`.
"""

import os
from pathlib import Path

import keras
import numpy as np
import pytest

import jkeras
from tests import trajectories

GOLDEN = Path(__file__).parent.parent / "golden" / "trajectories.npz"


@pytest.fixture(scope="module")
def images():
    return jkeras.datasets.fashion_mnist.load_sample()[0]


@pytest.mark.parametrize("name", trajectories.NAMES)
def test_the_same_run(name, images, compare):
    theirs = trajectories.run(keras, name, *images)
    ours = trajectories.run(jkeras, name, *images)
    assert ours["losses"].keys() == theirs["losses"].keys()
    for key, values in theirs["losses"].items():
        if "loss" in key:
            np.testing.assert_allclose(ours["losses"][key], values, rtol=1e-5)
        compare(f"trajectory of {name}: {key}", ours["losses"][key], values, 1e-5)
    compare(f"trajectory of {name}: weights", ours["weights"], theirs["weights"], 1e-4)


def test_the_golden_file_is_current(images):
    written = {}
    for name in trajectories.NAMES:
        result = trajectories.run(keras, name, *images)
        written.update({f"{name}/{k}": v for k, v in result["losses"].items()})
        for i, weight in enumerate(result["weights"]):
            written[f"{name}/weight{i}"] = trajectories.thin(weight)
    if os.environ.get("JKERAS_WRITE_GOLDEN"):
        np.savez_compressed(GOLDEN, **written)
    with np.load(GOLDEN) as golden:
        assert set(golden.files) == set(written)
        for key in golden.files:
            np.testing.assert_allclose(written[key], golden[key], rtol=1e-5, atol=1e-5)
