"""Hostile files are refused, with the reason, before anything else happens.

The cases follow the published attacks on loaders of Keras files: CVE-2024-3660, CVE-2025-1550,
CVE-2025-8747, CVE-2025-9905, CVE-2025-9906, CVE-2025-12058, CVE-2026-0897, CVE-2026-1669 and more.
"""

import base64
import json
import os
import pickle
import resource
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import jkeras as keras
from jkeras import layers
from jkeras.saving import archive, h5_reader

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"


def dense_model():
    return keras.Sequential([keras.Input((3,)), layers.Dense(2, name="d")], name="m")


@pytest.fixture
def saved(tmp_path):
    """Returns the paths of a good model in three formats, to be spoilt."""
    model = dense_model()
    paths = {s: tmp_path / f"good.{s}" for s in ("keras", "h5", "weights.h5")}
    model.save(paths["keras"])
    model.save(paths["h5"])
    model.save_weights(paths["weights.h5"])
    return paths


@pytest.fixture(autouse=True)
def nothing_happens(tmp_path, monkeypatch):
    """No import, no new file, no change of global settings, whatever a file says."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    yield
    assert "this" not in sys.modules  # files below name it as the module of a class
    assert not list((tmp_path / "out").iterdir())
    assert not list(tmp_path.glob(".*.tmp"))


def spoil_config(saved, change):
    """Changes the config of a `.keras` and of an `.h5` file; returns both."""
    with zipfile.ZipFile(saved["keras"]) as members:
        parts = {name: members.read(name) for name in members.namelist()}
    config = json.loads(parts["config.json"])
    parts["config.json"] = json.dumps(change(config))
    write_zip(saved["keras"], parts)
    with h5py.File(saved["h5"], "a") as file:
        config = json.loads(file.attrs["model_config"])
        file.attrs["model_config"] = json.dumps(change(config))
    return [saved["keras"], saved["h5"]]


def write_zip(path, parts, **kwargs):
    with zipfile.ZipFile(path, "w", **kwargs) as members:
        for name, content in parts.items():
            members.writestr(name, content)


def refused(paths, match, **kwargs):
    for path in [paths] if isinstance(paths, Path) else paths:
        for options in ({}, {"safe_mode": False}):
            with pytest.raises(ValueError, match=match):
                keras.models.load_model(path, **options, **kwargs)


def in_layers(entry):
    """Returns a change that puts an entry into the place of the model's Dense layer."""

    def change(config):
        config["config"]["layers"][-1] = entry
        return config

    return change


# ------------------------------------------------------------------ code and names in configs
CODE = base64.b64encode(b"\xe3" + b"\0" * 40).decode()


@pytest.mark.parametrize(
    "function",
    [
        [CODE, None, None],
        {"class_name": "__lambda__", "config": {"code": CODE, "defaults": None, "closure": None}},
        {"class_name": "function", "config": "<lambda>", "registered_name": "function"},
    ],
    ids=["keras2", "keras3", "unnamed"],
)
def test_bytecode_is_never_executed(saved, function):
    entry = {
        "class_name": "Lambda",
        "config": {"name": "lam", "function": function, "function_type": "lambda"},
    }
    refused(spoil_config(saved, in_layers(entry)), "never execute")


def test_bytecode_in_wrappers_activations_and_initializers(saved):
    code = {"class_name": "__lambda__", "config": {"code": CODE, "defaults": None, "closure": None}}
    for key in ("activation", "kernel_initializer", "kernel_regularizer", "kernel_constraint"):

        def change(config, key=key):
            config["config"]["layers"][-1]["config"][key] = code
            return config

        refused(spoil_config(saved, change), "never execute")


def test_a_real_lambda_file_of_keras2():
    refused(GOLDEN / "keras2" / "lambda.h5", r"lam.*never executed")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        *(("os", "system"), ("builtins", "eval"), ("subprocess", "Popen"), ("this", "s")),
        *(("keras.utils", "get_file"), ("keras.config", "enable_unsafe_deserialization")),
        *(("keras.src.utils.python_utils", "func_load"), ("keras.models", "load_model")),
        *(("keras.saving", "load_weights"), ("jkeras.saving", "load_model")),
        *(("keras.layers", "TFSMLayer"), ("keras.layers", "TorchModuleWrapper")),
        *(("keras.src.utils.torch_utils", "TorchModuleWrapper"), ("keras.ops", "where")),
    ],
)
def test_classes_come_from_a_fixed_table_and_nothing_is_imported(saved, module, name):
    entry = {
        "module": module,
        "class_name": name,
        "config": {"name": "x", "command": "touch out/evil", "filepath": "out/evil"},
        "registered_name": None,
    }
    refused(
        spoil_config(saved, in_layers(entry)),
        "(?i)unknown|no layer|not a dict|not allowed|TorchModuleWrapper",
    )


