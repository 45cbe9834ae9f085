"""Live comparison with real Keras on its JAX backend: `nox -s interop` installs it.

A test takes the `compare` fixture, which asserts and notes: `compare("Dense: outputs", ours,
theirs)`. The word before the colon names what is compared; it belongs to the area
that the test's file is called after (`test_layers.py`: `layers.Dense`), unless it is a full name
(`activations.relu`). What comes after the colon is the part; of a `distribution` and of
`statistics`, the error is a distance of two samples, and stands in a row of its own.

At the end a table is printed, over all workers: every name with its tier, its cases and the worst
error, and then the names that nothing was compared for. With `--every-name`, such a name fails the
session, unless `NOT_COMPARED` says why.
"""

import os
from collections import defaultdict

os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import keras
import numpy as np
import pytest

from tests.tools.keras_names import AREAS, TIERS, find

jax.config.update("jax_disable_most_optimizations", True)  # compiling takes most of the time

# Every public name of these is compared; names of one object count together.
COMPARED_AREAS = (
    *("layers", "losses", "metrics", "optimizers", "optimizers.schedules"),
    *("initializers", "activations", "regularizers", "constraints"),
)
SAMPLES = " (distribution)"
NO_NUMBERS = "a base class, or no computation of its own"
# Why a public name has no comparison.
NOT_COMPARED = {
    **{f"{a}.{n}": NO_NUMBERS for a in AREAS for n in ("get", "serialize", "deserialize")},
    **dict.fromkeys(
        [
            *("layers.Layer", "layers.Wrapper", "layers.InputSpec", "layers.Input"),
            *("losses.Loss", "metrics.Metric", "optimizers.Optimizer"),
            *("optimizers.schedules.LearningRateSchedule", "initializers.Initializer"),
            *("regularizers.Regularizer", "constraints.Constraint", "optimizers.OptimizerMap"),
            *("layers.InputLayer", "metrics.MeanMetricWrapper"),
        ],
        NO_NUMBERS,
    ),
    **dict.fromkeys(
        [
            *("layers.StringLookup", "layers.IntegerLookup", "layers.TextVectorization"),
            *("layers.Hashing", "layers.HashedCrossing", "layers.JaxLayer", "layers.FlaxLayer"),
        ],
        "Keras needs TensorFlow for it",
    ),
    "layers.RandomCrop": "Keras's crops a batch at one place, and takes part of small images",
    "activations.sparsemax": "Keras 3.15's does not sum to 1 (test_sparsemax_is_not_keras)",
}


@pytest.fixture
def compare(request, record_property):
    """Returns `compare(name, ours, theirs, tolerance=1e-5)`.

    Structures of arrays are compared leaf by leaf: same structure, shapes and dtype kinds, and
    `|ours - theirs| <= tolerance * max(1, |theirs|)`.
    """
    area = request.module.__name__.rpartition("test_")[-1]
    worst: dict[str, float] = defaultdict(float)
    cases: dict[str, int] = defaultdict(int)

    def check(name, ours, theirs, tolerance=1e-5):
        cases[name] += 1
        before, worst[name] = worst[name], np.inf  # unless the comparison comes to its end
        error = difference(name, ours, theirs)
        worst[name] = max(before, error)
        assert error <= tolerance, f"{name}: off by {error:.3g}\nours {ours}\nKeras {theirs}"

    yield check
    for name, count in cases.items():
        subject, _, part = name.partition(": ")
        full = f"{area}.{subject}" if f"{area}.{subject}" in TIERS else subject
        full += SAMPLES if part in ("distribution", "statistics") else ""
        record_property("compared", [full, name, count, worst[name]])


def difference(name, ours, theirs):
    """Returns the worst error of any leaf; asserts what has no measure."""
    a, b = jax.tree.leaves(ours), jax.tree.leaves(theirs)
    assert len(a) == len(b), f"{name}: {len(a)} arrays, Keras has {len(b)}"
    worst = 0.0
    for x, y in zip(a, b, strict=True):
        x, y = np.asarray(x), np.asarray(y)
        assert x.shape == y.shape, f"{name}: shape {x.shape}, Keras's {y.shape}"
        if y.dtype.kind in "bOSU":
            assert (x == y).all(), f"{name}: {x} is not Keras's {y}"
            continue
        x, y = x.astype("float64"), y.astype("float64")
        finite = np.isfinite(y)
        # Where Keras has an infinity, ours has the same one; and likewise not-a-number.
        np.testing.assert_array_equal(x[~finite], y[~finite], err_msg=name)
        error = np.abs(x[finite] - y[finite]) / np.maximum(1.0, np.abs(y[finite]))
        assert np.isfinite(error).all(), f"{name}: {x} vs Keras's {y}"
        worst = max(worst, float(error.max(initial=0.0)))
    return worst


# ------------------------------------------------------------------ the table
def pytest_addoption(parser):
    """Adds the options: `nox -s interop` sets the first one where it runs everything."""
    parser.addoption("--every-name", action="store_true", help="fail for names not compared")
    parser.addoption("--every-application", action="store_true", help="not one of each family")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    """Fails the session for a name of the tiers S, A or B that nothing was compared for."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None or not session.config.getoption("--every-name"):  # a worker
        return
    if exitstatus == 0 and any(TIERS[name] in "SAB" for name in left_out(compared(terminal))):
        session.exitstatus = 1


def compared(terminal):
    """Returns {name: (cases, worst error)} from the reports of all workers.

    A name's cases are those of the part that was compared most often: outputs, gradients...
    """
    parts: dict[str, dict] = {}
    for reports in terminal.stats.values():
        for report in reports:
            for key, value in getattr(report, "user_properties", ()):
                if key == "compared" and getattr(report, "when", "") == "teardown":
                    name, part, count, worst = value
                    row = parts.setdefault(name, {}).setdefault(part, [0, 0.0])
                    row[:] = row[0] + count, max(row[1], worst)
    return {
        name: (max(r[0] for r in rows.values()), max(r[1] for r in rows.values()))
        for name, rows in parts.items()
    }


def left_out(table):
    """Returns the names without a case, of the areas that have any, which no reason excuses."""
    table = {name.removesuffix(SAMPLES) for name in table}
    areas = [a for a in COMPARED_AREAS if any(name.startswith(f"{a}.") for name in table)]
    names = [f"{a}.{n}" for a in areas for tier in AREAS[a].values() for n in tier]
    done = {id(find(keras, name)) for name in table if name in TIERS}
    return [n for n in names if id(find(keras, n)) not in done and n not in NOT_COMPARED]


def pytest_terminal_summary(terminalreporter):
    """Prints the table."""
    table = compared(terminalreporter)
    if not table:
        return
    width = max(map(len, table))
    write = terminalreporter.write_line
    write(f"\n{'compared with Keras':{width}}  tier  cases  worst error")
    for name, (cases, worst) in sorted(
        table.items(), key=lambda row: (row[0].removesuffix(SAMPLES) not in TIERS, row)
    ):
        tier = TIERS.get(name.removesuffix(SAMPLES), "")
        write(f"{name:{width}}  {tier:4}  {cases:5}  {worst:.2e}")
    for tier in "SABC":
        names = [name for name in left_out(table) if TIERS[name] == tier]
        write(f"tier {tier}, not compared: {', '.join(names) or 'none'}")
