"""Overridden steps do what they do in real Keras: the same classes, trained side by side."""

import keras
import pytest

import jkeras
from tests.models import custom_classes


@pytest.mark.parametrize("make", [custom_classes.own_loss, custom_classes.own_step])
def test_a_subclass_with_steps_of_its_own(make, compare):
    ours, theirs = (custom_classes.train(k, make) for k in (jkeras, keras))
    assert ours["history"].keys() == theirs["history"].keys()
    compare(f"{make.__name__}: history", ours["history"], theirs["history"])
    compare(f"{make.__name__}: weights", ours["weights"], theirs["weights"])
