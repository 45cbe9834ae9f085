"""The rings of the package: the test of its imports and the picture of its folders read them."""

from collections.abc import Iterable

ARRAYS = {"initializers", "regularizers", "constraints", "ops.arrays", "ops.cpu_convolution"}
# A folder of the names ring may import these (besides itself, the arrays ring and `base`).
ALLOWED = {
    "core": {"core"},
    "activations": {"core"},
    "ops": {"core", "activations"},
    "layers": {"core", "activations", "ops"},
    "losses": {"core", "ops"},
    "metrics": {"core", "ops", "losses"},
    "optimizers": {"core"},
    "training": {"core", "losses", "metrics"},
}
NAMES = set(ALLOWED)


def folders_by_ring(folders: Iterable[str]) -> dict[str, list[str]]:
    """Returns the folders of each ring, the innermost first; what no ring names is of the last."""
    inner = {
        "base": ["base"],
        "arrays": sorted({name for name in ARRAYS if "." not in name}),
        "names": list(ALLOWED),
    }
    known = {name for names in inner.values() for name in names}
    return {**inner, "cells": sorted(set(folders) - known)}
