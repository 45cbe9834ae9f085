import os
import platform
import subprocess
import sys

import pytest

# Steps whose programs work in more than the 32 MiB that the C library keeps by itself: in one
# thread, since each of JAX's has a heap of its own, in which there may be no room for them.
PROGRAM = """
import resource
import jax
import numpy as np
import jkeras as keras

jax.config.update("jax_cpu_enable_async_dispatch", False)

layers = [keras.layers.Dense(8192, "tanh"), keras.layers.Dense(1)]
model = keras.Sequential([keras.Input((4,)), *layers])
model.compile("sgd", "mse")
x, y = np.zeros((640, 4), "float32"), np.zeros((640, 1), "float32")
for _ in range(6):
    model.train_on_batch(x, y)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    model.train_on_batch(x, y)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 8)
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
    assert 2 * ours < off, (ours, users, off)
    assert 2 * ours < users, (ours, users, off)
