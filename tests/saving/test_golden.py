"""Files that real Keras 3 and Keras 2 have written load here: weights, compile, optimizer state."""

from pathlib import Path

import numpy as np
import pytest

import jkeras as keras

GOLDEN = Path(__file__).parent.parent / "golden"
KERAS2 = GOLDEN / "keras2"
MODELS = ("mlp", "wide_deep", "convnet", "emb_lstm", "bigru", "nested", "attn")
OLD_MODELS = tuple(name for name in MODELS if name != "attn")


def load(path, **kwargs):
    return keras.models.load_model(GOLDEN / path, **kwargs)


def one_or_list(arrays):
    arrays = list(arrays)
    return arrays[0] if len(arrays) == 1 else arrays


class Case:
    """The arrays beside one model's files."""

    def __init__(self, name):
        with np.load(GOLDEN / f"{name}.inputs.npz") as inputs:
            self.inputs = dict(inputs)
        with np.load(GOLDEN / f"{name}.train.npz") as train:
            self.x = {k[2:]: v for k, v in train.items() if k.startswith("x_")}
            self.y = {k[2:]: v for k, v in train.items() if k.startswith("y_")}
        with np.load(GOLDEN / f"{name}.outputs.npz") as outputs:
            self.outputs = dict(outputs)
        self.rows = len(next(iter(self.x.values())))

    def arranged(self, model, arrays):
        if isinstance(model, keras.Sequential) or isinstance(model.input, dict):
            return arrays if isinstance(model.input, dict) else next(iter(arrays.values()))
        return one_or_list(arrays[x.name] for x in model.inputs)

    def check_predictions(self, model, tag, tolerance=1e-5):
        outputs = model.predict(self.arranged(model, self.inputs), verbose=0)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        for name, output in zip(self.y, outputs, strict=True):
            np.testing.assert_allclose(output, self.outputs[f"{tag}_{name}"], 0, tolerance)


@pytest.mark.parametrize("name", MODELS)
def test_predictions_from_files_of_every_layout(name):
    case, model = Case(name), load(f"{name}.init.keras")
    case.check_predictions(model, "init")
    for tag in ("sgd", "adam", "init"):
        for suffix in ("weights.h5", "keras", "h5"):
            model.set_weights([np.zeros_like(w) for w in model.get_weights()])
            model.load_weights(GOLDEN / f"{name}.{tag}.{suffix}")
            case.check_predictions(model, tag)
    model.load_weights(GOLDEN / f"{name}.adam.h5")
    model.load_weights(GOLDEN / f"{name}.init.legacy_weights.h5")
    case.check_predictions(model, "init")


@pytest.mark.parametrize("name", MODELS)
def test_whole_models_hold_the_same_in_every_layout(name):
    """Optimizers included, which Keras itself cannot restore from its own `.h5` files."""
    other = load(f"{name}.init.h5")
    for tag in ("init", "sgd", "adam"):
        model = load(f"{name}.{tag}.keras")
        assert model.compiled is (tag != "init")
        check_same_state(model, load(f"{name}.{tag}.h5"))
        other.load_weights(GOLDEN / f"{name}.{tag}.weights.h5")
        for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def check_same_state(a, b):
    assert a.get_config() == b.get_config()
    assert a.get_compile_config() == b.get_compile_config()
    pairs = list(zip(a.weights, b.weights, strict=True))
    if a.compiled:
        assert int(a.optimizer.iterations) == 2
        pairs += zip(a.optimizer.variables, b.optimizer.variables, strict=True)
    for ours, theirs in pairs:
        assert ours.path == theirs.path
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def step_tolerance(name, before, after):
    """Returns how exactly the predictions after a step are known.

    In `nested`, a bias before a BatchNormalization has no gradient but the rounding noise of the
    machine, which Adam makes a step of; fitting that one bias took the difference down to 2e-7.
    """
    return 0.05 * np.abs(before - after).max() if name == "nested" else 1e-5


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("name", "optimizer"), [("mlp", "sgd"), ("wide_deep", "sgd"), *((n, "adam") for n in MODELS)]
)
def test_compiled_models_go_on_where_they_stopped(name, optimizer):
    case, model = Case(name), load(f"{name}.{optimizer}.keras")
    y = one_or_list(case.y.values())
    if optimizer == "sgd":
        values = model.evaluate(case.arranged(model, case.x), y, batch_size=case.rows, verbose=0)
        np.testing.assert_allclose(np.atleast_1d(values), case.outputs["sgd_evaluate"], 1e-5)
    if f"{optimizer}_step3_{next(iter(case.y))}" in case.outputs:  # not with Dropout
        x = case.arranged(model, case.x)
        before = model.predict(case.arranged(model, case.inputs), verbose=0)
        model.fit(x, y, batch_size=case.rows, shuffle=False, verbose=0)
        after = case.outputs[f"{optimizer}_step3_{next(iter(case.y))}"]
        case.check_predictions(model, f"{optimizer}_step3", step_tolerance(name, before, after))


