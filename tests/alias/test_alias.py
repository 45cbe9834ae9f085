"""`import keras` answered by jkeras."""

import importlib
import importlib.metadata
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import jkeras
from jkeras import alias


@pytest.fixture
def keras(monkeypatch, tmp_path):
    """The alias in this process, taken away again; its log goes to a file."""
    monkeypatch.setenv("JKERAS_ALIAS_LOG", str(tmp_path / "log"))
    for name in ("KERAS_BACKEND", "JKERAS_ALIAS", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    alias.install()
    yield importlib.import_module("keras")
    alias.uninstall()


def test_modules_are_the_same_objects(keras):
    for name in ("layers", "optimizers.schedules", "preprocessing.image", "applications.resnet"):
        spec = importlib.import_module(f"jkeras.{name}").__spec__
        module = importlib.import_module(f"keras.{name}")
        assert module is sys.modules[f"jkeras.{name}"]
        assert module.__spec__ is spec  # so that reload and pickle find it
    assert keras.layers is jkeras.layers
    assert keras.Model is jkeras.Model
    assert importlib.import_module("keras.api.layers") is jkeras.layers
    assert importlib.import_module("keras._tf_keras.keras.layers") is jkeras.layers


def test_versions(keras):
    assert keras.__version__ == keras.version() == importlib.metadata.version("keras")
    assert keras.__version__.startswith("3.")
    assert jkeras.__version__ != keras.__version__
    assert os.environ["KERAS_BACKEND"] == keras.config.backend() == "jax"


def test_star_import(keras):
    names = {}
    exec("from keras import *", names)
    assert names["layers"] is jkeras.layers
    assert names["applications"].__name__ == "jkeras.applications"
    assert names["Variable"] is jkeras.Variable


@pytest.mark.parametrize(
    ("path", "name", "public"),
    [
        ("layers", "Dense", "layers.Dense"),
        ("layers.core.dense", "Dense", "layers.Dense"),
        ("layers.layer", "Layer", "Layer"),
        ("callbacks", "History", "callbacks.History"),
        ("losses.losses", "LossFunctionWrapper", "losses.LossFunctionWrapper"),
        ("saving.serialization_lib", "serialize_keras_object", "saving.serialize_keras_object"),
        ("saving.saving_lib", "save_model", "saving.save_model"),
        ("trainers.data_adapters.py_dataset_adapter", "PyDataset", "utils.PyDataset"),
        ("backend", "KerasTensor", "KerasTensor"),
        ("backend.common.variables", "KerasVariable", "Variable"),
        ("optimizers.schedules.learning_rate_schedule", "CosineDecay", None),
    ],
)
def test_private_paths_of_public_names(keras, path, name, public):
    module = importlib.import_module(f"keras.src.{path}")
    expected = jkeras
    for part in (public or f"optimizers.schedules.{name}").split("."):
        expected = getattr(expected, part)
    assert getattr(module, name) is expected


def test_masks_through_private_helpers(keras):
    backend = importlib.import_module("keras.src.backend")
    x = jkeras.ops.ones((2, 3))
    assert backend.get_keras_mask(x) is None
    backend.set_keras_mask(x, jkeras.ops.ones((2, 3), "bool"))
    assert backend.get_keras_mask(x).shape == (2, 3)
    masked = jkeras.layers.Masking()(jkeras.Input((4, 1)))
    assert backend.get_keras_mask(masked).shape == (None, 4)


def test_what_is_missing_raises_when_it_is_used(keras, tmp_path):
    utils = importlib.import_module("keras.src.utils.some_utils")
    a_class, function = utils.SomeHelper, utils.some_helper  # importing is harmless
    with pytest.raises(NotImplementedError, match=r"no keras.src.utils.some_utils.SomeHelper"):
        a_class(1)
    with pytest.raises(NotImplementedError, match=r"no keras.src.utils.some_utils.some_helper"):
        function(1)
    with pytest.raises(AttributeError, match="'keras' has no attribute 'foo'"):
        _ = keras.foo
    with pytest.raises(ImportError, match="cannot import name 'Foo'"):
        exec("from keras.layers import Foo", {})
    for name in ("keras.src.nope", "keras.nope", "keras.layers.nope"):
        with pytest.raises(ModuleNotFoundError, match=f"No module named '{name}'"):
            importlib.import_module(name)
    assert not hasattr(keras.src, "nope")
    missing = alias.report().missing
    assert missing["keras.src.utils.some_utils.SomeHelper"] is True
    assert missing["keras.layers.Foo"] is False
    log = (tmp_path / "log").read_text().splitlines()
    assert "missing\tkeras.layers.Foo" in log
    assert "used\tkeras.src.utils.some_utils.some_helper" in log
    assert "missing: keras.foo" in alias.report().summary()


def test_replacing_a_name_replaces_it_in_jkeras(keras, monkeypatch):
    monkeypatch.setattr(keras, "device", "mine")
    assert jkeras.device == "mine"


def test_old_modules(keras):
    with pytest.warns(
        DeprecationWarning, match="keras.layers.convolutional is a module of Keras 2"
    ):
        module = importlib.import_module("keras.layers.convolutional")
    assert module.MaxPooling2D is jkeras.layers.MaxPooling2D
    with pytest.warns(DeprecationWarning, match="keras.engine.topology"):
        assert importlib.import_module("keras.engine.topology").Layer is jkeras.layers.Layer


def test_another_keras_stays(monkeypatch):
    mine = object()
    monkeypatch.setitem(sys.modules, "keras", mine)
    with pytest.raises(RuntimeError, match="imported before the alias was installed"):
        alias.install()
    assert sys.modules["keras"] is mine
    assert not alias.is_installed()
    with pytest.raises(RuntimeError, match="not installed"):
        alias.report()


def test_uninstalling_leaves_nothing(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "somewhere")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    before = dict(os.environ)
    alias.install()
    alias.install()  # changes nothing
    assert os.environ["PYTHONPATH"].split(os.pathsep)[1] == "somewhere"
    importlib.import_module("keras.src.layers")
    alias.uninstall()
    alias.uninstall()
    assert dict(os.environ) == before
    assert not [name for name in sys.modules if name.partition(".")[0] == "keras"]
    with pytest.raises(AttributeError, match="has no attribute 'Foo'"):
        _ = jkeras.layers.Foo


SCRIPT = """
import multiprocessing, sys
import keras
from tensorflow import keras as other

def where(_):
    import keras
    return keras.__version__, keras.layers.Dense.__module__

if __name__ == "__main__":
    assert other is keras
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(where, [0]) == [where(0)]
    print(__name__, sys.argv[1:], where(0))
    keras.layers.Nope
"""


def run(*arguments, **kwargs):
    return subprocess.run(
        [sys.executable, "-m", "jkeras", *arguments], capture_output=True, text=True, **kwargs
    )


def test_a_script_and_its_child_processes(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = run("--summary", "--tensorflow", str(tmp_path / "script.py"), "--epochs", "3")
    assert "__main__ ['--epochs', '3'] ('3." in done.stdout
    assert "'jkeras.layers.core')" in done.stdout
    assert done.returncode == 1  # of the last line's error
    assert "has no attribute 'Nope'" in done.stderr
    assert "missing: keras.layers.Nope" in done.stderr


def test_notebook_cells(tmp_path):
    code = [["import keras\n", "x = keras.ops.ones(2)"], ["print(keras.__version__, x.shape)"]]
    cells = [{"cell_type": "markdown", "source": ["# Title"]}]
    cells += [{"cell_type": "code", "source": source} for source in code]
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": cells}))
    done = run(str(tmp_path / "a.ipynb"))
    assert done.stdout.startswith("3.") and done.stdout.rstrip().endswith("(2,)")


def test_usage():
    from jkeras.__main__ import main

    with pytest.raises(SystemExit, match="2"):
        main([])
    with pytest.raises(SystemExit, match=r"there is no file 'nowhere.py'"):
        main(["nowhere.py"])
    alias.uninstall()


def test_an_installed_tensorflow_gets_it_as_its_keras(tmp_path):
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("real = True\n")
    code = """
import tensorflow
from tensorflow.keras import layers
from tensorflow.keras.preprocessing.sequence import pad_sequences
import tensorflow.keras.optimizers, jkeras
assert tensorflow.real and layers is jkeras.layers
assert tensorflow.keras.optimizers is jkeras.optimizers and pad_sequences is not None
"""
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.path.dirname(jkeras.__path__[0])]),
    }
    command = [sys.executable, "-m", "jkeras", "-c", code]
    done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_equations_of_einsum(keras):
    attention = importlib.import_module("keras.src.layers.attention.multi_head_attention")
    assert attention._build_proj_equation(2, 1, 2) == ("abc,cde->abde", "de", 4)
    assert attention._build_proj_equation(2, 2, 1) == ("abcd,cde->abe", "e", 3)
    found = attention._build_attention_equation(4, attn_axes=(1,))
    assert found == ("aecd,abcd->acbe", "acbe,aecd->abcd", 4)
    found = attention._build_attention_equation(5, (1, 2))
    assert found == ("afgde,abcde->adbcfg", "adbcfg,afgde->abcde", 6)
    einsum = importlib.import_module("keras.src.layers.core.einsum_dense")
    found = einsum._analyze_einsum_string("abc,cde->abde", "de", (2, 3, 4), (3, 5, 6))
    assert found == ([4, 5, 6], [5, 6], [2, 3, 5, 6], [0], [1, 2])
    found = einsum._analyze_einsum_string("ab0,bc->ac0", "c", (None, 4, 7, 7), (5,))
    assert found == ([4, 5], [5, 1, 1], [None, 5, 7, 7], [0], [1])
    found = einsum._analyze_quantization_info("abc,cde->abde", (2, 3, 4))
    axes = [2], [0], [0, 1, 2], [0, 1, 2], [3], [1], [], []
    assert found == (*axes, "abde,cde->abc", [0, 1, 2])


