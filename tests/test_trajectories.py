"""Training runs equal real Keras's: losses of three epochs, and the final weights."""

from pathlib import Path

import numpy as np
import pytest

import jkeras as keras
from tests import trajectories

pytestmark = [pytest.mark.optimized, pytest.mark.no_cover]


@pytest.mark.parametrize("name", trajectories.NAMES)
def test_the_run_equals_keras(name):
    images, _ = keras.datasets.fashion_mnist.load_sample()
    result = trajectories.run(keras, name, *images)
    with np.load(Path(__file__).parent / "golden" / "trajectories.npz") as golden:
        for key, values in result["losses"].items():
            if "loss" in key:
                np.testing.assert_allclose(values, golden[f"{name}/{key}"], rtol=1e-5)
            else:
                np.testing.assert_allclose(values, golden[f"{name}/{key}"], atol=5e-4)
        for i, weight in enumerate(result["weights"]):
            np.testing.assert_allclose(
                trajectories.thin(weight), golden[f"{name}/weight{i}"], atol=1e-4
            )
