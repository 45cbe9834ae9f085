"""Models as ONNX files, compared with onnxruntime before they are written."""

import functools
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jkeras.base import naming, platforms
from jkeras.base.extras import missing
from jkeras.base.types import AnyModel, Structure
from jkeras.callbacks.console import say
from jkeras.core import parts, scope
from jkeras.export import archive, programs
from jkeras.export.onnx_operators import Graph, Unsupported, known
from jkeras.saving import atomic

OLDEST_OPSET = 18
# Files of protobuf hold no more; the weights of larger models lie beside them.
_MOST_BYTES = 2**31 - 2**20
_BATCHES = (1, 3)


def export_onnx(
    model: AnyModel,
    filepath: str | os.PathLike,
    verbose: bool,
    input_signature: Structure,
    opset_version: int | None = None,
    check: bool = True,
) -> None:
    """Writes a model's inference as an ONNX file; see `Model.export`."""
    onnx, runtime = _packages(check)
    opset = OLDEST_OPSET if opset_version is None else int(opset_version)
    if opset < OLDEST_OPSET:
        raise ValueError(
            f"`opset_version` is at least {OLDEST_OPSET}. Received: opset_version={opset_version}"
        )
    arguments = archive.arguments_of(model, input_signature)
    variables = parts.named_variables(model)
    weights = {k: np.asarray(v.cell()) for k, v in variables.items()}

    def compute(weights: Any, args: Any) -> Any:
        given = {v: weights[k] for k, v in variables.items()}
        with scope.enter(scope.Pure(given)):
            return model(*args)

    with platforms.tracing_for("onnx"):
        args, closed = programs.at_symbols(
            functools.partial(jax.make_jaxpr(compute), weights), arguments
        )
        outputs = jax.eval_shape(compute, weights, args)
    names = _input_names(model, arguments)
    proto = _convert(onnx, model.name, closed, weights, args, names, outputs, opset)
    path = Path(os.fsdecode(filepath)).expanduser()
    size = (
        proto.ByteSize() if sum(w.nbytes for w in weights.values()) < _MOST_BYTES else _MOST_BYTES
    )
    if size >= _MOST_BYTES:
        arrays = f"{path.name}.data"
        with atomic.writing(path) as file, tempfile.TemporaryDirectory(dir=path.parent) as folder:
            whole = Path(folder, path.name)  # onnx adds to a file of arrays that is there
            onnx.save_model(proto, whole, save_as_external_data=True, location=arrays)
            if check:
                _compare(runtime, str(whole), compute, weights, args, names)
            os.replace(Path(folder, arrays), path.with_name(arrays))
            file.write(whole.read_bytes())
    else:
        data = proto.SerializeToString()
        if check:
            _compare(runtime, data, compute, weights, args, names)
        with atomic.writing(path) as file:
            file.write(data)
    if verbose:
        say(_report(path, names, args, proto, check))


def _packages(check: bool) -> tuple[Any, Any]:
    try:
        import onnx
    except ImportError:
        raise missing("Exporting ONNX needs onnx", "onnx onnxruntime", "onnx") from None
    if not check:
        return onnx, None
    try:
        import onnxruntime
    except ImportError:
        need = "Comparing what is exported (unless check=False) needs onnxruntime"
        raise missing(need, "onnxruntime", "onnx") from None
    return onnx, onnxruntime


def _input_names(model: AnyModel, arguments: Sequence[Any]) -> list[str]:
    leaves = jax.tree.leaves(list(arguments))
    found = getattr(model, "call_graph", lambda: None)()
    if found is not None and len(found.input_names) == len(leaves):
        return list(found.input_names)
    names: list[str] = []
    for name, argument in zip(model._signature.names, arguments, strict=False):
        for path, _ in jax.tree_util.tree_leaves_with_path(argument):
            word = jax.tree_util.keystr(path, simple=True, separator="_")
            names.append(naming.unique(f"{name}_{word}" if word else name, names))
    return names


