"""keras-tcn: a temporal convolutional network is trained, saved and read."""

import os
import tempfile

import keras
import numpy as np
from tcn import TCN, tcn_full_summary

x = np.random.default_rng(0).normal(size=(32, 12, 2)).astype("float32")
y = x[:, :, 0].sum(1, keepdims=True)
model = keras.Sequential([keras.Input((12, 2)), TCN(8, dilations=(1, 2, 4)), keras.layers.Dense(1)])
model.compile("adam", "mse")
losses = model.fit(x, y, epochs=10, verbose=0).history["loss"]
assert losses[-1] < losses[0], losses
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "m.keras")
    model.save(path)
    again = keras.models.load_model(path, custom_objects={"TCN": TCN})
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5)
tcn_full_summary(model, expand_residual_blocks=True)
