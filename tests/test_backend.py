"""keras.backend: Keras 3's functions, and Keras 2's with their warnings."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jkeras as keras
from jkeras import backend as K
from jkeras.backend import _GONE, _KERAS_2

X = np.float32([[1, -2, 3], [4, 5, -6]])
CHANCES = np.float32([[[0.4, 0.1, 0.5], [0.0, 0.7, 0.3]]])  # of two classes, and of none


def old(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return getattr(K, name)


# ------------------------------------------------------------------ Keras 3
def test_dtypes():
    assert [K.is_float_dtype(d) for d in ("float16", "bfloat16", "int8", "bool")] == [
        *(True, True, False, False)
    ]
    assert [K.is_int_dtype(d) for d in ("int8", "uint32", "float32", "bool", "string")] == [
        *(True, True, False, False, False)
    ]
    assert K.standardize_dtype(np.float16) == "float16"


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        (("int32", "float32"), "float32"),
        (("float16", "bfloat16"), "float32"),
        (("int8", "uint8"), "int16"),
        (("bool", "int8"), "int8"),
        ((int, "int8"), "int8"),
        ((float, "bfloat16"), "bfloat16"),
        ((float, "int32"), "float32"),
        ((), "float32"),
    ],
)
def test_result_type(dtypes, expected):
    assert K.result_type(*dtypes) == expected


def test_clear_session():
    keras.utils.set_random_seed(1)
    first = keras.layers.Dense(2, name=None).name, np.asarray(keras.random.normal((2,)))
    keras.config.set_dtype_policy("mixed_bfloat16")
    keras.backend.clear_session()
    again = keras.layers.Dense(2).name, np.asarray(keras.random.normal((2,)))
    assert first[0] == again[0] == "dense"
    np.testing.assert_array_equal(first[1], again[1])
    assert keras.config.dtype_policy().name == "float32"


def test_symbolic_tensors():
    assert K.is_keras_tensor(keras.Input((2,)))
    assert not K.is_keras_tensor(jnp.ones(1))


# ------------------------------------------------------------------ Keras 2
def test_every_old_name_warns_at_the_users_line():
    for name, (instead, _) in _KERAS_2.items():
        with pytest.warns(
            DeprecationWarning, match=f"keras.backend.{name} .*use {instead[:9]}"
        ) as caught:
            getattr(K, name)
        assert caught[0].filename == __file__


def test_what_is_gone_says_what_to_do():
    for name, advice in _GONE.items():
        with pytest.raises(AttributeError, match="Keras 3 has no"):
            getattr(K, name)
        assert advice.endswith(".")
    with pytest.raises(AttributeError, match="has no attribute 'maen'"):
        _ = K.maen


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: old("mean")(X, axis=1, keepdims=True), X.mean(1, keepdims=True)),
        (lambda: old("sum")(X), X.sum()),
        (lambda: old("argmax")(X), X.argmax(-1)),
        (lambda: old("clip")(X, min_value=-1, max_value=2), X.clip(-1, 2)),
        (lambda: old("concatenate")([X, X]), np.concatenate([X, X], -1)),
        (lambda: old("expand_dims")(X), X[..., None]),
        (lambda: old("flatten")(X), X.ravel()),
        (lambda: old("batch_flatten")(X[None]), X.reshape(1, -1)),
        (lambda: old("gather")(X, [1, 0]), X[[1, 0]]),
        (lambda: old("permute_dimensions")(X, (1, 0)), X.T),
        (lambda: old("pow")(X, 2), X**2),
        (lambda: old("relu")(X, alpha=0.5, max_value=4), np.where(X > 0, np.minimum(X, 4), X / 2)),
        (lambda: old("repeat_elements")(X, 2, 1), X.repeat(2, 1)),
        (lambda: old("hard_sigmoid")(X), np.clip(0.2 * X + 0.5, 0, 1)),
        (lambda: old("l2_normalize")(X, axis=1), X / np.linalg.norm(X, axis=1, keepdims=True)),
        (lambda: old("batch_dot")(X, X), (X * X).sum(1, keepdims=True)),
        (lambda: old("batch_dot")(X[None], X.T[None]), (X @ X.T)[None]),
        (lambda: old("batch_dot")(X[None], X[None], axes=2), (X @ X.T)[None]),
        (lambda: old("batch_dot")(X[None], X[None], axes=(1, 1)), (X.T @ X)[None]),
        (lambda: old("switch")(X > 0, X, -X), abs(X)),
        (lambda: old("cumsum")(X), X.cumsum(0)),
        (lambda: old("in_top_k")(X, [2, 0], 1), [True, False]),
        (lambda: old("constant")(3, shape=(2,)), [3.0, 3.0]),
        (lambda: old("zeros")((2,)), [0, 0]),
        (lambda: old("map_fn")(lambda row: row.sum(), X), X.sum(1)),
        (lambda: old("categorical_crossentropy")([[0.0, 1.0]], [[0.5, 0.5]]), [np.log(2)]),
        (lambda: old("one_hot")([1], 2), [[0, 1]]),
        (
            lambda: old("temporal_padding")(X[None], (1, 0)),
            np.pad(X[None], ((0, 0), (1, 0), (0, 0))),
        ),
        (lambda: old("spatial_2d_padding")(X[None, ..., None])[..., 0], np.pad(X, 1)[None]),
        (lambda: old("resize_images")(X[None, ..., None], 2, 1, None)[0, ..., 0], X.repeat(2, 0)),
        (lambda: old("reverse")(X, 1), X[:, ::-1]),
        (lambda: old("repeat")(X, 2), X[:, None].repeat(2, 1)),
        (lambda: old("foldr")(lambda a, b: a - b, X), X[1] - X[0]),
        (lambda: old("bias_add")(X[None], X[:, 0], "channels_first"), X[None] + X[:, :1]),
        (lambda: old("pool2d")(X[None, ..., None], (2, 3), pool_mode="avg").ravel(), [X.mean()]),
        (lambda: old("conv1d")(X[None], np.ones((2, 3, 1)), padding="causal").ravel(), [2, 5]),
        (lambda: old("ctc_batch_cost")([[0]], CHANCES, [[2]], [[1]]), [[-np.log(0.4 * 0.3)]]),
        (lambda: old("ctc_decode")(CHANCES, [2])[0][0], [[1, -1]]),
    ],
)
def test_numbers(call, expected):
    np.testing.assert_allclose(np.asarray(call(), "float64"), expected, rtol=1e-5)


def test_values_of_variables():
    v = old("variable")(X, name="v")
    assert (v.name, v.dtype) == ("v", "float32")
    old("set_value")(v, X * 2)
    np.testing.assert_array_equal(old("get_value")(v), X * 2)
    old("update_add")(v, X)
    old("update_sub")(v, X)
    old("batch_set_value")([(v, X)])
    np.testing.assert_array_equal(old("batch_get_value")([v])[0], X)
    assert old("count_params")(v) == 6
    assert isinstance(old("eval")(jnp.ones(2)), np.ndarray)
    assert old("update")(v, X) is v


def test_shapes():
    assert old("int_shape")(keras.Input((3,))) == (None, 3)
    assert (old("ndim")(X), old("shape")(X), old("dtype")(X)) == (2, (2, 3), "float32")


@pytest.mark.parametrize(
    ("options", "outputs", "state"),
    [
        ({}, [1, 3, 6], 6),
        ({"go_backwards": True}, [3, 5, 6], 6),
        ({"mask": [[True, False, True]]}, [1, 1, 4], 4),
        ({"mask": [[True, False, True]], "zero_output_for_mask": True}, [1, 0, 4], 4),
        ({"return_all_outputs": False}, [6], 6),
        ({"unroll": True}, [1, 3, 6], 6),
        ({"constants": [np.ones((1, 1))]}, [2, 5, 9], 9),
    ],
)
def test_rnn(options, outputs, state):
    def step(x, states):
        total = states[0] + x + (states[1] if len(states) > 1 else 0)
        return total, [total]

    steps = np.float32([[[1], [2], [3]]])
    last, every, states = old("rnn")(step, steps, [np.zeros((1, 1), "float32")], **options)
    assert every[0, :, 0].tolist() == outputs
    assert (last.item(), states[0].item()) == (outputs[-1], state)


def test_a_shape_that_conv2d_transpose_does_not_give():
    x, kernel = np.ones((1, 2, 2, 1)), np.ones((3, 3, 1, 1))
    transpose = old("conv2d_transpose")
    assert transpose(x, kernel, (1, 4, 4, 1), (2, 2), "same").shape == (1, 4, 4, 1)
    with pytest.raises(ValueError, match="with `output_padding`"):
        transpose(x, kernel, (1, 3, 3, 1), (2, 2), "same")


def test_random_numbers():
    assert old("random_normal")((2, 3), mean=5.0, stddev=0.0).tolist() == [[5.0] * 3] * 2
    assert old("random_uniform")((2,), minval=1.0, maxval=1.0, seed=3).tolist() == [1.0, 1.0]


def test_a_loss_written_for_keras_2_is_traced_and_differentiated():
    mean, square = old("mean"), old("square")

    def rmse(y_true, y_pred):
        return old("sqrt")(mean(square(y_pred - y_true)))

    assert float(jax.jit(jax.grad(rmse, argnums=1))(0.0, 3.0)) == 1.0
    x = keras.Input((3,))
    assert mean(x, axis=-1).shape == (None,)
    assert old("temporal_padding")(keras.Input((4, 2))).shape == (None, 6, 2)
