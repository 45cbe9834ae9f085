"""Functions of arrays and of a model's weights as programs: traced, written, read, called.

A program is what `jax.export` makes of a function `(weights, *arguments)`; where random numbers
are drawn in it, the numbers of a key are one argument more, the last.
"""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from jkeras.base import platforms
from jkeras.base.extras import missing
from jkeras.core import parts, scope
from jkeras.core.graph import SymbolicTensor
from jkeras.core.variable import Variable

PLATFORMS = ("cpu", "cuda", "tpu")
MAX_BYTES = 512 * 2**20
_MOST_DERIVATIVES = 1

# Calls that XLA itself, or jaxlib, computes: checks of sizes, random bits, the largest entries.
_KNOWN_CALLS = {
    "shape_assertion",
    "Sharding",
    "cu_threefry2x32",
    "cu_threefry2x32_ffi",
    "mhlo.topk",
    "mhlo.erf",
}
_CALL = re.compile(r"\bstablehlo\.custom_call @([\w.]+)\(")
_TALKS = re.compile(r"\bstablehlo\.(infeed|outfeed|send|recv)\b")


@dataclass(frozen=True)
class Program:
    """A program, and what its caller has to know.

    Attributes:
        exported: What `jax.export` has made.
        weights: The keys of the weights that it takes.
        writes: The keys of those of which it returns new values, in a dict after its outputs; if
            there are none, it returns the outputs only.
        draws: Whether the last argument is the numbers of a key.
        names: The names of the arguments, where the function is a layer's call.
    """

    exported: jax.export.Exported
    weights: tuple[str, ...]
    writes: tuple[str, ...]
    draws: bool
    names: tuple[str, ...] = ()

    def __reduce__(self) -> tuple:
        data = self.to_bytes(derivatives=1)
        return Program.from_bytes, (data, self.description(), "a pickle", jax.__version__)

    def __deepcopy__(self, _: Any) -> Self:
        return self

    def call(self, weights: Mapping[str, Any], *args: Any, key: Any = None) -> tuple[Any, Any]:
        """Returns the outputs, and the new values of weights by their keys.

        Args:
            weights: Arrays by key; those that the program does not take may be among them.
            *args: The function's arguments.
            key: A typed key, for a program that draws.

        Raises:
            ValueError: If the arguments do not fit.
        """
        seed = (jax.random.key_data(key),) if self.draws else ()
        taken = {k: weights[k] for k in self.weights}
        given = jax.tree.map(jnp.asarray, (taken, *args, *seed))
        run = self._of_nothing if self._is_given_nothing(given) else self._run
        results = run(*given)
        return results if self.writes else (results, {})

    @functools.cached_property
    def _run(self) -> Callable:
        # What does not fit is said by `jax.export`'s own call, which has the arguments' structure.
        flat = _mappable(self.exported)

        def run(*given: Any) -> Any:
            expected: Any = self.exported.in_tree
            if expected != jax.tree.structure((given, {})):
                return self.exported.call(*given)
            return jax.tree.unflatten(self.exported.out_tree, flat(*jax.tree.leaves(given)))

        return run

    def _is_given_nothing(self, given: tuple) -> bool:
        """Says whether an axis of any size has no entry: programs take one at least."""
        pairs = zip(jax.tree.leaves(given), self.exported.in_avals, strict=False)
        return any(
            isinstance(n, int) and n == 0 and not isinstance(wanted, int)
            for x, aval in pairs
            for n, wanted in zip(x.shape, aval.shape, strict=False)
        )

    def _of_nothing(self, *given: Any) -> Any:
        """Returns outputs without entries, whose shapes follow from those at one row and at two."""
        leaves, structure = jax.tree.flatten(given)
        avals = self.exported.in_avals

        def outputs_at(size: int) -> Any:
            def struct(x: Any, aval: Any) -> jax.ShapeDtypeStruct:
                pairs = zip(x.shape, aval.shape, strict=True)
                shape = [size if n == 0 and not isinstance(w, int) else n for n, w in pairs]
                return jax.ShapeDtypeStruct(shape, x.dtype)

            args = [struct(x, aval) for x, aval in zip(leaves, avals, strict=True)]
            return jax.eval_shape(self._run, *jax.tree.unflatten(structure, args))

        def empty(one: Any, two: Any) -> jax.Array:
            shape = [2 * n - m for n, m in zip(one.shape, two.shape, strict=True)]
            if 0 not in shape:
                raise ValueError(
                    "An exported program takes batches of at least one row: what it computes "
                    f"of none is not known, since its output of shape {one.shape} has entries then."
                )
            return jnp.zeros(shape, one.dtype)

        return jax.tree.map(empty, outputs_at(1), outputs_at(2))

    def to_bytes(self, derivatives: int = 0) -> bytes:
        """Returns the program as bytes.

        Args:
            derivatives: How often it can be differentiated once it is read again, if it can be: a
                `while_loop` cannot.

        Raises:
            ImportError: If `flatbuffers` is not installed.
            ValueError: If it calls what is not a part of XLA.
        """
        _check(self.exported.mlir_module(), "The program")
        try:
            return bytes(self.exported.serialize(vjp_order=derivatives))
        except ImportError as error:
            raise _no_flatbuffers() from error
        except (ValueError, TypeError, NotImplementedError):
            if not derivatives:
                raise
            return self.to_bytes()

    def description(self) -> dict[str, Any]:
        """Returns what else `from_bytes` needs, JSON-able."""
        return {
            "weights": list(self.weights),
            "writes": list(self.writes),
            "draws": self.draws,
            "names": list(self.names),
        }

    @classmethod
    def from_bytes(cls, data: bytes, description: Any, what: str, jax_version: Any) -> Self:
        """Returns a program that `to_bytes` has written. It can compute, and do nothing else.

        Args:
            data: The bytes.
            description: What `description` gave.
            what: What it is, for messages: `"the program 'serve' of 'x.stablehlo'"`.
            jax_version: The version of JAX that has written it.

        Raises:
            ImportError: If `flatbuffers` is not installed.
            ValueError: If it is damaged, of a version of JAX too far from this one, or calls what
                is not a part of XLA.
        """
        words = [description.get(k) if isinstance(description, dict) else None for k in _LISTS]
        if not all(
            isinstance(w, list) and all(isinstance(k, str) for k in w) for w in words
        ) or not isinstance(description.get("draws"), bool):
            raise ValueError(f"What is said of {what} is damaged.")
        try:
            exported = jax.export.deserialize(bytearray(data))
            found, texts = exported, [exported.mlir_module()]
            while found.has_vjp() and len(texts) < _MOST_DERIVATIVES + 2:
                found = found.vjp()
                texts.append(found.mlir_module())
        except ImportError as error:
            raise _no_flatbuffers() from error
        except Exception as error:
            raise ValueError(
                f"Cannot read {what}: {type(error).__name__}: {error}\nIt was written with jax "
                f"{jax_version}, and this is jax {jax.__version__}. JAX reads programs that are "
                "up to six months older than itself, and three weeks newer; an exported program "
                "is not a format to keep models in. Read it with a version near that one; or, if "
                "it is the right version, the file is damaged."
            ) from error
        for text in texts:
            _check(text, what)
        if len(texts) > _MOST_DERIVATIVES + 1:
            raise ValueError(f"{what} holds more derivatives than are written: it is refused.")
        weights, writes, names = map(tuple, words)  # type: ignore[arg-type]
        program = cls(exported, weights, writes, description["draws"], names)
        program._check_arguments(what)
        return program

    @property
    def arguments(self) -> tuple:
        """What it is called on, besides weights and a key, as `jax.ShapeDtypeStruct`s."""
        (_, *args), _ = jax.tree.unflatten(self.exported.in_tree, self.exported.in_avals)
        return tuple(args[:-1] if self.draws else args)

    def _check_arguments(self, what: str) -> None:
        args, kwargs = jax.tree.unflatten(self.exported.in_tree, self.exported.in_avals)
        keys = set(args[0]) if args and isinstance(args[0], dict) else None
        if keys != set(self.weights) or kwargs or len(args) < 1 + self.draws:
            raise ValueError(f"{what} takes other weights than its file says: it is damaged.")


