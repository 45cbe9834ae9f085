"""Scopes: what weights read as, who draws which random numbers, and where masks go."""

import gc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jkeras as keras
from jkeras import Variable, layers, ops, pure
from jkeras.core import scope


class Affine(layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")

    def call(self, inputs):
        return inputs @ self.kernel


# ------------------------------------------------------------------ closed scopes
def test_a_weight_of_another_layer_is_an_error_that_names_it():
    stranger = Variable(2.0, name="temperature")

    class Scaled(layers.Layer):
        def call(self, inputs):
            return inputs * stranger

    scaled = Scaled(name="scaled")
    assert scaled(np.ones(1)).tolist() == [2.0]  # eagerly, cells are open
    with pytest.raises(
        ValueError, match=r"'temperature' is read in the call of .*scaled.*\n.*attribute"
    ):
        pure.apply(scaled, ({}, {}), jnp.ones(1))


def test_writing_to_another_layers_weight_is_an_error():
    stranger = Variable(0.0, name="count")

    class Counting(layers.Layer):
        def call(self, inputs):
            stranger.assign(1.0)
            return inputs

    with pytest.raises(ValueError, match="'count' is written"):
        pure.apply(Counting(), ({}, {}), jnp.ones(1))


def test_an_inner_call_of_a_foreign_layer_is_an_error():
    inner = Affine(2)
    inner(np.ones((1, 3)))

    class Outer(layers.Layer):
        def call(self, inputs):
            return inner(inputs)

    with pytest.raises(ValueError, match="does not own it"):
        pure.apply(Outer(), ({}, {}), jnp.ones((1, 3)))


def test_scopes_end_with_their_block():
    here = scope.Pure()
    with scope.enter(here):
        assert scope.current() is here
        with scope.outside():
            assert scope.current() is None
        assert scope.current() is here
    assert scope.current() is None


def test_an_error_in_a_call_leaves_no_scope_behind():
    class Broken(layers.Layer):
        def call(self, inputs):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Broken()(np.ones(1))
    assert scope.current() is None


# ------------------------------------------------------------------ randomness
class Noise(layers.Layer):
    def call(self, inputs):
        return inputs + keras.random.normal(inputs.shape)


class Pair(layers.Layer):
    def __init__(self, *parts):
        super().__init__()
        self.parts = list(parts)

    def call(self, inputs):
        return [part(inputs) for part in self.parts]


def drawn(layer, seed=0):
    outputs, _ = pure.apply(layer, ({}, {}), jnp.zeros(3), rng=jax.random.key(seed))
    return [np.asarray(x) for x in jax.tree.leaves(outputs)]


def test_draws_follow_from_the_key_and_the_path():
    first, second = drawn(Pair(Noise(name="a"), Noise(name="b")))
    assert not np.allclose(first, second)
    again = drawn(Pair(Noise(name="a"), Noise(name="b")))
    np.testing.assert_array_equal(first, again[0])
    assert not np.allclose(first, drawn(Pair(Noise(name="a"), Noise(name="b")), seed=1)[0])


def test_a_new_random_layer_does_not_change_the_others():
    before = drawn(Pair(Noise(name="a"), Noise(name="b")))
    after = drawn(Pair(Noise(name="a"), Noise(name="new"), Noise(name="b")))
    np.testing.assert_array_equal(before[0], after[0])
    np.testing.assert_array_equal(before[1], after[2])


def test_the_order_of_calls_does_not_count():
    class Backwards(Pair):
        def call(self, inputs):
            return [part(inputs) for part in self.parts[::-1]]

    forward = drawn(Pair(Noise(name="a"), Noise(name="b")))
    backward = drawn(Backwards(Noise(name="a"), Noise(name="b")))
    np.testing.assert_array_equal(forward[0], backward[1])


def test_each_call_of_a_shared_layer_draws_anew():
    noise = Noise(name="a")
    first, second = drawn(Pair(noise, noise))
    assert not np.allclose(first, second)


def test_dropout_beside_another_layer_changes_nothing_in_it():
    def build(extra):
        parts = [layers.Dropout(0.5, name="first"), *extra, layers.Dropout(0.5, name="last")]
        layer = Pair(*parts)
        outputs, _ = pure.apply(layer, ({}, {}), jnp.ones(64), training=True, rng=jax.random.key(3))
        return outputs

    before, after = build([]), build([layers.Dropout(0.5, name="new")])
    np.testing.assert_array_equal(before[0], after[0])
    np.testing.assert_array_equal(before[-1], after[-1])


def test_drawing_without_a_key_is_an_error():
    with pytest.raises(ValueError, match=r"drawn in .*Noise.*\n.*rng=jax.random.key"):
        pure.apply(Noise(), ({}, {}), jnp.zeros(3))


def test_eager_draws_follow_from_the_global_seed():
    def draw():
        keras.utils.set_random_seed(7)
        return [np.asarray(Noise()(np.zeros(2))) for _ in range(2)]

    first, second = draw()
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(draw(), [first, second])


def test_a_generators_state_is_the_layers_state():
    class Seeded(layers.Layer):
        def __init__(self):
            super().__init__()
            self.generator = keras.random.SeedGenerator(3)

        def call(self, inputs):
            return inputs + keras.random.normal(inputs.shape, seed=self.generator)

    layer = Seeded()
    variables = pure.read(layer)
    first, effects = pure.apply(layer, variables, jnp.zeros(2))
    second, _ = pure.apply(layer, (variables.params, effects.state), jnp.zeros(2))
    again, _ = pure.apply(layer, variables, jnp.zeros(2))
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(first, again)
    assert layer.weights == []
    assert [v.name for v in layer.variables] == ["seed_generator_state"]


# ------------------------------------------------------------------ masks
class Masking(layers.Layer):
    """Gives its outputs a mask: what is not zero."""

    def call(self, inputs):
        return inputs * 2

    def compute_mask(self, inputs, previous_mask=None):
        return ops.any(ops.not_equal(inputs, 0), axis=-1)


class Through(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs):
        return inputs + 1


class Stop(layers.Layer):
    def call(self, inputs):
        return inputs + 1


class Take(layers.Layer):
    def call(self, inputs, mask=None):
        return jnp.full(inputs.shape[:2], -1) if mask is None else mask.astype("int32")


class Chain(layers.Layer):
    def __init__(self, *parts):
        super().__init__()
        self.parts = list(parts)

    def call(self, inputs):
        for part in self.parts:
            inputs = part(inputs)
        return inputs


X = np.array([[[1.0, 0.0], [0.0, 0.0]]])


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([Masking, Take], [[1, 0]]),
        ([Masking, Through, Through, Take], [[1, 0]]),
        ([Masking, Stop, Take], [[-1, -1]]),
        ([Through, Take], [[-1, -1]]),
    ],
)
def test_masks_reach_the_layers_that_take_them(parts, expected):
    chain = [part() for part in parts]
    eager = X
    for part in chain:
        eager = part(eager)
    whole = Chain(*chain)
    jitted = jax.jit(lambda x: pure.apply(whole, ({}, {}), x)[0])
    inputs = outputs = keras.Input((2, 2))
    for part in chain:
        outputs = part(outputs)
    functional = keras.Model(inputs, outputs)
    for result in (eager, whole(X), jitted(X), functional(X)):
        assert np.asarray(result).tolist() == expected


