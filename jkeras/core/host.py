"""Layers called while data are prepared: on the host, with NumPy in and out.

In a function of a data set (`dataset.map(lambda x: layer(x))`), a call of a layer on NumPy arrays
gives NumPy arrays; so does a call of a preprocessing layer in another process, such as a worker of
a loader. Layers that are `on_numpy` compute with NumPy: nothing is compiled, whatever the shapes,
and it works in processes that were forked. The others are compiled for the CPU, once a shape.

What is drawn there follows from the layer's seed, the number of the pass, and the number of the
element: it is the same in any number of threads, and when training resumes.
"""

import contextlib
import contextvars
import itertools
import os
import sys
import threading
import weakref
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base import keys
from jkeras.base.types import AnyLayer, Seed, Structure
from jkeras.core import graph, pure, scope

# The numbers of the pass and the element that are prepared, and a count of calls on it.
_position: contextvars.ContextVar = contextvars.ContextVar("_position", default=None)
_computes_with_numpy: contextvars.ContextVar = contextvars.ContextVar("_numpy", default=False)
_calls = itertools.count()  # in a process that prepares data for another one
_programs: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_seeds: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_process = os.getpid()
# Held while a layer is built, since the threads of a data set call the same layer.
building = threading.RLock()


@contextlib.contextmanager
def preparing_data(*position: int) -> Iterator[None]:
    """Makes the layers that are called meanwhile return NumPy arrays for NumPy arrays.

    Args:
        *position: Numbers from which, and the layers' seeds, random draws follow.
    """
    token = _position.set((position, itertools.count()))
    try:
        yield
    finally:
        _position.reset(token)


def applies(layer: AnyLayer, args: tuple, kwargs: dict[str, Any]) -> bool:
    """Says whether a call is made to prepare data, on NumPy arrays."""
    if _position.get() is None:
        if not _is_worker() or not layer._prepares_data:
            return False
    elif _computes_with_numpy.get():
        return False  # inside of such a call
    found = jax.tree.leaves((args, kwargs))
    return any(map(_is_numpy, found)) and not any(isinstance(x, jax.Array) for x in found)


def _is_worker() -> bool:
    """Says whether this process was started by Python's multiprocessing, which then is loaded."""
    loaded: Any = sys.modules.get("multiprocessing")
    return loaded is not None and loaded.parent_process() is not None


def _is_numpy(value: Any) -> bool:
    return isinstance(value, (np.ndarray, np.generic, str, bytes))


def computes_with_numpy() -> bool:
    """Says whether the layers of the running call compute with NumPy."""
    # Not what is traced on the way, while layers are built.
    return _computes_with_numpy.get() and isinstance(scope.current(), scope.Eager)


def in_loader() -> bool:
    """Says whether the running call computes with NumPy in a process that prepares data.

    If it was forked, JAX must not be used there, not even to find shapes.
    """
    return computes_with_numpy() and _is_worker()


def array_module() -> Any:
    """Returns the library that a layer which is `on_numpy` computes with: NumPy, or `jax.numpy`."""
    return np if computes_with_numpy() else jnp


def as_numpy(tree: Structure, dtype: str | None) -> Structure:
    """Makes NumPy arrays of a call's arguments, and casts floating ones to a dtype."""

    def cast(x: Structure) -> Any:
        if not isinstance(x, (np.ndarray, np.generic)):
            return x
        x = np.asarray(x)
        return x.astype(dtype, copy=False) if dtype is not None and x.dtype.kind == "f" else x

    return jax.tree.map(cast, tree)


def seeds(layer: AnyLayer) -> list[int]:
    """Returns what the draws of a call follow from: of the layer, the element, and the call."""
    here = _position.get()
    if here is None:
        import multiprocessing  # which takes longer than the module of a program that has none

        worker = multiprocessing.current_process().name
        numbers = (zlib.crc32(worker.encode()), next(_calls))
    else:
        numbers = (*here[0], next(here[1]))
    with building:
        if layer not in _seeds:
            given = getattr(layer, "seed", None)
            _seeds[layer] = given if isinstance(given, int) else keys.draw_integer_seed()
        return [_seeds[layer] % 2**64, *numbers]


def call(
    layer: AnyLayer, compute: Callable[[], Any], args: tuple, kwargs: dict[str, Any]
) -> Structure:
    """Computes a layer's outputs as NumPy arrays.

    Args:
        layer: The layer.
        compute: Calls it as usual.
        args: What it is called on.
        kwargs: The same by name.
    """
    program = None
    with building:
        on_numpy = layer._on_numpy  # of a Sequential, it is that of its layers
        if not on_numpy:
            layer._prepare(args, kwargs)
            if not getattr(layer, "on_host", False):
                program = _program(layer, args, kwargs)
    if program is not None:
        return program()
    if not on_numpy:
        return jax.tree.map(np.array, compute())
    token = _computes_with_numpy.set(True)
    try:
        return jax.tree.map(np.asarray, compute())
    finally:
        _computes_with_numpy.reset(token)