_LISTS = ("weights", "writes", "names")


def _mappable(exported: jax.export.Exported) -> Callable:
    """Returns the call on flat arguments, of which `vmap` makes a loop: JAX has no rule for it."""

    @jax.custom_vjp
    def call(*flat: Any) -> tuple:
        return compute(*flat)

    @jax.custom_batching.sequential_vmap
    def compute(*flat: Any) -> tuple:
        args, kwargs = jax.tree.unflatten(exported.in_tree, flat)
        return tuple(jax.tree.leaves(exported.call(*args, **kwargs)))

    def forward(*flat: Any) -> tuple:
        return call(*flat), flat

    def backward(flat: Any, cotangents: Any) -> tuple:
        found = iter(gradients(*flat, *(c for c in cotangents if c.dtype != _FLOAT0)))
        return tuple(next(found) if _is_real(x) else np.zeros(x.shape, _FLOAT0) for x in flat)

    @jax.custom_batching.sequential_vmap
    def gradients(*values: Any) -> tuple:
        count = len(exported.in_avals)
        flat, cotangents = values[:count], iter(values[count:])
        program = exported.vjp()
        given = [
            np.zeros(out.shape, _FLOAT0) if aval.dtype == _FLOAT0 else next(cotangents)
            for out, aval in zip(
                jax.eval_shape(compute, *flat), program.in_avals[count:], strict=True
            )
        ]
        found = program.call(*flat, *given)
        return tuple(g for g, x in zip(found, flat, strict=True) if _is_real(x))

    call.defvjp(forward, backward)
    return call