@pytest.mark.parametrize(
    "function", ["to_categorical", "get_file", "eval", "system", "keras.utils.to_categorical"]
)
def test_functions_are_only_looked_up_where_they_belong(saved, function):
    for value in (
        function,
        {"module": "keras.utils", "class_name": "function", "config": function},
        {
            "module": "builtins",
            "class_name": "function",
            "config": function,
            "registered_name": function,
        },
    ):

        def change(config, value=value):
            config["config"]["layers"][-1]["config"]["activation"] = value
            return config

        refused(spoil_config(saved, change), "Unknown")


def test_compile_state_names_no_other_functions(saved):
    def change(config):
        config["compile_config"] = {"optimizer": "sgd", "loss": "get_file"}
        return config

    refused(spoil_config(saved, change)[0], "Unknown loss")


def test_no_yaml(saved):
    assert not hasattr(keras.models, "model_from_yaml")
    with pytest.raises(ValueError, match=r"not valid JSON"):
        keras.models.model_from_json("!!python/object/apply:os.system ['touch out/evil']")


def test_a_file_changes_no_setting(saved):
    before = keras.layers.Dense(1).dtype
    entry = {
        "module": "keras.config",
        "class_name": "set_floatx",
        "config": {"value": "float64"},
        "registered_name": None,
    }
    refused(spoil_config(saved, in_layers(entry)), "Unknown class")
    assert keras.layers.Dense(1).dtype == before


def test_a_builtin_is_not_also_registered(saved):
    def change(config):
        config["config"]["layers"][-1].update(module="keras.layers", registered_name="evil>Dense")
        return config

    refused(spoil_config(saved, change), "cannot be both")


def test_what_is_registered_does_not_take_a_builtins_place(saved):
    before = dict(keras.saving.get_custom_objects())

    @keras.saving.register_keras_serializable(name="Dense")
    class Other(layers.Layer):
        pass

    try:
        loaded = keras.models.load_model(saved["keras"])
    finally:
        keras.saving.get_custom_objects().clear()
        keras.saving.get_custom_objects().update(before)
    assert type(loaded.layers[-1]) is layers.Dense


@pytest.mark.parametrize(
    "broken",
    [
        *({"class_name": "Dense", "config": c} for c in (None, 3, [1], "text", [["units", 2]])),
        *({"class_name": c, "config": {}} for c in (None, 3, ["Dense"], {"a": 1})),
        *(None, 7, [], "Dense", {}, {"config": {}}),
    ],
)
def test_wrong_types_in_configs(saved, broken):
    refused(spoil_config(saved, in_layers(broken)), "(?i)config|class|layer")


def test_a_vocabulary_is_no_path(saved, tmp_path):
    (tmp_path / "secret.txt").write_text("password")
    for name in ("StringLookup", "TextVectorization"):
        entry = {
            "module": "keras.layers",
            "class_name": name,
            "config": {"name": "words", "vocabulary": str(tmp_path / "secret.txt")},
            "registered_name": None,
        }
        layer = keras.saving.deserialize_keras_object(entry)
        assert "password" not in layer.get_vocabulary()

        def change(config, entry=entry):
            config["config"]["layers"][-1]["config"]["activation"] = entry
            return config

        refused(spoil_config(saved, change), r"no vocabulary yet")


# ------------------------------------------------------------------ size
def test_sizes_in_configs_allocate_nothing(saved):
    def change(config):
        config["config"]["layers"][-1]["config"]["units"] = 2**40
        return config

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(spoil_config(saved, change), r"Weight expects shape \(3, 1099511627776\)")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


def replace_dataset(path, **kwargs):
    """Puts another dataset into the place of the kernel of an `.h5` or a `.weights.h5` file."""
    with h5py.File(path, "a") as file:
        group = file["layers/dense/vars"] if "layers" in file else file["model_weights/d/m/d"]
        name = "0" if "layers" in file else "kernel"
        del group[name]
        group.create_dataset(name, **kwargs)
        return group.name, name


def load_spoilt(saved, which):
    if which == "h5":
        return keras.models.load_model(saved["h5"])
    return dense_model().load_weights(saved["weights.h5"])


@pytest.mark.parametrize("which", ["h5", "weights.h5"])
@pytest.mark.parametrize("shape", [(2**31, 2), (3, 2**40), (2**20, 256)])
def test_a_declared_shape_is_not_taken_at_its_word(saved, which, shape):
    replace_dataset(saved[which], shape=shape, dtype="float32")
    with pytest.raises(ValueError, match=r"declares|Weight expects shape"):
        load_spoilt(saved, which)


