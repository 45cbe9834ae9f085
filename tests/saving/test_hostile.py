"""Files made to do harm: refused with the documented error, in little time and memory."""

import io
import json
import re
import struct
import subprocess
import sys
import time
import zipfile
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py
import numpy as np
import pytest

import jkeras as keras
from jkeras import layers
from jkeras.saving import h5_writer, untrusted
from jkeras.saving.h5_reader import H5Reader
from tests.saving import mutants

GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = ("m.keras", "m.h5", "m.weights.h5")


def make():
    model = keras.Sequential([keras.Input((30,)), layers.Dense(60), layers.Dense(3)], name="m")
    model.compile("adam", "mse")
    return model


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Returns the bytes of a trained model's files by their names."""
    folder, model = tmp_path_factory.mktemp("saved"), make()
    model.fit(np.ones((4, 30)), np.ones((4, 3)), verbose=0)
    for name in NAMES:
        (model.save_weights if "weights" in name else model.save)(folder / name)
    return {name: (folder / name).read_bytes() for name in NAMES}


@contextmanager
def within_limits(megabytes=300, seconds=2.0):
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pytest.skip("this system does not say how much memory was used at most")
    before, start = mutants.memory("VmRSS"), time.process_time()
    yield
    assert time.process_time() - start < seconds
    assert mutants.memory("VmHWM") - before < megabytes


def refused(path, match, **options):
    for read in (keras.models.load_model, keras.saving.read_weights):
        if "config" in match and read is keras.saving.read_weights:
            continue
        with within_limits(), pytest.raises(ValueError, match=match):
            read(path, **options)


def parts_of(content):
    with zipfile.ZipFile(io.BytesIO(content)) as members:
        return {name: members.read(name) for name in members.namelist()}


