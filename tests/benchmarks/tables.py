"""Runs that stand side by side, and what is printed of them."""

import time

import numpy as np


def race(candidates, rounds, repeat=1):
    """Calls functions in turn, the first one being another one each round.

    Args:
        candidates: Functions by name.
        rounds: How many rounds.
        repeat: How often each is called in a round.

    Returns:
        Seconds a call, a list for each name.
    """
    times = {name: [] for name in candidates}
    order = list(candidates)
    for _ in range(rounds):
        for name in order:
            started = time.perf_counter()
            for _ in range(repeat):
                candidates[name]()
            times[name].append((time.perf_counter() - started) / repeat)
        order = [*order[1:], order[0]]
    return times


def show(title, times, ours="jkeras"):
    """Prints our median time, and the median and quartiles of its ratios to the others' times."""
    print(f"\n{title}: {ours} {readable(np.median(times[ours]))}")
    for name, values in times.items():
        if name != ours:
            low, middle, high = np.percentile(
                np.array(times[ours]) / np.array(values), [25, 50, 75]
            )
            medians = np.median(times[ours]) / np.median(values)
            print(
                f"  against {name:34} {middle:7.3f}   quartiles {low:.3f}-{high:.3f}   "
                f"medians {medians:.3f}",
                flush=True,
            )


def readable(seconds):
    """Returns a time with three digits."""
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} us"
