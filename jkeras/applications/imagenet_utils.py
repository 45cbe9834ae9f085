"""What the models' inputs and outputs mean: pixels in, classes of ImageNet out."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from jkeras.base import settings
from jkeras.base.types import ArrayLike
from jkeras.core.graph import is_symbolic
from jkeras.datasets import _files

_CLASSES = _files.Source(
    "imagenet_class_index.json",
    "c2c37ea517e94d9795004a39431a14cb",
    "models",
    "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json",
)
_MEAN_BGR = (103.939, 116.779, 123.68)
_MEAN_RGB, _STDDEV_RGB = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def preprocess_input(
    x: ArrayLike, data_format: str | None = None, mode: str = "caffe"
) -> ArrayLike:
    """Returns images with pixels from 0 to 255 as a family of models takes them.

    The images that are passed are not changed.

    Args:
        x: One image or a batch: a NumPy array, a JAX array, or a symbolic tensor; RGB.
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default.
        mode: `"caffe"`: BGR, less ImageNet's mean; `"tf"`: from -1 to 1; `"torch"`: from 0 to 1,
            then normalized by ImageNet's mean and deviation.

    Raises:
        ValueError: If the mode or the data format is unknown.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> image = np.full((1, 1, 3), 255)
        >>> keras.applications.imagenet_utils.preprocess_input(image, mode="tf").tolist()
        [[[1.0, 1.0, 1.0]]]
    """
    if mode not in ("caffe", "tf", "torch"):
        raise ValueError(
            f"Expected mode to be one of `caffe`, `tf` or `torch`. Received: mode={mode}"
        )
    if data_format is None:
        data_format = settings.image_data_format()
    elif data_format not in ("channels_first", "channels_last"):
        raise ValueError(
            "Expected data_format to be one of `channels_first` or `channels_last`. "
            f"Received: data_format={data_format}"
        )
    dtype = np.dtype(getattr(x, "dtype", float))
    if not is_symbolic(x) and not hasattr(x, "aval"):
        x = np.asarray(x)
    if dtype.kind in "iub":
        x = x.astype(settings.floatx())
    if mode == "tf":
        return x / 127.5 - 1.0
    axis = -1 if data_format == "channels_last" else -3
    shape = (3,) if axis == -1 else (3, 1, 1)

    def each(values: tuple[float, ...]) -> np.ndarray:
        number = x.dtype if not is_symbolic(x) else settings.floatx()
        return np.reshape(values, shape).astype(number)

    if mode == "torch":
        return (x / 255.0 - each(_MEAN_RGB)) / each(_STDDEV_RGB)
    return _reversed(x, axis) - each(_MEAN_BGR)


def _reversed(x: ArrayLike, axis: int) -> ArrayLike:
    return x[..., ::-1] if axis == -1 else x[..., ::-1, :, :]


def decode_predictions(preds: ArrayLike, top: int = 5) -> list[list[tuple[str, str, float]]]:
    """Returns the likeliest classes of each image.

    Args:
        preds: The outputs of a model with its 1000 classes, (images, 1000).
        top: How many classes to return.

    Returns:
        For each image, a list of `(number in WordNet, name, score)`.

    Raises:
        FileNotFoundError: If the names are not on this machine, and cannot be downloaded.
        ValueError: If `preds` has another shape.
    """
    scores = np.asarray(preds)
    if scores.ndim != 2 or scores.shape[1] != 1000:
        raise ValueError(
            "`decode_predictions` expects a batch of predictions (i.e. a 2D array of shape "
            f"(samples, 1000)). Received array with shape: {scores.shape}"
        )
    names = json.loads(_files.read(_CLASSES).getvalue())
    return [
        [(*names[str(i)], row[i]) for i in row.argsort()[-top:][::-1]] if top else []
        for row in scores
    ]


def preprocessor(mode: str | None, module: str) -> Callable[..., Any]:
    """Returns a family's `preprocess_input`; without a mode, its models take pixels as they are."""

    def of_family(x: ArrayLike, data_format: str | None = None) -> Any:
        return x if mode is None else preprocess_input(x, data_format, mode)

    of_family.__name__ = of_family.__qualname__ = "preprocess_input"
    of_family.__module__ = module
    what = {
        None: "as they are: the models of this family scale pixels from 0 to 255 themselves",
        "caffe": "as BGR, less ImageNet's mean",
        "tf": "scaled from -1 to 1",
        "torch": "scaled from 0 to 1, then normalized by ImageNet's mean and deviation",
    }[mode]
    of_family.__doc__ = f"""Returns images {what}.

    Args:
        x: One image or a batch, RGB, with pixels from 0 to 255.
        data_format: `"channels_last"` or `"channels_first"`; `image_data_format()` by default.

    Returns:
        An array, or a symbolic tensor, of the same shape.
    """
    return of_family
