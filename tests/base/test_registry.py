"""Configs: captured from constructors, and read back through fixed tables only."""

import json
from collections.abc import Mapping
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jkeras as keras
from jkeras import layers, regularizers
from jkeras.base import registry


@pytest.fixture(autouse=True)
def no_registrations():
    before = dict(registry._registered), dict(registry._registered_names)
    yield
    for table, saved in zip((registry._registered, registry._registered_names), before):
        table.clear()
        table.update(saved)


class Plain(layers.Layer):
    def __init__(self, units, activation="relu", *, scale=2.0, **kwargs):
        super().__init__(**kwargs)
        self.count = units  # under another name
        self.scale = scale

    def call(self, inputs):
        return inputs * self.scale


class Closed(layers.Layer):
    """Takes no name, no dtype, no trainable."""

    def __init__(self, factor=3):
        super().__init__()
        self.factor = factor

    def call(self, inputs):
        return inputs * self.factor


class Open(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)

    def call(self, inputs):
        return inputs


class Own(Plain):
    def get_config(self):
        return {**super().get_config(), "units": self.count, "extra": 1}

    @classmethod
    def from_config(cls, config):
        assert config.pop("extra") == 1
        return cls(**config)


# ------------------------------------------------------------------ what is captured
def test_the_config_is_the_arguments_defaults_included():
    config = Plain(5, scale=1.5, name="p").get_config()
    assert config.pop("dtype")["config"] == {"name": "float32"}
    assert config == {
        "name": "p",
        "trainable": True,
        "units": 5,
        "activation": "relu",
        "scale": 1.5,
    }


def test_a_class_that_takes_no_name_keeps_it_all_the_same():
    closed = Closed(4)
    closed.name = "mine"
    closed.trainable = False
    again = Closed.from_config(closed.get_config())
    assert (again.factor, again.name, again.trainable) == (4, "mine", False)


def test_built_in_classes_give_what_they_hold_now():
    dense = layers.Dense(3, activation="relu")
    dense.units = 7
    config = dense.get_config()
    assert (config["units"], config["activation"]) == (7, "relu")


def test_positional_arguments_without_names_need_an_own_config():
    class Many(layers.Layer):
        def __init__(self, *parts):
            super().__init__()

    with pytest.raises(NotImplementedError, match=r"Many takes \*parts.*write get_config"):
        Many(1, 2).get_config()


@pytest.mark.parametrize(
    "layer",
    [
        lambda: Plain(5, "tanh", scale=0.5, name="x", dtype="mixed_bfloat16", trainable=False),
        lambda: Closed(9),
        lambda: Open(name="o", dtype="float16"),
        lambda: Own(3),
        lambda: Plain(units=[1, (2, 3)], activation=regularizers.L2(0.5)),
        lambda: layers.Dense(4, kernel_regularizer="l1", bias_initializer="ones"),
    ],
)
def test_round_trip(layer):
    layer = layer()
    config = json.loads(json.dumps(layer.get_config()))
    again = type(layer).from_config(dict(config))
    assert json.loads(json.dumps(again.get_config())) == config
    assert (again.name, again.trainable, again.dtype_policy) == (
        *(layer.name, layer.trainable, layer.dtype_policy),
    )


def test_arguments_that_are_objects_come_back_as_objects():
    layer = Plain(1, activation=regularizers.L2(0.5))
    again = Plain.from_config(layer.get_config())
    _, kwargs = again._arguments
    assert isinstance(kwargs["activation"], regularizers.L2)
    assert kwargs["activation"].l2 == 0.5


# ------------------------------------------------------------------ values in configs
VALUES = [
    *(None, True, 3, 2.5, "text", [1, [2, None]], {"a": 1, "b": [2]}, b"bytes"),
    *(slice(1, None, 2), Ellipsis, np.float32(1.5), np.int64(3)),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_survive_json(value):
    text = json.dumps(registry.serialize_keras_object(value))
    assert registry.deserialize_keras_object(json.loads(text)) == value


def test_arrays_and_dtypes():
    array = np.arange(4, dtype="int16").reshape(2, 2)
    again = registry.deserialize_keras_object(registry.serialize_keras_object(array))
    np.testing.assert_array_equal(again, array)
    assert again.dtype == "int16"
    assert registry.serialize_keras_object(np.float32) == "float32"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=50, deadline=None)
@given(json_values)
def test_json_values_are_left_alone(value):
    assert registry.deserialize_keras_object(registry.serialize_keras_object(value)) == value


def test_what_cannot_be_described():
    with pytest.raises(TypeError, match="Cannot serialize object"):
        registry.serialize_keras_object(object())