def test_a_mask_that_is_passed_wins():
    masked = Masking()(X)
    assert Take()(masked, mask=jnp.array([[True, True]])).tolist() == [[1, 1]]


def test_masks_by_argument_name():
    class Attend(layers.Layer):
        def call(self, query, value, query_mask=None, value_mask=None):
            return [query_mask is None, value_mask is None]

    assert Attend()(X, Masking()(X)) == [True, False]
    assert Attend()(query=Masking()(X), value=X) == [False, True]


def test_the_mask_of_an_array_goes_with_the_array():
    masked = Masking()(X)
    assert scope.get_mask(masked) is not None
    key = id(masked)
    del masked
    gc.collect()
    assert key not in scope.lasting_masks


# ------------------------------------------------------------------ training flag
class Flag(layers.Layer):
    def call(self, inputs, training=None):
        return jnp.asarray(int(bool(training)))


class Inside(layers.Layer):
    def __init__(self, part, **kwargs):
        super().__init__(**kwargs)
        self.part = part

    def call(self, inputs):
        return self.part(inputs)


class Fixed(layers.Layer):
    def __init__(self, part):
        super().__init__()
        self.part = part

    def call(self, inputs):
        return self.part(inputs, training=False)


@pytest.mark.parametrize("training", [True, False, None])
def test_the_training_flag_reaches_inner_layers(training):
    assert int(Inside(Inside(Flag()))(X, training=training)) == int(bool(training))
    assert int(Fixed(Flag())(X, training=training)) == 0


def test_the_training_flag_of_a_pure_call():
    for training in (True, False):
        outputs, _ = pure.apply(Inside(Flag()), ({}, {}), X, training=training)
        assert int(outputs) == int(training)


def test_an_inner_flag_ends_with_its_call():
    class Both(layers.Layer):
        def __init__(self):
            super().__init__()
            self.flag = Flag()

        def call(self, inputs):
            return [self.flag(inputs, training=False), self.flag(inputs)]

    assert [int(x) for x in Both()(X, training=True)] == [0, 1]