def write_zip(path, parts, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as members:
        for name, content in parts.items():
            members.writestr(name, content)
    return path


# ------------------------------------------------------------------ archives
@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_are_stored_or_deflated(saved, tmp_path, method):
    """Others unpack to gigabytes before they can be stopped."""
    write_zip(tmp_path / "a.keras", parts_of(saved["m.keras"]), method)
    with pytest.raises(ValueError, match="compressed otherwise than Keras does"):
        keras.models.load_model(tmp_path / "a.keras")


def test_a_compressed_file_in_a_compressed_archive(saved, tmp_path):
    """What both unpack to counts from the file on the disk."""
    inner = io.BytesIO()
    with h5py.File(inner, "w") as file:
        zeros = np.zeros((2**11, 2**12), "float32")
        file.create_dataset("layers/dense/vars/0", data=zeros, compression="gzip")
    parts = {**parts_of(saved["m.keras"]), "model.weights.h5": inner.getvalue()}
    path = write_zip(tmp_path / "a.keras", parts)
    assert path.stat().st_size < 200_000
    with within_limits(), pytest.raises(ValueError, match="far more than the file holds"):
        keras.saving.read_weights(path)


@pytest.mark.parametrize("text", ["[],", "{},", '"a":0,', "0,", "[[]],"])
def test_json_that_is_small_and_becomes_large(saved, tmp_path, text):
    start, end = ("{", '"z":0}') if text[0] == '"' else ("[", "0]")
    bomb = f'{{"class_name": "Sequential", "config": {start}{text * 2_000_000}{end}}}'
    parts = {**parts_of(saved["m.keras"]), "config.json": bomb}
    refused(write_zip(tmp_path / "a.keras", parts), "config.json.*far more than the file holds")


def test_a_list_of_very_many_members(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as members:
        for i in range(1000):
            members.writestr(f"{i}" + "x" * 5000, b"")
    refused(tmp_path / "a.keras", "its list of members")


def test_a_damaged_member_is_found_by_its_checksum(saved, tmp_path):
    bad = bytearray(saved["m.keras"])
    at = bad.index(b"\x89HDF") + 5000
    bad[at] ^= 1
    (tmp_path / "a.keras").write_bytes(bad)
    refused(tmp_path / "a.keras", "differs from its checksum")


def test_links_that_lead_out_of_a_folder(saved, tmp_path):
    folder, other = tmp_path / "model", tmp_path / "other.h5"
    keras.models.load_model(write(tmp_path / "m.keras", saved)).save(folder, zipped=False)
    (folder / "model.weights.h5").rename(other)
    (folder / "model.weights.h5").symlink_to(other)
    refused(folder, "link to elsewhere")
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "x_00000.weights.h5").symlink_to(other)
    index = {"weight_map": {"/layers/dense/vars": ["x_00000.weights.h5"]}}
    (tmp_path / "s" / "x.weights.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match="elsewhere"):
        keras.saving.read_weights(tmp_path / "s" / "x.weights.json")


def write(path, saved):
    path.write_bytes(saved[path.name])
    return path


def test_assets_share_one_budget(tmp_path):
    words = layers.StringLookup(vocabulary=["a", "b"], name="words")
    keras.saving.save_model(words, tmp_path / "a.keras")
    parts = parts_of((tmp_path / "a.keras").read_bytes())
    parts |= {f"assets/{i}": bytes(2**24) for i in range(8)}
    write_zip(tmp_path / "a.keras", parts)
    with within_limits(), pytest.raises(ValueError, match="unpacks to more than"):
        keras.models.load_model(tmp_path / "a.keras")


# ------------------------------------------------------------------ HDF5
def text_file(path, names):
    """Writes an `.h5` file with strings of any length, as Keras does."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "3.15.1"
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {}})
        file.create_group("model_weights").attrs["layer_names"] = names
    return path


def test_a_heap_whose_object_has_no_size(tmp_path):
    """The library would look for the next one for ever."""
    path = text_file(tmp_path / "a.h5", ["a"])
    content = bytearray(path.read_bytes())
    at = content.index(b"GCOL") + 16
    while content[at : at + 2] != b"\0\0":
        at += 16 + -(-int.from_bytes(content[at + 8 : at + 16], "little") // 8) * 8
    content[at + 8 : at + 16] = bytes(8)
    path.write_bytes(content)
    refused(path, "heap.*damaged.*|config")


@pytest.mark.parametrize("which", [0, 1, -1])
def test_free_space_of_a_heap_of_names_that_goes_round(tmp_path, which):
    path, content = tmp_path / "m.h5", bytearray((GOLDEN / "bigru.init.h5").read_bytes())
    places = []
    for heap in (match.start() for match in re.finditer(b"HEAP", content)):
        size, free, start = struct.unpack("<QQQ", content[heap + 8 : heap + 32])
        if free < size:
            places.append((start + free, free))
    at, free = places[which]
    content[at : at + 8] = struct.pack("<Q", free)  # the next free space is this one
    path.write_bytes(content)
    with pytest.raises(ValueError, match="its free space goes round"):  # the library reads for ever
        keras.models.load_model(path)


def test_many_names_for_one_string(tmp_path):
    path = text_file(tmp_path / "a.h5", ["a" * 20_000, *map(str, range(3500))])
    content = bytearray(path.read_bytes())
    heap = content.rfind(b"GCOL", 0, content.index(b"a" * 20_000))
    first = content.index(heap.to_bytes(8, "little"), content.index(b"layer_names\0")) - 4
    reference = content[first : first + 16]
    at = first
    for _ in range(3500):
        at += 16
        content[at : at + 16] = reference
    path.write_bytes(content)
    with within_limits(), h5py.File(path) as file, pytest.raises(ValueError, match="far more than"):
        assert len(file["model_weights"].attrs["layer_names"][3000]) == 20_000
        H5Reader(path).root.group("model_weights").texts("layer_names")


def test_a_reference_that_lies_about_its_length(tmp_path):
    path = text_file(tmp_path / "a.h5", ["a"])
    content = bytearray(path.read_bytes())
    at = content.index(b"model_config\0")
    length = len(json.dumps({"class_name": "Sequential", "config": {}}))
    at = content.index(length.to_bytes(4, "little"), at)
    content[at : at + 4] = (2**31).to_bytes(4, "little")
    path.write_bytes(content)
    with within_limits(), pytest.raises(ValueError, match="far more than the file holds"):
        keras.models.load_model(path)


@pytest.mark.parametrize("options", [{"compression": "gzip"}, {"fletcher32": True}, {}])
def test_chunks_that_are_declared_and_not_stored(tmp_path, options):
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        file.create_dataset("vars/0", (2**24,), "f4", chunks=(1,), **options)
    with within_limits(), pytest.raises(ValueError, match="declares"):
        keras.saving.read_weights(tmp_path / "a.weights.h5")


def test_a_chunk_that_unpacks_to_more_than_its_size(tmp_path):
    import zlib

    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        made = file.create_dataset("vars/0", (64,), "f4", chunks=(64,), compression="gzip")
        made.id.write_direct_chunk((0,), zlib.compress(bytes(2**26), 9))
    with within_limits(), pytest.raises(ValueError, match="does not end"):
        keras.saving.read_weights(tmp_path / "a.weights.h5")


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "gzip", "shuffle": True, "fletcher32": True},
        {"compression": "lzf", "shuffle": True},
        {"compression": "gzip"},
        {"shuffle": True},
        {"fletcher32": True},
    ],
)
def test_filters_of_hdf5_are_undone(tmp_path, options):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=s).astype(d) for s in ((7, 5), (33,)) for d in ("f4", ">f8", "i2")]
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        for i, array in enumerate(arrays):
            chunks = tuple(-(-n // 2) for n in array.shape)
            file.create_dataset(f"vars/{i}", data=array, chunks=chunks, **options)
    found = keras.saving.read_weights(tmp_path / "a.weights.h5")
    for i, array in enumerate(arrays):
        np.testing.assert_array_equal(found[f"vars/{i}"], array)


def test_groups_that_hold_themselves_and_names_that_are_there_twice(tmp_path):
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        file["vars/0"] = np.zeros(3)
        file["layers/x"] = file["/"]
    for options in ({}, {"untrusted": True}):
        with pytest.raises(ValueError, match="holds itself"):
            keras.saving.read_weights(tmp_path / "a.weights.h5", **options)
    text_file(tmp_path / "a.h5", ["a"] * 1000)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file.attrs["model_config"] = keras.Sequential([keras.Input((3,))]).to_json()
    refused_once = pytest.raises(ValueError, match="a name twice")
    with refused_once:
        keras.models.load_model(tmp_path / "a.h5")


# ------------------------------------------------------------------ configs
def functional(layer_entries, output):
    begin = {
        "module": "keras.layers",
        "class_name": "InputLayer",
        "config": {"batch_shape": [None, 3], "dtype": "float32", "name": "x"},
        "registered_name": None,
        "name": "x",
        "inbound_nodes": [],
    }
    config = {
        "name": "m",
        "trainable": True,
        "layers": [begin, *layer_entries],
        "input_layers": ["x", 0, 0],
        "output_layers": [output, 0, 0],
    }
    entry = {"module": "keras.src.models.functional", "class_name": "Functional"}
    return json.dumps({**entry, "config": config, "registered_name": "Functional"})


@pytest.mark.parametrize(
    ("name", "args", "config"),
    [
        ("Ones", [[2**14, 2**14]], {}),
        ("Full", [[2**14, 2**14], 1.0], {}),
        ("Eye", [2**14], {}),
        ("Matmul", [[[1.0] * 1000] * 10, [[1.0] * 10] * 1000], {}),
        ("SVD", [[[1.0] * 100] * 100], {}),
    ],
)
def test_nothing_is_computed_while_a_config_is_read(name, args, config):
    entry = {
        "module": "keras.src.ops.numpy",
        "class_name": name,
        "config": {"name": "op", **config},
        "registered_name": name,
        "name": "op",
        "inbound_nodes": [{"args": args, "kwargs": {}}],
    }
    with within_limits(), pytest.raises(ValueError, match="no symbolic tensor"):
        keras.models.model_from_json(functional([entry], "op"))


def test_values_in_configs_are_numbers(saved):
    for dtype in ("V1000000000", "S1000000000", "U500000000", "object", "nonsense"):
        value = {"class_name": "__numpy__", "config": {"value": [0] * 3, "dtype": dtype}}
        with within_limits(), pytest.raises(ValueError):
            keras.models.model_from_json(
                json.dumps({"class_name": "Sequential", "config": {"layers": [], "name": value}})
            )


def test_large_numbers_in_configs(saved, tmp_path):
    words = layers.IntegerLookup(vocabulary=[1, 2], num_oov_indices=1)
    models = (
        keras.Sequential([keras.Input((3,), dtype="int32"), words]),
        keras.Sequential([keras.Input((8, 2)), layers.AdaptiveMaxPooling1D(2)]),
        keras.Sequential([keras.Input((8,)), layers.Dense(2)]),
    )
    for model in models:
        entry = json.loads(model.to_json())
        config = entry["config"]["layers"][-1]["config"]
        for key in [k for k, v in config.items() if type(v) is int or k == "output_size"]:
            for value in (10**9, 2**40, -1):
                changed = json.loads(model.to_json())
                changed["config"]["layers"][-1]["config"][key] = value
                with within_limits(), suppress(ValueError):
                    keras.models.model_from_json(json.dumps(changed))


def test_a_graph_is_built_in_linear_time():
    def seconds(count):
        x = inputs = keras.Input((4,))
        for _ in range(count):
            x = layers.Dense(4)(x)
        text = keras.Model(inputs, x).to_json()
        start = time.process_time()
        keras.models.model_from_json(text)
        return time.process_time() - start

    few, many = (min(seconds(n) for _ in range(2)) for n in (50, 400))
    assert many < 8 * 2.5 * few


# ------------------------------------------------------------------ one error
class Broken(layers.Layer):
    def __init__(self, error=None, **kwargs):
        super().__init__(**kwargs)
        if error is not None:
            raise {"type": TypeError, "key": KeyError, "memory": MemoryError}[error]("broken")

    def call(self, inputs):
        return inputs


def test_layers_that_add_an_axis_each():
    embedding = keras.layers.Embedding(5, 4).get_config()
    layers = [{"class_name": "InputLayer", "config": {"batch_shape": [None, 1]}}]
    for i in range(500):
        config = {**embedding, "name": f"e{i}"}
        layers.append({"class_name": "Embedding", "config": config})
    with pytest.raises(ValueError, match="65 axes, where arrays have at most 64"):
        keras.Sequential.from_config({"name": "s", "layers": layers})


@pytest.mark.parametrize("size", [500, 2**16, 2**18 + 7])
def test_checksums_of_arrays_are_those_of_hdf5(tmp_path, size):
    array = np.random.default_rng(0).normal(size=(size, 3)).astype("float32")
    array[: size // 3] = np.uint32(2**32 - 1).view("float32")  # all bits set
    layer = keras.layers.Embedding(size, 3, name="layer")
    model = keras.Sequential([keras.Input((1,)), layer])
    layer.set_weights([array])
    model.save_weights(tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5") as file:  # which compares
        stored = file["layers/embedding/vars/0"]
        assert stored.fletcher32
        assert stored[()].tobytes() == array.tobytes()


@pytest.mark.parametrize("error", ["type", "key", "memory"])
def test_whatever_goes_wrong_is_the_documented_error(tmp_path, error):
    model = keras.Sequential([keras.Input((3,)), Broken()])
    for name in ("a.keras", "a.h5"):
        model.save(tmp_path / name)
        if name == "a.keras":
            parts = parts_of((tmp_path / name).read_bytes())
            parts["config.json"] = parts["config.json"].replace(
                b'"error": null', b'"error": "%s"' % error.encode()
            )
            assert error.encode() in parts["config.json"]
            write_zip(tmp_path / name, parts)
        else:
            with h5py.File(tmp_path / name, "a") as file:
                config = json.loads(file.attrs["model_config"])
                config["config"]["layers"][-1]["config"]["error"] = error
                file.attrs["model_config"] = json.dumps(config)
        before = keras.Sequential([layers.Dense(1)]).name
        with pytest.raises(ValueError, match="Cannot read the file") as caught:
            keras.models.load_model(tmp_path / name, custom_objects={"Broken": Broken})
        assert "broken" in str(caught.value.__cause__)
        count = int(before.rpartition("_")[2]) if before[-1].isdigit() else 0
        assert keras.Sequential([layers.Dense(1)]).name == f"sequential_{count + 1}"


def test_a_failed_load_changes_nothing(saved, tmp_path):
    """Whichever byte of the weights or the optimizer's state is damaged."""
    model = make()
    model.fit(np.zeros((4, 30)), np.ones((4, 3)), verbose=0)
    cells = [*model.variables, *model.optimizer.variables]
    before = [np.array(v) for v in cells]
    arrays = keras.saving.read_weights(write(tmp_path / "m.weights.h5", saved))
    for name in NAMES:
        for array in (a for a in arrays.values() if a.size > 1):
            bad = bytearray(saved[name])
            at = bad.find(np.ascontiguousarray(array).tobytes()[:8])
            assert at > 0
            bad[at] ^= 64
            (tmp_path / name).write_bytes(bad)
            with pytest.raises(ValueError):
                model.load_weights(tmp_path / name)
            for cell, value in zip(cells, before, strict=True):
                np.testing.assert_array_equal(cell, value)


class OwnFormat(layers.Layer):
    def build(self, shape):
        self.w = self.add_weight(shape=(2,), name="w")
        self.v = self.add_weight(shape=(2,), name="v")

    def call(self, x):
        return x

    def save_own_variables(self, store):
        store["w"] = np.ones(2)

    def load_own_variables(self, store):
        self.w.assign(store["w"])
        self.v.assign(store["v"])


def test_a_layer_that_fails_in_reading_changes_nothing(tmp_path):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2), OwnFormat()])
    model.save_weights(tmp_path / "a.weights.h5")
    before = model.get_weights()
    with pytest.raises(ValueError, match="Cannot read the file"):
        model.load_weights(tmp_path / "a.weights.h5")
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


