"""The options of weights, which constructors take together."""

import inspect

import pytest

from jkeras import constraints, initializers, layers, regularizers


def names(cls):
    return list(inspect.signature(cls).parameters)


def test_options_stand_in_the_signature_in_keras_s_order():
    assert names(layers.Dense)[2:] == [
        *("use_bias", "kernel_initializer", "bias_initializer", "kernel_regularizer"),
        *("bias_regularizer", "activity_regularizer", "kernel_constraint", "bias_constraint"),
        *("lora_rank", "lora_alpha", "quantization_config", "kwargs"),
    ]
    lstm = names(layers.LSTM)
    assert lstm[6:9] == ["bias_initializer", "unit_forget_bias", "kernel_regularizer"]
    assert lstm[14:17] == ["bias_constraint", "dropout", "recurrent_dropout"]
    assert names(layers.ConvLSTM2D)[-6:-1] == [
        *("seed", "return_sequences", "return_state", "go_backwards", "stateful")
    ]


def test_options_are_kept_as_what_they_stand_for():
    layer = layers.Dense(3, None, True, "ones", "zeros", "l2", activity_regularizer="l1")
    assert isinstance(layer.kernel_initializer, initializers.Ones)
    assert isinstance(layer.kernel_regularizer, regularizers.L2)
    assert isinstance(layer.activity_regularizer, regularizers.L1)
    assert layer.bias_constraint is None
    cell = layers.ConvLSTM2D(2, 3, recurrent_initializer="zeros", bias_regularizer="l2").cell
    assert isinstance(cell.recurrent_initializer, initializers.Zeros)
    assert isinstance(cell.bias_regularizer, regularizers.L2)


def test_a_subclass_hands_options_on():
    class Scores(layers.Dense):
        def __init__(self, units, **kwargs):
            super().__init__(units, kernel_initializer="ones", **kwargs)

    layer = Scores.from_config(Scores(2, use_bias=False, kernel_constraint="non_neg").get_config())
    assert isinstance(layer.kernel_constraint, constraints.NonNeg) and not layer.use_bias
    assert isinstance(layer.kernel_initializer, initializers.Ones)
    with pytest.raises(ValueError, match="did you mean 'kernel_initializer'"):
        layers.Dense(2, kernel_initialiser="ones")
    with pytest.raises(TypeError, match="multiple values for argument 'units'"):
        Scores(2, units=2)
    with pytest.raises(TypeError, match="multiple values for argument 'activation'"):
        layers.Dense(2, "relu", activation="relu")
