"""Where data sets are looked for, and how their files are read: checked, and never executed."""

import hashlib
import io
import os
import warnings
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from jkeras.utils import files

UPSTREAM = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_LARGEST = 1 << 30  # bytes that a `.gz` file may unpack to


@dataclass(frozen=True)
class Source:
    """A published file.

    Args:
        name: Its name in the caches.
        digest: Its SHA-256 or MD5 checksum; with `gzipped`, that of its contents, which is the
            same whoever compressed them.
        folder: Its folder in the caches.
        origin: Its address; `UPSTREAM` and `name` by default.
        gzipped: Whether it is to be uncompressed.
        pickled: Whether it holds pickles. Such a file is read only if its checksum is right.
        other_names: Other names under which Keras keeps it.
        system_folder: Where a system's package puts it.
        hint: What else to do where it cannot be had.
    """

    name: str
    digest: str
    folder: str = "datasets"
    origin: str | None = None
    gzipped: bool = False
    pickled: bool = False
    other_names: tuple[str, ...] = ()
    system_folder: str | None = None
    hint: str = ""

    @property
    def address(self) -> str:
        """Where it is published."""
        return self.origin or UPSTREAM + self.name

    @property
    def own_path(self) -> Path:
        """Where a download goes."""
        return files.cache_home() / self.folder / self.name

    def places(self) -> list[Path]:
        """Returns where to look: in our cache, in Keras's, and in the system's folder."""
        keras_home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
        folders = [files.cache_home() / self.folder, keras_home / self.folder]
        if self.system_folder:
            folders.append(Path(self.system_folder))
        return [folder / name for folder in folders for name in (self.name, *self.other_names)]

    def load(self, path: Path) -> bytes:
        """Returns the contents of the file at `path`, uncompressed."""
        contents = path.read_bytes()
        if self.gzipped:
            unzip = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
            try:
                return unzip.decompress(contents, _LARGEST)
            except zlib.error:
                return contents  # damaged: its checksum will tell
        return contents

    def matches(self, contents: bytes) -> bool:
        """Says whether these are the published contents."""
        algorithm = "sha256" if len(self.digest) == 64 else "md5"
        return hashlib.new(algorithm, contents, usedforsecurity=False).hexdigest() == self.digest


def read(source: Source, path: str | None = None) -> io.BytesIO:
    """Returns the contents of a published file, from a cache or from its address.

    Args:
        source: The file.
        path: Another name in the caches; or, if it has a slash, a file of the user's own. That
            one, and a cached file where the published one cannot be downloaded, is read with a
            warning if its checksum is another.

    Raises:
        FileNotFoundError: If the file is nowhere, and cannot be downloaded.
        ValueError: If the checksum of a download or of a pickled file is wrong.
    """
    if path and path != source.name:
        if Path(path).name != path:
            own = Path(path).expanduser()
            return _read_other(source, own, source.load(own))
        source = replace(source, name=path, origin=source.address, other_names=())
    others = []
    for place in source.places():
        if place.is_file():
            contents = source.load(place)
            if source.matches(contents):
                return io.BytesIO(contents)
            others.append((place, contents))
    try:
        _fetch(source)
        return io.BytesIO(source.load(source.own_path))
    except OSError as error:
        if others:
            return _read_other(source, *others[0])
        # Its message has the reason: 100 lines about sockets would hide it.
        raise FileNotFoundError(_nowhere(source, error)) from None


def locate(source: Source) -> Path:
    """Returns the path of a published file, in a cache or downloaded, without reading it whole.

    A file without a checksum is taken as it is.

    Raises:
        FileNotFoundError: If the file is nowhere, and cannot be downloaded.
        ValueError: If the checksum of a download is wrong.
    """
    present = [place for place in source.places() if place.is_file()]
    for place in present:
        if not source.digest or files.has_digest(place, source.digest):
            return place
    try:
        _fetch(source)
    except OSError as error:
        if present:
            warnings.warn(_differs(source, present[0]) + " It is read all the same.", stacklevel=3)
            return present[0]
        raise FileNotFoundError(_nowhere(source, error)) from None
    return source.own_path


def _fetch(source: Source) -> None:
    def check(path: Path) -> None:
        if source.digest and not (
            source.matches(source.load(path))
            if source.gzipped
            else files.has_digest(path, source.digest)
        ):
            raise ValueError(
                f"What {source.address} gave is not the published {source.name}: its checksum is "
                f"another. Nothing was kept. Is there a proxy in between? {_by_hand(source)}"
            )

    files.make_folder(source.own_path.parent)
    files.download(source.address, source.own_path, check)


def _read_other(source: Source, path: Path, contents: bytes) -> io.BytesIO:
    if not source.matches(contents):
        message = _differs(source, path)
        if source.pickled:
            raise ValueError(
                f"{message}\nIt holds pickles, and such a file is read only if it is the published "
                f"one. {_by_hand(source)}"
            )
        warnings.warn(f"{message} It is read all the same.", stacklevel=4)
    return io.BytesIO(contents)


def _differs(source: Source, path: Path) -> str:
    return f"{path} is not the published {source.name}: its checksum is another."


def _nowhere(source: Source, error: OSError) -> str:
    places = "\n".join(f"  {place}" for place in source.places())
    return (
        f"{source.name} is not on this machine, and cannot be downloaded: {error}\n"
        f"It was looked for at\n{places}\n{_by_hand(source)}"
    )


def _by_hand(source: Source) -> str:
    return (
        f"Download {source.address} where there is a connection, and put it at {source.own_path}."
        f"{source.hint}"
    )


def load_npz(contents: io.BytesIO) -> dict[str, np.ndarray]:
    """Returns the arrays of an `.npz` file; pickled ones are refused."""
    with np.load(contents, allow_pickle=False) as arrays:
        return dict(arrays)


def shuffle_and_split(
    x: np.ndarray, y: np.ndarray, test_split: float, seed: int
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Shuffles examples as Keras does, and keeps the last `test_split` of them for testing."""
    if not 0 <= test_split < 1:
        raise ValueError(
            f"Invalid `test_split` argument: {test_split}. "
            "It must be between 0 and 1 (exclusive of 1)."
        )
    order = np.arange(len(x))
    np.random.RandomState(seed).shuffle(order)
    size = int(len(x) * (1 - test_split))
    train, test = order[:size], order[size:]
    return (x[train], y[train]), (x[test], y[test])