def test_base_classes_of_layers(keras):
    base = importlib.import_module("keras.src.layers.convolutional.base_conv").BaseConv

    class Doubled(base):
        def __init__(self, filters, kernel_size, **kwargs):
            super().__init__(rank=1, filters=filters, kernel_size=kernel_size, **kwargs)

        def convolution_op(self, inputs, kernel):
            return super().convolution_op(inputs, 2 * kernel)

    assert isinstance(keras.layers.Conv2D(1, 2), base)
    layer = Doubled(1, 2, kernel_initializer="ones")
    assert layer(keras.ops.ones((1, 2, 1))).tolist() == [[[4.0]]]
    assert "rank" not in layer.get_config()

    class Spread(importlib.import_module("keras.src.layers.merging.base_merge").Merge):
        def _merge_function(self, inputs):
            return keras.ops.max(inputs[0] - inputs[1], axis=-1, keepdims=True)

    assert Spread()([keras.ops.ones((1, 3)), keras.ops.zeros((1, 3))]).tolist() == [[1.0]]
    assert isinstance(keras.layers.Dot(1), Spread.__base__)
    pooling = importlib.import_module("keras.src.layers.pooling.base_pooling").BasePooling
    assert isinstance(keras.layers.MaxPooling2D(), pooling)
    utils = importlib.import_module("keras.src.ops.operation_utils")
    shape = utils.compute_conv_output_shape((None, 28, 28, 3), 8, (3, 3), strides=2)
    assert shape == (None, 13, 13, 8)


