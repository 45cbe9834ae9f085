"""A model exported, and served: by JAX and NumPy alone, and by onnxruntime if it is there."""

import importlib.util
import subprocess
import sys

import numpy as np

import jkeras as keras
from jkeras import layers

SERVER = """
import sys
sys.modules["jkeras"] = None  # to show that it is not needed
import jax, numpy as np

with np.load("digits.stablehlo") as file:
    serve = jax.export.deserialize(bytearray(file["serve.stablehlo"]))
    weights = {key: file[key] for key in file if key.startswith("weights/")}
images = np.load("images.npy")
for count in (1, 3, 32):
    print(f"{count:3} images, classes", np.argmax(serve.call(weights, images[:count]), -1)[:8])
"""

keras.utils.set_random_seed(0)
(x_train, y_train), (x_test, y_test) = keras.datasets.fashion_mnist.load_sample()
model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Rescaling(1 / 255),
        layers.SeparableConv2D(16, 3, padding="same", activation="gelu"),
        layers.MaxPooling2D(4),
        layers.Flatten(),
        layers.Dropout(0.2),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train[..., None], y_train, epochs=3, verbose=2)
images = x_test[:32, ..., None].astype("float32")
expected = model.predict(images, verbose=0)

# ------------------------------------------------------------------ StableHLO
model.export("digits.stablehlo")
np.save("images.npy", images)
subprocess.run([sys.executable, "-c", SERVER], check=True)

# The file as a layer of another model, trained on.
features = keras.layers.TFSMLayer("digits.stablehlo")
tuned = keras.Sequential([keras.Input((28, 28, 1)), features, layers.Dense(1)])
tuned.compile("adam", "mse")
tuned.fit(images, np.ones(32), epochs=2, verbose=2)

# ------------------------------------------------------------------ ONNX
if importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxruntime"):
    import onnxruntime

    model.export("digits.onnx")
    session = onnxruntime.InferenceSession("digits.onnx")
    (outputs,) = session.run(None, {session.get_inputs()[0].name: images})
    print(f"onnxruntime differs by at most {np.abs(outputs - expected).max():.1e}")
else:
    print('For ONNX: pip install ".[onnx]"')
