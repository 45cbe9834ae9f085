"""Drop-in: a script that says `import keras` runs on jkeras, unedited, by `python -m jkeras`.

The script below is a Keras script as one finds them. This example writes it to a file, runs that by
`python -m jkeras`, and by real Keras as well if that is installed, and compares.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt

SCRIPT = '''
import json, sys
import numpy as np
import keras
from keras import layers, ops

@keras.saving.register_keras_serializable(package="example")
class Gate(layers.Layer):
    """Multiplies by a learned sigmoid."""
    def build(self, shape):
        self.gate = self.add_weight(shape=(shape[-1],), initializer="zeros", name="gate")
    def call(self, x):
        return x * ops.sigmoid(self.gate)

keras.utils.set_random_seed(7)
rng = np.random.default_rng(7)
x = rng.normal(size=(1000, 6)).astype("float32")
y = (x[:, :1] ** 2 - x[:, 1:2] > 0).astype("float32")
model = keras.Sequential([
    keras.Input((6,)),
    layers.Dense(32, activation="relu"),
    Gate(),
    layers.Dense(1, activation="sigmoid"),
])
model.set_weights([0.3 * rng.normal(size=w.shape) for w in model.get_weights()])
model.compile("adam", "binary_crossentropy", metrics=["accuracy", keras.metrics.AUC(name="auc")])
history = model.fit(x, y, batch_size=50, epochs=15, shuffle=False, verbose=0)
model.save("model.keras")
again = keras.models.load_model("model.keras")
ok = bool(np.allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6))
result = {"version": keras.__version__, "loaded": ok, **history.history}
json.dump(result, open(sys.argv[1], "w"))
'''

Path("script.py").write_text(SCRIPT)
runs = {"jkeras": [sys.executable, "-m", "jkeras", "script.py", "jkeras.json"]}
if importlib.util.find_spec("keras") is not None:
    runs["keras"] = [sys.executable, "script.py", "keras.json"]
results = {}
for name, command in runs.items():
    subprocess.run(command, check=True, env={**os.environ, "KERAS_BACKEND": "jax"})
    results[name] = json.loads(Path(f"{name}.json").read_text())

print(f"{'':8}{'`keras.__version__`':>20}{'loss':>10}{'accuracy':>10}{'AUC':>8}  loads its file")
for name, result in results.items():
    last = [result[key][-1] for key in ("loss", "accuracy", "auc")]
    version, loaded = result["version"], result["loaded"]
    print(f"{name:8}{version:>20}{last[0]:10.5f}{last[1]:10.3f}{last[2]:8.3f}  {loaded}")

figure, all_axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
for axes, key in zip(all_axes, ("loss", "accuracy", "auc"), strict=True):
    for (name, result), style in zip(results.items(), ("-", "o"), strict=False):
        axes.plot(range(1, 16), result[key], style, ms=4, label=name)
    axes.set(xlabel="epoch", title=key)
all_axes[0].legend()
figure.savefig("drop_in.png", dpi=100)