_FLOAT0 = jax.dtypes.float0


def _is_real(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jnp.inexact)


def _check(text: str, what: str) -> None:
    """Refuses a program that does more than compute."""
    names = _CALL.findall(text)
    unknown = sorted(set(names) - _KNOWN_CALLS)
    if text.count("custom_call") != len(names):  # written in another way
        unknown.append("one whose name cannot be read")
    unknown += sorted(set(_TALKS.findall(text)))
    if unknown:
        raise ValueError(
            f"Not allowed: {what} calls what is not a part of XLA: {', '.join(unknown)}. Such a "
            "call can do anything, and is not there on other machines. (jax.pure_callback, "
            "jax.debug.print and kernels of one's own are such calls.)"
        )


def _no_flatbuffers() -> ImportError:
    return missing(
        "jax.export writes and reads programs with the package flatbuffers", "flatbuffers"
    )


# ------------------------------------------------------------------ tracing
def trace(
    function: Callable,
    variables: Mapping[str, Variable],
    arguments: Sequence[Any],
    *,
    training: bool | None = None,
    root: Any = None,
    names: Sequence[str] = (),
    platforms: Sequence[str] = PLATFORMS,
) -> Program:
    """Makes a program of a function that calls layers.

    Args:
        function: The function, of arrays and of structures of arrays.
        variables: What it may read and write, by key.
        arguments: What it is called on, as structures of what has a shape and a dtype; None for an
            axis of any size. The first axes share one size.
        training: The training flag of layers that are not told otherwise.
        root: The layer whose paths random numbers follow from.
        names: The names of the arguments.
        platforms: What it shall run on.

    Raises:
        ValueError: If the function cannot be traced for any size.
    """

    def run(drawn: list[bool], weights: Any, args: Any, seed: Any) -> Any:
        def key() -> jax.Array:
            drawn.append(True)
            return jax.random.wrap_key_data(seed)

        given = {variable: weights[k] for k, variable in variables.items()}
        paths = None if root is None else lambda: parts.paths(root)
        here = scope.Pure(given, training=training, rng=key, paths=paths)
        with scope.enter(here):
            outputs = jax.tree.map(jnp.asarray, function(*args))
        new = {k: here.values[v] for k, v in variables.items() if here.values[v] is not weights[k]}
        return outputs, new

    weights = {k: jax.ShapeDtypeStruct(v.shape, v.variable_dtype) for k, v in variables.items()}
    drawn: list[bool] = []

    def look(args: Any) -> Any:
        return jax.eval_shape(lambda *given: run(drawn, *given), weights, args, _seed())

    with _for_others():
        args, (_, new) = at_symbols(look, arguments)
        draws, writes = bool(drawn), tuple(new)

        def program(weights: Any, *args: Any) -> Any:
            given, seed = (args[:-1], args[-1]) if draws else (args, None)
            outputs, new = run([], weights, given, seed)
            return (outputs, new) if writes else outputs

        given = (*args, *([_seed()] if draws else []))
        export = jax.export.export(jax.jit(program), platforms=platforms)
        try:
            exported = export(weights, *given)
        except NotImplementedError as error:
            raise ValueError(
                f"This cannot be exported for {', '.join(platforms)}: {error}. (What calls Python, "
                "such as jax.pure_callback, cannot be part of a program.)"
            ) from error
    return Program(exported, tuple(weights), writes, draws, tuple(names))