# ------------------------------------------------------------------ finding classes
def test_envelopes_of_built_in_and_own_classes():
    envelope = registry.serialize_keras_object(layers.Dense(2, name="d"))
    assert (envelope["module"], envelope["class_name"], envelope["registered_name"]) == (
        *("keras.layers", "Dense", None),
    )
    mine = registry.serialize_keras_object(Closed(2))
    assert (mine["module"], mine["registered_name"]) == (__name__, "Closed")


@pytest.mark.parametrize(
    "config",
    [
        {"module": "keras.layers", "class_name": "Dense", "config": {"units": 2}},
        {"module": "keras.src.layers.core.dense", "class_name": "Dense", "config": {"units": 2}},
        {"module": "tensorflow.keras.layers", "class_name": "Dense", "config": {"units": 2}},
        {"class_name": "Dense", "config": {"units": 2}},
    ],
)
def test_dialects_that_name_the_same_class(config):
    layer = registry.deserialize_keras_object(config, area="layers")
    assert isinstance(layer, layers.Dense)
    assert layer.units == 2


def test_an_own_class_has_to_be_known():
    envelope = registry.serialize_keras_object(Closed(2))
    with pytest.raises(ValueError, match=r"Unknown class 'Closed'.*register_keras_serializable"):
        registry.deserialize_keras_object(envelope)
    assert registry.deserialize_keras_object(envelope, {"Closed": Closed}).factor == 2
    with registry.custom_object_scope({"Closed": Closed}):
        assert registry.deserialize_keras_object(envelope).factor == 2
    with pytest.raises(ValueError, match="Unknown class"):
        registry.deserialize_keras_object(envelope)


def test_registering():
    registry.register_keras_serializable("shop", "Times")(Closed)
    assert registry.get_registered_name(Closed) == "shop>Times"
    assert registry.get_registered_object("shop>Times") is Closed
    envelope = registry.serialize_keras_object(Closed(2))
    assert envelope["registered_name"] == "shop>Times"
    assert registry.deserialize_keras_object(envelope).factor == 2
    with pytest.raises(ValueError, match=r"does not have a get_config\(\)"):
        registry.register_keras_serializable()(int)


def test_an_own_class_wins_over_a_built_in_one_of_the_same_name():
    class Dense(Closed):
        pass

    config = {"class_name": "Dense", "config": {"factor": 5}}
    assert registry.deserialize_keras_object(config, {"Dense": Dense}, area="layers").factor == 5


def test_scopes_nest():
    def first(x):
        return x

    def second(x):
        return -x

    with registry.CustomObjectScope({"f": first}):
        with registry.CustomObjectScope({"f": second, "g": second}):
            assert keras.activations.get("f") is second
        assert keras.activations.get("f") is first
        with pytest.raises(ValueError, match="Unknown activation 'g'"):
            keras.activations.get("g")
    with pytest.raises(ValueError, match="Unknown activation 'f'"):
        keras.activations.get("f")


def test_a_class_from_code_that_has_no_module():
    """As where `exec` runs it: a doctest, or a tool that runs cells."""
    code = """class Nowhere(keras.layers.Layer):
    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
"""
    names = {"keras": keras}
    exec(code, names)
    names["Nowhere"].__init__.__module__ = None
    assert names["Nowhere"](2.0).get_config()["factor"] == 2.0


def test_functions_by_name():
    def mine(x):
        return x * 3

    layer = layers.Dense(1, activation=mine)
    config = layer.get_config()
    assert config["activation"]["config"] == "mine"
    with pytest.raises(ValueError, match=r"Unknown function 'mine'.*custom_objects"):
        layers.Dense.from_config(config)
    with registry.custom_object_scope({"mine": mine}):
        assert layers.Dense.from_config(config).activation is mine


# ------------------------------------------------------------------ what a config cannot do
@pytest.mark.parametrize(
    "config",
    [
        {"module": "os", "class_name": "system", "config": {"command": "true"}},
        {"module": "builtins", "class_name": "eval", "config": {"source": "1"}},
        {"module": "subprocess", "class_name": "Popen", "config": {}},
        {"module": "keras.layers", "class_name": "os.system", "config": {}},
        {"module": "jkeras.base.registry", "class_name": "Configurable", "config": {}},
        {"module": None, "class_name": "__import__", "config": {}},
        {"class_name": "function", "config": "system", "module": "os"},
    ],
)
def test_nothing_is_imported_on_a_configs_word(config):
    with pytest.raises(ValueError, match="Unknown"):
        registry.deserialize_keras_object(config)


def test_stored_code_is_refused():
    config = {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "defaults": None}}
    with pytest.raises(ValueError, match="never executes"):
        registry.deserialize_keras_object(config, safe_mode=False)


