"""Files: writes that are all or nothing, downloads with a checksum, archives unpacked safely."""

import hashlib
import os
import shutil
import stat
import uuid
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import unquote, urlsplit

_DIGEST_LENGTHS = {"sha256": 64, "md5": 32}
_STALLED_AFTER = 60.0  # seconds without a byte


def cache_home() -> Path:
    """Returns the folder of downloaded files: `$JKERAS_HOME`, or `.jkeras` in the user's home."""
    return Path(os.environ.get("JKERAS_HOME") or Path.home() / ".jkeras")


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Gives a path to write to, which replaces `path` when the block ends without an error.

    Readers of `path` thus see the old file or the whole new one, never a part.

    Example:
        >>> import os, tempfile
        >>> from jkeras.utils.files import atomic_path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with atomic_path(f"{folder}/notes.txt") as part:
        ...         _ = part.write_text("all of it")
        ...     print(os.listdir(folder))
        ['notes.txt']
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)


def get_file(
    fname: str | os.PathLike | None = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str | Iterable[str] | None = "auto",
    cache_dir: str | os.PathLike | None = None,
    force_download: bool = False,
) -> str:
    """Downloads a file, unless it is already in the cache.

    The file is written in full or not at all, and only if its checksum is right. An archive is
    unpacked next to it; a member that would be written elsewhere, a link or a device is refused.

    Args:
        fname: The name of the file in the cache; the name at the end of `origin` by default. With
            `extract` and a name without an ending: the name of the folder unpacked into.
        origin: The address.
        untar: Keras 2's spelling of `extract`.
        md5_hash: Keras 2's spelling of `file_hash`.
        file_hash: The checksum of the file, in hexadecimal.
        cache_subdir: The folder in the cache; or an absolute path.
        hash_algorithm: `"sha256"`, `"md5"`, or `"auto"`: seen from the checksum's length.
        extract: Whether to unpack the archive.
        archive_format: `"tar"` (also compressed), `"zip"`, a list of these, or `"auto"`: either.
        cache_dir: The cache; `$JKERAS_HOME`, or `~/.jkeras`, by default.
        force_download: Whether to download the file even if it is in the cache.

    Returns:
        The path of the file, or of the folder it was unpacked into.

    Raises:
        OSError: If the download fails.
        ValueError: If the checksum is wrong, or the archive cannot be unpacked safely.

    Example:
        >>> import jkeras as keras, pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> (folder / "datasets").mkdir()
        >>> (folder / "datasets" / "a.txt").write_text("downloaded before")
        17
        >>> path = keras.utils.get_file(origin="https://example.org/a.txt", cache_dir=folder)
        >>> pathlib.Path(path).read_text()
        'downloaded before'
    """
    if not origin:
        raise ValueError('Please specify the "origin" argument (URL of the file to download).')
    name = _file_name(fname, origin)
    if md5_hash is not None and file_hash is None:
        file_hash, hash_algorithm = md5_hash, "md5"
    folder = Path(cache_dir or cache_home()).expanduser() / cache_subdir
    make_folder(folder)
    unpack = extract or untar
    target = folder / name
    if not unpack:
        archive = target
    elif fname is not None and "." in name:
        archive, target = target, folder / f"{name.split('.')[0]}_extracted"
    else:
        archive = folder / f"{name}_archive"

    def check(path: Path) -> None:
        if file_hash is not None and not has_digest(path, file_hash, hash_algorithm):
            raise ValueError(
                f"Incomplete or corrupted file detected. The {hash_algorithm} file hash of {name} "
                f"from {origin} does not match the provided value of {file_hash}."
            )

    fresh = force_download or not archive.is_file()
    if not fresh and file_hash is not None:
        fresh = not has_digest(archive, file_hash, hash_algorithm)
    if fresh:
        download(origin, archive, check)
    if unpack and (fresh or not target.is_dir()):
        unpack_archive(archive, target, archive_format)
    return str(target)


def _file_name(fname: str | os.PathLike | None, origin: str) -> str:
    if fname is None:
        name = unquote(PurePosixPath(urlsplit(origin).path).name)
        if not name or origin.endswith("/"):
            raise ValueError(
                f"Can't parse the file name from the origin provided: {origin!r}. "
                "Please specify the `fname` argument."
            )
        return name
    name = os.fspath(fname)
    if name != PureWindowsPath(PurePosixPath(name).name).name or name in ("", ".", ".."):
        raise ValueError(
            "Paths are no longer accepted as the `fname` argument. To specify the file's parent "
            f"directory, use the `cache_dir` argument. Received: fname={name}"
        )
    return name


