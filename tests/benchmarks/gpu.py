"""One table of an accelerator, in minutes: `python -m tests.benchmarks.gpu [--tiny] [--budget S]`.

Each section is a process of its own, with a limit of seconds: one that hangs or dies loses only
itself. What it prints is shown, and kept in a file of JSON lines (`--file`). `--tiny` makes
everything small, to see on a CPU that it runs.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

LIMITS = {
    "facts": 40,
    "regression": 60,
    "Fashion-MNIST MLP": 110,
    "dispatch": 50,
    "loops": 60,
    "ensemble": 60,
    "attention": 100,
    "long LSTM": 80,
    "numbers": 60,
    "one device": 50,
    "same bits": 60,
    "bar": 50,
    "LSTM": 60,
    "transformer": 80,
    "memory": 60,
    "convnet": 80,
    "scripts": 110,
    "flags": 90,
}
# Ways to run XLA's programs, each in a process of its own; see "flags".
FLAGS = {
    "as it is": {},
    "loops in command buffers": {"XLA_FLAGS": "--xla_gpu_enable_command_buffer=+WHILE"},
    "no command buffers": {"XLA_FLAGS": "--xla_gpu_enable_command_buffer="},
}


# ------------------------------------------------------------------ sections
def facts(tiny):
    """Prints what is measured."""
    import jax

    import jkeras

    device = jax.devices()[0]
    print(f"jkeras {jkeras.__version__}, jax {jax.__version__}, Python {sys.version.split()[0]}")
    print(f"{device.device_kind} ({device.platform}), {len(jax.devices())} of them")


def smaller(workload, tiny):
    return dataclasses.replace(workload, rows=256) if tiny else workload


def workload_section(name):
    def section(tiny):
        from tests.benchmarks.__main__ import run
        from tests.benchmarks.workloads import WORKLOADS

        (found,) = [w for w in WORKLOADS if w.name == name]
        run(smaller(found, tiny), 1 if tiny else 3, quick=True)

    return section


def dispatch(tiny):
    """Says when the call of a scan returns, and what unrolling it brings."""
    import jax

    from tests.benchmarks import others, programs

    for name in ("regression", "Fashion-MNIST MLP"):
        workload = smaller(others.NAMED[name], tiny)
        for unroll in (1, 4, 16):
            program = others.make(programs.HandScan, workload)
            program.unroll = unroll
            began = time.perf_counter()
            float(program.one())
            compiled, returned, whole = time.perf_counter() - began, [], []
            for _ in range(3 if tiny else 7):
                began = time.perf_counter()
                loss = program.one()
                returned.append(time.perf_counter() - began)
                jax.block_until_ready(loss)
                whole.append(time.perf_counter() - began)
            epoch = np.median(whole)
            print(
                f"  {name}, unroll={unroll}: {epoch / program.steps * 1e6:.1f} us a step, returned "
                f"after {np.median(returned) / epoch:.2f} of it, first call {compiled:.2f} s"
            )


def loops(tiny):
    """Compares a scan, a loop of a dynamic length, and steps one by one, by the work of a step."""
    import jax
    import jax.numpy as jnp

    from jkeras.training import engine, single_steps
    from tests.benchmarks import tables

    steps = 16
    for size in (16, 64) if tiny else (64, 512, 1024, 2048, 4096):
        state = jnp.full((size, size), 1e-3), jnp.ones((size, size))
        slots = jnp.ones((steps, 1))

        def timed(limit, count, state=state, slots=slots):
            single_steps._OPERATIONS[jax.default_backend()] = limit
            run = engine.make_chunk(_multiply, engine.take_slot, donate=False)

            def call():
                jax.block_until_ready(run(state, None, slots, 0, count))

            call()
            return call

        calls = {
            "a scan": timed(1e300, None),
            "a dynamic loop": timed(1e300, steps),
            "single steps": timed(0.0, None),
        }
        title = f"{steps} steps of {2.0 * size**3:.1g} operations"
        tables.show(title, tables.race(calls, 3 if tiny else 20), "a scan")


def _multiply(state, batch):
    import jax.numpy as jnp

    weights, x = state
    return weights, jnp.tanh(x @ weights) + batch


def bar(tiny):
    """Times epochs with a live bar and callbacks."""
    from tests.benchmarks import others

    if tiny:
        others.NAMED["regression"] = smaller(others.NAMED["regression"], tiny)
    others.bar(1 if tiny else 3, quick=True)


def numbers(tiny):
    """Compares outputs and losses with those of the CPU."""
    code = """
import sys, numpy as np, jkeras as keras
from tests.benchmarks.workloads import WORKLOADS
found = {}
for workload in WORKLOADS:
    x, y = workload.make_data(np.random.default_rng(1), 64)
    keras.utils.set_random_seed(1)
    model = workload.build(keras)
    model.compile(workload.optimizer, workload.loss)
    first = keras.tree.flatten(model.predict(x, verbose=0))
    history = model.fit(x, y, epochs=3, shuffle=False, verbose=0).history["loss"]
    found |= {f"{workload.name}, output": first[0], f"{workload.name}, losses": history}
