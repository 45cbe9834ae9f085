import os
import platform
import subprocess
import sys

import pytest

# Steps whose programs work in more than the 32 MiB that the C library keeps by itself.
PROGRAM = """
import resource, sys
import numpy as np
import jkeras as keras

layers = [keras.layers.Dense(8192, "tanh"), keras.layers.Dense(1)]
model = keras.Sequential([keras.Input((4,)), *layers])
model.compile("sgd", "mse")
x, y = np.zeros((640, 4), "float32"), np.zeros((640, 1), "float32")
for _ in range(3):
    model.train_on_batch(x, y)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    model.train_on_batch(x, y)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 4)
"""


def pages_of_a_step(**variables):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    environment = {**kept, "JAX_PLATFORMS": "cpu", "JKERAS_KEEP_MEMORY": "", **variables}
    command = [sys.executable, "-c", PROGRAM]
    return int(subprocess.check_output(command, env=environment, text=True))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep it")
def test_a_step_works_in_the_memory_of_the_last_one_unless_told_otherwise():
    ours = pages_of_a_step()
    off = pages_of_a_step(JKERAS_KEEP_MEMORY="off")
    users = pages_of_a_step(MALLOC_MMAP_THRESHOLD_="33554432")  # what somebody has set stays
    assert ours < 1000 < off, (ours, users, off)
    assert users > 1000, (ours, users, off)
