"""`keras.Operation`: a step of a graph without weights, of a class of one's own."""

import pickle

import numpy as np
import pytest

import jkeras as keras


@keras.saving.register_keras_serializable("test_operation")
class Scale(keras.Operation):
    def __init__(self, by, *, offset=0.0, name=None):
        super().__init__(name=name)
        self.by, self.offset = by, offset

    def call(self, x, y=None):
        scaled = x * self.by + self.offset
        return scaled if y is None else scaled + y


class Both(keras.Operation):
    def call(self, x):
        return x, x + 1

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype), keras.KerasTensor(x.shape, x.dtype)


def made_model():
    inputs = keras.Input((3,), name="x")
    hidden = keras.layers.Dense(3, name="dense")(inputs)
    scaled = Scale(2.0, name="scale")(hidden, y=inputs)
    return keras.Model(inputs, keras.ops.relu(Scale(0.5, offset=1.0, name="last")(scaled)))


def test_it_computes_on_arrays():
    out = Scale(3.0)(np.ones((2, 3)), y=np.ones((2, 3)))
    assert keras.ops.is_tensor(out)
    np.testing.assert_array_equal(out, np.full((2, 3), 4.0))
    first, second = Both()(keras.ops.ones((2,)))
    np.testing.assert_array_equal(second - first, [1.0, 1.0])


def test_symbolic_calls_are_noted():
    x, y = keras.Input((3,)), keras.Input((3,))
    scale = Scale(2.0, name="scale")
    out = scale(x, y=y)
    assert out.shape == (None, 3)
    scale(out)
    assert scale.input == [x, y] and scale.output is out
    first, second = Both()(x)
    assert first.shape == second.shape == (None, 3)
    with pytest.raises(AttributeError, match="never been called and thus has no defined input"):
        Scale(1.0).input


def test_names():
    assert Scale(1.0, name="mine").name == "mine"
    assert Both().name.startswith("both")
    with pytest.raises(ValueError, match="must be a string and cannot contain character `/`"):
        Scale(1.0, name="a/b")
    with pytest.raises(ValueError, match="must be a string and cannot contain character `/`"):
        keras.layers.Dense(1, name="a/b")


def test_configs_hold_the_constructors_arguments():
    config = Scale(2.0, name="scale").get_config()
    assert config == {"by": 2.0, "offset": 0.0, "name": "scale"}
    assert Scale.from_config(config).get_config() == config
    named = Both()
    assert named.get_config() == {"name": named.name}
    with pytest.raises(NotImplementedError, match="override get_config"):
        Scale(object()).get_config()


def test_models_have_operations_like_layers(tmp_path):
    model = made_model()
    assert [o.name for o in model.operations][:4] == ["x", "dense", "scale", "last"]
    assert all(isinstance(o, keras.Operation) for o in model.operations)
    assert [layer.name for layer in model.layers] == ["x", "dense"]
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).random((4, 3), dtype="float32")
    model.fit(x, x, verbose=0)
    wanted = model.predict(x, verbose=0)
    kernel, bias = model.layers[1].get_weights()
    np.testing.assert_allclose(
        wanted, np.maximum(((x @ kernel + bias) * 2 + x) * 0.5 + 1, 0), rtol=1e-5
    )
    model.save(tmp_path / "m.keras")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    for same in (
        keras.models.load_model(tmp_path / "m.keras"),
        keras.Model.from_config(model.get_config()),
        pickle.loads(pickle.dumps(model)),
        clone,
    ):
        same.set_weights(model.get_weights())
        np.testing.assert_allclose(same.predict(x, verbose=0), wanted, rtol=1e-6)
    lines = []
    model.summary(print_fn=lambda line, **_: lines.append(line))
    assert "scale (Scale)" in "\n".join(lines)
