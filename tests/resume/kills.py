"""Kills trainings: `python -m tests.resume.kills [--count 200] [--seed 0] [--sources arrays,...]`.

Each training is a process of its own, which is killed (SIGKILL) at random moments and started
again until it ends; what comes out must be, bit for bit, what an unbroken training gives.
"""

import argparse
import itertools
import os
import pickle
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.resume import program

MAIN_SOURCES = ("arrays", "dataset", "generator")
FREQUENCIES = ("epoch", 1, 7, 50)


def spawn(folder, pause, by_batch, source, frequency, cache):
    """Forks a process that trains; returns its number, and a pipe that tells when it begins.

    JAX has started no thread in this process, so that it may be forked.
    """
    reader, writer = os.pipe()
    process = os.fork()
    if process:
        os.close(writer)
        return process, reader
    code = 1
    try:
        os.close(reader)
        log = os.open(folder / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        program.keras.config.enable_compilation_cache(str(cache))
        program.train(folder, source, frequency, lambda: os.write(writer, b"."), pause, by_batch)
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def wait(process, seconds=None):
    """Returns how a process has ended; None if it has not within so many seconds."""
    end = None if seconds is None else time.monotonic() + seconds
    while end is None or time.monotonic() < end:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    return None


def finish(folder, *arguments):
    """Lets a training come to its end; returns what came out, and how long it took."""
    process, reader = spawn(folder, *arguments)
    os.read(reader, 1)
    begun = time.monotonic()
    code = wait(process)
    os.close(reader)
    if code:
        raise RuntimeError(f"{arguments}: {(folder / 'output.txt').read_text()}")
    return pickle.loads((folder / "result.pickle").read_bytes()), time.monotonic() - begun


def kill(rng, duration, folder, *arguments):
    """Kills a training at a random moment; says whether it was killed before its end."""
    process, reader = spawn(folder, *arguments)
    if rng.random() < 0.9:  # else at any moment since the process was started
        os.read(reader, 1)
    code = wait(process, rng.uniform(0, duration))
    if code is None:
        os.kill(process, signal.SIGKILL)
        code = wait(process)
    os.close(reader)
    if code not in (0, -signal.SIGKILL):
        raise RuntimeError(f"{arguments}: {(folder / 'output.txt').read_text()}")
    return code != 0


def run(count, seed, sources=MAIN_SOURCES, frequencies=FREQUENCIES, say=print):
    """Kills `count` times; returns how many trainings ended, and descriptions of failures."""
    rng, kills, ended, failures = random.Random(seed), 0, 0, []
    with tempfile.TemporaryDirectory() as root:
        root, expected = Path(root), {}
        cases = itertools.cycle(itertools.product(frequencies, sources))
        while kills < count:
            frequency, source = next(cases)
            by_batch, pause = rng.random() < 0.7, 0.004
            cache = Path(os.environ.get("JAX_COMPILATION_CACHE_DIR") or root / "cache")
            key = (source, by_batch)
            if key not in expected:
                for _ in range(2):  # the first one compiles, which takes longer
                    (root / "whole").mkdir()
                    expected[key] = finish(root / "whole", pause, by_batch, source, None, cache)
                    shutil.rmtree(root / "whole")
            whole, duration = expected[key]
            folder = root / "killed"
            folder.mkdir()
            arguments = (folder, pause, by_batch, source, frequency, cache)
            times = 0
            for _ in range(rng.randint(2, 4)):
                if kills < count and kill(rng, duration, *arguments):
                    kills, times = kills + 1, times + 1
            found, _ = finish(*arguments)
            ended += 1
            differing = program.differences(whole, found)
            what = f"{source}, save_freq={frequency!r}, by_batch={by_batch}: {times} kills"
            if differing:
                failures.append(f"{what}: {differing[:5]}")
            say(f"{kills} kills, {ended} trainings, {len(failures)} differ; {what}", flush=True)
            shutil.rmtree(folder)
    return ended, failures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sources", default=",".join(MAIN_SOURCES))
    options = parser.parse_args()
    ended, failures = run(options.count, options.seed, options.sources.split(","))
    print(f"{options.count} kills of {ended} trainings; {len(failures)} ended otherwise")
    print("\n".join(failures))
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
