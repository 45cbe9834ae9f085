"""What is wrong with a file, in the user's words."""

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# How the names of files end in which there are models or weights.
_SUFFIXES = (".keras", ".h5", ".hdf5", ".json", ".safetensors")
# How files begin that people try to load as models.
_SIGNATURES = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x80", "a Python pickle, which is never loaded, since it can run any code"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x93NUMPY", "a NumPy array (np.load reads it)"),
    (b"version https://git-lfs", "a pointer of Git LFS: run `git lfs pull` to get the file itself"),
    (b"<", "a text file in HTML or XML: perhaps the page of a failed download"),
    (b"{", "a text file in JSON"),
)


class MissingFileError(FileNotFoundError, ValueError):
    """There is no such file. Keras raises a ValueError for some formats, an OSError for others."""


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Makes whatever goes wrong while a file is read the one error that is documented.

    Args:
        what: What is read, for messages: `"the file 'model.keras'"`.

    Raises:
        ValueError: In the place of any error but one of the system, with that as its cause.
    """
    try:
        yield
    except (ValueError, FileNotFoundError, PermissionError) as error:
        if what.split("'")[-2] not in str(error):
            error.add_note(f"while reading {what}")
        raise
    except Warning:  # which the user has made an error
        raise
    except Exception as error:
        text = str(error) or "no more is known"
        raise ValueError(
            f"Cannot read {what}: {type(error).__name__}: {text}\nThe file is damaged, or holds "
            "what this version does not know."
        ) from error


def missing(path: str | os.PathLike) -> MissingFileError:
    """Returns the error for a path at which there is nothing."""
    near = ""
    folder = Path(path).parent
    if folder.is_dir():
        found = sorted(f.name for f in folder.iterdir() if f.suffix in _SUFFIXES)
        near = f" Model files in {str(folder)!r}: {', '.join(found[:5])}." if found else ""
    elif not folder.exists():
        near = f" There is no folder {str(folder)!r} either."
    start = "" if str(path).endswith(_SUFFIXES) else f"File format not supported: filepath={path}. "
    if Path(f"{path}.index").exists():
        start = f"{start}It is a checkpoint of TensorFlow: load it there, and save it as `.h5`. "
    return MissingFileError(
        f"{start}File not found: filepath={path}. Please ensure the file is an accessible "
        f"`.keras`, `.h5` or `.weights.h5` file.{near}"
    )


def overwrite_refused(path: str | os.PathLike) -> FileExistsError:
    """Returns the error for a file that is there and may not be replaced."""
    return FileExistsError(
        f"The file {str(path)!r} already exists, and `overwrite=False` was given. Choose another "
        "name, or pass `overwrite=True`."
    )


def weights_only(path: str | os.PathLike) -> ValueError:
    """Returns the error for a file from which no model can be made, as it holds its weights."""
    return ValueError(
        f"The file {str(path)!r} holds weights only, and no architecture. Make the model as you "
        "did before, then call model.load_weights(...)."
    )


def not_a_model(path: str | os.PathLike, detail: str = "") -> ValueError:
    """Returns the error for a file of another kind, which it names."""
    return ValueError(
        f"File format not supported: filepath={path}. It is {_kind(Path(path))}{detail}, and no "
        "model or weights file. jkeras loads `.keras` files and `.h5` files; and weights from "
        "`.weights.h5`, `.weights.json` and `.safetensors` files, by model.load_weights(...)."
    )


def _kind(path: Path) -> str:
    if path.is_dir():
        if (path / "saved_model.pb").exists():
            return (
                "a TensorFlow SavedModel (load it with TensorFlow and save it as `.keras` or `.h5`)"
            )
        return "a folder"
    with open(path, "rb") as file:
        start = file.read(64)
    if not start:
        return "an empty file"
    for signature, kind in _SIGNATURES:
        if start.startswith(signature):
            return _zip_kind(path) if kind == "a zip archive" else kind
    if start[4:8] == b"TFL3":
        return "a TensorFlow Lite model"
    if b'{"__metadata__"' in start or start[8:10] == b'{"':
        return "a safetensors file"
    try:
        start.decode("utf-8")
    except UnicodeDecodeError:
        return "a file of an unknown kind"
    return "a text file"


def _zip_kind(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return "a damaged or truncated zip archive"
    if any(n.endswith("data.pkl") for n in names):
        return "a PyTorch model"
    if names and all(n.endswith(".npy") for n in names):
        return "an .npz file of NumPy arrays (np.load reads it)"
    return "a zip archive without config.json"
