"""HGQ2: a model of quantized layers computes, trains, and is saved and loaded.

`python hgq2_layers.py FILE` writes results to FILE if it is not there, and else compares with what
is in it: run it with Keras first.
"""

import os
import pickle
import sys
import tempfile

import keras
import numpy as np
from hgq.config import LayerConfigScope, QuantizerConfigScope
from hgq.layers import QAdd, QConv2D, QDense, QMaxPooling2D, QMultiHeadAttention

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
with QuantizerConfigScope(default_q_type="kif", f0=8, i0=4), LayerConfigScope(beta0=1e-5):
    inputs = keras.Input((8, 8, 2))
    h = QConv2D(3, 3, activation="relu")(inputs)
    h = QMaxPooling2D(2)(h)
    h = keras.layers.Reshape((9, 3))(h)
    h = QAdd()([h, QMultiHeadAttention(2, 4, fuse="qkv")(h)])
    h = keras.layers.Flatten()(h)
    model = keras.Model(inputs, QDense(2)(h))
for weight in model.weights:
    if weight.name in ("kernel", "bias"):
        values = 0.4 * np.sin(1 + np.arange(np.prod(weight.shape)))
        weight.assign(values.reshape(weight.shape).astype("float32"))
x, y = rng.normal(size=(16, 8, 8, 2)).astype("float32"), rng.normal(size=(16, 2))
model(x, training=True)  # finds the ranges that the quantizers need
outputs = {"before": np.asarray(model(x))}
model.compile(keras.optimizers.SGD(0.01), "mse")
history = model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0)
outputs["losses"] = np.array(history.history["loss"])
outputs["ebops"] = np.array([int(x.ebops) for x in model.layers if hasattr(x, "ebops")])
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "model.keras")
    model.save(path)
    again = keras.models.load_model(path)
    np.testing.assert_array_equal(again(x), model(x))

if not os.path.exists(sys.argv[1]):
    with open(sys.argv[1], "wb") as file:
        pickle.dump(outputs, file)
else:
    with open(sys.argv[1], "rb") as file:
        others = pickle.load(file)
    for name, value in outputs.items():
        np.testing.assert_allclose(value, others[name], rtol=1e-4, err_msg=name)