# ------------------------------------------------------------------ checksums
@pytest.mark.parametrize("name", NAMES)
def test_a_flipped_bit_is_never_loaded(saved, tmp_path, name):
    path = write(tmp_path / name, saved)
    good = keras.saving.read_weights(path)
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(saved[name]), 60):
        bad = bytearray(saved[name])
        bad[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(bad)
        try:
            found = keras.saving.read_weights(path)
        except ValueError:
            continue
        assert found.keys() == good.keys()
        assert all(np.array_equal(found[k], good[k]) for k in good)


# ------------------------------------------------------------------ another process
@pytest.mark.parametrize(
    "name", ["mlp.adam.keras", "mlp.adam.h5", "bf16.weights.h5", "sharded.weights.json"]
)
def test_another_process_reads_the_same(name):
    here = keras.saving.read_weights(GOLDEN / name)
    there = keras.saving.read_weights(GOLDEN / name, untrusted=True)
    assert here.keys() == there.keys()
    for path, array in here.items():
        assert array.dtype == there[path].dtype
        np.testing.assert_array_equal(array, there[path])


def test_models_load_from_files_that_are_not_trusted(saved, tmp_path):
    x = np.ones((2, 30))
    for name in NAMES[:2]:
        path = write(tmp_path / name, saved)
        model = keras.models.load_model(path, untrusted=True)
        expected = keras.models.load_model(path)
        np.testing.assert_array_equal(model.predict(x, verbose=0), expected.predict(x, verbose=0))
        assert int(model.optimizer.iterations) == 1
    model.load_weights(write(tmp_path / NAMES[2], saved), untrusted=True)
    (tmp_path / "m.h5").write_bytes(saved["m.h5"][:9000])
    with pytest.raises(ValueError, match="damaged"):
        keras.models.load_model(tmp_path / "m.h5", untrusted=True)


@pytest.mark.parametrize(
    ("fault", "match"),
    [
        ("os.kill(os.getpid(), 11)", "was ended by SIGSEGV"),
        ("bytearray(2**33)", "more memory than it may take"),
        ("[None for _ in iter(int, 1)]", "used more than its 1 seconds|was killed|took more than"),
        ("raise SystemError('x')", "failed: SystemError: x"),
    ],
)
def test_a_process_that_dies(saved, tmp_path, monkeypatch, fault, match):
    """As it does where a file makes the HDF5 library crash, or run for ever."""
    path = write(tmp_path / "m.h5", saved)
    program = untrusted._PROGRAM.replace(
        "serve(*",
        f"import os\nimport jkeras.saving.untrusted as u\n"
        f"def fail(*_):\n    {fault}\nu._describe = fail\nserve(*",
    )
    monkeypatch.setattr(untrusted, "_PROGRAM", program)
    monkeypatch.setattr(untrusted, "_SECONDS", 1)
    with pytest.raises(ValueError, match=match):
        keras.models.load_model(path, untrusted=True)


# ------------------------------------------------------------------ at random
def test_mutants():
    """A few of those that `python -m tests.saving.mutants` tries."""
    broken = []
    counts = mutants.run(range(150), seed=0, each=broken.append)
    assert not broken
    assert sum(counts.values()) == 150


def test_kills():
    """A few; in a process of its own, in which JAX has started nothing that forbids to fork."""
    command = [sys.executable, "-m", "tests.saving.kills", "--count", "1"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 kills of each" in result.stdout


@pytest.mark.parametrize("size", [4097, 2**20 - 3, 2**21 + 4098])
def test_checksums_are_those_of_the_library(tmp_path, size):
    """HDF5 reads what is written here, and here is read what it writes; neither takes a flip."""
    rng = np.random.default_rng(size)
    content, ours, theirs = rng.integers(0, 256, size, "uint8"), tmp_path / "a", tmp_path / "b"
    content[: size // 3] = 255
    with h5_writer.create(ours) as file:
        h5_writer.create_dataset(file, "0", content)
    assert ours.stat().st_size < size + 20_000  # little is filled up
    with h5py.File(theirs, "w") as file:
        file.create_dataset("0", data=content, chunks=(size // 3,), fletcher32=True)
    for path in (ours, theirs):
        whole = path.read_bytes()
        with h5py.File(path) as file:
            np.testing.assert_array_equal(file["0"][()], content)
            at = file["0"].id.get_chunk_info(0).byte_offset
        np.testing.assert_array_equal(keras.saving.read_weights(path)["0"], content)
        path.write_bytes(whole[: at + 9] + bytes([whole[at + 9] ^ 64]) + whole[at + 10 :])
        with h5py.File(path) as file, pytest.raises(OSError, match=r"checksum|read"):
            file["0"][()]
        with pytest.raises(ValueError, match="checksum"):
            keras.saving.read_weights(path)