# ------------------------------------------------------------------ single files
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_objects_of_compile(suffix):
    model = load(f"compile_objects.{suffix}")
    settings = model.get_compile_config()
    optimizer = settings["optimizer"]["config"]
    assert optimizer["learning_rate"]["class_name"] == "ExponentialDecay"
    assert optimizer["amsgrad"] is optimizer["use_ema"] is True
    assert optimizer["clipnorm"] == 1.0
    assert {k: v["class_name"] for k, v in settings["loss"].items()} == {
        "output": "Huber",
        "aux_output": "MeanSquaredError",
    }
    assert settings["loss_weights"] == {"output": 0.9, "aux_output": 0.1}
    assert settings["metrics"]["output"][0]["config"]["name"] == "rmse"
    assert settings["weighted_metrics"]["aux_output"][0]["config"]["name"] == "wmae"
    # iteration; average, momentum, velocity and velocity_hat of eight weights
    assert len(model.optimizer.variables) == 1 + 4 * 8
    assert int(model.optimizer.iterations) == 2
    assert all(np.abs(v.numpy()).sum() > 0 for v in model.optimizer.variables)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_every_kind_of_nested_config(suffix):
    model = load(f"config_variety.{suffix}")
    reg, act, mixed, frozen = model.layers
    assert reg.get_config()["kernel_constraint"]["config"]["max_value"] == 2.0
    assert reg.get_config()["kernel_initializer"]["config"]["seed"] == 3
    assert reg.kernel.regularizer is not None and reg.activity_regularizer is not None
    assert act.activation.negative_slope == pytest.approx(0.1)
    assert (mixed.compute_dtype, mixed.dtype) == ("bfloat16", "float32")
    assert not frozen.trainable and len(model.trainable_weights) == 6
    assert model.optimizer.centered and model.optimizer.momentum == 0.5
    weights = model.get_weights()
    model.load_weights(GOLDEN / "config_variety.weights.h5")
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_operators_on_symbolic_tensors(suffix, tmp_path):
    model = load(f"operators.{suffix}")
    with np.load(GOLDEN / "operators.io.npz") as io:
        x, y = io["x"], io["y"]
    np.testing.assert_allclose(model.predict(x, verbose=0), y, 0, 1e-6)
    for again in ("again.keras", "again.h5"):
        model.save(tmp_path / again)
        copy = keras.models.load_model(tmp_path / again)
        np.testing.assert_allclose(copy.predict(x, verbose=0), y, 0, 1e-6)


def test_bfloat16_weights():
    models = [load("bf16.keras"), load("bf16.h5")]
    models[1].load_weights(GOLDEN / "bf16.weights.h5")
    models.append(load("bf16.h5"))
    kernels = [m.layers[0].kernel for m in models]
    assert {k.dtype for k in kernels} == {"bfloat16"}
    for kernel in kernels:
        assert np.abs(np.asarray(kernel.value, "float32")).sum() > 0
        assert (kernel.value == kernels[0].value).all()


def test_a_list_of_names_in_parts():
    names = [f"a{i:03d}_" + "x" * 596 for i in range(110)]
    middle = [keras.layers.Activation("linear", name=name) for name in names]
    last = keras.layers.Dense(1, name="last")
    model = keras.Sequential([keras.Input((2,)), *middle, last])
    model.load_weights(GOLDEN / "chunked.legacy_weights.h5")
    np.testing.assert_allclose(last.get_weights()[0].ravel(), [1.3322504, -1.4023521], 1e-6)


