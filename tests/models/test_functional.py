"""Models of symbolic tensors, by keras.Model and by subclasses of Model and of Functional."""

import numpy as np
import pytest

import jkeras as keras
from jkeras.models import Functional

X = np.ones((2, 3), "float32")


def ends(units=2):
    inputs = keras.Input((3,))
    return inputs, keras.layers.Dense(units)(inputs)


class Handing(keras.Model):
    """A subclass of Model that hands on tensors."""

    def __init__(self, units=2, **kwargs):
        super().__init__(*ends(units), **kwargs)
        self.units = units


class Further(Handing):
    def __init__(self):
        super().__init__(5, name="further")


class Helper(keras.Model):
    def double(self, x):
        return 2 * self(x)


class ByName(Helper):
    def __init__(self):
        inputs, outputs = ends()
        super().__init__(inputs=inputs, outputs=outputs, name="by_name")


class Own(Functional):
    pass


class Optional(keras.Model):
    """Sometimes made of tensors, sometimes with a call of its own."""

    def __init__(self, of_tensors):
        if of_tensors:
            super().__init__(*ends())
        else:
            super().__init__()
            self.dense = keras.layers.Dense(4)

    def call(self, x):
        return self.dense(x) if hasattr(self, "dense") else super().call(x)


@pytest.mark.parametrize(
    ("model", "width"),
    [
        (lambda: keras.Model(*ends()), 2),
        (lambda: keras.Model(inputs=(tensors := ends())[0], outputs=tensors[1]), 2),
        (Handing, 2),
        (Further, 5),
        (ByName, 2),
        (lambda: Own(*ends()), 2),
        (lambda: Optional(True), 2),
    ],
)
def test_each_is_functional(model, width):
    model = model()
    assert isinstance(model, Functional)
    assert model.output_shape == (None, width)
    assert model.predict(X, verbose=0).shape == (2, width)
    assert [type(layer).__name__ for layer in model.layers] == ["InputLayer", "Dense"]
    model.compile("sgd", "mse")
    model.fit(X, np.ones((2, width)), verbose=0)
    again = type(model).from_config(model.get_config())
    if type(model) not in (Further, ByName, Optional):
        assert type(again) is type(model) and again.output_shape == model.output_shape


def test_a_subclass_keeps_what_it_derives_from():
    assert ByName().double(X).shape == (2, 2)
    assert not issubclass(Helper, Functional)
    assert Handing(units=4).get_config()["units"] == 4


def test_one_class_with_and_without_tensors():
    for of_tensors in (False, True, False):
        model = Optional(of_tensors)
        assert model(X).shape == (2, 2 if of_tensors else 4)
        rows: list[str] = []
        model.summary(print_fn=rows.append)
        assert "dense" in rows[0]


def test_neither_model_nor_sequential_is_functional():
    assert not isinstance(keras.Sequential([keras.Input((3,))]), Functional)
    assert not isinstance(Helper(), Functional)
    with pytest.raises(AttributeError, match="is not built: it has no inputs"):
        _ = Helper().inputs
