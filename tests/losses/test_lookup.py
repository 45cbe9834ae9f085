"""Losses by name, by config, and from functions; and the checks of labels."""

import functools

import numpy as np
import pytest

from jkeras import losses
from jkeras.base import registry


@pytest.mark.parametrize(
    ("name", "function"),
    [
        *(("mse", "mean_squared_error"), ("MSE", "mean_squared_error"), ("hinge", "hinge")),
        *(("bce", "binary_crossentropy"), ("KLD", "kl_divergence"), ("huber", "huber")),
    ],
)
def test_names_in_snake_case_and_aliases_are_functions(name, function):
    assert losses.get(name) is getattr(losses, function)
    assert losses.deserialize(name) is getattr(losses, function)


def test_names_of_classes_configs_objects_and_none():
    assert losses.get("Huber").delta == 1.0
    assert losses.get({"class_name": "Huber", "config": {"delta": 2.0}}).delta == 2.0
    assert losses.get(losses.Hinge).name == "hinge"
    loss = losses.Hinge()
    assert losses.get(loss) is loss and losses.as_loss(loss) is loss
    assert losses.get(None) is None and losses.as_loss(None) is None
    assert losses.deserialize(losses.serialize(losses.huber)) is losses.huber


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'mean_squared_error'"):
        losses.get("mean_sqared_eror")
    with pytest.raises(TypeError, match="Expected loss"):
        losses.get(3)


def test_functions_become_losses_of_their_name():
    def cubed(y_true, y_pred):
        return abs(y_true - y_pred).mean(-1) ** 3

    loss = losses.as_loss(cubed)
    assert loss.name == "cubed" and loss([[0.0]], [[2.0]]) == 8.0
    assert losses.as_loss(lambda a, b: a).name == "lambda"
    assert losses.as_loss(functools.partial(cubed)).name == "partial"
    assert isinstance(losses.as_loss("huber"), losses.Huber)
    assert losses.as_loss(losses.huber).name == "huber"
    sparse = losses.as_loss(losses.sparse_categorical_crossentropy)
    assert isinstance(sparse, losses.SparseCategoricalCrossentropy)


def test_a_wrapped_function_keeps_its_options_in_the_config():
    @registry.register_keras_serializable()
    def powered(y_true, y_pred, power=1):
        return abs(y_true - y_pred).mean(-1) ** power

    loss = losses.LossFunctionWrapper(powered, power=2, reduction="sum")
    again = losses.deserialize(losses.serialize(loss))
    assert again([[0.0]], [[3.0]]) == 9.0 and again.name == "powered"
    config = {"class_name": "LossFunctionWrapper", "config": {"fn": "mse"}}  # as tf.keras wrote it
    assert losses.get(config)([[0.0]], [[3.0]]) == 9.0


# ------------------------------------------------------------------ labels
SPARSE = losses.SparseCategoricalCrossentropy()
IGNORING = losses.SparseCategoricalCrossentropy(ignore_class=-1)


@pytest.mark.parametrize(
    ("loss", "labels", "message"),
    [
        (SPARSE, [0, 1, 10], r"go up to 10, but .* classes 0 to 9.\nGive .* 11 units"),
        (SPARSE, [1.0, 12.0], "go up to 12.0"),
        (SPARSE, [-1, 3], r"go down to -1, but .* 0 to 9.\n.*ignore_class=-1"),
        (SPARSE, [0.5, 3.0], "must be class numbers, but one is 0.5"),
        (SPARSE, [np.nan, 3.0], "must be class numbers, but one is nan"),
        (SPARSE, ["cat", "dog"], r"must be class numbers, got .*'cat'.*\n.*StringLookup"),
        (IGNORING, [-1, 3, -2], "go down to -2"),
        (IGNORING, [-1, 3, 10], "go up to 10"),
        (losses.sparse_categorical_crossentropy, [10], "go up to 10"),
    ],
)
def test_labels_that_are_no_class_are_refused(loss, labels, message):
    with pytest.raises(ValueError, match=message):
        losses.check_labels(loss, np.array(labels), 10)


@pytest.mark.parametrize(
    ("loss", "labels"),
    [
        *((SPARSE, [0, 9]), (SPARSE, [[3.0], [9.0]]), (SPARSE, []), (SPARSE, [True, False])),
        *((IGNORING, [-1, 9]), (IGNORING, [-1, -1]), (IGNORING, [-1.0, 2.0])),
        (losses.SparseCategoricalCrossentropy(ignore_class=255), np.array([255, 9], "uint8")),
        *((losses.MeanSquaredError(), [-5, 80]), (losses.CategoricalCrossentropy(), [7.5])),
        *((losses.BinaryCrossentropy(), [0, 1]), (losses.BinaryCrossentropy(), [0.3, 0.9])),
    ],
)
def test_labels_that_are_classes_pass(loss, labels):
    losses.check_labels(loss, np.array(labels), 10)


def test_without_a_number_of_classes_only_negative_labels_are_refused():
    losses.check_labels(SPARSE, np.array([0, 1000]), None)
    with pytest.raises(ValueError, match=r"go down to -3, .* has classes 0.\n"):
        losses.check_labels(SPARSE, np.array([-3]), None)


@pytest.mark.parametrize("labels", [[0, 255], [-1.0, 1.0], [0, 1, 2]])
def test_binary_targets_out_of_range_are_warned_of(labels):
    with pytest.warns(UserWarning, match="should lie between 0 and 1, but range from"):
        losses.check_labels(losses.BinaryCrossentropy(), np.array(labels), None)