def test_shapes_of_images(keras):
    find = importlib.import_module("keras.src.applications.imagenet_utils").obtain_input_shape
    assert find(None, 224, 32, "channels_last", True) == (224, 224, 3)
    assert find(None, 224, 32, "channels_first", False) == (3, None, None)
    assert find((64, 48, 3), 224, 32, "channels_last", True) == (64, 48, 3)
    with pytest.raises(ValueError, match="at least 32x32"):
        find((20, 48, 3), 224, 32, "channels_last", True)
    backend = importlib.import_module("keras.src.backend")
    assert backend.standardize_data_format("Channels_First") == "channels_first"


def test_modules_of_a_backend_have_the_operations_of_keras_ops(keras, recwarn):
    image = importlib.import_module("keras.src.backend.jax.image")
    assert image.affine_transform is keras.ops.image.affine_transform
    numpy = importlib.import_module("keras.src.backend.jax.numpy")
    assert numpy.mean is keras.ops.mean  # and not Keras 2's function of the same name
    core = importlib.import_module("keras.src.backend.jax.core")
    assert int(core.switch(1, [lambda x: x, lambda x: 2 * x], 3)) == 6
    backend = importlib.import_module("keras.src.backend")
    assert backend.linalg.svd is keras.ops.linalg.svd
    assert backend.nn.relu is keras.ops.relu
    assert backend.floatx() == "float32"
    assert not [w for w in recwarn if w.category is DeprecationWarning]


def test_tests_written_like_keras_s_own(keras):
    testing = importlib.import_module("keras.src.testing")

    class Scale(keras.layers.Layer):
        def __init__(self, factor, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

        def build(self, input_shape):
            self.shift = self.add_weight(shape=input_shape[-1:], initializer="zeros")

        def call(self, x):
            return self.factor * x + self.shift

    test = testing.TestCase()
    given = {
        "init_kwargs": {"factor": 2.0},
        "input_data": np.ones((2, 3), "float32"),
        "expected_output": np.full((2, 3), 2.0),
        "expected_output_shape": (2, 3),
        "expected_num_trainable_weights": 1,
        "expected_num_losses": 0,
        "custom_objects": {"Scale": Scale},
    }
    test.run_layer_test(Scale, **given)
    for wrong in (
        {"expected_output_shape": (2, 4)},
        {"expected_num_trainable_weights": 2},
        {"expected_output": np.zeros((2, 3))},
    ):
        with pytest.raises(AssertionError):
            test.run_layer_test(Scale, **{**given, **wrong})
    test.assertNotAllClose([1.0], [1.1])
    test.assertDType(keras.ops.ones(1), "float32")
    assert not testing.uses_tpu()
    product = importlib.import_module("keras.src.testing.test_utils").named_product
    found = product([{"testcase_name": "one", "x": 1}], kind=(float, None))
    assert found == [
        {"testcase_name": "one_float", "x": 1, "kind": float},
        {"testcase_name": "one_none", "x": 1, "kind": None},
    ]
