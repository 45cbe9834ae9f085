import hashlib
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from jkeras.utils.files import atomic_path, get_file
from tests.tools.server import serve

HELLO = b"hello"
SHA256, MD5 = hashlib.sha256(HELLO).hexdigest(), hashlib.md5(HELLO).hexdigest()


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "a.txt").write_bytes(HELLO)
    with tarfile.open(folder / "a.tar.gz", "w:gz") as tar:
        for name in ("top/x.txt", "top/sub/y.txt"):
            add(tar, name, b"abc")
    with zipfile.ZipFile(folder / "a.zip", "w") as zip_file:
        zip_file.writestr("top/x.txt", "abc")
    with serve(folder) as running:
        running.folder = folder
        yield running


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("JKERAS_HOME", str(folder))
    return folder


def add(tar, name, contents=b"", **kwargs):
    member = tarfile.TarInfo(name)
    member.size = len(contents)
    for key, value in kwargs.items():
        setattr(member, key, value)
    tar.addfile(member, io.BytesIO(contents))


def files_in(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


# ------------------------------------------------------------------ downloads
@pytest.mark.parametrize(
    ("kwargs", "path"),
    [
        ({}, "datasets/a.txt"),
        ({"fname": "b.txt"}, "datasets/b.txt"),
        ({"fname": Path("b.txt")}, "datasets/b.txt"),
        ({"cache_subdir": "q/r"}, "q/r/a.txt"),
        ({"file_hash": SHA256}, "datasets/a.txt"),
        ({"file_hash": SHA256.upper(), "hash_algorithm": "sha256"}, "datasets/a.txt"),
        ({"file_hash": MD5}, "datasets/a.txt"),
        ({"md5_hash": MD5}, "datasets/a.txt"),
    ],
)
def test_a_file_is_downloaded_once(server, cache, kwargs, path):
    for _ in range(2):
        found = get_file(origin=server.address + "a.txt", **kwargs)
        assert found == str(cache / path)
        assert Path(found).read_bytes() == HELLO
    assert server.requested == ["/a.txt"]
    assert files_in(cache) == [path]


def test_the_query_is_no_part_of_the_name(server, cache):
    found = get_file(origin=server.address + "a.txt?download=1")
    assert found == str(cache / "datasets/a.txt")


def test_cache_dir_and_an_absolute_subdir_win_over_the_environment(server, tmp_path):
    address = server.address + "a.txt"
    assert get_file(None, address, cache_dir=tmp_path / "x") == str(tmp_path / "x/datasets/a.txt")
    assert get_file(None, address, cache_subdir=str(tmp_path / "y")) == str(tmp_path / "y/a.txt")


def test_force_download_replaces_the_file(server, cache):
    address = server.address + "a.txt"
    get_file(origin=address)
    (server.folder / "a.txt").write_bytes(b"new")
    assert Path(get_file(origin=address)).read_bytes() == HELLO
    assert Path(get_file(origin=address, force_download=True)).read_bytes() == b"new"


def test_a_cached_file_with_another_checksum_is_downloaded_again(server, cache):
    (cache / "datasets").mkdir(parents=True)
    (cache / "datasets/a.txt").write_bytes(b"outdated")
    assert Path(get_file(origin=server.address + "a.txt", file_hash=MD5)).read_bytes() == HELLO


def test_a_wrong_checksum_leaves_no_file_and_keeps_the_old_one(server, cache):
    wrong = "0" * 64
    with pytest.raises(ValueError, match=r"Incomplete or corrupted file detected\. The auto"):
        get_file(origin=server.address + "a.txt", file_hash=wrong)
    assert files_in(cache) == []
    (cache / "datasets/a.txt").write_bytes(b"the old one")
    with pytest.raises(ValueError, match=wrong):
        get_file(origin=server.address + "a.txt", file_hash=wrong)
    assert (cache / "datasets/a.txt").read_bytes() == b"the old one"
    assert files_in(cache) == ["datasets/a.txt"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nope.txt", "URL fetch failure on .*nope.txt: 404 -- File not found"),
        ("cut-off/a.txt", "the connection ended after 18 of 1000 bytes"),
    ],
)
def test_a_failed_download_says_why_and_leaves_nothing(server, cache, path, message):
    with pytest.raises(OSError, match=message):
        get_file(origin=server.address + path)
    assert files_in(cache) == []


def test_no_connection():
    with serve(Path(".")) as server:
        address = server.address
    with pytest.raises(OSError, match=f"URL fetch failure on {address}a.txt: .*refused"):
        get_file(origin=address + "a.txt")


@pytest.mark.parametrize("name", ["sub/a.txt", "/abs.txt", "../up.txt", "..", "sub\\a.txt"])
def test_the_name_is_no_path(server, name):
    with pytest.raises(ValueError, match="Paths are no longer accepted as the `fname` argument"):
        get_file(name, server.address + "a.txt")


def test_arguments_that_are_missing_or_unknown(server):
    with pytest.raises(ValueError, match='Please specify the "origin" argument'):
        get_file("a.txt")
    with pytest.raises(ValueError, match="Can't parse the file name from the origin"):
        get_file(origin=server.address)
    with pytest.raises(ValueError, match="Unknown hash_algorithm 'sha1'"):
        get_file(origin=server.address + "a.txt", file_hash=MD5, hash_algorithm="sha1")
    with pytest.raises(ValueError, match="Unknown archive_format"):
        get_file(origin=server.address + "a.zip", extract=True, archive_format="rar")


