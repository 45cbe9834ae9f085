"""Prints tables of ratios: `python -m tests.benchmarks [--quick] [--only NAME] [--rounds N]`."""

import argparse
import inspect
import platform
import sys
import time

import jax
import numpy as np

from tests.benchmarks import files, others, pipelines, programs, tables
from tests.benchmarks.workloads import WORKLOADS


def check(made):
    """All programs start from the same weights and see the same data: so must their losses be."""
    hand = made[0]
    x, y = jax.tree.map(lambda a: a[:256], (hand.x, hand.y))
    expected = float(hand.workload.hand_loss([np.asarray(w) for w in hand.weights], x, y))
    for program in made:
        if hasattr(program, "model"):
            value = program.model.evaluate(x, y, verbose=0)
            value = value[0] if isinstance(value, list) else value
            assert abs(value - expected) < 1e-3 * max(1, abs(expected)), (
                program.name,
                value,
                expected,
            )
        elif hasattr(program, "net"):
            value = program.loss(*jax.tree.map(lambda a: a[:256], program.data)).item()
            assert abs(value - expected) < 1e-3 * max(1, abs(expected)), (program.name, value)


def run(workload, rounds, quick):
    rng = np.random.default_rng(1)
    x, y = workload.make_data(rng, workload.rows)
    weights = programs.initial_weights(workload)
    kinds = [programs.HandScan, programs.JKeras, programs.HandSteps]
    if programs.has("flax"):
        kinds.append(programs.FlaxLoop)
    if programs.has("keras"):
        kinds += [programs.Keras, programs.KerasTuned]
    if programs.has("torch"):
        from tests.benchmarks import torch_programs

        kinds.append(torch_programs.TorchLoop)
        if not quick:  # compiling takes up to half a minute
            kinds.append(torch_programs.TorchCompiled)
    made = [kind(workload, x, y, weights) for kind in kinds]
    check(made)
    cold = {}
    for program in made:
        started = time.perf_counter()
        program.epoch()
        cold[program.name] = time.perf_counter() - started
    (seconds,) = programs.interleave(made[1:2], 1, 1)["jkeras"]
    epochs = int(np.clip(0.4 / max(seconds, 1e-3), 2, 40))
    # The first two are compared closely, so they get more rounds.
    tables.show(
        f"{workload.name}, {workload.rows} rows", programs.interleave(made[:2], rounds, epochs)
    )
    calls = {program.name: program.epoch for program in made[1:]}
    tables.show(f"{workload.name}, calls of one epoch", tables.race(calls, max(2, rounds // 3)))
    ratios = {name: cold["jkeras"] / seconds for name, seconds in cold.items()}
    print(
        "  first epoch, compiled here: " + ", ".join(f"{r:.2f} of {n}" for n, r in ratios.items())
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="two nets, and one of each other section"
    )
    parser.add_argument("--only", help="a part of the name of a workload or a section")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--gigabytes", type=float, default=0.5, help="the memory map's size")
    options = parser.parse_args()
    rounds = 5 if options.quick else options.rounds
    print(
        f"jax {jax.__version__} on {jax.devices()[0].device_kind}, {platform.machine()}, "
        f"Python {sys.version.split()[0]}"
    )
    wanted = (options.only or "").lower()
    for workload in WORKLOADS:
        chosen = workload.name in QUICK or not options.quick
        if wanted in workload.name.lower() and chosen:
            run(workload, rounds, options.quick)
    for name, section in {**others.SECTIONS, **MORE}.items():
        if wanted in name:
            takes = inspect.signature(section).parameters
            more = {"gigabytes": options.gigabytes} if "gigabytes" in takes else {}
            section(rounds, options.quick, **more)


MORE = {"pipelines": pipelines.pipelines, "files": files.files}
QUICK = ("regression", "LSTM")  # what --quick keeps


if __name__ == "__main__":
    main()