def test_a_config_of_the_wrong_kind():
    with pytest.raises(ValueError, match="not a dict of arguments"):
        registry.deserialize_keras_object({"class_name": "Dense", "config": 3}, area="layers")


# ------------------------------------------------------------------ names as arguments
def test_resolve():
    assert keras.activations.get("ReLU").__name__ == "relu"
    assert isinstance(regularizers.get("l1"), regularizers.L1)
    assert isinstance(regularizers.get(regularizers.L1), regularizers.L1)
    assert regularizers.get({"class_name": "L1", "config": {"l1": 0.25}}).l1 == 0.25
    with pytest.raises(ValueError, match=r"Unknown activation 'rellu': did you mean 'relu'\?"):
        keras.activations.get("rellu")
    with pytest.raises(TypeError, match=r"Expected regularizer as a name.*got 3"):
        regularizers.get(3)


def test_every_name_of_an_area_is_found():
    for area in ("layers", "activations", "initializers", "regularizers", "constraints"):
        for name in registry.builtin_names(area):
            assert registry.find_builtin(area, name) is not None


# ------------------------------------------------------------------ Keras's ways to write a config
class Idiom(layers.Layer):
    def __init__(self, units, gain=1.0, **kwargs):
        super().__init__(**kwargs)
        self.units, self.gain = units, gain

    def get_config(self):
        return dict(units=self.units, gain=self.gain, **super().get_config())


class Further(Idiom):
    def __init__(self, units, offset=0.0, **kwargs):
        super().__init__(units, **kwargs)
        self.offset = offset

    def get_config(self):
        config = super().get_config()
        config.update({"offset": self.offset})
        return config


class Unwritten(Idiom):
    """Has an argument of its own, and no get_config."""

    def __init__(self, units, extra=None, **kwargs):
        super().__init__(units, **kwargs)
        self.kept = extra


class Gained(layers.Dense):
    def __init__(self, units, gain=1.0, **kwargs):
        super().__init__(units, **kwargs)
        self.gain = gain

    def get_config(self):
        return dict(gain=self.gain, **super().get_config())


class Forgetful(layers.Layer):
    """Leaves out what its constructor cannot do without: Keras could not read it."""

    def __init__(self, units, shift=1, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def get_config(self):
        return super().get_config()


class Distance(keras.losses.Loss):
    def __init__(self, power=2.0, name="distance", **kwargs):
        super().__init__(name=name, **kwargs)
        self.power = power

    def get_config(self):
        return dict(power=self.power, **super().get_config())


class Slow(keras.optimizers.SGD):
    def __init__(self, factor=0.5, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def get_config(self):
        return dict(factor=self.factor, **super().get_config())


@pytest.mark.parametrize(
    ("obj", "own"),
    [
        (Idiom(3, 2.0, name="a"), {"units": 3, "gain": 2.0, "name": "a"}),
        (Further(3, 4.0), {"units": 3, "gain": 1.0, "offset": 4.0}),
        (Unwritten(3, extra=5), {"units": 3, "gain": 1.0, "extra": 5}),
        (Gained(3, 2.0, activation="relu"), {"units": 3, "gain": 2.0, "activation": "relu"}),
        (Forgetful(3), {"units": 3}),
        (Distance(3.0), {"power": 3.0, "name": "distance"}),
        (Slow(0.25, momentum=0.5), {"factor": 0.25, "momentum": 0.5}),
    ],
)
def test_configs_written_as_in_keras(obj, own):
    envelope = json.loads(json.dumps(registry.serialize_keras_object(obj)))
    assert own.items() <= envelope["config"].items()
    with registry.custom_object_scope({type(obj).__name__: type(obj)}):
        again = registry.deserialize_keras_object(envelope)
    same = json.loads(json.dumps(registry.serialize_keras_object(again)))
    assert same == envelope


# ------------------------------------------------------------------ numbers of other libraries
@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(4), 4),
        (np.bool_(True), True),
        (np.array(3), 3),
        (jnp.float32(2.0), 2.0),
        (np.str_("a"), "a"),
        (np.dtype("int8"), "int8"),
        (Path("a/b"), "a/b"),
        ((1, (np.int64(2),)), (1, (2,))),
        ({np.int64(1): np.float64(2.0)}, {"1": 2.0}),
    ],
)
def test_numbers_of_other_libraries_in_configs(value, plain):
    assert registry.serialize_keras_object(value) == plain

    class Raw(layers.Layer):
        def __init__(self, value=None, **kwargs):
            super().__init__(**kwargs)
            self.value = value

        def get_config(self):
            return {**super().get_config(), "value": self.value}

    envelope = registry.serialize_keras_object(Raw(value))
    assert envelope["config"]["value"] == plain and json.dumps(envelope)