def test_a_config_and_a_file_that_agree_on_a_huge_array(tmp_path):
    """Neither the shape alone nor a single array's size gives it away: what is stored does."""
    model = keras.Sequential([keras.Input((2**16,)), layers.Dense(2**13, use_bias=False)])
    path = tmp_path / "agree.weights.h5"
    for options in ({}, {"chunks": (2**10, 2**10), "compression": "gzip"}):
        with h5py.File(path, "w") as file:
            file.create_group("vars")
            file.create_dataset(
                "layers/dense/vars/0", shape=(2**16, 2**13), dtype="float32", **options
            )
        with pytest.raises(ValueError, match=r"Not allowed.*(declares|far more)"):
            model.load_weights(path)


def test_many_arrays_each_below_the_limit(tmp_path):
    """The budget is the file's, not an array's."""
    count = 8
    parts = [layers.Dense(1024, use_bias=False) for _ in range(count)]
    model = keras.Sequential([keras.Input((1024,)), *parts])
    path = tmp_path / "many.weights.h5"
    with h5py.File(path, "w") as file:
        for i in range(count):
            name = f"layers/dense_{i}" if i else "layers/dense"
            zeros = np.zeros((1024, 1024), "float32")
            file.create_dataset(f"{name}/vars/0", data=zeros, compression="gzip")
    assert path.stat().st_size < 200_000
    with pytest.raises(ValueError, match=r"far more than the file holds"):
        model.load_weights(path)


def test_compressed_weights_of_a_usual_size_load(tmp_path):
    model = dense_model()
    path = tmp_path / "small.weights.h5"
    with h5py.File(path, "w") as file:
        for i, w in enumerate(model.get_weights()):
            file.create_dataset(
                f"layers/dense/vars/{i}",
                data=w + 1,
                compression="gzip",
                shuffle=True,
                fletcher32=True,
            )
    model.load_weights(path)
    assert model.get_weights()[1].tolist() == [1.0, 1.0]


def test_zip_bombs(saved):
    with zipfile.ZipFile(saved["keras"]) as members:
        parts = {name: members.read(name) for name in members.namelist()}
    deflated = {"compression": zipfile.ZIP_DEFLATED}
    limit = archive.MAX_JSON_BYTES
    for name in ("config.json", "metadata.json"):
        write_zip(saved["keras"], {**parts, name: b" " * (limit + 1)}, **deflated)
        refused(saved["keras"], f"{name}.*unpacks to more than")
    write_zip(saved["keras"], {**parts, "model.weights.h5": b"\0" * 64 * 2**20}, **deflated)
    refused(saved["keras"], "model.weights.h5.*unpacks to more than")
    # A member that lies about its size is stopped while it is being unpacked.
    write_zip(saved["keras"], {**parts, "config.json": b" " * (limit + 1)}, **deflated)
    content = bytearray(saved["keras"].read_bytes())
    real, small = (limit + 1).to_bytes(4, "little"), (100).to_bytes(4, "little")
    assert content.count(real) == 2  # in the member's header and in the directory
    saved["keras"].write_bytes(content.replace(real, small))
    refused(saved["keras"], "config.json")


def test_json_that_is_too_deep_or_no_json(saved):
    with zipfile.ZipFile(saved["keras"]) as members:
        parts = {name: members.read(name) for name in members.namelist()}
    for text, match in (
        ("[" * 100_000 + "]" * 100_000, "nested deeper"),
        ('{"class_name": ' + '{"a": ' * 300 + "1" + "}" * 301, "nested deeper"),
        ('{"class_name": "Seq', "not valid JSON"),
        ("\xff\xfe", "not valid JSON|describes no"),
        ('{"class_name": "Sequential", "config": ' + "9" * 5000 + "}", "not valid JSON"),
        ("[]", "describes no Keras object"),
        ("{}", "describes no Keras object"),
    ):
        write_zip(saved["keras"], {**parts, "config.json": text})
        refused(saved["keras"], match)


# ------------------------------------------------------------------ HDF5 that points elsewhere
def secret(tmp_path):
    path = tmp_path / "secret.bin"
    path.write_bytes(np.arange(6, dtype="float32").tobytes())
    return path


def external_storage(group, name, tmp_path):
    group.create_dataset(
        name, (3, 2), "float32", external=[(str(secret(tmp_path)), 0, h5py.h5f.UNLIMITED)]
    )


