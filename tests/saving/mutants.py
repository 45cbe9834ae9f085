"""Damaged files: each loads, or raises the one documented error, in little time and memory.

`python -m tests.saving.mutants --count 50000 --seed 1` changes golden files at random (bytes, the
structure of archives and HDF5 files, JSON) and loads them in processes of their own. What does not
hold is printed, and can be repeated by its number: `--only NUMBER`.
"""

import argparse
import io
import json
import os
import random
import resource
import select
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "golden"
CPU_SECONDS, MEGABYTES, HANGS_AFTER = 2.0, 300, 30


def golden_files():
    """Returns all files that can be loaded."""
    known = (".keras", ".h5", ".weights.json")
    return sorted(p for p in GOLDEN.rglob("*") if p.name.endswith(known))


# ------------------------------------------------------------------ bytes
def change_bytes(content, rng):
    content = bytearray(content)
    size = max(len(content), 1)
    kind = rng.randrange(8)
    at = rng.randrange(size)
    length = rng.choice((1, 2, 4, 8, 64, 512))
    if kind == 0:
        del content[at:]
    elif kind == 1:
        for _ in range(rng.choice((1, 1, 4, 64))):
            content[rng.randrange(size)] = rng.randrange(256)
    elif kind == 2:
        for _ in range(rng.choice((1, 1, 2, 8))):
            content[rng.randrange(size)] ^= 1 << rng.randrange(8)
    elif kind == 3:
        content[at : at + length] = bytes(len(content[at : at + length]))
    elif kind == 4:
        content[at:at] = content[rng.randrange(size) :][:length]
    elif kind == 5:
        del content[at : at + length]
    elif kind == 6:  # a number of 1, 2, 4 or 8 bytes, such as a size or an address
        width = rng.choice((1, 2, 4, 8))
        near = int.from_bytes(content[at : at + width], "little") + rng.choice((-1, 1, 8, -8))
        value = rng.choice(
            (0, near, 2 ** (8 * width) - 1, 2 ** (8 * width - 1), rng.randrange(size))
        )
        content[at : at + width] = (value % 2 ** (8 * width)).to_bytes(width, "little")
    else:
        other = rng.randrange(size)
        first, second = content[at : at + length], content[other : other + length]
        content[at : at + len(second)], content[other : other + len(first)] = second, first
    return bytes(content)


# ------------------------------------------------------------------ JSON
NUMBERS = (0, 1, -1, 2, 7, 2**31, 2**40, 10**9, 10**30, -(2**40), 0.5, -3.5, 1e300, float("nan"))
WORDS = ("", "x", "../x", "relu", "float32", "float64", "string", "x" * 5000, "a/b", "\0", "None")


