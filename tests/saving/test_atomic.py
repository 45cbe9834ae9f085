"""Files are replaced as a whole: whatever happens while one is written, the old one is there."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

import jkeras as keras
from jkeras import layers
from jkeras.saving import atomic

ROOT = Path(__file__).parents[2]
NAMES = ("model.keras", "model.h5", "model.weights.h5")


def model():
    return keras.Sequential([keras.Input((3,)), layers.Dense(2)])


def save(model, path):
    (model.save_weights if "weights" in path.name else model.save)(path)


@pytest.mark.parametrize("name", NAMES)
def test_an_error_in_mid_write_leaves_the_old_file(name, tmp_path, monkeypatch):
    path = tmp_path / name
    save(model(), path)
    before = path.read_bytes()
    broken = model()

    def fail(*_):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("jkeras.saving.h5_writer.write_names", fail)
    monkeypatch.setattr("jkeras.saving.h5_writer.write_array", fail)
    with pytest.raises(RuntimeError, match="disk is full"):
        save(broken, path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [name]


def test_a_killed_process_leaves_the_old_file_whole(tmp_path):
    """A process that saves again and again is killed at random moments."""
    code = f"""
        import numpy as np
        import jkeras as keras
        from jkeras import layers
        big = keras.Sequential([keras.Input((300,)), layers.Dense(1000), layers.Dense(300)])
        i = 0
        while True:
            i += 1
            big.set_weights([np.full(w.shape, float(i)) for w in big.get_weights()])
            for name in {NAMES!r}:
                path = {str(tmp_path)!r} + "/" + name
                (big.save_weights if "weights" in name else big.save)(path)
            print(i, flush=True)
    """
    rng = np.random.default_rng(0)
    other = keras.Sequential([keras.Input((300,)), layers.Dense(1000), layers.Dense(300)])
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, stdout=subprocess.PIPE
        )
        process.stdout.readline()  # the first round is complete
        time.sleep(float(rng.uniform(0.0, 0.05)))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        for name in NAMES:
            if "weights" in name:
                other.load_weights(tmp_path / name)
                loaded = other
            else:
                loaded = keras.models.load_model(tmp_path / name)
            values = {float(v) for w in loaded.get_weights() for v in np.unique(w)}
            assert len(values) == 1, f"{name} mixes the weights of several saves"


@pytest.mark.parametrize(
    "call",
    [
        lambda m, p: m.save(p / "m.keras", overwrite="x"),
        lambda m, p: m.save(p / "m.keras", include_optimizer="no"),
        lambda m, p: m.save_weights(p / "m.weights.h5", overwrite="x"),
        lambda m, p: m.load_weights(p / "m.weights.h5", skip_mismatch="no"),
    ],
)
def test_flags_are_true_or_false(tmp_path, call):
    with pytest.raises(ValueError, match="must be True or False"):
        call(model(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_overwrite_must_be_allowed(tmp_path):
    for name in NAMES:
        path = tmp_path / name
        save(model(), path)
        method = model().save_weights if "weights" in name else model().save
        with pytest.raises(FileExistsError, match="overwrite"):
            method(path, overwrite=False)
        method(path, overwrite=True)
    folder = tmp_path / "folder"
    model().save(folder, zipped=False)
    with pytest.raises(FileExistsError, match="overwrite"):
        model().save(folder, zipped=False, overwrite=False)


def test_new_folders_are_made_and_permissions_kept(tmp_path):
    path = tmp_path / "a" / "b" / "model.keras"
    save(model(), path)
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask
    path.chmod(0o640)
    save(model(), path)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    folder = tmp_path / "folder"
    with atomic.writing_folder(folder, "ab".__contains__) as new:
        (new / "a").write_text("1")
    with pytest.raises(RuntimeError), atomic.writing_folder(folder, "ab".__contains__) as new:
        (new / "a").write_text("2")
        raise RuntimeError
    refused = pytest.raises(FileExistsError, match=r"\['a'\] would be deleted")
    with refused, atomic.writing_folder(folder, "b".__contains__):
        raise AssertionError("nothing may be written")
    assert (folder / "a").read_text() == "1"
    assert os.listdir(tmp_path) == ["folder"]


# ------------------------------------------------------------------ what is there already
def test_what_killed_processes_left_is_removed_by_the_next_save(tmp_path):
    """Of whatever name, and only if nobody is writing it."""
    for name in ("model.keras", "x.weights.h5", f"{'n' * 249}.keras"):
        code = f"""
            import os, signal
            from jkeras.saving import atomic
            with atomic.writing({str(tmp_path / name)!r}) as file:
                file.write(b"half")
                os.kill(os.getpid(), signal.SIGKILL)
        """
        subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, check=False)
        assert len(os.listdir(tmp_path)) == 1
        with atomic.writing(tmp_path / name) as file:
            file.write(b"first")
            with atomic.writing(tmp_path / name) as other:  # which leaves alone what is written
                other.write(b"second")
        assert os.listdir(tmp_path) == [name]
        assert (tmp_path / name).read_bytes() == b"first"
        (tmp_path / name).unlink()


def test_a_folder_that_had_stepped_aside_comes_back(tmp_path):
    (tmp_path / ".folder.abcdefgh.old").mkdir()
    (tmp_path / ".folder.abcdefgh.old" / "a").write_text("1")
    with pytest.raises(RuntimeError), atomic.writing_folder(tmp_path / "folder", bool):
        raise RuntimeError
    assert (tmp_path / "folder" / "a").read_text() == "1"
    assert os.listdir(tmp_path) == ["folder"]


def test_links_pipes_and_files_that_may_only_be_read(tmp_path):
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "a.keras", tmp_path / "link.keras"
    link.symlink_to(target)
    for _ in range(2):  # to nothing, then to a file
        save(model(), link)
        assert link.is_symlink() and target.is_file()
    os.link(target, tmp_path / "hard.keras")
    before = target.read_bytes()
    save(model(), target)
    assert (tmp_path / "hard.keras").read_bytes() == before != target.read_bytes()
    os.mkfifo(tmp_path / "pipe.keras")
    (tmp_path / "folder.keras").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(OSError, match="Cannot save to"):
            save(model(), tmp_path / f"{name}.keras")
    target.chmod(0o444)
    with pytest.raises(PermissionError, match="may only be read"):
        save(model(), target)
    assert (tmp_path / "pipe.keras").is_fifo()


def test_long_names_and_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("model.keras", f"{'a' * 236}.keras", f"{'ä' * 124}.keras", f"{'a' * 249}.keras"):
        save(model(), Path("~") / name)
        keras.models.load_model(f"~/{name}")
        assert os.listdir(tmp_path) == [name]
        (tmp_path / name).unlink()


# ------------------------------------------------------------------ what must not be lost, or hang
@pytest.mark.parametrize("name", ["", ".", "..", "work", "data", "file"])
def test_no_folder_of_something_else_is_replaced(name, tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.tex").write_text("years of work")
    (tmp_path / "file").write_text("more work")
    monkeypatch.chdir(tmp_path / "work")
    with pytest.raises((OSError, ValueError)):
        model().save(tmp_path / name if name.isalpha() else name, zipped=False)
    assert (tmp_path / "data" / "thesis.tex").read_text() == "years of work"
    assert (tmp_path / "file").read_text() == "more work"
    assert sorted(os.listdir(tmp_path)) == ["data", "file", "work"]


def test_an_older_model_folder_is_replaced(tmp_path):
    for units in (2, 3):
        built = keras.Sequential([keras.Input((3,)), layers.Dense(units)])
        built.save(tmp_path / "folder", zipped=False)
    assert keras.models.load_model(tmp_path / "folder").output_shape == (None, 3)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_can_be_read_while_its_successor_takes_its_place(name, tmp_path):
    """By other programs as well, whose HDF5 library locks what it reads."""
    import h5py

    path = tmp_path / name
    save(model(), path)
    with atomic.writing(path) as file:
        file.write(path.read_bytes())
        file.flush()
        (unfinished,) = (p for p in tmp_path.iterdir() if p != path)
        if not name.endswith(".keras"):
            with h5py.File(unfinished) as opened:
                assert len(opened)
        keras.saving.read_weights(unfinished)
        save(model(), path)  # which removes nothing that is still being written
        assert unfinished.exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_pipe_is_refused_without_waiting(name, tmp_path):
    path = tmp_path / name
    os.mkfifo(path)
    for load in (keras.models.load_model, model().load_weights, keras.saving.read_weights):
        with pytest.raises(ValueError, match="pipe"):
            load(path)


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_files_that_are_open(name, tmp_path):
    path = tmp_path / name
    saved = model()
    save(saved, path)
    with open(path, "rb") as file:
        again = keras.models.load_model(file)
        np.testing.assert_array_equal(again.get_weights()[0], saved.get_weights()[0])
        assert len(keras.saving.read_weights(file)) == 2