def _convert(
    onnx: Any, name: str, closed: Any, weights: Any, args: Any, names: Any, outputs: Any, opset: int
) -> Any:
    graph = Graph()
    helper = onnx.helper
    inputs, infos = [], []
    for own, x in zip(names, jax.tree.leaves(args), strict=True):
        graph.name(own)
        inputs.append(graph.made(own, x.shape, x.dtype))
        infos.append(helper.make_tensor_value_info(own, graph.type_of(x.dtype), _sizes(x.shape)))
        for axis, size in enumerate(x.shape):
            if str(size).isidentifier() and str(size) not in graph.sizes:
                graph.sizes[str(size)] = graph.add("Shape", [own], start=axis, end=axis + 1)
    arrays = [known(w) for w in jax.tree.leaves(weights)]
    for key, value in zip(sorted(weights), arrays, strict=True):
        graph.weight(value, key)
    try:
        results = graph.run(closed.jaxpr, closed.consts, [*arrays, *inputs])
    except Unsupported as error:
        raise ValueError(
            f"The model {name!r} cannot be exported as ONNX: {error}.\nThe page on exporting lists "
            "what can be. StableHLO, the default format, takes every model."
        ) from error
    made = []
    for i, (value, out) in enumerate(zip(results, jax.tree.leaves(outputs), strict=True)):
        own = graph.name("output" if len(results) == 1 else f"output_{i}")
        graph.nodes.append(helper.make_node("Identity", [graph.full(value)], [own]))
        made.append(helper.make_tensor_value_info(own, graph.type_of(out.dtype), _sizes(out.shape)))
    nodes, used = _needed(graph.nodes, [m.name for m in made])
    tensors = [tensor for n, (tensor, _) in graph.initializers.items() if n in used]
    whole = helper.make_graph(nodes, name, infos, made, tensors)
    proto = helper.make_model(
        whole, producer_name="jkeras", opset_imports=[helper.make_opsetid("", opset)]
    )
    proto.ir_version = min(proto.ir_version, 10)  # which older runtimes read
    return proto


def _needed(nodes: Sequence[Any], names: Sequence[str]) -> tuple[list[Any], set[str]]:
    """Returns the nodes that outputs need, in order, and all names that they use."""
    used, kept = set(names), []
    for node in reversed(nodes):
        if used & set(node.output):
            kept.append(node)
            used |= _reads(node)
    return kept[::-1], used


def _reads(node: Any) -> set[str]:
    found = set(node.input)
    for attribute in node.attribute:
        for inner in attribute.g.node:
            found |= _reads(inner)
        found |= {output.name for output in attribute.g.output}
    return found


def _sizes(shape: Any) -> list[Any]:
    return [n if isinstance(n, int) else str(n) for n in shape]


# ------------------------------------------------------------------ the comparison
def _compare(
    runtime: Any, model: Any, compute: Any, weights: Any, args: Any, names: Sequence[str]
) -> None:
    """Runs the file, and compares with what JAX computes.

    Raises:
        ValueError: If they differ.
    """
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ValueError(
            f"onnxruntime does not take the exported model: {error}\nThis is a fault of the "
            "export; check=False writes the file all the same."
        ) from error
    program = jax.jit(compute)
    generator = np.random.default_rng(0)
    for batch in _BATCHES:
        given = jax.tree.map(lambda x, n=batch: _example(x, n, generator), args)
        expected = jax.tree.leaves(program(weights, given))
        feed = dict(zip(names, jax.tree.leaves(given), strict=True))
        try:
            found = session.run(None, feed)
        except Exception as error:
            raise ValueError(
                f"onnxruntime cannot run the exported model on a batch of {batch}: {error}"
            ) from error
        for i, (a, b) in enumerate(zip(expected, found, strict=True)):
            a = np.asarray(a)
            a, b = (np.asarray(x, "float64") for x in (a, b))
            exact = jax.tree.leaves(expected)[i].dtype
            tolerance = 1e-4 if exact.itemsize >= 4 else 3e-2
            scale = max(1.0, float(np.max(np.abs(a[np.isfinite(a)]), initial=0)))
            if a.shape != b.shape or not np.allclose(a, b, tolerance, tolerance * scale, True):
                difference = np.max(np.abs(a - b)) if a.shape == b.shape else (a.shape, b.shape)
                raise ValueError(
                    f"The exported model differs from this one on a batch of {batch}, in output "
                    f"{i}, by {difference}. This is a fault of the export; check=False writes the "
                    "file all the same."
                )


def _example(x: Any, batch: int, generator: Any) -> np.ndarray:
    shape = [n if isinstance(n, int) else batch if str(n) == "batch" else 4 for n in x.shape]
    dtype = np.dtype(x.dtype)
    if dtype.kind in "biu":
        return generator.integers(0, 2, shape).astype(dtype)
    return generator.normal(size=shape).astype(dtype)


def _report(path: Path, names: Any, args: Any, proto: Any, check: bool) -> str:
    lines = [f"Saved artifact at '{path}': ONNX, {len(proto.graph.node)} nodes.", ""]
    for name, x in zip(names, jax.tree.leaves(args), strict=True):
        lines.append(f"* Input '{name}': {archive.text_of(x)}")
    lines += [f"* Output '{o.name}'" for o in proto.graph.output]
    if check:
        lines.append(f"onnxruntime computes the same for batches of {_BATCHES}.")
    return "\n".join(lines)
