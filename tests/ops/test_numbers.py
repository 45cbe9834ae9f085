"""Operations' results beside what Keras gave for the same calls."""

from pathlib import Path

import jax
import numpy as np
import pytest

from jkeras import ops
from tests.ops.cases import ALL, NOT_JITTED, arrays_for, called, find, key, stored

pytestmark = pytest.mark.no_cover

GROUPS = [ALL[i::16] for i in range(16)]  # one program for each


@pytest.fixture(scope="module")
def golden():
    with np.load(Path(__file__).parent.parent / "golden" / "ops.npz") as file:
        return dict(file)


def test_every_call_has_numbers(golden):
    assert golden.keys() == {key(case) for case in ALL}


@pytest.mark.parametrize("group", range(16))
def test_the_numbers_are_keras_s(group, golden):
    def result(case, arrays):
        return called(case, arrays, find(ops, case[0]))

    given = [(case, arrays_for(case)) for case in GROUPS[group]]
    together = [(c, a) for c, a in given if a and c[0] not in NOT_JITTED]
    alone = [(c, a) for c, a in given if not a or c[0] in NOT_JITTED]
    run = jax.jit(lambda arrays: [result(c, a) for (c, _), a in zip(together, arrays, strict=True)])
    found = run([a for _, a in together])
    found += [result(c, a) for c, a in alone]
    for (case, _), numbers in zip(together + alone, found, strict=True):
        np.testing.assert_allclose(
            stored(numbers), golden[key(case)], rtol=1e-4, atol=1e-5, err_msg=str(case)
        )