def test_weights_in_several_files():
    case, model = Case("mlp"), load("mlp.adam.keras")
    model.load_weights(GOLDEN / "sharded.weights.json")
    case.check_predictions(model, "init")


# ------------------------------------------------------------------ Keras 2
class OldCase:
    """The arrays beside one model's files of Keras 2."""

    def __init__(self, name):
        with np.load(KERAS2 / f"{name}.io.npz") as io:
            self.arrays = dict(io)
        self.x = one_or_list(v for k, v in self.arrays.items() if k.startswith("x_"))
        self.y = {k[2:]: v for k, v in self.arrays.items() if k.startswith("y_")}

    def check_predictions(self, model, tag, tolerance=1e-5):
        outputs = model.predict(self.x, verbose=0)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        for name, output in zip(self.y, outputs, strict=True):
            np.testing.assert_allclose(output, self.arrays[f"out_{tag}_{name}"], 0, tolerance)


@pytest.mark.parametrize("name", OLD_MODELS)
def test_keras2_predictions_from_files_of_every_layout(name):
    case, model = OldCase(name), load(f"keras2/{name}.v2legacy.h5")
    case.check_predictions(model, "v2legacy")
    for file in ("v2new.h5", "v2.keras", "v2.weights.h5", "v2.legacy.h5"):
        model.load_weights(KERAS2 / f"{name}.v2legacy.h5")
        model.load_weights(KERAS2 / f"{name}.{file}")
        case.check_predictions(model, "v2new")


@pytest.mark.parametrize("name", OLD_MODELS)
def test_keras2_whole_models_hold_the_same_in_every_layout(name):
    a, b = load(f"keras2/{name}.v2.keras"), load(f"keras2/{name}.v2new.h5")
    assert a.get_config() == b.get_config()
    assert int(a.optimizer.iterations) == 2
    for ours, theirs in zip(a.weights, b.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    for ours, theirs in zip(a.optimizer.variables, b.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    assert not load(f"keras2/{name}.v2.keras", compile=False).compiled


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("name", "tag"),
    [("mlp", "v2legacy"), ("mlp", "v2new"), ("nested", "v2new"), ("wide_deep", "v2legacy")],
)
def test_keras2_models_go_on_where_they_stopped(name, tag):
    case, model = OldCase(name), load(f"keras2/{name}.{tag}.h5")
    y = one_or_list(case.y.values())
    before = model.predict(case.x, verbose=0)
    model.fit(case.x, y, batch_size=32, shuffle=False, verbose=0)
    after = case.arrays[f"out_{tag}_step3_{next(iter(case.y))}"]
    case.check_predictions(model, f"{tag}_step3", step_tolerance(name, before, after))


def test_keras2_optimizers_keep_their_settings():
    old = load("keras2/mlp.v2legacy.h5").optimizer
    assert (type(old).__name__, old.nesterov) == ("SGD", True)
    assert old.momentum == pytest.approx(0.9)
    # 0.05 / (1 + 1e-4 * 2): `decay` of Keras 2, which Keras 3 drops
    assert float(old.learning_rate) == pytest.approx(0.05 / 1.0002)
    new = load("keras2/mlp.v2new.h5").optimizer
    assert float(new.learning_rate) == pytest.approx(0.05)
    assert new.momentum == pytest.approx(0.9)


def test_keras2_metrics_keep_their_names():
    case, model = OldCase("wide_deep"), load("keras2/wide_deep.v2legacy.h5")
    logs = model.evaluate(case.x, list(case.y.values()), verbose=0, return_dict=True)
    assert {"output_mae", "aux_output_mae"} <= set(logs)


def test_cudnn_layers():
    with np.load(KERAS2 / "cudnn.io.npz") as io:
        x, out = io["x"], io["out"]
    model = load("keras2/cudnn.h5")
    assert [type(layer).__name__ for layer in model.layers] == ["LSTM", "GRU", "Dense"]
    np.testing.assert_allclose(model.predict(x, verbose=0), out, 0, 1e-5)
