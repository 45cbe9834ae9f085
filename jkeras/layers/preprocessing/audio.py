"""Layers that make spectrograms of sounds."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from jkeras import initializers
from jkeras.base import settings
from jkeras.base.types import ArrayLike, DTypeLike, Shape
from jkeras.core.layer import Layer
from jkeras.layers.arguments import one_of, positive_integer
from jkeras.ops import arrays
from jkeras.ops.math import stft

_MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")


class STFTSpectrogram(Layer):
    """The short-time Fourier transform of each channel, by a convolution whose kernels can learn.

    Weights: `real_kernel`, `imag_kernel` (frame_length, 1, fft_length // 2 + 1).

    Args:
        mode: `"log"` (of the magnitude), `"magnitude"`, `"psd"` (its square), `"real"`, `"imag"`,
            `"angle"`, or `"stft"`: real and imaginary parts side by side.
        frame_length: The number of samples of a window.
        frame_step: The distance between two windows; half of `frame_length` by default.
        fft_length: Twice the number of frequencies; the next power of 2 by default.
        window: `"hann"`, `"hamming"`, another name that SciPy knows, the values, or None.
        periodic: Whether the window is periodic rather than symmetric.
        scaling: `"density"`, `"spectrum"` or None: what the window is divided by.
        padding: `"valid"`: windows lie inside of the inputs; or `"same"`.
        expand_dims: Whether the frequencies have an axis of their own, as images have rows.
        data_format: `"channels_last"`, for (batch, time, channels), or `"channels_first"`.

    Raises:
        ValueError: If an argument is unknown or out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.STFTSpectrogram(frame_length=8, frame_step=4, fft_length=16)
        >>> layer(np.ones((2, 40, 1), "float32")).shape
        (2, 9, 9)
    """

    def __init__(
        self,
        mode: str = "log",
        frame_length: int = 256,
        frame_step: int | None = None,
        fft_length: int | None = None,
        window: ArrayLike = "hann",
        periodic: bool = False,
        scaling: str | None = "density",
        padding: str = "valid",
        expand_dims: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if mode not in _MODES:
            raise ValueError(
                f"Output mode is invalid, it must be one of {', '.join(_MODES)}. "
                f"Received: mode={mode}"
            )
        if padding not in ("valid", "same"):
            raise ValueError(
                f"Padding is invalid, it should be 'valid', 'same'. Received: padding={padding}"
            )
        self.mode, self.padding, self.expand_dims = mode, padding, expand_dims
        self.frame_length = positive_integer(self, "frame_length", frame_length)
        if frame_step is not None and not 0 < frame_step <= frame_length:
            raise ValueError(
                "`frame_step` should be a positive integer not greater than `frame_length`. "
                f"Received frame_step={frame_step}, frame_length={frame_length}"
            )
        if fft_length is not None and fft_length < frame_length:
            raise ValueError(
                "`fft_length` should be not less than `frame_length`. "
                f"Received fft_length={fft_length}, frame_length={frame_length}"
            )
        self.frame_step, self.fft_length = frame_step, fft_length
        self.window, self.periodic, self.scaling = window, periodic, scaling
        initializers.STFT("real", window, scaling, periodic)  # refuses unknown words
        self.data_format = settings.standardize_data_format(data_format)

    def build(self, input_shape: Shape) -> None:
        length = self.fft_length or 2 ** math.ceil(math.log2(self.frame_length))
        shape = (self.frame_length, 1, length // 2 + 1)
        for part in ("real", "imag"):
            if self.mode not in ("real", "imag") or self.mode == part:
                initializer = initializers.STFT(part, self.window, self.scaling, self.periodic)
                name = f"{part}_kernel"
                setattr(self, name, self.add_weight(shape, initializer, name=name))

    def call(self, inputs: ArrayLike) -> ArrayLike:
        first = self.data_format == "channels_first"
        x = inputs if first else jnp.swapaxes(inputs, 1, 2)  # (batch, channels, time)
        batch, channels, time = x.shape
        flat = x.reshape(batch * channels, time, 1)
        step = self.frame_step or self.frame_length // 2 or 1

        def transformed(part: str) -> Any:
            kernel = getattr(self, f"{part}_kernel").value
            found = arrays.conv(flat, kernel, step, self.padding, "channels_last", 1)
            return found.reshape(batch, channels, *found.shape[1:])

        if self.mode in ("real", "imag"):
            y = transformed(self.mode)
        else:
            real, imag = transformed("real"), transformed("imag")
            if self.mode == "stft":
                y = jnp.concatenate([real, imag], -1)
            elif self.mode == "angle":
                y = jnp.arctan2(jnp.where(imag == 0, 0, imag), real)  # not of -0: that were -pi
            else:
                y = jnp.square(real) + jnp.square(imag)
                if self.mode == "psd":  # one side stands for both
                    y = y.at[..., 1:-1].multiply(2)
                else:
                    positive = y > 0  # the root's derivative at 0 is infinite
                    y = jnp.where(positive, jnp.sqrt(jnp.where(positive, y, 1)), 0)
                if self.mode == "log":
                    y = jnp.log(jnp.maximum(y, settings.epsilon()))
        # (batch, channels, time, frequencies)
        if self.expand_dims:
            return y if first else jnp.moveaxis(y, 1, 3)
        y = jnp.moveaxis(y, 2, 3) if first else jnp.moveaxis(y, 2, 1)
        if first:
            return y.reshape(batch, -1, y.shape[3])
        return y.reshape(batch, y.shape[1], -1)


class MelSpectrogram(Layer):
    """The loudness of sounds over time, in bands as wide as ears tell apart.

    Args:
        fft_length: The number of samples of a Fourier transform.
        sequence_stride: The distance between two of them.
        sequence_length: The number of samples of a window; `fft_length` by default.
        window: `"hann"`, `"hamming"`, None, or the window's values.
        sampling_rate: The number of samples in a second.
        num_mel_bins: The number of bands.
        min_freq: The least frequency, in hertz.
        max_freq: The greatest; half of the sampling rate by default.
        power_to_db: Whether to give decibels.
        top_db: How many decibels below the loudest band the others are cut off.
        mag_exp: The exponent of the magnitudes: 1, or 2 for power.
        min_power: The least power.
        ref_power: The power of 0 decibels.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.MelSpectrogram(fft_length=64, sequence_stride=32, num_mel_bins=8)
        >>> layer(np.ones((2, 600), "float32")).shape
        (2, 8, 19)
    """

    def __init__(
        self,
        fft_length: int = 2048,
        sequence_stride: int = 512,
        sequence_length: int | None = None,
        window: ArrayLike = "hann",
        sampling_rate: int = 16000,
        num_mel_bins: int = 128,
        min_freq: float = 20.0,
        max_freq: float | None = None,
        power_to_db: bool = True,
        top_db: float = 80.0,
        mag_exp: float = 2.0,
        min_power: float = 1e-10,
        ref_power: float = 1.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.fft_length = positive_integer(self, "fft_length", fft_length)
        self.sequence_stride = positive_integer(self, "sequence_stride", sequence_stride)
        self.sequence_length = sequence_length or fft_length
        if isinstance(window, str):
            one_of(self, "window", window, ("hann", "hamming"))
        self.window, self.sampling_rate, self.num_mel_bins = window, sampling_rate, num_mel_bins
        self.min_freq, self.max_freq = min_freq, max_freq or int(sampling_rate / 2)
        self.power_to_db, self.top_db, self.mag_exp = power_to_db, top_db, mag_exp
        self.min_power, self.ref_power = min_power, ref_power

    def call(self, inputs: ArrayLike) -> ArrayLike:
        half = jnp.dtype(self.compute_dtype).itemsize < 4  # which XLA does not transform
        x = jnp.asarray(inputs, "float32" if half else self.compute_dtype)
        length = self.fft_length if self.window is None else self.sequence_length
        real, imag = stft(x, length, self.sequence_stride, self.fft_length, self.window)
        magnitude = jnp.sqrt(jnp.square(real) + jnp.square(imag)) ** self.mag_exp
        matrix = self.linear_to_mel_weight_matrix(
            self.num_mel_bins,
            self.fft_length // 2 + 1,
            self.sampling_rate,
            self.min_freq,
            self.max_freq,
        )
        y = jnp.swapaxes(magnitude @ matrix, -1, -2)
        if not self.power_to_db:
            return y.astype(self.compute_dtype)
        decibels = 10.0 * jnp.log10(jnp.maximum(y, self.min_power))
        decibels = decibels - 10.0 * jnp.log10(jnp.maximum(self.ref_power, self.min_power))
        decibels = jnp.maximum(decibels, jnp.max(decibels) - self.top_db)
        return decibels.astype(self.compute_dtype)

    def linear_to_mel_weight_matrix(
        self,
        num_mel_bins: int = 20,
        num_spectrogram_bins: int = 129,
        sampling_rate: float = 8000,
        lower_edge_hertz: float = 125.0,
        upper_edge_hertz: float = 3800.0,
        dtype: DTypeLike = "float32",
    ) -> ArrayLike:
        """Returns the matrix (frequencies, bands) that sums frequencies up in bands.

        Args:
            num_mel_bins: The number of bands, triangles that overlap by a half.
            num_spectrogram_bins: The number of frequencies.
            sampling_rate: The number of samples in a second.
            lower_edge_hertz: Where the first band begins.
            upper_edge_hertz: Where the last one ends.
            dtype: The dtype of the matrix.
        """
        places = _mel(np.linspace(0.0, sampling_rate / 2.0, num_spectrogram_bins)[1:])[:, None]
        edges = np.linspace(_mel(lower_edge_hertz), _mel(upper_edge_hertz), num_mel_bins + 2)
        low, middle, high = edges[:-2], edges[1:-1], edges[2:]
        rising, falling = (places - low) / (middle - low), (high - places) / (high - middle)
        bands = np.maximum(0.0, np.minimum(rising, falling))
        return jnp.asarray(np.pad(bands, ((1, 0), (0, 0))), dtype)


def _mel(hertz: Any) -> np.ndarray:
    """Returns frequencies on the scale on which equal steps sound equal."""
    return 1127.0 * np.log1p(np.asarray(hertz, "float64") / 700.0)