def nodes_of(value, found):
    """Lists all (container, key) in a structure."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        found.append((value, key))
        if isinstance(item, (dict, list)):
            nodes_of(item, found)
    return found


def change_json(value, rng, class_names):
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        nodes = nodes_of(value, [])
        if not nodes:
            return value
        container, key = rng.choice(nodes)
        kind = rng.randrange(9)
        if kind == 0:
            container[key] = rng.choice(NUMBERS)
        elif kind == 1:
            container[key] = rng.choice(WORDS)
        elif kind == 2:
            container[key] = rng.choice((None, True, False, [], {}, [[]], [None], {"a": 1}))
        elif kind == 3:
            del container[key]
        elif kind == 4:
            other, place = rng.choice(nodes)
            container[key] = json.loads(json.dumps(other[place]))
        elif kind == 5 and isinstance(container, list):
            container.extend([container[key]] * rng.choice((1, 2, 500)))
        elif kind == 5:
            container[rng.choice(WORDS)] = container.pop(key)
        elif kind == 6:
            deep = container[key]
            for _ in range(rng.choice((1, 5, 300))):
                deep = [deep] if rng.random() < 0.5 else {"class_name": deep}
            container[key] = deep
        elif kind == 7:
            named = [n for n in nodes if n[1] == "class_name"]
            if named:
                holder, place = rng.choice(named)
                holder[place] = rng.choice(class_names)
        else:
            numbers = [(c, k) for c, k in nodes if type(c[k]) in (int, float)]
            if numbers:
                holder, place = rng.choice(numbers)
                holder[place] = rng.choice(NUMBERS)
    return value


# ------------------------------------------------------------------ structure
def change_hdf5(content, rng, class_names):
    import h5py
    import numpy as np

    stream = io.BytesIO(content)
    with h5py.File(stream, "a") as file:
        groups, datasets, attributes = [], [], []

        def visit(name, item):
            (groups if isinstance(item, h5py.Group) else datasets).append(name)
            attributes.extend((name, a) for a in item.attrs)

        file.visititems(visit)
        attributes += [("/", a) for a in file.attrs]
        texts = [a for a in ("model_config", "training_config") if a in file.attrs]
        kind = rng.randrange(12)
        name = rng.choice(groups + datasets) if groups + datasets else None
        if texts and rng.random() < 0.4:
            text = rng.choice(texts)
            value = change_json(json.loads(file.attrs[text]), rng, class_names)
            file.attrs[text] = json.dumps(value)
        elif name is None:
            file.create_group("x")
        elif kind == 0:
            del file[name]
        elif kind == 1:
            file.move(
                name, name + rng.choice(("x", "/x", "é", "0")) if name in datasets else name + "x"
            )
        elif kind == 2:
            del file[name]
            file[name] = rng.choice(
                (
                    h5py.SoftLink("/" + name),
                    h5py.SoftLink("/"),
                    h5py.ExternalLink("/etc/passwd", "/"),
                )
            )
        elif kind == 3 and groups:
            file[rng.choice(groups) + "/again"] = file[rng.choice(["/", *groups])]
        elif kind == 4:
            del file[name]
            file.create_group(name)
        elif kind in (5, 6, 7) and datasets:
            name = rng.choice(datasets)
            shape, dtype = file[name].shape, file[name].dtype
            del file[name]
            options = rng.choice(
                (
                    {"shape": (2**30,), "dtype": "f4"},
                    {"shape": (2**20, 2**20), "dtype": "f4", "chunks": (2**10, 2**10)},
                    {"shape": shape, "dtype": "f8"},
                    {"shape": shape, "dtype": "i8"},
                    {"shape": shape, "dtype": h5py.string_dtype()},
                    {"shape": shape, "dtype": h5py.ref_dtype},
                    {"shape": shape, "dtype": dtype},
                    {"data": h5py.Empty("f4")},
                    {"shape": (*shape, 1), "dtype": "f4"},
                    {"shape": shape[1:], "dtype": "f4"},
                    {"shape": (0,), "dtype": "f4"},
                    {"data": np.zeros(shape or (1,)), "compression": "gzip"},
                    {"data": np.zeros((2**12, 2**10)), "compression": "gzip"},
                    {"data": np.zeros(shape, "c8")},
                )
            )
            file.create_dataset(name, **options)
        elif kind == 8 and attributes:
            owner, attribute = rng.choice(attributes)
            file[owner].attrs[attribute] = rng.choice(
                (1, "x", [], [b"a", b"b"], np.zeros(3), h5py.Empty("f"), b"\xff\xfe", "x" * 40000)
            )
        elif kind == 9 and attributes:
            owner, attribute = rng.choice(attributes)
            del file[owner].attrs[attribute]
        elif kind == 10 and attributes:
            owner, attribute = rng.choice(attributes)
            value = file[owner].attrs[attribute]
            if isinstance(value, np.ndarray) and len(value):
                names = [v if isinstance(v, bytes) else str(v).encode() for v in value]
                names[rng.randrange(len(names))] = rng.choice(
                    (names[0], b"..", b"/", b"a/b", b"x" * 500, b"\xff")
                )
                rng.shuffle(names)
                file[owner].attrs[attribute] = np.array(names, "S")
        elif datasets:
            array = file[rng.choice(datasets)]
            if 0 < array.size < 2**20 and array.dtype.kind == "f":
                array[...] = rng.choice((0.0, float("nan"), float("inf"), 1e38))
    return stream.getvalue()


def change_archive(content, rng, class_names):
    with zipfile.ZipFile(io.BytesIO(content)) as members:
        parts = {name: members.read(name) for name in members.namelist()}
    name = rng.choice(
        [*parts, "config.json", "config.json", "model.weights.h5", "model.weights.h5"]
    )
    kind = rng.randrange(10)
    if kind < 6 and name.endswith(".json"):
        value = change_json(json.loads(parts[name]), rng, class_names)
        parts[name] = json.dumps(value).encode()
    elif kind < 4 and name.endswith(".h5"):
        parts[name] = change_hdf5(parts[name], rng, class_names)
    elif kind < 8:
        parts[name] = change_bytes(parts[name], rng)
    elif kind == 8:
        parts[name + rng.choice(("x", "/x"))] = parts.pop(name)
    else:
        del parts[name]
    stream = io.BytesIO()
    method = rng.choice(
        (zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
    )
    with zipfile.ZipFile(stream, "w", method) as members:
        for name, part in parts.items():
            members.writestr(name, part)
    return stream.getvalue()


def mutant(path, rng, class_names):
    """Returns a damaged file's content."""
    content = path.read_bytes()
    if path.suffix == ".json":
        if rng.random() < 0.5:
            return change_bytes(content, rng)
        return json.dumps(change_json(json.loads(content), rng, class_names)).encode()
    damaged = False  # then the HDF5 library, which this process has without limits, may not end
    for _ in range(rng.choice((1, 1, 1, 2))):
        damaged = damaged or rng.random() < 0.4
        try:
            if damaged:
                content = change_bytes(content, rng)
            elif path.suffix == ".keras":
                content = change_archive(content, rng, class_names)
                damaged = True  # a part of it may be
            else:
                content = change_hdf5(content, rng, class_names)
        except Exception:  # what holds such a name, or what is not there, cannot be changed so
            content, damaged = change_bytes(content, rng), True
    return content


# ------------------------------------------------------------------ one process
def memory(key):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    return 0


