"""Prints tables of ratios: `python -m tests.benchmarks [--quick] [--only NAME] [--rounds N]`."""

import argparse
import platform
import sys
import time

import jax
import numpy as np

from tests.benchmarks import programs
from tests.benchmarks.workloads import WORKLOADS


def median_ratio(ours, theirs):
    """Returns the median of the ratios of runs that stood side by side, and their quartiles."""
    ratios = np.array(ours) / np.array(theirs)
    return np.median(ratios), np.percentile(ratios, 25), np.percentile(ratios, 75)


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


def run(workload, rounds, quick):
    rng = np.random.default_rng(1)
    rows = workload.rows // 4 if quick and workload.rows > 20_000 else workload.rows
    x, y = workload.make_data(rng, rows)
    weights = programs.initial_weights(workload)
    kinds = [
        programs.HandScan,
        programs.JKeras,
        programs.HandSteps,
        programs.Keras,
        programs.KerasTuned,
    ]
    try:
        import keras  # noqa: F401
    except ImportError:
        kinds = kinds[:3]
    made = [kind(workload, x, y, weights) for kind in kinds]
    check(made)
    cold = []
    for program in made:
        started = time.perf_counter()
        program.epoch()
        cold.append(time.perf_counter() - started)
    seconds = sum(programs.interleave(made[1:2], 1, 1)["jkeras"])
    epochs = int(np.clip(0.5 / seconds, 1, 40))
    # The first two are compared closely, so they get more rounds.
    close = programs.interleave(made[:2], rounds, epochs)
    others = programs.interleave(made[1:], max(2, rounds // 3), max(1, epochs // 8))
    mine = np.median(close["jkeras"])
    print(f"\n{workload.name}: {rows} rows, jkeras {mine * 1e3:.1f} ms an epoch")
    print(f"  {'jkeras against':32} {'time ratio':>10}   quartiles      cold epoch ratio")
    for program, first in zip(made, cold):
        if program.name == "jkeras":
            continue
        table = close if program is made[0] else others
        ratio, low, high = median_ratio(table["jkeras"], table[program.name])
        print(
            f"  {program.name:32} {ratio:10.3f}   {low:.3f}-{high:.3f}   {cold[1] / first:8.2f}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and rows: two minutes")
    parser.add_argument("--only", help="a part of a workload's name")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    rounds = 5 if options.quick else options.rounds
    print(
        f"jax {jax.__version__} on {jax.devices()[0].device_kind}, {platform.machine()}, "
        f"Python {sys.version.split()[0]}"
    )
    for workload in WORKLOADS:
        if options.only is None or options.only.lower() in workload.name.lower():
            run(workload, rounds, options.quick)


if __name__ == "__main__":
    main()
