"""Layer: building, weights, calls, and what errors say."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jkeras as keras
from jkeras import layers, ops

X = np.ones((2, 3), "float32")


class Unit(layers.Layer):
    def __init__(self, units=2, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.average = self.add_weight(
            shape=(self.units,), initializer="zeros", trainable=False, name="average"
        )
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def call(self, inputs):
        return inputs @ self.kernel + self.bias


class Nest(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.blocks = [Unit(3), Unit(3, name="mine")]
        self.named = {"b": Unit(3), "a": Unit(3)}
        self.pair = (Unit(3), [Unit(3)])
        self.again = self.blocks[0]
        self.gain = keras.Variable([1.0, 2.0, 3.0], name="gain")

    def call(self, inputs):
        for block in (*self.blocks, *self.named.values(), self.pair[0], self.pair[1][0]):
            inputs = block(inputs)
        return inputs * self.gain


# ------------------------------------------------------------------ building
def test_built_once_at_the_first_call():
    shapes = []

    class Noting(layers.Layer):
        def build(self, input_shape):
            shapes.append(input_shape)

        def call(self, inputs):
            return inputs

    layer = Noting()
    assert not layer.built
    layer(X)
    layer(X)
    layer.build((None, 3))
    assert layer.built
    assert shapes == [(2, 3)]


def test_build_sees_none_for_the_batch_of_a_symbolic_input():
    unit = Unit()
    unit(keras.Input((3,)))
    assert unit.get_build_config() == {"input_shape": (None, 3)}


def test_build_by_argument_names():
    class Two(layers.Layer):
        def build(self, query_shape, value_shape):
            self.shapes = (query_shape, value_shape)

        def call(self, query, value):
            return query + value.sum()

    two = Two()
    two(X, value=np.ones((4, 5)))
    assert two.shapes == ((2, 3), (4, 5))
    assert two.get_build_config() == {"shapes_dict": {"query_shape": (2, 3), "value_shape": (4, 5)}}
    again = Two()
    again.build_from_config(two.get_build_config())
    assert again.shapes == two.shapes


def test_build_of_a_structure_of_inputs():
    class Joined(layers.Layer):
        def build(self, input_shape):
            self.shape = input_shape

        def call(self, inputs):
            return inputs["a"] + inputs["b"][0]

    joined = Joined()
    joined({"a": X, "b": [X]})
    assert joined.shape == {"a": (2, 3), "b": [(2, 3)]}


def test_subclasses_build_through_super():
    class More(Unit):
        def build(self, input_shape):
            super().build(input_shape)
            self.extra = self.add_weight(shape=(), name="extra")

    more = More(name="more")
    more(X)
    assert [w.path for w in more.weights] == [
        *("more/kernel", "more/bias", "more/extra", "more/average")
    ]


def test_sub_layers_built_in_build_have_its_path():
    class Outer(layers.Layer):
        def build(self, input_shape):
            self.unit = Unit(name="unit")
            self.unit.build(input_shape)

        def call(self, inputs):
            return self.unit(inputs)

    outer = Outer(name="outer")
    outer(X)
    assert outer.unit.kernel.path == "outer/unit/kernel"


def test_weights_are_initialized_as_asked():
    unit = Unit()
    weight = unit.add_weight(shape=(2,), initializer=lambda s, dtype: jnp.full(s, 3.0), name="w")
    number = unit.add_weight(name="number", dtype="int32")
    assert weight.numpy().tolist() == [3.0, 3.0]
    assert (number.shape, number.numpy()) == ((), 0)
    assert unit.add_weight("old", (4,)).name == "old"


def test_a_weight_of_unknown_size_is_an_error():
    with pytest.raises(ValueError, match=r"'kernel' of the layer 'unit' has an axis of unknown"):
        Unit(name="unit")(keras.KerasTensor((None, None)))


def test_count_params():
    unit = Unit(name="unit")
    with pytest.raises(ValueError, match="'unit' isn't built"):
        unit.count_params()
    unit.build((None, 3))
    assert unit.count_params() == 2 + 6 + 2


# ------------------------------------------------------------------ weights and sub-layers
def test_weights_in_order_of_definition_trainable_ones_first():
    nest = Nest(name="nest")
    nest(X)
    units = ("unit", "mine", "unit_1", "unit_2", "unit_3", "unit_4")
    assert [w.path for w in nest.weights] == [
        "gain",
        *(f"nest/{u}/{w}" for u in units for w in ("kernel", "bias", "average")),
    ]
    assert [w.name for w in nest.non_trainable_weights] == ["average"] * 6
    assert len(nest.trainable_weights) == 13


def test_get_and_set_weights():
    first, second = Unit(), Unit()
    first(X)
    second(X)
    second.set_weights(first.get_weights())
    np.testing.assert_array_equal(first(X), second(X))


def test_set_weights_checks():
    unit = Unit(name="unit")
    with pytest.raises(ValueError, match="not built yet"):
        unit.set_weights([np.zeros(3)])
    unit(X)
    with pytest.raises(ValueError, match="got 1 arrays, but the layer has 3 weights"):
        unit.set_weights([np.zeros(3)])
    before = unit.get_weights()
    with pytest.raises(ValueError, match=r"'unit/bias'.*shape \(2,\).*\(5,\)"):
        unit.set_weights([np.zeros((3, 2)), np.zeros(5), np.zeros(2)])
    np.testing.assert_array_equal(unit.get_weights()[0], before[0])  # nothing was set


def test_freezing_reaches_inner_layers_and_back():
    nest = Nest()
    nest(X)
    nest.blocks[0].trainable = False
    assert len(nest.trainable_weights) == 11
    nest.trainable = False
    assert nest.trainable_weights == []
    assert len(nest.non_trainable_weights) == 19
    nest.trainable = True
    assert len(nest.trainable_weights) == 13  # but "average" never is


def test_freezing_does_not_change_the_order_of_weights():
    unit = Unit()
    unit(X)
    before = [w.name for w in unit.weights]
    unit.trainable = False
    assert [w.name for w in unit.weights] == before


def test_frozen_before_it_is_built():
    unit = Unit(trainable=False)
    unit(X)
    assert unit.trainable_weights == []


# ------------------------------------------------------------------ losses
def test_losses_of_the_last_eager_call():
    class Penalty(layers.Layer):
        def call(self, inputs):
            self.add_loss(inputs.sum())
            return inputs

    class Holder(layers.Layer):
        def __init__(self):
            super().__init__()
            self.part = Penalty()

        def call(self, inputs):
            return self.part(self.part(inputs))

    holder = Holder()
    for _ in range(2):
        holder(X)
        assert [float(loss) for loss in holder.losses] == [6.0, 6.0]


def test_regularizers_are_losses():
    dense = layers.Dense(1, kernel_initializer="ones", kernel_regularizer="l2", use_bias=False)
    dense(X)
    assert [round(float(loss), 6) for loss in dense.losses] == [0.03]


# ------------------------------------------------------------------ calls
def test_inputs_are_arrays_of_the_compute_dtype():
    seen = []

    class See(layers.Layer):
        def call(self, inputs, other=None):
            seen.append([(type(x).__module__.split(".")[0], str(x.dtype)) for x in inputs])
            return inputs[0]

    See(dtype="float16")([np.ones(2), np.ones(2, int)])
    See(dtype="float16", autocast=False)([np.ones(2, "float32"), jnp.ones(2, "bfloat16")])
    assert [[dtype for _, dtype in call] for call in seen] == [
        ["float16", "int32"],
        ["float32", "bfloat16"],
    ]
    assert all(module in ("jax", "jaxlib") for call in seen for module, _ in call)


def test_mixed_precision_computes_in_16_bits_and_keeps_32():
    unit = Unit(dtype="mixed_bfloat16")
    outputs = unit(X)
    assert (outputs.dtype, unit.kernel.dtype, unit.kernel.value.dtype) == (
        "bfloat16",
        "float32",
        "float32",
    )


def test_lists_of_numbers_are_arrays():
    assert layers.Dense(1, kernel_initializer="ones")([[1.0, 2.0]]).tolist() == [[3.0]]


def test_arrays_of_other_libraries_are_arrays():
    class Tensor:  # as a data frame, or a tensor of PyTorch
        def __array__(self, dtype=None, copy=None):
            return np.array([[1.0, 2.0]], dtype)

    assert layers.Dense(1, kernel_initializer="ones")(Tensor()).tolist() == [[3.0]]
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, kernel_initializer="ones")])
    assert model(Tensor()).tolist() == [[3.0]]


def test_structures_in_and_out():
    class Swap(layers.Layer):
        def call(self, inputs):
            return {"x": inputs["y"], "y": (inputs["x"], None)}

    out = Swap()({"x": np.zeros(1), "y": np.ones(1)})
    assert (out["x"].tolist(), out["y"][0].tolist(), out["y"][1]) == ([1.0], [0.0], None)


def test_extra_arguments_of_call():
    class Scale(layers.Layer):
        def call(self, inputs, factor, *, shift=0.0):
            return inputs * factor + shift

    scale = Scale()
    assert scale(np.ones(1), 3.0, shift=1.0).tolist() == [4.0]
    x = keras.Input((3,))
    model = keras.Model(x, scale(x, 2.0, shift=x))
    np.testing.assert_allclose(model(X), X * 3)
    with pytest.raises(TypeError, match=r"Scale.call\(\).*'factor'"):
        scale(np.ones(1))


def test_output_shapes_without_writing_them():
    class Odd(layers.Layer):
        def call(self, inputs):
            return [inputs[:, 0], {"wide": ops.concatenate([inputs, inputs], axis=-1)}]

    shapes = Odd().compute_output_shape((None, 3))
    assert shapes == [(None,), {"wide": (None, 6)}]
    first, rest = Odd()(keras.Input((3,)))
    assert (first.shape, rest["wide"].shape) == ((None,), (None, 6))


def test_a_written_output_shape_is_used():
    class Opaque(layers.Layer):
        def call(self, inputs):
            return jnp.asarray(np.asarray(inputs)[:, :1])  # cannot be evaluated abstractly

        def compute_output_shape(self, input_shape):
            return (input_shape[0], 1)

    assert Opaque()(keras.Input((3,))).shape == (None, 1)


@pytest.mark.parametrize(
    ("base", "args", "shape", "outputs"),
    [
        (layers.Dense, (2,), (None, 3), (None, 2)),
        (layers.Conv1D, (2, 3), (None, 8, 3), (None, 6, 2)),
        (layers.Flatten, (), (None, 2, 3), (None, 6)),
        (layers.Concatenate, (), [(None, 2), (None, 3)], (None, 5)),
    ],
    ids=["Dense", "Conv1D", "Flatten", "Concatenate"],
)
def test_a_subclass_asks_for_the_output_shape_of_its_base(base, args, shape, outputs):
    class Asking(base):
        def build(self, input_shape):
            super().build(input_shape)
            self.shape_in_build = self.compute_output_shape(input_shape)
            self.later = layers.Dense(1)

        def call(self, inputs):
            return super().call(inputs) if self.later else None  # which `build` has not made yet

        def compute_output_shape(self, input_shape):
            return super().compute_output_shape(input_shape)

    layer = Asking(*args)
    inputs = [keras.Input(s[1:]) for s in shape] if isinstance(shape, list) else shape[1:]
    inputs = inputs if isinstance(shape, list) else keras.Input(inputs)
    assert layer(inputs).shape == outputs
    assert tuple(layer.shape_in_build) == outputs
    assert layer.compute_output_shape(shape) == outputs


def test_input_and_output_are_those_of_the_first_call():
    x = keras.Input((3,))
    dense = layers.Dense(2)
    y = dense(x)
    assert dense.input is x
    assert dense.output is y
    dense(keras.Input((3,)))
    dense(layers.Dense(3)(y))
    assert dense.input is x
    assert dense.output is y
    with pytest.raises(AttributeError, match="never been called and thus has no defined input"):
        _ = layers.Dense(2).input


# ------------------------------------------------------------------ errors
def test_a_traced_value_as_an_attribute():
    class Scratch(layers.Layer):
        def __init__(self):
            super().__init__(name="scratch")
            self.seen, self.cache = [], None

        def call(self, inputs):
            if self.cache is None:
                self.cache = inputs * 2
            self.seen = [inputs]
            self.seen.append(self.cache)
            self.last = inputs + self.seen[1]
            return self.last

    class Outer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = Scratch()

        def call(self, inputs):
            self.inner(inputs)
            return self.inner.last + 1  # the outer call has not ended

    outer = Outer()
    assert outer(keras.Input((3,))).shape == (None, 3)
    with pytest.warns(UserWarning, match=r"Scratch.call\(\) sets self.\w+ to a traced value"):
        first = jax.jit(outer)(X)
    second, _ = jax.jit(lambda x: keras.pure.apply(outer, ({}, {}), x))(X + 1)
    np.testing.assert_allclose(first, 3 * X + 1)
    np.testing.assert_allclose(second, 3 * (X + 1) + 1)
    inner = copy.deepcopy(outer).inner
    assert (inner.seen, inner.cache, hasattr(inner, "last")) == ([], None, False)
    outer(X)  # eagerly, it is an array like any other
    np.testing.assert_allclose(outer.inner.last, 3 * X)
    with pytest.raises(AttributeError, match="last"):
        jax.grad(lambda x: (outer(x) + outer.inner.last).sum())(X)  # not the array of before


@pytest.mark.parametrize("kind", ["array", "weight"])
def test_a_traced_value_in_place_of_state(kind):
    class Leaky(layers.Layer):
        def build(self, input_shape):
            self.total = self.add_weight(()) if kind == "weight" else np.zeros(())

        def call(self, inputs):
            self.total = self.total + inputs.sum()
            return inputs

    message = r"'leaky' sets self.total to a traced value.*\n.*add_weight.*add_loss"
    with pytest.raises(ValueError, match=message):
        jax.jit(Leaky(name="leaky"))(X)
    if kind == "array":
        leaky = Leaky(name="leaky")
        leaky(X)
        with pytest.raises(ValueError, match=message):
            jax.jit(leaky)(X)
    layer = Unit()
    with pytest.raises(ValueError, match="traced value"):
        jax.jit(lambda x: setattr(layer, "x", x))(X)  # outside of any call


def test_super_init_forgotten():
    class Forgetful(layers.Layer):
        def __init__(self):
            self.unit = Unit()

        def call(self, inputs):
            return inputs

    with pytest.raises(RuntimeError, match=r"Forgetful.__init__\(\) did not call super"):
        Forgetful()(X)


def test_no_call_method():
    with pytest.raises(NotImplementedError, match=r"Write call\(self, inputs\)"):

        class Empty(layers.Layer):
            pass

        Empty()(X)


def test_unknown_arguments_name_the_nearest():
    with pytest.raises(ValueError, match=r"passed to Dense.*did you mean 'input_shape'\?"):
        layers.Dense(2, input_shpae=(3,))


@pytest.mark.parametrize("name", ["a/b", 3])
def test_bad_names(name):
    with pytest.raises(ValueError, match=r"name of a layer"):
        layers.Dense(1, name=name)


def test_the_users_own_error_is_kept_and_says_where():
    class Broken(layers.Layer):
        def call(self, inputs):
            raise KeyError("mine")

    class Outer(layers.Layer):
        def __init__(self):
            super().__init__(name="outer")
            self.part = Broken(name="broken")

        def call(self, inputs):
            return self.part(inputs)

    with pytest.raises(KeyError, match="mine") as caught:
        Outer()(X)
    notes = " ".join(caught.value.__notes__)
    assert "in Broken 'broken', called with float32[2,3]" in notes
    assert "in Outer 'outer'" in notes


def test_input_spec():
    unit = Unit(name="unit")
    unit.input_spec = keras.InputSpec(ndim=2, axes={-1: 3})
    with pytest.raises(ValueError, match=r"'unit' is incompatible.*expected ndim=2, found ndim=3"):
        unit(np.ones((1, 2, 3)))
    with pytest.raises(ValueError, match=r"expected axis -1 of input shape to have value 3"):
        unit(np.ones((1, 4)))


def test_repr():
    assert repr(Unit(name="unit")) == "<Unit name=unit, built=False>"


def test_eager_layers_can_be_called_from_a_jitted_function():
    unit = Unit()
    expected = unit(X)
    np.testing.assert_allclose(jax.jit(unit)(X), expected, rtol=1e-6)
    gradient = jax.grad(lambda x: unit(x).sum())(jnp.asarray(X))
    np.testing.assert_allclose(gradient, np.tile(unit.kernel.numpy().sum(1), (2, 1)), rtol=1e-6)


def test_arguments_of_build_go_by_the_names_of_arguments_of_call():
    class Pair(layers.Layer):
        def call(self, foo, bar):
            return foo + bar

    class NoSuffix(Pair):
        def build(self, foo_shape, bar):
            self.width = bar

    class OtherName(Pair):
        def build(self, foo_shape, baz_shape):
            self.width = baz_shape

    with pytest.raises(ValueError, match="argument `bar`, which does not end in `_shape`"):
        NoSuffix()(X, X)
    with pytest.raises(ValueError, match=r"`baz_shape`, but `call\(\)` does not have"):
        OtherName()(X, X)


def test_state_is_made_before_the_call():
    class Late(layers.Layer):
        def call(self, x):
            self.late = self.add_weight(shape=(), name="late")
            return x + self.late

    with pytest.raises(ValueError, match=r"cannot add new elements of state.*'late'"):
        Late()(X)
    with pytest.raises(NotImplementedError, match="does not have a `call` method"):
        layers.Layer()(X)


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_trainable_is_a_boolean(value):
    with pytest.raises(ValueError, match="to be a boolean"):
        layers.Dense(2, trainable=value)


def test_a_frozen_layer_freezes_what_it_builds():
    class Outer(layers.Layer):
        def build(self, input_shape):
            self.inner = layers.Dense(2)
            self.inner.build(input_shape)

        def call(self, x):
            return self.inner(x)

    outer = Outer(trainable=False)
    outer(X)
    assert outer.trainable_weights == [] and len(outer.non_trainable_weights) == 2
    outer.trainable = True
    assert len(outer.trainable_weights) == 2


def test_a_name_in_the_body_of_a_class_is_not_the_name_of_its_layers():
    class Steady(layers.Layer):
        name = "fixed"

    assert (Steady().name, Steady(name="mine").name) == ("steady", "mine")


def test_a_class_that_takes_layers_describes_itself():
    @keras.saving.register_keras_serializable("takes_layers")
    class Chain(layers.Layer):
        def __init__(self, *parts, scale=1, **kwargs):
            super().__init__(**kwargs)
            self.parts, self.scale = parts, scale

        def get_config(self):
            config = super().get_config()
            parts = [keras.saving.serialize_keras_object(part) for part in self.parts]
            return {"name": config["name"], "scale": self.scale, "parts": parts}

        @classmethod
        def from_config(cls, config):
            parts = map(keras.saving.deserialize_keras_object, config.pop("parts"))
            return cls(*parts, **config)

    chain = Chain(layers.Dense(2), layers.ReLU(), scale=3)
    again = Chain.from_config(chain.get_config())
    assert [type(part).__name__ for part in again.parts] == ["Dense", "ReLU"]
    assert again.scale == 3


@pytest.mark.parametrize("layer", [layers.Dense(2), layers.EinsumDense("ab,bc->ac", 2)])
def test_dense_layers_take_training_as_kerass_do(layer):
    outputs = layer(X)
    np.testing.assert_array_equal(layer.call(X, training=True), outputs)
    np.testing.assert_array_equal(layer(X, training=True), outputs)
