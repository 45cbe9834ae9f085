"""Trainings that are killed in their second epoch, each at another moment, and go on elsewhere.

`python -m tests.distribution.killing [COUNT]`: prints a line each, and how many ended with the
losses of an unbroken run. Moments are drawn in time, so that kills fall into steps and backups.
"""

import json
import random
import sys
import tempfile
import time

import numpy as np

from tests.distribution.jobs import end, start

# Before and after: distribution, devices, processes.
CHANGES = [
    (("fsdp", 8, 1), ("tp", 4, 1)),
    (("tp", 8, 1), ("fsdp", 2, 1)),
    (("fsdp", 4, 1), ("one", 1, 1)),
    (("fsdp", 2, 2), ("tp", 4, 1)),
    (("tp", 4, 1), ("fsdp", 2, 2)),
]


def killed(folder, distribution, devices, processes):
    """Starts a training, and kills all its processes at a random moment of the second epoch."""
    job = start("resuming", folder, distribution, devices, "slow", processes=processes)
    said = []
    for line in job[0].stderr:
        said.append(line)
        if line.startswith("epoch 2"):
            break
    else:
        wrong = "".join(said), end(job, fails=True)
        raise RuntimeError(f"The training did not reach its second epoch: {wrong}")
    wait = random.uniform(0, 3)
    time.sleep(wait)
    for process in job:
        process.kill()
    said = end(job, fails=True)[0][1]
    return wait, "epoch 3" not in said


def main(count=10):
    folder = tempfile.mkdtemp()
    unbroken = json.loads(end(start("resuming", f"{folder}/unbroken", "one", 1))[0][0])
    right = 0
    for number in range(count):
        before, after = CHANGES[number % len(CHANGES)]
        wait, in_time = killed(f"{folder}/{number}", *before)
        job = start("resuming", f"{folder}/{number}", *after[:2], processes=after[2])
        found = json.loads(end(job)[0][0])
        same = np.allclose(found, unbroken, rtol=1e-5, atol=0)
        right += same and in_time
        print(f"{before} killed after {wait:.2f} s, gone on as {after}: {found}", same, in_time)
        sys.stdout.flush()
    print(f"{right} of {count}, as {unbroken}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
