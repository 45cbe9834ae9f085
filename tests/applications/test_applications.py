"""Applications: arguments and their errors, files of weights, pixels and classes."""

import inspect
import json
import warnings

import numpy as np
import pytest

import jkeras as keras
from jkeras import applications
from jkeras.applications import builder
from jkeras.utils import files

NAMES = [name for name in dir(applications) if name[0].isupper() and name != "TYPE_CHECKING"]
NAMES.remove("Any")
MODULES = [getattr(applications, name) for name in sorted(applications._MODULES)]
SMALL = {"input_shape": (32, 32, 3), "classes": 3}


@pytest.fixture
def offline(monkeypatch, tmp_path):
    def refuse(*_):
        raise OSError("no connection")

    monkeypatch.setattr(files, "download", refuse)
    monkeypatch.setenv("JKERAS_HOME", str(tmp_path / "ours"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    folder = tmp_path / "keras" / "models"
    folder.mkdir(parents=True)
    return folder


def test_forty_models_have_documented_signatures():
    assert len(NAMES) == 40
    for name in NAMES:
        function = getattr(applications, name)
        assert function.__name__ == name
        assert all(f"{k}: " in function.__doc__ for k in inspect.signature(function).parameters)


@pytest.mark.parametrize("name", ["MobileNet", "MobileNetV3Small", "EfficientNetV2B0"])
def test_a_model_predicts_trains_and_is_copied(name, tmp_path):
    model = getattr(applications, name)(weights=None, **SMALL)
    x = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    outputs = model.predict(x, verbose=0)
    np.testing.assert_allclose(outputs.sum(1), 1, rtol=1e-4)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]


def test_own_layers_are_loaded_from_files(tmp_path):
    inputs = keras.Input((2, 2, 4))
    x = applications.convnext.LayerScale(0.5, 4)(inputs)
    x = applications.inception_resnet_v2.CustomScaleLayer(0.1)([x, inputs])
    model = keras.Model(inputs, x)
    model.save(tmp_path / "m.keras")
    ones = np.ones((1, 2, 2, 4), "float32")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(loaded(ones), model(ones))
    config = json.loads(model.to_json())["config"]["layers"][1]
    assert config["module"] == "keras.src.applications.convnext"


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"weights": "nowhere.h5"}, "The `weights` argument should be either `None`"),
        ({"classes": 7}, "`classes` should be 1000"),
        ({"weights": None, "input_shape": (8, 8, 3)}, "Input size must be at least 32x32"),
        ({"weights": None, "input_shape": (200, 200)}, "must be a tuple of three integers"),
        ({"weights": None, "input_shape": (None, None, 3)}, "static `input_shape`"),
        ({"input_shape": (200, 200, 3)}, r"`input_shape` should be \(224, 224, 3\)"),
        ({"input_shape": (64, 64, 4), "include_top": False}, "must have 3 channels"),
        ({"classifier_activation": "relu"}, "Only `None` and `softmax` activations"),
        ({"weights": None, "input_tensor": 3}, "`input_tensor` must be a KerasTensor"),
        ({"weights": None, "include_top": False, "pooling": "min"}, "None, 'avg' or 'max'"),
    ],
)
def test_arguments_that_do_not_fit(kwargs, message):
    with pytest.raises(ValueError, match=message):
        applications.ResNet50(**kwargs)


def test_widths_without_published_weights(offline):
    with pytest.raises(ValueError, match="alpha must be one of"):
        applications.MobileNet(alpha=0.33)
    with pytest.raises(ValueError, match="depth multiplier must be 1"):
        applications.MobileNet(depth_multiplier=2)
    with (
        pytest.warns(UserWarning, match="Weights for input shape"),
        pytest.raises(FileNotFoundError, match=r"mobilenet_v2.*_0.35_224_no_top"),
    ):
        applications.MobileNetV2(alpha=0.35, include_top=False, input_shape=(100, 100, 3))


def test_weights_are_found_in_the_cache_of_keras_or_by_path(offline, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError) as error:
        applications.VGG16(include_top=False)
    message = str(error.value)
    assert "no connection" in message
    assert str(offline / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5") in message
    assert "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/" in message
    assert "weights=path" in message
    source = applications.MobileNet(weights=None, alpha=0.25, **SMALL)
    source.save(tmp_path / "m.h5")
    by_path = applications.MobileNet(weights=tmp_path / "m.h5", alpha=0.25, **SMALL)
    for a, b in zip(by_path.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    body = applications.MobileNet(weights=None, alpha=0.25, include_top=False)
    body.save_weights(offline / "m.weights.h5")
    (offline / "m.weights.h5").rename(offline / "mobilenet_2_5_224_tf_no_top.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cached = applications.MobileNet(alpha=0.25, include_top=False)
    for a, b in zip(cached.get_weights(), body.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_file_with_another_checksum_is_read_with_a_warning(offline):
    body = applications.ResNet50(weights=None, include_top=False, input_shape=(32, 32, 3))
    body.save_weights(offline / "r.weights.h5")
    name = "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
    (offline / "r.weights.h5").rename(offline / name)
    with pytest.warns(UserWarning, match="its checksum is another"):
        applications.ResNet50(include_top=False, input_shape=(32, 32, 3))


def test_every_published_file_has_a_model():
    table = builder.published_table()
    assert {key.split()[0] for key in table} == set(NAMES)
    for entries in table.values():
        assert len(entries) == 2
        for address, digest, *_ in entries:
            assert address.endswith(".h5")
            assert len(digest) in (0, 32, 64)


def test_an_input_tensor_and_channels_first():
    x = keras.layers.Rescaling(1 / 255)(keras.Input((32, 32, 3), name="pixels"))
    model = applications.VGG16(weights=None, include_top=False, input_tensor=x, pooling="avg")
    assert model.inputs[0].name == "pixels"
    assert model.output_shape == (None, 512)
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        model = applications.MobileNetV2(weights=None, input_shape=(3, 32, 32), classes=4)
        assert model.output_shape == (None, 4)
        assert model.get_layer("out_relu").output.shape == (None, 1280, 1, 1)
    finally:
        keras.config.set_image_data_format(before)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.split(".")[-1])
def test_preprocess_input_changes_no_array(module):
    if not hasattr(module, "preprocess_input"):
        return
    x = np.full((1, 2, 2, 3), 100.0)
    module.preprocess_input(x)
    assert (x == 100).all()
    symbol = module.preprocess_input(keras.Input((2, 2, 3)))
    assert symbol.shape == (None, 2, 2, 3)


def test_what_pixels_and_predictions_refuse(offline):
    utils = applications.imagenet_utils
    with pytest.raises(ValueError, match="one of `caffe`, `tf` or `torch`"):
        utils.preprocess_input(np.ones((1, 1, 3)), mode="x")
    with pytest.raises(ValueError, match="one of `channels_first` or `channels_last`"):
        utils.preprocess_input(np.ones((1, 1, 3)), data_format="x")
    with pytest.raises(ValueError, match="2D array of shape"):
        utils.decode_predictions(np.ones((1, 10)))
    with pytest.raises(FileNotFoundError, match="imagenet_class_index"):
        utils.decode_predictions(np.ones((1, 1000)))
    names = {str(i): [f"n{i:08}", f"thing_{i}"] for i in range(1000)}
    (offline / "imagenet_class_index.json").write_text(json.dumps(names))
    with pytest.warns(UserWarning, match="checksum"):
        found = utils.decode_predictions(np.eye(1000)[[3]], top=1)
    assert found == [[("n00000003", "thing_3", 1.0)]]
