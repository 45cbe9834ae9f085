"""Applications against Keras's: names, order, shapes, and numbers with weights carried over."""

import inspect

import jax
import keras
import numpy as np
import pytest

import jkeras
from jkeras import applications

# One of each family, with images as small as it takes; arguments in which families differ.
FAMILIES = {
    "ResNet50": (32, {}),
    "ResNet50V2": (32, {"include_top": False, "pooling": "avg"}),
    "VGG16": (32, {"include_top": False, "pooling": "max"}),
    "MobileNet": (32, {"alpha": 0.5, "depth_multiplier": 2}),
    "MobileNetV2": (33, {"alpha": 0.35}),
    "MobileNetV3Small": (32, {"alpha": 0.75}),
    "MobileNetV3Large": (40, {"minimalistic": True}),
    "DenseNet121": (32, {"include_top": False}),
    "InceptionV3": (75, {}),
    "InceptionResNetV2": (75, {"include_top": False, "pooling": "avg"}),
    "Xception": (71, {"include_top": False, "pooling": "avg"}),
    "EfficientNetB0": (33, {}),
    "EfficientNetV2B0": (32, {}),
    "EfficientNetV2S": (32, {"include_top": False, "pooling": "avg"}),
    "ConvNeXtTiny": (32, {"include_top": False, "pooling": "max"}),
    "NASNetMobile": (32, {}),
}
SMALLEST = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71}
NAMES = sorted(name for name in dir(keras.applications) if name[0].isupper())
MODULES = sorted(name for name in dir(keras.applications) if name[0].islower())


def structure(model):
    """Returns what a model's layers are and what they are called on, and its weights."""
    names, found = {}, []
    for layer in model.get_config()["layers"]:
        name = names[layer["name"]] = layer["name"].partition("input_layer")[1] or layer["name"]
        inputs = [names[x] for x in _sources(layer["inbound_nodes"])]
        found.append((name, layer["class_name"], inputs))
    return found, [tuple(w.shape) for w in model.weights], [w.trainable for w in model.weights]


def _sources(node):
    if isinstance(node, dict) and node.get("class_name") == "__keras_tensor__":
        yield node["config"]["keras_history"][0]
    elif isinstance(node, (dict, list, tuple)):
        for child in node.values() if isinstance(node, dict) else node:
            yield from _sources(child)


def numbers(model, rng):
    """Returns weights with which activations neither vanish nor explode."""
    for weight in model.weights:
        name, shape = weight.path.rpartition("/")[2], tuple(weight.shape)
        if name in ("moving_variance", "variance"):
            yield rng.uniform(0.5, 1.5, shape).astype("float32")
        elif name in ("gamma", "variable"):
            # What is added to a residual is small: else the sigmoids after many would saturate.
            scale = 0.3 if "project" in weight.path or name == "variable" else 1.0
            yield (scale * rng.uniform(0.8, 1.2, shape)).astype("float32")
        elif name == "count":
            yield np.zeros(shape, "int32")
        elif len(shape) < 2:
            yield rng.normal(0, 0.1, shape).astype("float32")
        else:
            parts = ("depthwise", "dwconv", "conv_dw")
            by_channel = any(part in weight.path for part in parts)
            fan_in = np.prod(shape[:2] if by_channel and len(shape) == 4 else shape[:-1])
            yield (rng.normal(0, 1, shape) * (1.4 / fan_in**0.5)).astype("float32")


@pytest.fixture
def fresh_names():
    for library in (keras, jkeras):
        library.backend.clear_session()


def pytest_generate_tests(metafunc):
    if "model_name" in metafunc.fixturenames:
        every = metafunc.config.getoption("--every-application")
        metafunc.parametrize("model_name", NAMES if every else sorted(FAMILIES))


@pytest.mark.filterwarnings("ignore")
def test_application(model_name, compare, fresh_names):
    size, kwargs = FAMILIES.get(model_name, (SMALLEST.get(model_name, 32), {}))
    kwargs = {"weights": None, "input_shape": (size, size, 3), "classes": 7, **kwargs}
    kwargs["classifier_activation"] = None
    ours = getattr(applications, model_name)(**kwargs)
    theirs = getattr(keras.applications, model_name)(**kwargs)
    assert ours.name == theirs.name
    assert structure(ours) == structure(theirs)
    assert ours.count_params() == theirs.count_params()
    values = list(numbers(theirs, np.random.default_rng(0)))
    x = np.random.default_rng(1).uniform(0, 2, (2, size, size, 3)).astype("float32")
    x[0] *= 0.2
    outputs = []
    for model in (ours, theirs):
        model.set_weights(values)
        variables = [
            [v.value for v in own]
            for own in (model.trainable_variables, model.non_trainable_variables)
        ]
        outputs.append(
            jax.jit(lambda t, n, x, m=model: m.stateless_call(t, n, x)[0])(*variables, x)
        )
    scale = np.abs(np.asarray(outputs[1])).max()
    assert np.isfinite(scale) and np.std(np.asarray(outputs[1])) > 0.01 * scale
    compare(f"applications.{model_name}", outputs[0] / scale, outputs[1] / scale, 1e-4)


@pytest.mark.parametrize("module", MODULES)
def test_preprocess_input(module, compare):
    ours, theirs = getattr(applications, module), getattr(keras.applications, module)
    image = np.random.default_rng(0).uniform(0, 255, (2, 3, 4, 3))
    first = np.moveaxis(image, -1, 1)
    for x in (image, image[0], image.astype("float32"), image.astype("uint8")):
        found = ours.preprocess_input(x)
        expected = theirs.preprocess_input(x.copy())
        assert np.asarray(found).dtype == np.asarray(expected).dtype
        compare(f"applications.{module}.preprocess_input", found, expected)
    for x in (first, first[0]):
        found = ours.preprocess_input(x, data_format="channels_first")
        compare(
            f"applications.{module}.preprocess_input",
            found,
            theirs.preprocess_input(x.copy(), data_format="channels_first"),
        )


def test_signatures():
    for name in NAMES:
        ours = inspect.signature(getattr(applications, name)).parameters
        theirs = inspect.signature(getattr(keras.applications, name)).parameters
        assert [(k, p.default) for k, p in ours.items()] == [
            (k, p.default) for k, p in theirs.items()
        ], name


def test_a_file_of_the_other_library(tmp_path, fresh_names, compare):
    """Keras's weights load here, in each of its formats, and ours there."""
    kwargs = {"input_shape": (32, 32, 3), "classes": 3, "alpha": 0.25}
    theirs = keras.applications.MobileNet(weights=None, **kwargs)
    for name in ("m.weights.h5", "m.h5"):
        theirs.save(tmp_path / name) if name == "m.h5" else theirs.save_weights(tmp_path / name)
        ours = applications.MobileNet(weights=str(tmp_path / name), **kwargs)
        compare("applications.MobileNet: files", ours.get_weights(), theirs.get_weights(), 0.0)
    ours.save_weights(tmp_path / "ours.weights.h5")
    again = keras.applications.MobileNet(weights=str(tmp_path / "ours.weights.h5"), **kwargs)
    compare("applications.MobileNet: files", ours.get_weights(), again.get_weights(), 0.0)
