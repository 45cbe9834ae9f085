"""`keras.src.testing`: the base of tests that packages write like Keras's own."""

import itertools
import json
import os
import shutil
import tempfile
import unittest
from collections.abc import Callable, Mapping, Sized
from typing import Any

import jax
import numpy as np

import jkeras
from jkeras.base import registry
from jkeras.core import shapes
from jkeras.core.graph import SymbolicTensor


class TestCase(unittest.TestCase):
    """A test with comparisons of arrays, and with checks that every layer should pass."""

    maxDiff = None

    def get_temp_dir(self) -> str:
        """Makes a folder that is gone after the test."""
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def convert_to_numpy(self, x: Any) -> np.ndarray:
        """Returns an array of NumPy's."""
        return jkeras.ops.convert_to_numpy(x)

    # -------------------------------------------------------------- comparisons
    def assertAllClose(
        self,
        actual: Any,
        desired: Any,
        atol: float = 1e-6,
        rtol: float = 1e-6,
        tpu_atol: float | None = None,
        tpu_rtol: float | None = None,
        msg: str | None = None,
    ) -> None:
        """Compares arrays; on a TPU with tolerances of its own, where they are given."""
        if uses_tpu():
            atol, rtol = tpu_atol or atol, tpu_rtol or rtol
        actual, desired = self.convert_to_numpy(actual), self.convert_to_numpy(desired)
        np.testing.assert_allclose(actual, desired, atol=atol, rtol=rtol, err_msg=msg or "")

    def assertNotAllClose(
        self, x1: Any, x2: Any, atol: float = 1e-6, rtol: float = 1e-6, msg: str | None = None
    ) -> None:
        """Fails where two arrays are as close as `assertAllClose` demands."""
        try:
            self.assertAllClose(x1, x2, atol=atol, rtol=rtol)
        except AssertionError:
            return
        self.fail(
            self._formatMessage(msg, f"The two values are close at all elements:\n{x1}\n{x2}")
        )

    def assertAlmostEqual(  # type: ignore[override]
        self,
        actual: Any,
        desired: Any,
        decimal: int = 3,
        tpu_decimal: int | None = None,
        msg: str | None = None,
    ) -> None:
        """Compares arrays to so many decimals."""
        if uses_tpu():
            decimal = decimal if tpu_decimal is None else tpu_decimal
        actual, desired = self.convert_to_numpy(actual), self.convert_to_numpy(desired)
        np.testing.assert_almost_equal(actual, desired, decimal=decimal, err_msg=msg or "")

    def assertAllEqual(self, actual: Any, desired: Any, msg: str | None = None) -> None:
        """Fails where two arrays differ anywhere."""
        actual, desired = (np.asarray(x) for x in (actual, desired))
        np.testing.assert_array_equal(actual, desired, err_msg=msg or "")

    def assertLen(self, iterable: Sized, expected_len: int, msg: str | None = None) -> None:
        """Compares a length."""
        self.assertEqual(len(iterable), expected_len, msg=msg)

    def assertDType(self, x: Any, dtype: Any, msg: str | None = None) -> None:
        """Compares a dtype."""
        wanted = jkeras.backend.standardize_dtype(dtype)
        self.assertEqual(jkeras.backend.standardize_dtype(x.dtype), wanted, msg=msg)

    def assertFileExists(self, path: Any) -> None:
        """Fails where there is no such file."""
        self.assertTrue(os.path.isfile(path), f"There is no file {path}")

    def assertSparse(self, x: Any, sparse: bool = True) -> None:
        """Fails if an array should be sparse: there are none here."""
        self.assertFalse(sparse, "jkeras has no sparse arrays")

    def assertRagged(self, x: Any, ragged: bool = True) -> None:
        """Fails if an array should be ragged: there are none here."""
        self.assertFalse(ragged, "jkeras has no ragged arrays")

    # -------------------------------------------------------------- checks of objects
    def run_class_serialization_test(
        self, instance: Any, custom_objects: Mapping[str, Any] | None = None
    ) -> Any:
        """Makes an object again from its config, by its class and by its name, and compares.

        Returns:
            The object that was made by name.
        """
        cls = type(instance)
        with jkeras.saving.custom_object_scope({cls.__name__: cls, **(custom_objects or {})}):
            config = instance.get_config()
            again = cls.from_config(config)
            self.assertEqual(_written(again.get_config()), _written(config))
            self.assertEqual(set(dir(again)), set(dir(instance)))
            described = jkeras.saving.serialize_keras_object(instance)
            by_name = jkeras.saving.deserialize_keras_object(json.loads(json.dumps(described)))
        self.assertIsInstance(by_name, cls)
        self.assertEqual(_written(by_name.get_config()), _written(config))
        return by_name

    def run_layer_test(
        self,
        layer_cls: type,
        init_kwargs: Mapping[str, Any],
        input_shape: Any = None,
        input_dtype: Any = None,
        input_sparse: bool = False,
        input_ragged: bool = False,
        input_data: Any = None,
        call_kwargs: Mapping[str, Any] | None = None,
        expected_output_shape: Any = None,
        expected_output_dtype: Any = None,
        expected_output_sparse: bool = False,
        expected_output_ragged: bool = False,
        expected_output: Any = None,
        expected_num_trainable_weights: int | None = None,
        expected_num_non_trainable_weights: int | None = None,
        expected_num_non_trainable_variables: int | None = None,
        expected_num_seed_generators: int | None = None,
        expected_num_losses: int | None = None,
        supports_masking: bool | None = None,
        expected_mask_shape: Any = None,
        custom_objects: Mapping[str, Any] | None = None,
        run_training_check: bool = True,
        run_mixed_precision_check: bool = True,
        assert_built_after_instantiation: bool = False,
        tpu_atol: float | None = None,
        tpu_rtol: float | None = None,
    ) -> None:
        """Checks a layer: its config, shapes, dtypes, numbers of weights, training, precision.

        Args:
            layer_cls: The layer's class.
            init_kwargs: The arguments it is made with.
            input_shape: The shape of its inputs, or a list or dict of shapes.
            input_dtype: Their dtypes, likewise; float32 by default.
            input_sparse: Not supported.
            input_ragged: Not supported.
            input_data: Inputs, in place of random ones of a shape.
            call_kwargs: Further arguments of calls.
            expected_output_shape: The shape of the outputs, or a structure of shapes.
            expected_output_dtype: Their dtype, or a structure of dtypes.
            expected_output_sparse: Not supported.
            expected_output_ragged: Not supported.
            expected_output: The outputs for `input_data`.
            expected_num_trainable_weights: How many weights are trained.
            expected_num_non_trainable_weights: How many are not.
            expected_num_non_trainable_variables: How many variables are not trained.
            expected_num_seed_generators: How many sequences of random draws it has.
            expected_num_losses: How many losses a call adds.
            supports_masking: What the attribute of that name should be.
            expected_mask_shape: The shape of `compute_mask`'s result.
            custom_objects: Names that its config needs.
            run_training_check: Whether `fit` is tried.
            run_mixed_precision_check: Whether `mixed_float16` is tried.
            assert_built_after_instantiation: Whether it is built as soon as it is made.
            tpu_atol: For `assertAllClose`.
            tpu_rtol: For `assertAllClose`.
        """
        if input_sparse or input_ragged or expected_output_sparse or expected_output_ragged:
            self.skipTest("jkeras has no sparse or ragged arrays")
        call_kwargs = call_kwargs or {}

        def make(**kwargs: Any) -> Any:
            return layer_cls(**{**init_kwargs, **kwargs})

        def call(layer: Any, inputs: Any) -> Any:
            if isinstance(inputs, dict):
                return layer(**inputs, **call_kwargs)
            return layer(inputs, **call_kwargs)

        layer = make()
        if assert_built_after_instantiation:
            self.assertTrue(layer.built)
        self.run_class_serialization_test(layer, custom_objects)
        if supports_masking is not None:
            self.assertEqual(layer.supports_masking, supports_masking)

        if input_shape is None and input_data is not None:
            input_shape = jax.tree.map(lambda x: tuple(np.shape(x)), input_data)
        if input_shape is not None:
            given = shapes.map_shapes(tuple, input_shape)
            layer.build(**given) if isinstance(given, dict) else layer.build(given)
            self.assertTrue(layer.built)
        for wanted, found in (
            (expected_num_trainable_weights, "trainable_weights"),
            (expected_num_non_trainable_weights, "non_trainable_weights"),
            (expected_num_non_trainable_variables, "non_trainable_variables"),
        ):
            if wanted is not None and layer.built:
                self.assertLen(getattr(layer, found), wanted, msg=f"Unexpected number of {found}")
        if expected_num_seed_generators is not None:
            self.assertLen(_seed_generators(layer), expected_num_seed_generators)
        if input_shape is None:
            return

        dtypes = input_dtype or "float32"
        if not isinstance(dtypes, (list, tuple, dict)):
            dtypes = shapes.map_shapes(lambda _: dtypes, input_shape)
        flat, structure = jax.tree.flatten(input_shape, is_leaf=shapes.is_shape)
        flat_dtypes = jax.tree.leaves(dtypes)

        def check(outputs: Any) -> None:
            leaves = jax.tree.leaves(outputs)
            if expected_output_shape is not None:
                wanted = jax.tree.leaves(expected_output_shape, is_leaf=shapes.is_shape)
                self.assertEqual([tuple(x.shape) for x in leaves], list(map(tuple, wanted)))
            if expected_output_dtype is not None:
                wanted = expected_output_dtype
                wanted = wanted if isinstance(wanted, (list, tuple)) else [wanted] * len(leaves)
                for x, dtype in zip(leaves, wanted, strict=True):
                    self.assertDType(x, dtype)

        symbols = [SymbolicTensor(s, d) for s, d in zip(flat, flat_dtypes, strict=True)]
        inputs = jax.tree.unflatten(structure, symbols)
        layer = make()
        check(call(layer, inputs))
        if expected_mask_shape is not None:
            self.assertEqual(layer.compute_mask(inputs).shape, expected_mask_shape)

        arrays = input_data
        if arrays is None:
            draw = [_array(s, d) for s, d in zip(flat, flat_dtypes, strict=True)]
            arrays = jax.tree.unflatten(structure, draw)
        layer = make()
        outputs = call(layer, arrays)
        check(outputs)
        if expected_output is not None:
            for x, wanted in zip(
                jax.tree.leaves(outputs), jax.tree.leaves(expected_output), strict=True
            ):
                self.assertAllClose(x, wanted, tpu_atol=tpu_atol, tpu_rtol=tpu_rtol)
        if expected_num_losses is not None:
            self.assertLen(layer.losses, expected_num_losses)
        if run_training_check:
            self._check_training(make(), call, arrays, outputs)
        if run_mixed_precision_check and "dtype" not in init_kwargs:
            self._check_mixed_precision(make(dtype="mixed_float16"), call, arrays)

    def _check_training(self, layer: Any, call: Callable, arrays: Any, outputs: Any) -> None:
        """Trains a model of the layer alone for a step."""

        class Alone(jkeras.Model):
            def __init__(self) -> None:
                super().__init__()
                self.layer = layer

            def call(self, x: Any) -> Any:
                return call(self.layer, x)

        def mean(y_true: Any, y_pred: Any) -> Any:
            return jkeras.ops.mean(jkeras.ops.cast(y_pred, "float32"))

        model = Alone()
        model.compile("sgd", jax.tree.map(lambda _: mean, outputs), jit_compile="auto")
        batches = [(arrays, jax.tree.map(lambda x: np.zeros(x.shape), outputs))]
        model.fit(iter(batches), steps_per_epoch=1, verbose=0)

    def _check_mixed_precision(self, layer: Any, call: Callable, arrays: Any) -> None:
        """Calls the layer in half precision, while its weights stay in full precision."""
        call(layer, arrays)
        for variable in layer.weights:
            if variable.dtype == "float16":
                self.fail(f"The weight {variable.path} is kept in half precision")