np.savez(sys.argv[1], **found)
"""
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{i}.npz" for i in range(2)]
        for path, platform in zip(paths, (os.environ.get("JAX_PLATFORMS", ""), "cpu")):
            environment = {**os.environ, "JAX_PLATFORMS": platform}
            subprocess.run([sys.executable, "-c", code, path], env=environment, check=True)
        here, there = map(np.load, paths)
        for name in here:
            scale = np.abs(there[name]).max()
            print(f"  {name:32} {np.abs(here[name] - there[name]).max() / scale:.1e} of the CPU's")


def ensemble(tiny):
    """Times many members beside a single fit."""
    from tests.benchmarks import scripts

    members = 4 if tiny else 64
    body = scripts.SMALL + (
        f"members = {members}\n"
        "runs = keras.models.Ensemble(make, range(members))\n"
        "model = make()\n"
        "single = lambda epochs=10: model.fit(x, y, epochs=epochs, verbose=0)\n"
        "together = lambda epochs=10: runs.fit(x, y, epochs=epochs, verbose=0)\n"
        "for what, call in (('single', single), ('all', together)):\n"
        "    timed(f'{what}, compiled here', call)\n"
        "    timed(f'{what}, 10 epochs', call, 3)\n"
        "    timed(f'{what}, 100 epochs', lambda: call(100))\n"
        "print(json.dumps(found))\n"
    )
    body = body.replace("11610", "256") if tiny else body
    found = scripts.run(body, "jkeras")
    for how in ("10 epochs", "100 epochs", "compiled here"):
        ratio = found[f"all, {how}"] / found[f"single, {how}"]
        print(f"  {members} members, {how}: {ratio:.2f} single fits")


ATTENTION = """
keras.mixed_precision.set_global_policy("mixed_bfloat16")
rows, tokens, width = SIZES
x, y = rng.integers(0, 1000, (rows, tokens)), labels(rows)
def make():
    i = keras.Input((tokens,), dtype="int32")
    h = L.Embedding(1000, width)(i)
    for _ in range(4):
        a = L.LayerNormalization()(h)
        h = h + L.MultiHeadAttention(width // 64, 64)(a, a, use_causal_mask=True)
        h = h + L.Dense(width)(L.Dense(4 * width, "gelu")(L.LayerNormalization()(h)))
    return keras.Model(i, L.Dense(10, dtype="float32")(L.GlobalAveragePooling1D()(h)))
"""
LONG_LSTM = """
rows, steps, width = SIZES
x, y = rng.normal(size=(rows, steps, 32)).astype("float32"), labels(rows)
def make():
    lstm = lambda last: L.LSTM(width, return_sequences=not last)
    return keras.Sequential([keras.Input((steps, 32)), lstm(False), lstm(True), L.Dense(10)])
"""
EPOCHS = """
fit = lambda model: (model.fit(x, y, batch_size=64, verbose=0), model)[1]
def first():
    model = make(); model.compile("adam", loss); return fit(model)
model = timed("build, first fit", first); timed("steady epoch", lambda: fit(model), 5)
model.predict(x, verbose=0)
timed("predict", lambda: model.predict(x, verbose=0), 3)
print(json.dumps(found))
"""


def script(body, sizes, small):
    """Returns a section that times epochs of a script's model beside Keras's."""

    def section(tiny):
        from tests.benchmarks import scripts

        whole = body.replace("SIZES", str(small if tiny else sizes)) + EPOCHS
        runs = {which: lambda which=which: scripts.run(whole, which) for which in present()}
        scripts.beside(f"rows, length, width: {small if tiny else sizes}", runs, 1)

    return section


def one_device(tiny):
    """Times epochs under a distribution over one device, beside those without."""
    import jkeras
    from tests.benchmarks import others, programs, tables

    workload = smaller(others.NAMED["Fashion-MNIST MLP"], tiny)
    made = {"without": others.make(programs.JKeras, workload)}
    kinds = {
        "DataParallel": jkeras.distribution.DataParallel,
        "FullyShardedDataParallel": jkeras.distribution.FullyShardedDataParallel,
    }
    for name, kind in kinds.items():
        program = made[name] = others.make(programs.JKeras, workload)
        program.model.distribute(kind())
    for program in made.values():
        program.epoch(3)
    calls = {name: (lambda p=program: p.epoch(3)) for name, program in made.items()}
    tables.show("3 epochs on one device", tables.race(calls, 2 if tiny else 5), "without")


def same_bits(tiny):
    """Says whether a seed gives the same weights again, in this process and in another one."""
    code = """
import hashlib, numpy as np, jkeras as keras
L = keras.layers
def digest(first, x):
    keras.utils.set_random_seed(3)
    layers = [*first, L.Dropout(0.3), L.Dense(4)]
    model = keras.Sequential(layers)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, np.arange(640) % 4, epochs=3, verbose=0)
    return hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()[:12]
rng = np.random.default_rng(0)
words, pixels = rng.integers(0, 50, (640, 16)), rng.normal(size=(640, 12, 12, 3))
for _ in range(2):
    print(digest([L.Flatten(), L.Dense(128, "relu")], pixels),
          digest([L.Conv2D(8, 3), L.BatchNormalization(), L.Flatten()], pixels),
          digest([L.Embedding(50, 32), L.LSTM(16)], words))
