"""What layers of sequences, images and volumes share: where space and channels lie."""

from typing import Any

from jkeras.base import settings
from jkeras.base.types import ArrayLike
from jkeras.core.input_spec import InputSpec
from jkeras.core.layer import Layer


class SpatialLayer(Layer):
    """A layer of inputs with `rank` axes of space, and one of channels.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: The arguments of every layer.
    """

    rank: int

    def __init__(self, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = settings.standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def channel_axis(self) -> int:
        """The axis of the channels."""
        return 1 if self.data_format == "channels_first" else self.rank + 1

    @property
    def spatial_axes(self) -> tuple[int, ...]:
        """The axes of space."""
        first = 2 if self.data_format == "channels_first" else 1
        return tuple(range(first, first + self.rank))

    def check_window(self, inputs: ArrayLike, window: ArrayLike) -> None:
        """Refuses inputs that are smaller than the window."""
        if any(inputs.shape[i] < size for i, size in zip(self.spatial_axes, window, strict=True)):
            raise ValueError(
                "Computed output size would be zero or negative. Received samples of shape "
                f"{inputs.shape[1:]}, which are smaller than a window of size {tuple(window)}, "
                f"with padding='valid' and data_format={self.data_format!r} (layer {self.name!r})"
            )