class Loader:
    """Loads damaged files, and says what came of it."""

    def __init__(self, seed, folder, untrusted):
        import jkeras as keras

        self.keras, self.seed, self.folder = keras, seed, Path(folder)
        self.untrusted, self.files, self.models = untrusted, golden_files(), {}
        self.names = [n for n in dir(keras.layers) if n[0].isupper()]
        self.names += [n for n in dir(keras.optimizers) if n[0].isupper()] + ["Functional", "Model"]

    def model_for(self, path):
        """Returns a model that a file of weights fits, if there is a whole one beside it."""
        stem = path.name.split(".")[0]
        if stem not in self.models:
            found = [path.parent / f"{stem}{end}" for end in (".adam.keras", ".v2.keras", ".keras")]
            found = [p for p in found if p.exists()] or [GOLDEN / "mlp.adam.keras"]
            self.models[stem] = self.keras.models.load_model(found[0])
        return self.models[stem]

    def run(self, number):
        rng = random.Random(f"{self.seed}:{number}")
        path = rng.choice(self.files)
        bad = self.folder / f"bad{''.join(path.suffixes[-2:])}"
        content = mutant(path, rng, self.names)
        bad.write_bytes(content)
        if path.suffix == ".json":
            for shard in GOLDEN.glob("sharded_*"):
                (self.folder / shard.name).write_bytes(shard.read_bytes())
        is_weights = "weights" in path.name or path.name.endswith(".legacy.h5")
        model = self.model_for(path) if is_weights else None
        before = None if model is None else state_of(model)
        Path("/proc/self/clear_refs").write_text("5")
        start, used = memory("VmRSS"), time.process_time()
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        options = {"untrusted": True} if self.untrusted else {}
        outcome, detail = "loaded", ""
        try:
            if model is None:
                self.keras.models.load_model(bad, **options)
            else:
                model.load_weights(bad, **options)
                self.models.clear()  # the next one starts from a good model
        except ValueError as error:
            outcome, detail = "refused", str(error).split("\n")[0][:150]
            if model is not None and not same(before, state_of(model)):
                outcome, detail = "CHANGED", detail
        except BaseException as error:
            outcome, detail = "OTHER ERROR", traceback.format_exc() or repr(error)
        used = time.process_time() - used
        used += resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - children
        more = memory("VmHWM") - start - len(content) / 2**20
        if used > CPU_SECONDS:
            outcome, detail = "SLOW", f"{used:.1f} s; {outcome}; {detail}"
        elif more > MEGABYTES:
            outcome, detail = "LARGE", f"{more:.0f} MB; {outcome}; {detail}"
        return {"number": number, "file": path.name, "outcome": outcome, "detail": detail}


def state_of(model):
    optimizer = getattr(model, "optimizer", None)
    cells = [*model.variables, *([] if optimizer is None else optimizer.variables)]
    return [v._array for v in cells]


def same(before, after):
    return len(before) == len(after) and all(a is b for a, b in zip(before, after))


def work(seed, untrusted):
    """Reads numbers from the standard input, and writes what came of them."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        loader = Loader(seed, folder, untrusted)
        print("ready", flush=True)
        for line in sys.stdin:
            print(json.dumps(loader.run(int(line))), flush=True)


# ------------------------------------------------------------------ all
def start(seed, untrusted):
    arguments = [sys.executable, "-m", "tests.saving.mutants", "--work", "--seed", str(seed)]
    arguments += ["--untrusted"] * untrusted
    process = subprocess.Popen(
        arguments,
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )
    assert process.stdout.readline().strip() == b"ready"
    return process


def run(numbers, seed, untrusted=False, each=lambda result: None):
    """Loads mutants by their numbers; returns how often what came of it.

    Args:
        numbers: Which.
        seed: The seed.
        untrusted: Whether to load with `untrusted=True`.
        each: Called with what came of each that does not hold.
    """
    process, counts = start(seed, untrusted), Counter()
    for number in numbers:
        process.stdin.write(f"{number}\n".encode())
        ready, _, _ = select.select([process.stdout], [], [], HANGS_AFTER)
        line = process.stdout.readline() if ready else b""
        if line:
            result = json.loads(line)
        else:
            process.kill()
            outcome = "HANG" if not ready else f"CRASH {process.wait()}"
            result = {"number": number, "file": "", "outcome": outcome, "detail": ""}
            process.wait()
            process = start(seed, untrusted)
        counts[result["outcome"]] += 1
        if result["outcome"] not in ("loaded", "refused"):
            each(result)
    process.stdin.close()
    process.wait()
    process.stdout.close()
    return counts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, nargs="*")
    parser.add_argument("--untrusted", action="store_true")
    parser.add_argument("--work", action="store_true")
    options = parser.parse_args()
    if options.work:
        work(options.seed, options.untrusted)
        return
    numbers = options.only or range(options.first, options.first + options.count)
    counts = run(
        numbers,
        options.seed,
        options.untrusted,
        lambda result: print(json.dumps(result), flush=True),
    )
    print(dict(counts), flush=True)


if __name__ == "__main__":
    main()
