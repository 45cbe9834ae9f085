"""model.export: which format is asked for."""

import os
from typing import Any

from jkeras.base import naming
from jkeras.base.types import AnyModel, Structure
from jkeras.export.archive import export_stablehlo

_INSTEAD = {
    "tf_saved_model": (
        "A SavedModel is run by TensorFlow, which this library does without.\nTo serve the model "
        "with JAX, export it as StableHLO (the default). For other runtimes, export it as ONNX; or "
        "save it as `.keras`, load that with Keras on TensorFlow, and export it there."
    ),
    "litert": (
        "A LiteRT (TFLite) model is made by TensorFlow's or PyTorch's converters, which this "
        "library does without.\nSave the model as `.keras`, load that with Keras on TensorFlow, "
        'and call model.export("model.tflite", format="litert") there; or export it as ONNX, which '
        "onnxruntime runs on telephones as well."
    ),
    "openvino": (
        'Export the model as ONNX, model.export("model.onnx", format="onnx"): OpenVINO reads it, '
        'by openvino.convert_model("model.onnx").'
    ),
    "torch": (
        "An ExportedProgram is made by PyTorch.\nSave the model as `.keras`, load that with Keras "
        "on PyTorch, and export it there; or export it as ONNX."
    ),
}
_FORMATS = ("stablehlo", "onnx")


def export_model(
    self: AnyModel,
    filepath: str | os.PathLike,
    format: str | None = None,
    verbose: bool | None = None,
    input_signature: Structure = None,
    **kwargs: Any,
) -> None:
    """Writes the model's inference as a program that runs without this library.

    Args:
        filepath: The name of the file.
        format: `"stablehlo"`: the program and its weights in one file, which JAX and NumPy alone
            run on CPUs, CUDA devices and TPUs, with batches of any size; or `"onnx"`, which
            onnxruntime and others run. By default, what the name says: `.onnx`, else StableHLO.
        verbose: Whether to print what was written; yes by default.
        input_signature: A list with an entry for each argument of the model's call: structures of
            `keras.InputSpec`s, symbolic tensors or arrays. None in a shape is an axis of any size.
            By default what the model was made for, or called on first, with any batch size.
        **kwargs: For ONNX: `opset_version`, 18 by default, and `check=False`, which leaves out the
            comparison with onnxruntime. (`is_static` is accepted.)

    Raises:
        ValueError: If the format is another one (the message says what to do instead), the model is
            not built, or something in it has no counterpart in the format.
        ImportError: If what is needed is not installed: `flatbuffers` for StableHLO; `onnx` and
            `onnxruntime` for ONNX.

    Example:
        >>> import tempfile, numpy as np, jkeras as keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.export(f"{folder}/model.stablehlo", verbose=False)
        ...     keras.export.load(f"{folder}/model.stablehlo").serve(np.ones((4, 3))).shape
        (4, 2)
    """
    if format is None:
        format = "onnx" if os.fsdecode(filepath).endswith(".onnx") else "stablehlo"
    if format in _INSTEAD:
        raise ValueError(f"format={format!r} is not written. {_INSTEAD[format]}")
    if format not in _FORMATS:
        known = [*_FORMATS, *_INSTEAD]
        raise ValueError(
            f"Unrecognized format={format}. Supported formats are: {list(_FORMATS)}"
            f"{naming.nearest(str(format), known)}"
        )
    kwargs.pop("is_static", None)
    verbose = verbose is None or bool(verbose)
    unknown = kwargs.keys() - ({"opset_version", "check"} if format == "onnx" else set())
    if unknown:
        raise ValueError(f"Unknown arguments of export() for {format!r}: {sorted(unknown)}")
    if format == "onnx":
        from jkeras.export.onnx_files import export_onnx

        export_onnx(self, filepath, verbose, input_signature, **kwargs)
    else:
        export_stablehlo(self, filepath, verbose, input_signature)
