"""Live comparison with real Keras on its JAX backend: `nox -s interop` installs it.

A test takes the `compare` fixture, which asserts and notes; at the end a table is printed: what was
compared, in how many cases, and the worst error.
"""

import os
from collections import defaultdict

os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import numpy as np
import pytest


@pytest.fixture
def compare(record_property):
    """Returns `compare(name, ours, theirs, tolerance=1e-5)`.

    Structures of arrays are compared leaf by leaf: same structure, shapes and dtype kinds, and
    `|ours - theirs| <= tolerance * max(1, |theirs|)`.
    """
    worst: dict[str, float] = defaultdict(float)
    cases: dict[str, int] = defaultdict(int)

    def check(name, ours, theirs, tolerance=1e-5):
        a, b = jax.tree.leaves(ours), jax.tree.leaves(theirs)
        assert len(a) == len(b), f"{name}: {len(a)} arrays, Keras has {len(b)}"
        cases[name] += 1
        for x, y in zip(a, b, strict=True):
            x, y = np.asarray(x), np.asarray(y)
            assert x.shape == y.shape, f"{name}: shape {x.shape}, Keras's {y.shape}"
            if y.dtype.kind in "bOSU":
                assert (x == y).all(), f"{name}: {x} is not Keras's {y}"
                continue
            x, y = x.astype("float64"), y.astype("float64")
            assert (np.isfinite(x) == np.isfinite(y)).all(), f"{name}: {x} vs Keras's {y}"
            finite = np.isfinite(y)
            error = np.abs(x[finite] - y[finite]) / np.maximum(1.0, np.abs(y[finite]))
            error = float(error.max(initial=0.0))
            worst[name] = max(worst[name], error)
            assert error <= tolerance, f"{name}: off by {error:.3g}\nours {x}\nKeras {y}"

    yield check
    for name, count in cases.items():
        record_property("compared", [name, count, worst[name]])


def pytest_terminal_summary(terminalreporter):
    """Prints the table."""
    table: dict[str, list] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for key, value in getattr(report, "user_properties", ()):
                if key == "compared" and getattr(report, "when", "") == "teardown":
                    name, count, worst = value
                    row = table.setdefault(name, [0, 0.0])
                    row[0] += count
                    row[1] = max(row[1], worst)
    if table:
        width = max(map(len, table))
        terminalreporter.write_line(f"\n{'compared with Keras':{width}}  cases  worst error")
        for name, (count, worst) in sorted(table.items()):
            terminalreporter.write_line(f"{name:{width}}  {count:5}  {worst:.2e}")