def external_link(group, name, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = np.zeros((3, 2), "float32")
    group[name] = h5py.ExternalLink(str(tmp_path / "other.h5"), "x")


def soft_link(group, name, tmp_path):
    group.file["elsewhere"] = np.zeros((3, 2), "float32")
    group[name] = h5py.SoftLink("/elsewhere")


def virtual_dataset(group, name, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = np.zeros((3, 2), "float32")
    layout = h5py.VirtualLayout((3, 2), "float32")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (3, 2))
    group.create_virtual_dataset(name, layout)


POINTERS = [external_storage, external_link, soft_link, virtual_dataset]


@pytest.mark.parametrize("which", ["h5", "weights.h5"])
@pytest.mark.parametrize("point", POINTERS)
def test_arrays_that_lie_elsewhere(saved, which, point, tmp_path):
    with h5py.File(saved[which], "a") as file:
        group = file["layers/dense/vars"] if which == "weights.h5" else file["model_weights/d/m/d"]
        name = "0" if which == "weights.h5" else "kernel"
        del group[name]
        point(group, name, tmp_path)
    with pytest.raises(ValueError, match=r"Not allowed"):
        load_spoilt(saved, which)


@pytest.mark.parametrize("point", POINTERS)
def test_arrays_that_lie_elsewhere_in_a_keras_file(saved, point, tmp_path):
    with zipfile.ZipFile(saved["keras"]) as members:
        parts = {name: members.read(name) for name in members.namelist()}
    inner = tmp_path / "inner.h5"
    inner.write_bytes(parts["model.weights.h5"])
    with h5py.File(inner, "a") as file:
        del file["layers/dense/vars/0"]
        point(file["layers/dense/vars"], "0", tmp_path)
    write_zip(saved["keras"], {**parts, "model.weights.h5": inner.read_bytes()})
    refused(saved["keras"], "Not allowed")


@pytest.mark.parametrize("kind", ["soft", "external"])
@pytest.mark.parametrize(
    ("which", "place"),
    [
        *(("h5", p) for p in ("model_weights", "model_weights/d", "optimizer_weights")),
        *(("weights.h5", p) for p in ("layers", "layers/dense", "layers/dense/vars", "optimizer")),
    ],
)
def test_links_at_every_depth(tmp_path, which, place, kind):
    model = dense_model()
    model.compile("sgd", "mse")
    model.optimizer.build(model.trainable_variables)
    path = tmp_path / f"linked.{which}"
    (model.save_weights if which == "weights.h5" else model.save)(path)
    with h5py.File(path, "a") as file:
        file.move(place, "moved")
        file[place] = (
            h5py.SoftLink("/moved") if kind == "soft" else h5py.ExternalLink(str(path), "moved")
        )
    with pytest.raises(ValueError, match=r"Not allowed.*link"):
        if which == "h5":
            keras.models.load_model(path)
        else:
            model.load_weights(path)


def test_filters_that_would_load_a_plugin(saved):
    with h5py.File(saved["weights.h5"], "a") as file:
        group = file["layers/dense/vars"]
        del group["0"]
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((3, 2))
        plist.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (1,))
        space = h5py.h5s.create_simple((3, 2))
        h5py.h5d.create(group.id, b"0", h5py.h5t.IEEE_F32LE, space, plist)
    with pytest.raises(ValueError, match=r"Not allowed.*plugin"):
        load_spoilt(saved, "weights.h5")


@pytest.mark.parametrize(
    "data",
    [
        np.array([["a", "b"]] * 3, dtype=h5py.string_dtype()),
        np.array([(1, 2.0)] * 6, dtype=[("a", "i4"), ("b", "f4")]).reshape(3, 2),
        np.zeros((3, 2), "complex128"),
    ],
    ids=["text", "records", "complex"],
)
def test_arrays_of_other_things_than_numbers(saved, data):
    for which in ("h5", "weights.h5"):
        replace_dataset(saved[which], data=data)
        with pytest.raises(ValueError, match=r"Not allowed.*dtype"):
            load_spoilt(saved, which)


def test_names_in_attributes_are_no_paths(saved):
    for names, match in (
        (["../../d/kernel", "m/d/bias"], "Not allowed.*dots"),
        (["/etc/passwd", "m/d/bias"], "Not allowed"),
        (["m/d/kernel/x", "m/d/bias"], "Not allowed"),
        (["m//d/kernel", "m/d/bias"], "Not allowed"),
        (["missing", "m/d/bias"], "lists the weight 'missing'"),
    ):
        with h5py.File(saved["h5"], "a") as file:
            file["model_weights/d"].attrs["weight_names"] = np.array(names, "S")
        with pytest.raises(ValueError, match=match):
            keras.models.load_model(saved["h5"])


