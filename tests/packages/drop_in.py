"""Times a script with Keras 3 on JAX and with `python -m jkeras`, each in processes of its own.

`python -m tests.packages.drop_in [--keras FOLDER] [--runs 3] [SCRIPT]`, where FOLDER holds Keras if
it is not installed beside JAX. Prints medians of seconds of wall clock and of all cores' work: the
latter says more on a busy machine.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent


def measure(command, path):
    """Returns the wall-clock and processor seconds of a process."""
    env = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": path}
    # Nothing that another run has compiled is found.
    env |= {"JKERAS_COMPILATION_CACHE": "off", "JAX_ENABLE_COMPILATION_CACHE": "false"}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(command, env=env, cwd=folder, check=True, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    """Runs both in turn, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keras", default="", help="the folder of the real Keras")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("script", nargs="?", default=str(HERE / "three_models.py"))
    options = parser.parse_args()
    script, ours = os.path.abspath(options.script), str(HERE.parents[1])
    sides = {
        "Keras 3 on JAX": ([sys.executable, script], options.keras),
        "python -m jkeras": ([sys.executable, "-m", "jkeras", script], ours),
    }
    found = {name: [] for name in sides}
    for _ in range(options.runs):
        for name, (command, path) in sides.items():
            found[name].append(measure(command, path))
    medians = {
        name: [statistics.median(values) for values in zip(*runs, strict=True)]
        for name, runs in found.items()
    }
    print("| | wall clock, s | all cores, s |\n|---|---|---|")
    for name, (wall, work) in medians.items():
        print(f"| {name} | {wall:.1f} | {work:.1f} |")
    first, second = medians.values()
    ratios = [b / a for a, b in zip(first, second, strict=True)]
    print(f"| ratio | {ratios[0]:.2f} | {ratios[1]:.2f} |")


if __name__ == "__main__":
    main()
