"""Numbers of Keras's that tests without Keras compare with: written and checked here."""

import os
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent.parent / "golden"
WRITE = bool(os.environ.get("JKERAS_WRITE_GOLDEN"))


def stored_in(name):
    """Yields the stored numbers of Keras; `JKERAS_WRITE_GOLDEN=1` writes them at the end."""
    if not WRITE:
        with np.load(FOLDER / name) as file:
            yield dict(file)
        return
    written = {}
    yield written
    np.savez_compressed(FOLDER / name, **written)


def is_current(golden, key, numbers):
    """Checks that the golden file holds these numbers of Keras, or notes them to be written."""
    if WRITE:
        golden[key] = numbers
    np.testing.assert_allclose(golden[key], numbers, rtol=1e-4, atol=1e-5)