def test_attributes_of_other_kinds(saved):
    for value in (np.zeros(3), 7, h5py.Empty("f")):
        with h5py.File(saved["h5"], "a") as file:
            file.attrs["model_config"] = value
        with pytest.raises(ValueError, match=r"Not allowed|No model config"):
            keras.models.load_model(saved["h5"])


# ------------------------------------------------------------------ archives
def test_only_named_members_are_read(saved, tmp_path):
    with zipfile.ZipFile(saved["keras"]) as members:
        parts = {name: members.read(name) for name in members.namelist()}
    extra = {"../../out/evil": b"x", "/out/evil": b"x", "assets/../../out/evil": b"x"}
    write_zip(saved["keras"], {**parts, **extra})
    assert keras.models.load_model(saved["keras"]).name == "m"


def test_a_member_that_is_there_twice(saved):
    with (
        pytest.warns(UserWarning, match=r"Duplicate name"),
        zipfile.ZipFile(saved["keras"], "a") as members,
    ):
        members.writestr("config.json", "{}")
    refused(saved["keras"], "config.json.*twice")


def test_an_index_of_shards_names_no_file_elsewhere(tmp_path):
    index = {"weight_map": {"/layers/dense/vars": ["../elsewhere.weights.h5"]}}
    (tmp_path / "x.weights.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"Not allowed.*elsewhere"):
        dense_model().load_weights(tmp_path / "x.weights.json")


class Evil:
    def __reduce__(self):
        return (os.system, ("touch out/evil",))


def test_pickles_are_not_loaded(tmp_path):
    for name in ("model.keras", "model.h5", "model.pkl", "model.weights.h5"):
        (tmp_path / name).write_bytes(pickle.dumps(Evil()))
        refused(tmp_path / name, "pickle, which is never loaded")
        with pytest.raises(ValueError, match=r"pickle"):
            dense_model().load_weights(tmp_path / name)
    array = np.empty(1, object)
    array[0] = Evil()
    np.save(tmp_path / "model.npy", array, allow_pickle=True)
    refused(tmp_path / "model.npy", "NumPy array")


@pytest.mark.parametrize("name", ["../../evil", "a/b", "..", ".", "a\0b", "x" * 10_000, "a\\b"])
def test_layer_names_are_no_paths(saved, name, tmp_path):
    """A name is refused, or is just a name: it never leads out of the file."""

    def change(config):
        config["config"]["layers"][-1]["config"]["name"] = name
        return config

    for path in spoil_config(saved, change):
        before = sorted(tmp_path.rglob("*"))
        try:
            model = keras.models.load_model(path)
            model.save(tmp_path / "again.keras")
            model.save(tmp_path / "again.h5")
        except ValueError:
            pass
        new = set(tmp_path.rglob("*")) - set(before)
        assert {p.name for p in new} <= {"again.keras", "again.h5"}


# ------------------------------------------------------------------ damage
def test_damaged_files_raise_and_do_not_crash(saved, tmp_path):
    """Small files are cut, or some of their bytes changed; in a process of its own."""
    code = f"""
        import json, random, warnings
        from pathlib import Path
        import jkeras as keras
        warnings.simplefilter("ignore")
        random.seed(0)
        outcomes = {{"loaded": 0, "refused": 0}}
        for suffix in ("keras", "h5"):
            good = Path({str(tmp_path)!r}, "good." + suffix).read_bytes()
            for i in range(150):
                bad = bytearray(good)
                if i % 3 == 0:
                    del bad[random.randrange(len(bad)) :]
                else:
                    for _ in range(random.choice((1, 4, 64))):
                        bad[random.randrange(len(bad))] = random.randrange(256)
                path = Path({str(tmp_path)!r}, "bad." + suffix)
                path.write_bytes(bad)
                try:
                    keras.models.load_model(path)
                    outcomes["loaded"] += 1
                except Exception as error:
                    assert not isinstance(error, MemoryError), error
                    outcomes["refused"] += 1
        print(json.dumps(outcomes))
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["refused"] > 100


def test_the_reader_opens_nothing_else(saved):
    """h5py is used by the reader and the writer alone."""
    folder = Path(h5_reader.__file__).parent
    users = [p.name for p in folder.glob("*.py") if "import h5py" in p.read_text()]
    assert sorted(users) == ["h5_reader.py", "h5_writer.py"]
    for path in folder.glob("*.py"):
        text = path.read_text()
        for word in (
            "pickle.",
            "marshal",
            "importlib",
            "__import__",
            "eval(",
            "exec(",
            "extractall",
        ):
            assert word not in text, f"{path.name} uses {word}"
