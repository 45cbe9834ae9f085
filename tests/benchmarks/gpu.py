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
    "Fashion-MNIST MLP": 60,
    "loops": 60,
    "bar": 50,
    "numbers": 60,
    "ensemble": 60,
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
        "single = lambda: model.fit(x, y, epochs=5, verbose=0)\n"
        "together = lambda: runs.fit(x, y, epochs=5, verbose=0)\n"
        "timed('single, compiled here', single); timed('all, compiled here', together)\n"
        "timed('single', single, 3); timed('all', together, 3)\n"
        "print(json.dumps(found))\n"
    )
    body = body.replace("11610", "256") if tiny else body
    found = scripts.run(body, "jkeras")
    print(
        f"  {members} members: {found['all'] / found['single']:.2f} single fits, compiled", end=""
    )
    print(f"; {found['all, compiled here'] / found['single, compiled here']:.2f} with compilation")


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
    "loops": loops,
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
