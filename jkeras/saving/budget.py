"""What reading a file may take in memory: counted from the bytes that it has on the disk."""

import os
from typing import Any

# Arrays hardly shrink when they are compressed: those of a pruned model to a tenth.
_GROWTH = 10
_ALLOWANCE = 32 * 2**20


class Budget:
    """The bytes that all parts of one file together may come to.

    Args:
        size: How large the file is, compressed as it is.
        name: What to call it in messages.
        left: How many bytes may still be spent, if that is known.
    """

    def __init__(self, size: int, name: str, left: int | None = None):
        self.name = name
        self._left = _ALLOWANCE + _GROWTH * size if left is None else left

    @property
    def left(self) -> int:
        """How many bytes may still be spent."""
        return self._left

    def spend(self, size: int, what: str) -> None:
        """Counts bytes that are about to be allocated.

        Args:
            size: How many.
            what: What they are for: `"the array 'a/b'"`.

        Raises:
            ValueError: If they are more, together with those before, than the file can mean.
        """
        self._left -= size
        if self._left < 0:
            raise ValueError(
                f"Not allowed: {what} in {self.name!r} unpacks to more than this file may "
                f"({size} bytes, far more than the file holds): it is refused."
            )


def size_of(file: Any) -> int:
    """Returns how large a file is, given by its path or open."""
    if not hasattr(file, "read"):
        return os.stat(file).st_size
    here = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(here)
    return size
