"""Layers under `jit` against Keras's on JAX, forward and with gradients.

    KERAS_BACKEND=jax python -m tests.benchmarks.layers [--only NAME] [--rounds N]

Both libraries' programs of a layer are compiled in the same process, and run in turns: in each
round first one, then the other, and the other way round in the next, so that whatever else the
machine does slows both. A ratio is Keras's median time over ours: above 1, ours is faster. Where
XLA made the same operations of both, what differs is noise.
"""

import argparse
import collections
import re
import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from jkeras import layers
from jkeras.core import pure

IMAGES, SEQUENCES = (16, 32, 32, 16), (16, 64, 32)
LAYERS: dict[str, tuple[tuple, dict, tuple]] = {
    "Dense": ((256,), {"activation": "relu"}, (256, 256)),
    "EinsumDense": (("abc,cd->abd", (None, 64)), {"bias_axes": "d"}, SEQUENCES),
    "Embedding": ((1000, 64), {}, (64, 64)),
    "Conv1D": ((32, 3), {"padding": "same"}, SEQUENCES),
    "Conv2D": ((16, 3), {"padding": "same", "activation": "relu"}, IMAGES),
    "Conv3D": ((8, 3), {}, (4, 12, 12, 12, 8)),
    "Conv1DTranspose": ((32, 3), {"strides": 2}, SEQUENCES),
    "Conv2DTranspose": ((16, 3), {"strides": 2, "padding": "same"}, IMAGES),
    "Conv3DTranspose": ((8, 2), {"strides": 2}, (4, 8, 8, 8, 8)),
    "DepthwiseConv1D": ((3,), {}, SEQUENCES),
    "DepthwiseConv2D": ((3,), {}, IMAGES),
    "SeparableConv1D": ((32, 3), {}, SEQUENCES),
    "SeparableConv2D": ((16, 3), {}, IMAGES),
    "MaxPooling1D": ((2,), {}, SEQUENCES),
    "MaxPooling2D": ((2,), {}, IMAGES),
    "AveragePooling2D": ((2,), {}, IMAGES),
    "GlobalAveragePooling2D": ((), {}, IMAGES),
    "BatchNormalization": ((), {}, IMAGES),
    "LayerNormalization": ((), {}, IMAGES),
    "GroupNormalization": ((4,), {}, IMAGES),
    "RMSNormalization": ((), {}, IMAGES),
    "SimpleRNN": ((64,), {}, SEQUENCES),
    "LSTM": ((64,), {"return_sequences": True}, SEQUENCES),
    "GRU": ((64,), {"return_sequences": True}, SEQUENCES),
    "MultiHeadAttention": ((4, 16), {}, (SEQUENCES, SEQUENCES)),
    "UpSampling2D": ((2,), {}, IMAGES),
    "ZeroPadding2D": ((1,), {}, IMAGES),
}


def programs(ours: Any, theirs: Any, inputs: tuple) -> dict[str, tuple]:
    """Returns, for each direction, our compiled program and Keras's, with their arguments."""
    ours(*inputs), theirs(*inputs)
    theirs.set_weights(ours.get_weights())
    params, state = pure.read(ours)
    trainable = [v.value for v in theirs.trainable_variables]
    rest = [v.value for v in theirs.non_trainable_variables]
    training = {"training": True} if isinstance(theirs, keras.layers.BatchNormalization) else {}
    floats = jnp.issubdtype(inputs[0].dtype, jnp.floating)

    def run_ours(params: Any, inputs: tuple) -> Any:
        outputs, effects = pure.apply(ours, (params, state), *inputs, **training)
        return outputs, effects.state

    def run_theirs(params: Any, inputs: tuple) -> Any:
        return theirs.stateless_call(params, rest, *inputs, **training)

    def with_gradients(run: Any) -> Any:
        def loss(params: Any, inputs: tuple) -> Any:
            outputs, state = run(params, inputs)
            return jnp.sum(jnp.square(outputs)), state

        return jax.value_and_grad(loss, (0, 1) if floats else 0, has_aux=True)

    arguments = ((params, inputs), (trainable, inputs))
    runs = (run_ours, run_theirs)
    return {
        direction: tuple(
            (jax.jit(change(run)).lower(*given).compile(), given)
            for run, given in zip(runs, arguments, strict=True)
        )
        for direction, change in (("forward", lambda run: run), ("with gradients", with_gradients))
    }


def operations(program: Any) -> collections.Counter:
    """Counts the operations of a compiled program by kind."""
    return collections.Counter(re.findall(r"= \S+ ([a-z][\w-]*)\(", program.as_text()))


def seconds(program: Any, arguments: tuple, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        jax.block_until_ready(program(*arguments))
    return (time.perf_counter() - start) / repeats


def compare(pair: tuple, rounds: int) -> tuple[float, float]:
    """Returns the medians of our time and of Keras's."""
    once = [min(seconds(*one, 1) for _ in range(3)) for one in pair]
    repeats = max(1, int(0.004 / max(once)))
    times: tuple[list[float], list[float]] = ([], [])
    for i in range(rounds):
        for which in (0, 1) if i % 2 else (1, 0):
            times[which].append(seconds(*pair[which], repeats))
    return statistics.median(times[0]), statistics.median(times[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="the name of one layer")
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    print(f"{'layer':24}{'':16}{'ours, ms':>10}{'Keras, ms':>11}{'ratio':>8}  same operations")
    for name, (args, kwargs, shapes) in LAYERS.items():
        if options.only not in (None, name):
            continue
        shapes = shapes if isinstance(shapes[0], tuple) else (shapes,)
        inputs = tuple(jnp.asarray(generator.normal(size=s), "float32") for s in shapes)
        if name == "Embedding":
            inputs = (jnp.asarray(generator.integers(0, args[0], shapes[0]), "int32"),)
        made = [getattr(module, name)(*args, **kwargs) for module in (layers, keras.layers)]
        for direction, pair in programs(*made, inputs).items():
            ours, theirs = compare(pair, options.rounds)
            line = f"{1e3 * ours:10.3f}{1e3 * theirs:11.3f}{theirs / ours:8.2f}"
            same = operations(pair[0][0]) == operations(pair[1][0])
            print(f"{name:24}{direction:16}{line}  {'yes' if same else 'no'}", flush=True)


if __name__ == "__main__":
    main()