def test_tuples_as_keys_come_back():
    mapping = {(1, "a"): [np.float32(0.5)], "b": 2}
    config = json.loads(json.dumps(registry.serialize_keras_object({"x": mapping})))
    assert registry.deserialize_keras_object(config) == {"x": {(1, "a"): [0.5], "b": 2}}


class Bare:
    def __init__(self, size=1):
        self.size = size

    def get_config(self):
        return {"size": self.size}


def test_objects_without_from_config_in_containers():
    config = registry.serialize_keras_object([Bare(2), {"x": Bare(np.int64(3))}])
    first, rest = registry.deserialize_keras_object(config, {"Bare": Bare})
    assert (first.size, rest["x"].size) == (2, 3)


# ------------------------------------------------------------------ names
def test_a_built_in_class_that_the_user_registers(tmp_path):
    for cls in (layers.ReLU, keras.Model, keras.models.Functional):
        keras.saving.register_keras_serializable()(cls)
    i = keras.Input((2,))
    model = keras.Model(i, layers.ReLU()(i))
    for name in ("a.keras", "a.h5"):
        model.save(tmp_path / name)
        assert type(keras.saving.load_model(tmp_path / name)) is type(model)
    envelope = registry.serialize_keras_object(layers.Dense(1))
    with pytest.raises(ValueError, match="resolved to a Keras built-in"):
        registry.deserialize_keras_object({**envelope, "registered_name": "shop>Dense"})


def test_functions_are_found_by_module_objects_and_without_their_package():
    def shift(x):
        return x

    assert registry.deserialize_keras_object("f", module_objects={"f": shift}) is shift
    assert keras.utils.legacy.deserialize_keras_object("f", {"f": shift}) is shift
    registry.register_keras_serializable("shop")(shift)
    assert registry.find_function("shift") is shift
    with pytest.raises(ValueError, match="Unknown loss: 'g'"):
        keras.utils.legacy.deserialize_keras_object("g", {}, printable_module_name="loss")
    config = keras.utils.legacy.serialize_keras_object(layers.ReLU(name="r"))
    assert config["class_name"] == "ReLU"
    assert keras.utils.legacy.deserialize_keras_object(config).name == "r"
    with pytest.raises(ValueError, match="arbitrary code execution"):
        registry.deserialize_keras_object(registry.serialize_keras_object(lambda x: x))


@pytest.mark.parametrize(
    ("cls", "config", "words"),
    [
        (layers.Dense, {}, ["'Dense'", "config={}", "units"]),
        (layers.LSTM, {}, ["'LSTM'", "units"]),
        (keras.losses.MeanSquaredError, {"foo": 2}, ["'MeanSquaredError'", "foo"]),
        (keras.metrics.MeanIoU, {}, ["'MeanIoU'", "num_classes"]),
        (keras.initializers.Constant, {"values": 2}, ["'Constant'", "values"]),
    ],
)
def test_a_config_with_other_arguments_names_the_class_and_the_config(cls, config, words):
    with pytest.raises(TypeError, match="Error when deserializing class") as error:
        cls.from_config(config)
    for word in words:
        assert word in str(error.value)


def test_a_replaced_function_meets_what_is_inside_of_a_config(monkeypatch):
    original, met = registry.deserialize_keras_object, []

    def spy(config, *args, **kwargs):
        met.append(config)
        return original(config, *args, **kwargs)

    monkeypatch.setattr(registry, "deserialize_keras_object", spy)
    assert original(["a", {"b": "c"}]) == ["a", {"b": "c"}]
    assert met == ["a", {"b": "c"}, "c"]


def test_a_mapping_with_a_config_is_an_object():
    class Options(Mapping):
        def __init__(self, **values):
            self._values = values

        def __getitem__(self, key):
            return self._values[key]

        def __iter__(self):
            return iter(self._values)

        def __len__(self):
            return len(self._values)

        def get_config(self):
            return dict(self._values)

        @classmethod
        def from_config(cls, config):
            return cls(**config)

    class Taking(layers.Layer):
        def __init__(self, options, **kwargs):
            super().__init__(**kwargs)
            self.options = options

        def get_config(self):
            return {**super().get_config(), "options": self.options}

        @classmethod
        def from_config(cls, config):
            return super().from_config(keras.saving.deserialize_keras_object(config))

    with keras.saving.custom_object_scope({"Options": Options, "Taking": Taking}):
        written = keras.saving.serialize_keras_object(Taking(Options(bits=3)))
        assert written["config"]["options"]["class_name"] == "Options"
        read = keras.saving.deserialize_keras_object(written)
    assert isinstance(read.options, Options)
    assert dict(read.options) == {"bits": 3}
