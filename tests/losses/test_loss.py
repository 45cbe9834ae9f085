"""Loss: reductions, weights, masks, dtypes, shapes that do not fit, the user's own losses."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jkeras import losses, metrics
from jkeras.base.registry import custom_object_scope
from jkeras.core import policy, scope
from jkeras.core.graph import SymbolicTensor

Y_TRUE = np.zeros((3, 2), "f4")
Y_PRED = np.array([[1.0, 3.0], [2.0, 2.0], [4.0, 0.0]], "f4")
VALUES = np.array([5.0, 4.0, 8.0])
WEIGHTS = np.array([1.0, 0.0, 3.0])


def mse(reduction="sum_over_batch_size", **options):
    return losses.MeanSquaredError(reduction=reduction, **options)


# ------------------------------------------------------------------ reductions
@pytest.mark.parametrize(
    ("reduction", "plain", "weighted"),
    [
        ("sum", 17.0, 29.0),
        ("sum_over_batch_size", 17.0 / 3, 29.0 / 3),
        ("mean", 17.0 / 3, 29.0 / 3),
        ("mean_with_sample_weight", 17.0 / 3, 29.0 / 4),
        ("none", VALUES, VALUES * WEIGHTS),
        (None, VALUES, VALUES * WEIGHTS),
    ],
)
def test_reductions(reduction, plain, weighted):
    assert np.allclose(mse(reduction)(Y_TRUE, Y_PRED), plain)
    for weights in (WEIGHTS, WEIGHTS[:, None], list(WEIGHTS)):
        assert np.allclose(mse(reduction)(Y_TRUE, Y_PRED, weights), weighted)


@pytest.mark.parametrize(
    ("reduction", "masked", "both"),
    [
        ("sum", 9.0, 5.0),
        ("sum_over_batch_size", 4.5, 2.5),
        ("mean_with_sample_weight", 4.5, 5.0),
        (None, [5.0, 4.0, 0.0], [5.0, 0.0, 0.0]),
    ],
)
def test_masked_losses_do_not_count(reduction, masked, both):
    mask = np.array([True, True, False])
    assert np.allclose(mse(reduction)(Y_TRUE, Y_PRED, mask=mask), masked)
    assert np.allclose(mse(reduction)(Y_TRUE, Y_PRED, WEIGHTS, mask=mask), both)


def test_an_infinite_masked_loss_does_not_count():
    y_pred = np.where(np.arange(3)[:, None] == 2, np.inf, Y_PRED)
    assert mse()(Y_TRUE, y_pred, mask=[True, True, False]) == 4.5


def test_everything_masked_or_weightless_is_0():
    assert mse()(Y_TRUE, Y_PRED, mask=np.zeros(3, bool)) == 0
    assert mse("mean_with_sample_weight")(Y_TRUE, Y_PRED, np.zeros(3)) == 0


def test_the_mask_of_the_predictions_is_found_in_the_scope():
    y_pred = jnp.asarray(Y_PRED)
    with scope.enter(scope.Eager()) as here:
        here.set_mask(y_pred, jnp.array([False, True, True]))
        assert mse()(Y_TRUE, y_pred) == 6.0
        assert mse()(Y_TRUE, y_pred, mask=[True, False, False]) == 5.0  # an own one comes first
    assert np.isclose(mse()(Y_TRUE, y_pred), 17 / 3)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(
    mask=st.lists(st.booleans(), min_size=3, max_size=3),
    reduction=st.sampled_from(["sum", "mean", "mean_with_sample_weight"]),
)
def test_a_mask_is_the_same_as_leaving_out(mask, reduction):
    kept = np.array(mask)
    values, weights = VALUES[kept], WEIGHTS[kept] + 1
    counts = {"sum": 1, "mean": max(kept.sum(), 1), "mean_with_sample_weight": weights.sum() or 1}
    expected = (values * weights).sum() / counts[reduction]
    assert np.isclose(mse(reduction)(Y_TRUE, Y_PRED, WEIGHTS + 1, mask=kept), expected)


def test_weights_belong_to_the_first_axes():
    y_pred = np.arange(18.0).reshape(3, 3, 2)
    values = (y_pred**2).mean(-1)
    weighted = mse(None)(np.zeros((3, 3, 2)), y_pred, WEIGHTS)  # as many samples as time steps
    assert np.allclose(weighted, values * WEIGHTS[:, None])
    steps = np.random.default_rng(0).random((3, 3))
    assert np.allclose(mse(None)(np.zeros((3, 3, 2)), y_pred, steps), values * steps)
    assert np.allclose(mse("mean")(np.zeros((3, 3, 2)), y_pred, 2.0), 2 * values.mean())
    by_step = mse("mean_with_sample_weight")(np.zeros((3, 3, 2)), y_pred, WEIGHTS)
    assert np.isclose(by_step, np.average(values.mean(1), weights=WEIGHTS))


@pytest.mark.parametrize("weights", [np.ones((3, 2)), np.ones(2), np.ones((1, 3))])
def test_weights_that_do_not_fit_are_refused(weights):
    with pytest.raises(
        ValueError, match=r"sample_weight of shape .* cannot weight values of shape"
    ):
        mse()(Y_TRUE, Y_PRED, weights)


def test_one_number_for_the_whole_batch_cannot_be_weighted_by_sample():
    with pytest.raises(ValueError, match="cannot weight one number for the whole batch"):
        losses.Dice()(Y_TRUE, Y_PRED, WEIGHTS)
    assert losses.Dice()(Y_TRUE, Y_PRED, 2.0) == 2 * losses.Dice()(Y_TRUE, Y_PRED)


def test_sums_of_many_losses_in_float16_are_exact():
    ones = np.ones((5000, 1), "float16")
    assert mse("mean", dtype="float16")(0 * ones, ones, mask=np.ones(5000, bool)) == 1.0


def test_an_unknown_reduction_is_refused():
    with pytest.raises(ValueError, match=r"Invalid value for argument `reduction`.*reduction=avg"):
        mse("avg")


# ------------------------------------------------------------------ shapes and dtypes
@pytest.mark.parametrize(
    ("target", "output", "values"),
    [((4,), (4, 1), (4,)), ((4, 1), (4,), (4,)), ((4, 3), (4, 3, 1), (4,)), ((4,), (4,), ())],
)
def test_an_axis_of_size_1_does_not_matter(target, output, values):
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.random(target), rng.random(output)
    result = mse(None)(y_true, y_pred)
    assert result.shape == values
    assert np.isclose(result.mean(), np.mean((y_true.ravel() - y_pred.ravel()) ** 2))


@pytest.mark.parametrize(("target", "output"), [((2,), (3, 2)), ((3,), (3, 2)), ((4, 2), (3, 2))])
def test_shapes_that_do_not_fit_are_refused(target, output):
    for name in ("mean_squared_error", "huber", "poisson", "hinge", "dice"):
        with pytest.raises(ValueError, match="Incompatible shapes"):
            getattr(losses, name)(np.ones(target), np.ones(output))
    with pytest.raises(ValueError, match="`target` and `output` must have the same shape"):
        losses.binary_crossentropy(np.ones(target), np.ones(output))


def test_class_numbers_for_one_hot_labels_and_the_reverse_say_what_to_do():
    labels, y_pred = np.array([0, 2]), np.full((2, 3), 1 / 3, "f4")
    with pytest.raises(ValueError, match=r"use sparse_categorical_crossentropy, or .*\(y, 3\)"):
        losses.CategoricalCrossentropy()(labels, y_pred)
    with pytest.raises(ValueError, match="looks one-hot: use categorical_crossentropy"):
        losses.SparseCategoricalCrossentropy()(np.eye(3)[labels], y_pred)
    two = np.full((2, 2), 0.5)
    with pytest.raises(
        ValueError, match=r"sparse_categorical_crossentropy with 2 units .* sigmoid"
    ):
        losses.BinaryCrossentropy()(labels, two)
    with pytest.raises(ValueError, match=r"with 2 units and a softmax, or one unit"):
        losses.BinaryFocalCrossentropy()(labels[:, None], two)
    with pytest.raises(ValueError, match="has no axis 2"):
        losses.sparse_categorical_crossentropy(labels, y_pred, axis=2)


def test_one_class_is_warned_of():
    for name, y_true in (
        ("categorical_crossentropy", [[1.0]]),
        ("sparse_categorical_crossentropy", [0]),
    ):
        with pytest.warns(SyntaxWarning, match="Consider using 'binary_crossentropy'"):
            getattr(losses, name)(y_true, [[0.7]])


def test_the_dtype():
    assert mse()(Y_TRUE, Y_PRED.astype("float16")).dtype == "float32"
    assert mse(dtype="bfloat16")(Y_TRUE, Y_PRED).dtype == "bfloat16"
    assert mse(dtype=policy.DTypePolicy("mixed_float16")).dtype == "float16"
    assert losses.mean_squared_error(Y_TRUE, Y_PRED.astype("float16")).dtype == "float16"
    assert losses.mean_squared_error(Y_TRUE.astype("i4"), Y_PRED.astype("i4")).dtype == "float32"


def test_class_numbers_are_not_rounded_to_the_dtype():
    y_pred = np.zeros((1, 300), "f4")
    y_pred[0, 257] = 1
    loss = losses.SparseCategoricalCrossentropy(from_logits=True, dtype="bfloat16")
    assert loss([257], y_pred * 20) < 0.1 < loss([256], y_pred * 20)


# ------------------------------------------------------------------ the user's own
def test_a_loss_of_the_user():
    class Distance(losses.Loss):
        def __init__(self, power=2, **kwargs):
            super().__init__(**kwargs)
            self.power = power

        def call(self, y_true, y_pred):
            return jnp.mean(jnp.abs(y_true - y_pred["a"]) ** self.power, axis=-1)

    loss = Distance(3, reduction="sum")
    assert loss(Y_TRUE.astype("i4"), {"a": Y_PRED}) == 14 + 8 + 32
    assert loss.get_config() == {"name": "distance", "reduction": "sum", "power": 3}
    again = Distance.from_config(loss.get_config())
    assert (again.power, again.reduction, again.name) == (3, "sum", "distance")
    assert [Distance().name, Distance(name="mine").name] == ["distance_1", "mine"]


def test_a_loss_of_the_user_may_have_a_constructor_of_its_own():
    class Fixed(losses.Loss):
        def __init__(self):
            super().__init__(name="fixed")

        def call(self, y_true, y_pred):
            return jnp.ones(len(y_pred))

    assert Fixed.from_config(Fixed().get_config())(Y_TRUE, Y_PRED) == 1


def test_a_loss_without_call_says_so():
    with pytest.raises(
        NotImplementedError, match=r"Empty has no method call\(self, y_true, y_pred\)"
    ):
        type("Empty", (losses.Loss,), {})()(Y_TRUE, Y_PRED)


def test_lists_of_numbers_and_of_arrays_are_targets():
    assert mse()([[0, 0], [0, 0]], [[1, 3], [2, 2]]) == 4.5
    assert mse("sum")([Y_TRUE, Y_TRUE], [Y_PRED, Y_PRED]) == 34


def test_a_loss_of_symbolic_tensors_is_symbolic():
    x = SymbolicTensor((None, 4))
    assert losses.mean_squared_error(x, x * 2).shape == (None,)
    assert mse()(x, x * 2).shape == ()


def test_losses_are_pure_functions():
    jitted = jax.jit(lambda p, w, m: mse()(Y_TRUE, p, w, mask=m))
    mask = np.array([True, False, True])
    assert np.isclose(jitted(Y_PRED, WEIGHTS, mask), mse()(Y_TRUE, Y_PRED, WEIGHTS, mask=mask))
    assert jax.vmap(mse(), in_axes=(None, 0))(Y_TRUE, np.stack([Y_PRED, 2 * Y_PRED])).shape == (2,)


@pytest.mark.parametrize("base", [losses.LossFunctionWrapper, metrics.MeanMetricWrapper])
def test_the_config_of_a_wrapper_s_subclass_holds_the_function(base):
    """So that a `get_config` of the user's, written for Keras, can take it out again."""

    def off_by(y_true, y_pred, power=1):
        return abs(y_true - y_pred) ** power

    class Own(base):
        def __init__(self, name="own", power=2, **kwargs):
            super().__init__(off_by, name=name, power=power, **kwargs)

    class Explicit(Own):
        def get_config(self):
            config = super().get_config()
            config.pop("fn")
            return config

    for cls in (Own, Explicit):
        one = cls(power=3)
        config = one.get_config()
        assert ("fn" in config) == (cls is Own) and config["power"] == 3
        with custom_object_scope({"off_by": off_by}):
            again = cls.from_config(json.loads(json.dumps(config)))
        assert (again.name, again.power) == ("own", 3)
        assert again([[0.0]], [[2.0]]) == 8.0


def test_the_dtype_cannot_be_set():
    with pytest.raises(AttributeError):
        losses.Huber().dtype = "float16"
    with pytest.raises(AttributeError):
        metrics.AUC().dtype = "float16"


def test_a_user_s_loss_of_one_number_is_multiplied_by_the_mean_weight():
    def one_number(y_true, y_pred):
        return jnp.mean(jnp.square(y_true - y_pred))

    loss = losses.LossFunctionWrapper(one_number)
    with pytest.warns(UserWarning, match="'one_number' gives one number for the whole batch"):
        weighted = loss(Y_TRUE, Y_PRED, WEIGHTS)
    assert np.isclose(weighted, loss(Y_TRUE, Y_PRED) * np.mean(WEIGHTS))