def _written(config: Any) -> str:
    return json.dumps(registry.serialize_keras_object(config), sort_keys=True)


def _array(shape: Any, dtype: Any) -> Any:
    sizes = [1 if n is None else n for n in shape]
    kind = jkeras.backend.standardize_dtype(dtype)
    if kind.startswith("float"):
        return jkeras.random.uniform(sizes, dtype=kind)
    return jkeras.ops.cast(jkeras.random.randint(sizes, 0, 2), kind)


def _seed_generators(layer: Any) -> list[Any]:
    found = [
        value
        for part in layer._flatten_layers()
        for value in vars(part).values()
        if isinstance(value, jkeras.random.SeedGenerator)
    ]
    return list({id(x): x for x in found}.values())


def uses_tpu() -> bool:
    """Says whether JAX computes on a TPU."""
    return jax.default_backend() == "tpu"


def uses_gpu() -> bool:
    """Says whether JAX computes on a GPU."""
    return jax.default_backend() == "gpu"


jax_uses_gpu, jax_uses_tpu = uses_gpu, uses_tpu


def tensorflow_uses_gpu() -> bool:
    """Says that TensorFlow does not compute here."""
    return False


tensorflow_uses_tpu = torch_uses_gpu = tensorflow_uses_gpu


def named_product(*args: Any, **kwargs: Any) -> list[dict[str, Any]]:
    """Returns all combinations of parameters, each with a name, for absl's `named_parameters`.

    Args:
        *args: Lists of dicts of parameters that go together, each with a `testcase_name`.
        **kwargs: The values of parameters of their own.
    """

    def named(value: Any) -> str:
        return str(getattr(value, "__name__", value)).lower()

    each = [list(dicts) for dicts in args]
    each += [[{"testcase_name": named(v), key: v} for v in kwargs[key]] for key in kwargs]
    found = []
    for parts in itertools.product(*reversed(each)):  # the last one changes last
        chosen = parts[::-1]
        name = "_".join(part["testcase_name"] for part in chosen)
        found.append({k: v for part in chosen for k, v in part.items()} | {"testcase_name": name})
    return found