def _for_others() -> Any:
    # Kernels that one platform has would be calls that others lack.
    return platforms.tracing_for("cpu")


def _seed() -> jax.ShapeDtypeStruct:
    numbers = jax.eval_shape(lambda: jax.random.key_data(jax.random.key(0)))
    return jax.ShapeDtypeStruct(numbers.shape, numbers.dtype)


def at_symbols(function: Callable, arguments: Sequence[Any]) -> tuple[Any, Any]:
    """Calls a function that traces on arguments whose unknown sizes are symbols.

    Axes of unknown sizes, besides the first ones, are all different; where that does not do, those
    at the same place in their arrays have the same size.

    Returns:
        The arguments, and what the function returned.

    Raises:
        ValueError: If it can only be traced for sizes that are numbers.
    """
    ways = [_symbolic(arguments, "{count}_{axis}"), _symbolic(arguments, "{axis}")]
    problem: Exception | None = None
    for args in ways if _unknown(arguments) > 1 else ways[:1]:
        try:
            return args, function(args)
        except Exception as error:
            problem = problem or error
    if not any(None in x.shape for x in _specs(arguments)):
        raise problem  # type: ignore[misc]
    for size in (3, 4):  # a problem that is not one of sizes says more
        function(jax.tree.map(lambda x, n=size: _struct(x, [m or n for m in x.shape]), arguments))
    raise ValueError(
        "This cannot be traced for a batch of any size (or for other axes of unknown size): "
        f"{type(problem).__name__}: {problem}\nSay for which sizes it shall be, for example "
        "input_signature=[keras.InputSpec(shape=(32, 10), dtype='float32')]."
    ) from problem


def _specs(arguments: Any) -> list[Any]:
    return jax.tree.leaves(arguments)


def _unknown(arguments: Any) -> int:
    return sum(n is None for x in _specs(arguments) for n in x.shape[1:])


def _struct(x: Any, shape: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(tuple(shape), x.dtype)


def _symbolic(arguments: Any, pattern: str) -> tuple:
    symbols = jax.export.SymbolicScope()
    count = 0

    def spec(x: Any) -> jax.ShapeDtypeStruct:
        nonlocal count
        count += 1
        if None not in x.shape:
            return _struct(x, x.shape)
        words = [
            str(n) if n is not None else f"n{pattern.format(count=count, axis=i)}" if i else "batch"
            for i, n in enumerate(x.shape)
        ]
        return _struct(x, jax.export.symbolic_shape(",".join(words), scope=symbols))

    return tuple(jax.tree.map(spec, tuple(arguments)))


def dtype_of(variable: Variable) -> str:
    """Returns the dtype of a variable's array: of float64, float32 unless JAX has 64 bits."""
    return jax.dtypes.canonicalize_dtype(variable.variable_dtype).name


# ------------------------------------------------------------------ what it is called on
def given_specs(signature: Any) -> list[Any]:
    """Returns the arguments that an `input_signature` stands for, as symbolic tensors.

    Args:
        signature: A list with an entry an argument, or the only argument: structures of
            `keras.InputSpec`s, symbolic tensors, arrays, and other things with a shape.

    Raises:
        ValueError: If a part of it has no shape.
    """

    def spec(x: Any) -> SymbolicTensor:
        shape = getattr(x, "shape", None)
        if shape is None or isinstance(x, (str, bytes)):
            raise ValueError(
                "`input_signature` is a list with an entry for each argument, made of "
                "keras.InputSpec(shape=..., dtype=...) or of arrays. Received: "
                f"input_signature={signature!r}"
            )
        dtype = getattr(x, "dtype", None) or "float32"
        return SymbolicTensor(shape, dtype if isinstance(dtype, str) else np.dtype(dtype).name)

    whole = signature if isinstance(signature, (list, tuple)) else [signature]
    return [jax.tree.map(spec, part) for part in whole]
