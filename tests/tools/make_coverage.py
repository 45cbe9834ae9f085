"""Writes docs/coverage.md: `python -m tests.tools.make_coverage`."""

import inspect
from pathlib import Path

import jkeras
from tests.tools.keras_names import AREAS, find

PAGE = Path(__file__).parents[2] / "docs" / "coverage.md"
INTRODUCTION = """\
# What there is of Keras

The public names of Keras 3.15.1, and how many of them jkeras has. Tiers are a judgement, made by
hand: **S**, used by the first tutorial; **A**, in most real code; **B**, common in serious work;
**C**, the long tail. Written by `python -m tests.tools.make_coverage`; `nox -s interop` checks the
names against installed Keras's, and this page against both. That a name is there says no more than
that; whether it computes the same is in the table that `nox -s interop` prints.
"""


def examples():
    """Returns an object for each class whose members are an area of their own."""
    keras = jkeras
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.compile(loss="mse", optimizer="sgd")
    model.fit([[1.0, 2.0]], [[1.0]], verbose=0)
    return {
        "Layer": keras.layers.Dense(1),
        "Model": model,
        "Sequential": keras.Sequential(),
        "Functional": model,
        "Optimizer": keras.optimizers.SGD(),
        "Metric": keras.metrics.Mean(),
        "Loss": keras.losses.MeanSquaredError(),
        "Callback": keras.callbacks.Callback(),
        "Variable": keras.Variable(0.0),
        "KerasTensor": inputs,
    }


def missing_names():
    """Returns {area: {tier: names that jkeras lacks}}."""
    objects = examples()

    def lacks(area, name):
        if not area.endswith("'s members"):
            root = jkeras if area == "keras" else find(jkeras, area)
            return find(root, name) is None
        owner = objects[area.removesuffix("'s members")]
        # Reading a property may say that it has no value yet.
        return not hasattr(type(owner), name) and name not in vars(owner)

    return {
        area: {tier: [n for n in names if lacks(area, n)] for tier, names in tiers.items()}
        for area, tiers in AREAS.items()
    }


def own_names():
    """Returns {area: names that only jkeras has}."""
    found = {}
    for area, tiers in AREAS.items():
        module = jkeras if area == "keras" else find(jkeras, area)
        if inspect.ismodule(module):
            values = {n: getattr(module, n) for n in dir(module)}  # some are loaded when asked for
            names = {
                n
                for n, v in values.items()
                if not n.startswith("_")
                and getattr(v, "__module__", "").startswith("jkeras")
                and (inspect.isclass(v) or inspect.isfunction(v))
            }
            found[area] = sorted(names - {n for tier in tiers.values() for n in tier})
    return found


def page():
    """Returns the text of the page."""
    missing, own = missing_names(), own_names()
    lines = [INTRODUCTION, "| area | S | A | B | C |", "|---|---|---|---|---|"]

    def share(*areas):
        cells = []
        for tier in "SABC":
            all_of_tier = sum(len(AREAS[a].get(tier, ())) for a in areas)
            there = all_of_tier - sum(len(missing[a].get(tier, ())) for a in areas)
            cells.append(f"{there} of {all_of_tier}" if all_of_tier else "")
        return " | ".join(cells)

    lines += [f"| {area} | {share(area)} |" for area in AREAS]
    lines += [f"| **all** | {share(*AREAS)} |", "", "## What is missing", ""]
    lines += ["| area | tier | names |", "|---|---|---|"]
    for area, tiers in missing.items():
        for tier, names in tiers.items():
            if names:
                lines.append(f"| {area} | {tier} | {', '.join(f'`{n}`' for n in names)} |")
    lines += ["", "## What Keras has not", "", "| area | names |", "|---|---|"]
    for area, names in own.items():
        if names:
            lines.append(f"| {area} | {', '.join(f'`{n}`' for n in names)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
