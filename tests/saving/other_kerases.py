"""Portable `.h5` files in real tf_keras and Keras: `python -m tests.saving.other_kerases`.

It takes an environment with TensorFlow, tf_keras and Keras (`nox -s dialects`). Each model is
trained for two steps and saved; what loads the file must predict and lose the same, and, where it
restores the optimizer's state, make the same third step.
"""

import os
import sys
import tempfile

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np

import jkeras

L = jkeras.layers


def stack(shape, *layers, dtype=None):
    return jkeras.Sequential([jkeras.Input(shape, dtype=dtype), *layers, L.Dense(1, name="last")])


def two_inputs():
    a, b = jkeras.Input((4,), name="a"), jkeras.Input((3,), name="b")
    x = L.concatenate([L.Dense(6, activation="tanh")(a), b])
    shared = L.Dense(6)
    x = L.Add()([shared(x), L.Dense(6, use_bias=False)(x)])
    x = L.Activation("gelu")(shared(L.Activation("elu")(L.Dense(9)(x))))
    return jkeras.Model([a, b], [L.Dense(1, name="p")(x), L.Dense(1, name="q")(x)])


def models():
    """Returns models and optimizers by names."""
    opt = jkeras.optimizers
    decay = opt.schedules.ExponentialDecay(0.01, 10, 0.9)
    images = (12, 12, 3)
    return {
        "dense": (stack((5,), L.Dense(8, "relu"), L.BatchNormalization()), opt.Adam(decay)),
        "convolutions": (
            stack(
                images,
                L.Conv2D(4, 3, padding="same", activation="relu"),
                L.MaxPooling2D(),
                L.SeparableConv2D(6, 3),
                L.DepthwiseConv2D(3, padding="same"),
                L.Conv2DTranspose(3, 3),
                L.LeakyReLU(0.2),
                L.PReLU(shared_axes=[1, 2]),
                L.GlobalAveragePooling2D(),
            ),
            opt.SGD(0.01, momentum=0.9, nesterov=True),
        ),
        "preprocessing": (
            stack(
                images,
                L.Rescaling(1 / 255.0),
                L.ZeroPadding2D(1),
                L.Cropping2D(1),
                L.UpSampling2D(2),
                L.AveragePooling2D(2),
                L.Reshape((12, 36)),
                L.Permute((2, 1)),
                L.Conv1D(3, 3, dilation_rate=2, kernel_regularizer="l2"),
                L.Flatten(),
            ),
            opt.Adagrad(0.01),
        ),
        "recurrent": (
            stack((7, 4), L.Bidirectional(L.LSTM(5, return_sequences=True)), L.GRU(4)),
            opt.RMSprop(0.01),
        ),
        "wrapped": (
            stack(
                (7, 4),
                L.SimpleRNN(5, return_sequences=True),
                L.TimeDistributed(L.Dense(3)),
                L.LayerNormalization(),
                L.Flatten(),
            ),
            opt.Adamax(0.01),
        ),
        "embedding": (
            stack((9,), L.Embedding(20, 4, mask_zero=True), L.LSTM(5), dtype="int32"),
            opt.Adam(0.01, amsgrad=True),
        ),
        "two inputs": (two_inputs(), opt.Adam(0.01, clipnorm=1.0)),
    }


def data(model):
    """Returns inputs and targets."""
    rng = np.random.default_rng(0)
    inputs = [
        rng.integers(0, 20, (6, *x.shape[1:])).astype("int32")
        if "int" in str(x.dtype)
        else rng.normal(size=(6, *x.shape[1:])).astype("float32")
        for x in model.inputs
    ]
    targets = [rng.normal(size=(6, 1)).astype("float32") for _ in model.outputs]
    return (v[0] if len(v) == 1 else v for v in (inputs, targets))


def predict(model, x):
    found = model.predict(x, verbose=0)
    return np.concatenate(found if isinstance(found, list) else [found])


def main():
    import keras
    import tf_keras

    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, (model, optimizer) in models().items():
            path = f"{folder}/{name}.h5"
            losses = "mse" if len(model.outputs) == 1 else ["mse", "mae"]
            model.compile(optimizer, losses)
            x, y = data(model)
            for _ in range(2):
                model.train_on_batch(x, y)
            model.save(path, dialect="portable")
            before, loss = predict(model, x), np.ravel(model.evaluate(x, y, verbose=0))[0]
            model.train_on_batch(x, y)
            after = predict(model, x)
            for library in (tf_keras, keras, jkeras):
                found, worst = library.models.load_model(path), {}
                worst["prediction"] = np.abs(predict(found, x) - before).max()
                if library is not keras:  # which fails to go on with any `.h5`, its own as well
                    worst["loss"] = abs(np.ravel(found.evaluate(x, y, verbose=0))[0] - loss)
                    found.train_on_batch(x, y)
                    worst["third step"] = np.abs(predict(found, x) - after).max()
                # Without momentum, Keras 2's RMSprop adds epsilon to the root, and not below it.
                other = {"third step"} if library is tf_keras and name == "recurrent" else set()
                good = max(v for k, v in worst.items() if k not in other) < 1e-5
                failures += not good
                shown = ", ".join(f"{k} {v:.0e}" for k, v in worst.items())
                mark = "ok  " if good else "BAD "
                print(
                    f"{mark}{name:14} {library.__name__} {library.__version__}: {shown}", flush=True
                )
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
