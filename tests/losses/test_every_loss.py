"""What holds for every loss of the catalog."""

import inspect

import jax
import numpy as np
import pytest

from jkeras import losses
from jkeras.base.naming import to_snake_case
from tests.catalog.losses import LOSSES

CLASSES = {
    name: value
    for name, value in vars(losses).items()
    if inspect.isclass(value) and value not in (losses.Loss, losses.LossFunctionWrapper)
}


def test_every_loss_is_in_the_catalog():
    assert {case.name for case in LOSSES} == CLASSES.keys()


@pytest.mark.no_cover
@pytest.mark.parametrize("case", LOSSES, ids=str)
def test_compiled_losses_and_gradients_are_finite(case):
    y_true, y_pred = case.draw(np.random.default_rng(0), 4)
    value, gradient = jax.jit(jax.value_and_grad(case.make(losses), argnums=1))(y_true, y_pred)
    assert np.isfinite(value) and value.shape == () and value.dtype == "float32"
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


@pytest.mark.parametrize("case", LOSSES, ids=str)
def test_configs_make_equal_losses(case):
    loss = case.make(losses, reduction="sum", dtype="float16")
    config = loss.get_config()
    assert config.keys() >= case.options.keys() | {"name", "reduction", "dtype"}
    again = losses.deserialize(losses.serialize(loss))
    assert type(again) is type(loss) and again.get_config() == config
    assert "dtype" not in case.make(losses).get_config()


@pytest.mark.parametrize("name", CLASSES)
def test_classes_take_the_options_of_their_functions(name):
    options = inspect.signature(getattr(losses, to_snake_case(name))).parameters
    own = inspect.signature(CLASSES[name]).parameters
    known = [n for n in own if n not in ("reduction", "name", "dtype")]
    others = {"ref_labels", "ref_embeddings"}  # of another batch: only the function has them
    assert [n for n in options if n in known] != [] or not known
    assert set(known) == set(list(options)[2:]) - others
    for option in known:
        assert own[option].default == options[option].default or option == "q"


def test_an_option_set_later_counts():
    loss = losses.Huber(delta=1.0)
    loss.delta = 2.0
    assert loss([[0.0]], [[2.0]]) == 2.0 and loss.get_config()["delta"] == 2.0
