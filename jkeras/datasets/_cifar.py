"""What `cifar10` and `cifar100` have in common: batches of images pickled in a tar archive."""

import tarfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from jkeras.datasets import _pickled
from jkeras.datasets._files import Source, read


def load_batches(source: Source, parts: Sequence[Sequence[str]], labels: str) -> tuple:
    """Returns `(x, y)` for each part, a sequence of members of the archive.

    The archive is never unpacked to the disk.
    """
    with tarfile.open(fileobj=read(source), mode="r:gz") as archive:

        def load(member: str) -> tuple[np.ndarray, np.ndarray]:
            file = archive.extractfile(member)
            if file is None:
                raise ValueError(f"{source.name} is damaged: {member} is not a file.")
            batch: dict[bytes, Any] = _pickled.load(file)
            pixels = batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            return pixels, np.reshape(batch[labels.encode()], (-1, 1))

        loaded = [[load(member) for member in members] for members in parts]
    return tuple(tuple(map(np.concatenate, zip(*batches, strict=True))) for batches in loaded)