def is_traced_by_tensorflow(args: tuple, kwargs: dict[str, Any]) -> bool:
    """Says whether a call is part of a function of `tf.data`, which has no values yet."""
    tf = sys.modules.get("tensorflow")
    return tf is not None and any(
        hasattr(x, "graph") and tf.is_symbolic_tensor(x) for x in jax.tree.leaves((args, kwargs))
    )


def call_in_tensorflow(layer: AnyLayer, args: tuple, kwargs: dict[str, Any]) -> Structure:
    """Adds a call of the layer, with NumPy, to the function that TensorFlow traces."""
    tf = sys.modules["tensorflow"]
    flat, structure = jax.tree.flatten((args, kwargs))
    places = [i for i, x in enumerate(flat) if hasattr(x, "graph")]

    def filled(values: Any) -> tuple[tuple, dict[str, Any]]:
        new = dict(zip(places, values, strict=True))
        return jax.tree.unflatten(structure, [new.get(i, x) for i, x in enumerate(flat)])

    tensors = [flat[i] for i in places]
    symbols = [graph.SymbolicTensor(tuple(x.shape), x.dtype.name) for x in tensors]
    inner_args, inner_kwargs = filled(symbols)
    specs, form = jax.tree.flatten(layer.compute_output_spec(*inner_args, **inner_kwargs))

    def run(*arrays: Any) -> list[Any]:
        given = [np.asarray(x, object) if isinstance(x, bytes) else np.asarray(x) for x in arrays]
        inner_args, inner_kwargs = filled(given)
        with preparing_data(next(_calls)):
            outputs = layer(*inner_args, **inner_kwargs)
        return [
            np.asarray(x, spec.dtype)
            for x, spec in zip(jax.tree.leaves(outputs), specs, strict=True)
        ]

    results = tf.numpy_function(run, tensors, [tf.as_dtype(spec.dtype) for spec in specs])
    for result, spec in zip(results, specs, strict=True):
        result.set_shape(spec.shape)
    return jax.tree.unflatten(form, results)


def _program(layer: AnyLayer, args: tuple, kwargs: dict[str, Any]) -> Callable[[], Any]:
    """Returns a call of the layer's compiled program."""
    if os.getpid() != _process:
        raise RuntimeError(
            f"The layer {layer.name!r} ({type(layer).__name__}) is compiled, which cannot be done "
            "in a process that was forked, since JAX's threads do not live there.\nStart the "
            "workers anew (PyTorch: `DataLoader(..., multiprocessing_context='spawn')`), use "
            "threads, or make the layer a part of the model."
        )
    flat, structure = jax.tree.flatten((args, kwargs))
    dynamic = [isinstance(x, (np.ndarray, np.generic)) for x in flat]
    fixed = tuple(None if is_array else x for x, is_array in zip(flat, dynamic, strict=True))
    programs = _programs.setdefault(layer, {})
    key = (structure, fixed)
    if key not in programs:

        def compute(variables: Any, arrays: Any, seed: Seed) -> Any:
            left = iter(arrays)
            values = [
                next(left) if is_array else x for x, is_array in zip(fixed, dynamic, strict=True)
            ]
            inner_args, inner_kwargs = jax.tree.unflatten(structure, values)
            rng = jax.random.fold_in(jax.random.key(seed[0]), seed[1])
            outputs, _ = pure.run(
                layer,
                variables,
                lambda: layer(*inner_args, **inner_kwargs),
                training=None,  # type: ignore[arg-type]
                rng=rng,
            )
            return outputs

        programs[key] = jax.jit(compute)
    program = programs[key]
    words = np.random.SeedSequence(seeds(layer)).generate_state(2)
    params, state = pure.read(layer)
    # Each generator goes on from its own seed, at a place of this call's own.
    state = {
        path: np.array([value[0], words[0]], "uint32")
        if path.endswith("seed_generator_state")
        else value
        for path, value in state.items()
    }
    arrays = [np.asarray(x) for x, is_array in zip(flat, dynamic, strict=True) if is_array]
    cpu = jax.devices("cpu")[0]

    def run() -> Any:
        given = ((params, state), arrays, words)
        if jax.default_backend() != "cpu":
            given = jax.device_put(given, cpu)
        return jax.tree.map(np.array, program(*given))

    return run
