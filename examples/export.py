"""A model exported, and served: by JAX and NumPy alone, and by onnxruntime if it is there."""

import importlib.util
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np

import jkeras as keras
from jkeras import layers

SERVER = """
import sys
sys.modules["jkeras"] = None  # to show that it is not needed
import jax, numpy as np

with np.load("clothes.stablehlo") as file:
    serve = jax.export.deserialize(bytearray(file["serve.stablehlo"]))
    weights = {key: file[key] for key in file if key.startswith("weights/")}
images = np.load("images.npy")
for count in (1, 3, 32):
    outputs = serve.call(weights, images[:count])
    print(f"{count:3} images, classes", np.argmax(outputs, -1)[:8])
np.save("served.npy", outputs)
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
model.export("clothes.stablehlo")
np.save("images.npy", images)
subprocess.run([sys.executable, "-c", SERVER], check=True)
served = np.load("served.npy")

# The file as a layer of another model, trained on.
features = keras.layers.TFSMLayer("clothes.stablehlo")
tuned = keras.Sequential([keras.Input((28, 28, 1)), features, layers.Dense(1)])
tuned.compile("adam", "mse")
tuned.fit(images, np.ones(32), epochs=2, verbose=2)

# ------------------------------------------------------------------ ONNX
if importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxruntime"):
    import onnxruntime

    model.export("clothes.onnx")
    session = onnxruntime.InferenceSession("clothes.onnx")
    (outputs,) = session.run(None, {session.get_inputs()[0].name: images})
    print(f"onnxruntime differs by at most {np.abs(outputs - expected).max():.1e}")
else:
    print('For ONNX: pip install ".[onnx]"')

# ------------------------------------------------------------------ what the server says
names = ["T-shirt", "Trouser", "Pullover", "Dress", "Coat"]
names += ["Sandal", "Shirt", "Sneaker", "Bag", "Boot"]
print(f"the server's outputs differ by at most {np.abs(served - expected).max():.1e}")
figure, all_axes = plt.subplots(2, 6, figsize=(10, 3.8), layout="constrained")
for axes, image, output in zip(all_axes.flat, images, served):
    axes.imshow(image[..., 0], cmap="gray_r")
    axes.set_title(f"{names[output.argmax()]} {output.max():.0%}", fontsize=9)
    axes.axis("off")
figure.savefig("export.png", dpi=100)