def test_a_folder_that_cannot_be_made(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("JKERAS_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError, match="Set the environment variable JKERAS_HOME"):
        get_file(origin=server.address + "a.txt")


# ------------------------------------------------------------------ archives
@pytest.mark.parametrize(
    ("kwargs", "archive", "folder"),
    [
        ({"extract": True}, "a.tar.gz_archive", "a.tar.gz"),
        ({"untar": True}, "a.tar.gz_archive", "a.tar.gz"),
        ({"fname": "nm", "extract": True}, "nm_archive", "nm"),
        ({"fname": "nm.v1.tar.gz", "extract": True}, "nm.v1.tar.gz", "nm_extracted"),
        ({"fname": "nm.x", "untar": True}, "nm.x", "nm_extracted"),
    ],
)
def test_archives_are_unpacked_where_keras_unpacks_them(server, cache, kwargs, archive, folder):
    for _ in range(2):
        found = get_file(origin=server.address + "a.tar.gz", **kwargs)
        assert found == str(cache / "datasets" / folder)
    expected = sorted([archive, f"{folder}/top/x.txt", f"{folder}/top/sub/y.txt"])
    assert files_in(cache / "datasets") == expected
    assert server.requested == ["/a.tar.gz"]


def test_a_zip_archive(server):
    found = get_file(origin=server.address + "a.zip", extract=True)
    assert (Path(found) / "top/x.txt").read_text() == "abc"


def test_a_new_archive_replaces_the_folder(server):
    address = server.address + "a.zip"
    found = Path(get_file(origin=address, extract=True))
    (found / "stale.txt").write_text("from before")
    get_file(origin=address, extract=True, force_download=True)
    assert files_in(found) == ["top/x.txt"]


@pytest.mark.parametrize("kwargs", [{"archive_format": "tar"}, {"archive_format": None}])
def test_what_is_no_such_archive(server, cache, kwargs):
    with pytest.raises(ValueError, match="Could not extract archive"):
        get_file(origin=server.address + "a.zip", extract=True, **kwargs)
    assert files_in(cache) == ["datasets/a.zip_archive"]


LINK = {"type": tarfile.SYMTYPE, "linkname": "/etc"}
UNSAFE_TARS = {
    "parent": [("../up.txt", {})],
    "nested parent": [("a/../../up.txt", {})],
    "symbolic link": [("link", LINK)],
    "link inside": [("link", {"type": tarfile.SYMTYPE, "linkname": "x.txt"})],
    "through a link": [("link", LINK), ("link/up.txt", {})],
    "hard link": [("link", {"type": tarfile.LNKTYPE, "linkname": "../../up.txt"})],
    "device": [("device", {"type": tarfile.CHRTYPE})],
    "fifo": [("fifo", {"type": tarfile.FIFOTYPE})],
}


@pytest.mark.parametrize("members", UNSAFE_TARS.values(), ids=UNSAFE_TARS)
def test_a_tar_cannot_reach_outside(server, cache, members):
    with tarfile.open(server.folder / "bad.tar", "w") as tar:
        add(tar, "first.txt", b"harmless")
        for name, attributes in members:
            add(tar, name, **attributes)
    before = files_in(cache.parent / "served")
    with pytest.raises(ValueError, match=r"Refused to unpack .*: its member"):
        get_file(origin=server.address + "bad.tar", extract=True)
    assert files_in(cache.parent) == sorted(
        ["cache/datasets/bad.tar_archive", *(f"served/{name}" for name in before)]
    )


@pytest.mark.parametrize("name", ["../up.txt", "/up.txt", "C:\\up.txt", "..\\up.txt", "C:up.txt"])
def test_a_zip_cannot_reach_outside(server, cache, name):
    with zipfile.ZipFile(server.folder / "bad.zip", "w") as zip_file:
        zip_file.writestr("first.txt", "harmless")
        zip_file.writestr(name, "harmful")
    with pytest.raises(ValueError, match="would be written outside of the folder"):
        get_file(origin=server.address + "bad.zip", extract=True)
    assert files_in(cache) == ["datasets/bad.zip_archive"]


def test_a_link_in_a_zip(server, cache):
    with zipfile.ZipFile(server.folder / "bad.zip", "w") as zip_file:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        zip_file.writestr(link, "/etc")
        zip_file.writestr("link/up.txt", "harmful")
    with pytest.raises(ValueError, match="'link' is neither a file nor a folder"):
        get_file(origin=server.address + "bad.zip", extract=True)
    assert files_in(cache) == ["datasets/bad.zip_archive"]


def test_absolute_names_and_dangerous_modes_are_tamed(server):
    with tarfile.open(server.folder / "abs.tar", "w") as tar:
        add(tar, "/etc/x.txt", b"abc", mode=0o6777)
    found = Path(get_file(origin=server.address + "abs.tar", extract=True))
    assert files_in(found) == ["etc/x.txt"]
    assert (found / "etc/x.txt").stat().st_mode & 0o7022 == 0


# ------------------------------------------------------------------ atomic writes
def test_an_error_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "model.png"
    path.write_text("old")
    with pytest.raises(KeyError), atomic_path(path) as part:
        part.write_text("half of the ne")
        raise KeyError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["model.png"]
    with atomic_path(path) as part:
        part.write_text("new")
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["model.png"]