"""
    said = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **more},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        for more in ({}, {}, {"XLA_FLAGS": "--xla_gpu_deterministic_ops=true"} if not tiny else {})
    ]
    print("  dense, convolution, embedding and LSTM; twice in each of two processes, and in one")
    print("  whose operations were told to be deterministic:")
    for lines in said:
        print("  " + " | ".join(lines))


def memory(tiny):
    """Prints the most that was used of the device."""
    from tests.benchmarks import scripts

    body = scripts.WORKLOADS["resnet20"] + (
        "import jax\n"
        "model = make(); model.compile('adam', loss)\n"
        "model.fit(x, y, verbose=0); model.predict(x, verbose=0)\n"
        "stats = jax.devices()[0].memory_stats() or {}\n"
        "print(json.dumps({'peak': stats.get('peak_bytes_in_use', float('nan')) / 2**20}))\n"
    )
    body = body.replace("512", "64") if tiny else body
    given = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    for which in present():
        found = scripts.run(body, which, **given)
        print(f"  ResNet-20, {which}: {found['peak']:.0f} MiB of the device's memory at most")


def whole_scripts(tiny):
    """Times whole scripts in fresh processes."""
    from tests.benchmarks import scripts

    for name in ("8 x (Dense, BN, relu, Dropout)",) if tiny else ("resnet20", "transformer"):
        body = scripts.WORKLOADS[name] + scripts.TABLE
        body = body.replace("8192", "256") if tiny else body
        runs = {w: lambda b=body, w=w: scripts.run(b, w) for w in present()}
        scripts.beside(name, runs, 1)


def flags(tiny):
    """Times the MLP's epochs under ways to run XLA's programs."""
    code = """
import sys, time, numpy as np, jkeras as keras
from tests.benchmarks.workloads import WORKLOADS
(workload,) = [w for w in WORKLOADS if w.name == "Fashion-MNIST MLP"]
x, y = workload.make_data(np.random.default_rng(1), int(sys.argv[1]) or workload.rows)
model = workload.build(keras)
model.compile(workload.optimizer, workload.loss)
model.fit(x, y, epochs=2, verbose=0)
began = time.perf_counter()
model.fit(x, y, epochs=3, verbose=0)
print(f"{(time.perf_counter() - began) / 3 * 1e3:.2f} ms an epoch")
"""
    for name, variables in FLAGS.items():
        given = {} if tiny else variables  # a CPU knows no such flags
        done = subprocess.run(
            [sys.executable, "-c", code, "256" if tiny else "0"],
            env={**os.environ, **given},
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout.strip() or done.stderr.strip().rpartition("\n")[2]
        print(f"  {name:28} {said}", flush=True)


def present():
    from tests.benchmarks import programs

    return ("jkeras", "keras") if programs.has("keras") else ("jkeras",)


OWN = {
    "facts": facts,
    "dispatch": dispatch,
    "loops": loops,
    "attention": script(ATTENTION, (1024, 512, 512), (64, 16, 64)),
    "long LSTM": script(LONG_LSTM, (8192, 40, 128), (64, 5, 8)),
    "one device": one_device,
    "same bits": same_bits,
    "bar": bar,
    "numbers": numbers,
    "ensemble": ensemble,
    "memory": memory,
    "scripts": whole_scripts,
    "flags": flags,
}


# ------------------------------------------------------------------ all of them
def run_section(name, limit, tiny):
    """Runs a section in a process of its own, with everything it starts; returns what it said."""
    command = [sys.executable, "-m", "tests.benchmarks.gpu", "--section", name]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JKERAS_COMPILATION_CACHE": "off"}
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command + ["--tiny"] * tiny,
            env=environment,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            outcome = {0: "done"}.get(process.wait(limit), f"died with {process.returncode}")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            outcome = f"ended after {limit:.0f} s"
        said.seek(0)
        text = said.read()
    seconds = time.perf_counter() - began
    return {"section": name, "outcome": outcome, "seconds": round(seconds, 1), "text": text}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="everything small")
    parser.add_argument("--budget", type=float, default=410, help="seconds for all sections")
    parser.add_argument("--only", default="", help="names of sections, with commas between")
    parser.add_argument("--file", default="gpu.jsonl", help="where results go, a line a section")
    parser.add_argument("--section", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.section:
        (OWN.get(options.section) or workload_section(options.section))(options.tiny)
        return 0
    wanted = [name for name in LIMITS if not options.only or name in options.only.split(",")]
    until, failed = time.monotonic() + options.budget, 0
    with open(options.file, "w") as results:
        for name in wanted:
            left = until - time.monotonic()
            if left < 5:
                found = {"section": name, "outcome": "left out: no time", "seconds": 0, "text": ""}
            else:
                found = run_section(name, min(LIMITS[name], left), options.tiny)
            failed += found["outcome"] != "done"
            print(
                f"==== {name}: {found['outcome']}, {found['seconds']} s\n{found['text']}",
                flush=True,
            )
            print(json.dumps(found), file=results, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
