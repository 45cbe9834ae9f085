"""How much memory of the host it takes to draw a large model on eight devices.

`python -m tests.distribution.drawing [COUNT]`: a model of that many kernels of 256 MiB each, eight
by default; prints what it took at most above the weights, of which each device holds an eighth.
"""

import os
import sys

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"

import jax

import jkeras as keras
from tests.distribution.jobs import peak_from_now, resident


def main(count=8):
    keras.distribution.set_distribution(keras.distribution.FullyShardedDataParallel())
    jax.numpy.zeros(8).block_until_ready()  # JAX is ready
    before = resident("VmRSS")
    peak_from_now()
    layers = [keras.layers.Dense(8192, use_bias=False) for _ in range(count)]
    model = keras.Sequential([keras.Input((8192,)), *layers])
    kernels = [jax.block_until_ready(layer.kernel.value) for layer in layers]
    peak = resident("VmHWM") - before
    whole = sum(kernel.nbytes for kernel in kernels)
    parts = [[s.data.nbytes for s in kernel.addressable_shards] for kernel in kernels]
    held = [sum(of) for of in zip(*parts, strict=True)]
    above = (peak - whole) / 2**30
    print(
        f"{model.count_params():,} weights, {whole / 2**30:.2f} GiB; each device holds "
        f"{max(held) / whole:.3f} of it; at most {above:.3f} GiB above that"
    )
    sys.exit(above > 0.5)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