def make_folder(folder: Path) -> None:
    """Makes a folder for downloaded files, unless it is there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"Cannot make the folder {folder} for downloaded files: {error}.\n"
            "Set the environment variable JKERAS_HOME to a folder that can be written to."
        ) from error


def has_digest(path: Path, expected: str, algorithm: str = "auto") -> bool:
    """Says whether a file has this checksum."""
    if algorithm == "auto":
        is_sha256 = len(expected) == _DIGEST_LENGTHS["sha256"]
        algorithm = "sha256" if is_sha256 else "md5"
    if algorithm not in _DIGEST_LENGTHS:
        raise ValueError(
            f"Unknown hash_algorithm {algorithm!r}: expected 'auto', 'sha256' or 'md5'."
        )
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest() == expected.lower()


def download(origin: str, path: Path, check: Callable[[Path], None] | None = None) -> None:
    """Downloads a file, with a progress bar; replaces `path` only if `check` accepts the result.

    Args:
        origin: The address.
        path: Where to put the file.
        check: Called with the path of the downloaded file; raises an error if it is not right.

    Raises:
        OSError: If the download fails.
    """
    from http.client import HTTPException
    from urllib.error import HTTPError

    with atomic_path(path) as part:
        try:
            _fetch(origin, part, path.name)
        except HTTPError as error:
            reason = f"{error.code} -- {error.reason}"
            raise OSError(f"URL fetch failure on {origin}: {reason}") from error
        except (OSError, HTTPException) as error:
            raise OSError(f"URL fetch failure on {origin}: {error}") from error
        if check is not None:
            check(part)


def _fetch(origin: str, path: Path, name: str) -> None:
    from urllib.request import urlopen

    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("Downloading {task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with (
        urlopen(origin, timeout=_STALLED_AFTER) as response,
        path.open("xb") as file,
        Progress(*columns) as progress,
    ):
        length = response.headers.get("Content-Length")
        size = int(length) if length and length.isdigit() else None
        task = progress.add_task(name, total=size)
        while chunk := response.read(1 << 16):
            file.write(chunk)
            progress.advance(task, len(chunk))
        if size is not None and file.tell() != size:
            raise OSError(f"the connection ended after {file.tell()} of {size} bytes")


# ------------------------------------------------------------------ archives
def unpack_archive(
    archive: Path, folder: Path, archive_format: str | Iterable[str] | None = "auto"
) -> None:
    """Unpacks a tar or zip archive into `folder`, which it replaces; all of it or nothing.

    Raises:
        ValueError: If it is not such an archive, or holds anything but files and folders within it.
    """
    if archive_format is None:
        formats = []
    elif isinstance(archive_format, str):
        formats = ["tar", "zip"] if archive_format == "auto" else [archive_format]
    else:
        formats = list(archive_format)
    import tarfile

    if unknown := set(formats) - {"tar", "zip"}:
        raise ValueError(f"Unknown archive_format {sorted(unknown)}: expected 'tar' or 'zip'.")
    with atomic_path(folder) as part:
        if "tar" in formats and tarfile.is_tarfile(archive):
            _unpack_tar(archive, part)
        elif "zip" in formats and zipfile.is_zipfile(archive):
            _unpack_zip(archive, part)
        else:
            words = " or ".join(formats) or "(archive_format is empty)"
            raise ValueError(f"Could not extract archive {archive}: it is no {words} archive.")
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder)


def _unpack_tar(archive: Path, folder: Path) -> None:
    import tarfile

    def member_filter(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
        # Python's data filter allows links that stay inside; that check was broken until 3.11.13
        # (CVE-2025-4517), and data sets have no use for them.
        if not (member.isfile() or member.isdir()):
            raise _unsafe(archive, member.name, "is neither a file nor a folder")
        try:
            return tarfile.data_filter(member, path)
        except tarfile.FilterError as error:
            raise _unsafe(archive, member.name, str(error)) from None

    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter=member_filter)


def _unpack_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as zip_file:
        for info in zip_file.infolist():
            name = info.filename
            if stat.S_ISLNK(info.external_attr >> 16):
                raise _unsafe(archive, name, "is neither a file nor a folder")
            path = PureWindowsPath(name)  # splits at both slashes, and knows drives
            if path.is_absolute() or path.drive or path.root or ".." in path.parts:
                raise _unsafe(archive, name, "would be written outside of the folder")
        zip_file.extractall(folder)


def _unsafe(archive: Path, member: str, reason: str) -> ValueError:
    return ValueError(f"Refused to unpack {archive}: its member {member!r} {reason}.")
