"""Arrays that HDF5 files hold in chunks: checked, and unpacked within bounds.

The HDF5 library unpacks a compressed chunk to whatever it comes to, however small it was said to
be. So that is done here, up to the chunk's size. Checksums are also taken faster here.
"""

import math
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from jkeras.saving.fletcher32 import fletcher32

_DEFLATE, _SHUFFLE, _FLETCHER32, _LZF = 1, 2, 3, 32000
# Those that come with h5py; others are loaded from plugins.
_KNOWN = {_DEFLATE, _SHUFFLE, _FLETCHER32, _LZF}
_LZF_GROWTH = 128  # no three bytes stand for more

Spend = Callable[[int, str], None]


def _filters(plist: Any) -> list[tuple[int, tuple[int, ...]]]:
    """Returns the filters of a dataset, in the order of writing, and their settings."""
    found = [plist.get_filter(i) for i in range(plist.get_nfilters())]
    return [(code, values) for code, _, values, _ in found]


def would_load_plugin(plist: Any) -> bool:
    """Says whether a dataset has filters that HDF5 does not come with."""
    return any(code not in _KNOWN for code, _ in _filters(plist))


def is_read_here(plist: Any) -> bool:
    """Says whether a dataset's chunks are filtered, in ways that can be undone here."""
    codes = {code for code, _ in _filters(plist)}
    return bool(codes) and _LZF not in codes


def lacks_chunks(dataset: Any, plist: Any, nbytes: int) -> bool:
    """Says whether a dataset in chunks declares more than it stores."""
    chunk, stored = plist.get_chunk(), dataset.get_storage_size()
    expected = math.prod(-(-n // c) for n, c in zip(dataset.shape, chunk, strict=True))
    if nbytes and (stored == 0 or dataset.get_num_chunks() < expected):
        return True
    return not _filters(plist) and stored < nbytes


def spend_on_chunk(plist: Any, dtype: np.dtype, spend: Spend) -> None:
    """Counts what the library allocates to read one chunk."""
    size = math.prod(plist.get_chunk()) * dtype.itemsize
    is_lzf = any(code == _LZF for code, _ in _filters(plist))
    spend(size * (_LZF_GROWTH if is_lzf else 1), "a chunk")


def read(dataset: Any, plist: Any, dtype: np.dtype, spend: Spend) -> np.ndarray:
    """Returns an array of which chunks are compressed, or have checksums.

    Args:
        dataset: The dataset.
        plist: Its properties.
        dtype: The dtype of the array in the file.
        spend: Counts bytes that are about to be allocated, for something.

    Raises:
        ValueError: If a chunk is damaged, or unpacks to more than its size.
    """
    chunk, shape, filters = plist.get_chunk(), dataset.shape, _filters(plist)
    size = math.prod(chunk) * dtype.itemsize
    spend(3 * size, "a chunk")
    found: list[tuple[tuple[int, ...], int]] = []
    dataset.chunk_iter(lambda info: found.append((info.chunk_offset, info.size)))
    longest = max((stored for _, stored in found), default=0)
    spend(longest, "a chunk")
    stored_chunk = np.empty(longest, np.uint8)
    array = np.empty(shape, dtype.newbyteorder("="))
    for offset, stored in found:
        mask, data = dataset.read_direct_chunk(offset, out=stored_chunk[:stored])
        for i, (code, values) in reversed(list(enumerate(filters))):
            if not mask & 1 << i:
                data = _undo(code, values, data, size)
        if len(data) != size:
            raise ValueError(f"A chunk of {len(data)} bytes should have {size}: it is damaged.")
        part = np.frombuffer(data, dtype).reshape(chunk)
        target = tuple(slice(o, o + c) for o, c in zip(offset, chunk, strict=True))
        inside = array[target]
        inside[...] = part[tuple(slice(n) for n in inside.shape)]
    return array


def _undo(code: int, values: tuple[int, ...], data: Any, size: int) -> Any:
    if code == _DEFLATE:
        inflater = zlib.decompressobj()
        try:
            data = inflater.decompress(data, size + 4)
        except zlib.error as error:
            raise ValueError(f"A compressed chunk is damaged: {error}.") from error
        if not inflater.eof:
            raise ValueError(f"A chunk does not end after the {size} bytes that it should have.")
        return data
    if code == _SHUFFLE:
        width = values[0] if values else 1
        if width < 1:
            raise ValueError(f"A chunk is shuffled by {width} bytes: it is damaged.")
        whole = len(data) // width * width
        mixed = np.frombuffer(data[:whole], np.uint8)
        return mixed.reshape(width, -1).T.tobytes() + bytes(data[whole:])
    if len(data) < 4 or fletcher32(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise ValueError("A chunk differs from its checksum: it is damaged.")
    return data[:-4]
