"""Exact resume: a training that is killed twice ends with the same bits as one that is not.

This script starts itself as other processes, and kills two of them.
"""

import argparse
import json
import signal
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import jkeras as keras
from jkeras import layers

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--small", action="store_true", help="is taken, and changes nothing")
parser.add_argument("--train", help="the name of the training: what the other processes get")
parser.add_argument("--kill-at", type=int, default=0, help="after which step to be killed")
options = parser.parse_args()


def train(name, kill_at):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 8)).astype("float32")
    y = np.tanh(x[:, :1] * x[:, 1:2]) + 0.1 * rng.normal(size=(2000, 1))
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(64, "relu"), layers.Dropout(0.1), layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.005), "mse")

    def kill(batch, logs):
        if int(model.optimizer.iterations) == kill_at:
            signal.raise_signal(signal.SIGKILL)  # no time to tidy up

    callbacks = [
        keras.callbacks.BackupAndRestore(f"{name}_backup", save_freq=25),
        keras.callbacks.LambdaCallback(on_train_batch_end=kill if kill_at else None),
    ]
    history = model.fit(x, y, batch_size=50, epochs=12, callbacks=callbacks, verbose=0)
    model.save_weights(f"{name}.weights.h5")
    Path(f"{name}.json").write_text(json.dumps(history.history["loss"]))


if options.train:
    train(options.train, options.kill_at)
    sys.exit()

kills = [130, 310]  # 40 steps are an epoch; a backup is written every 25 steps
for name, kill_at in (("whole", 0), *(("killed", step) for step in kills), ("killed", 0)):
    command = [sys.executable, __file__, "--train", name, "--kill-at", str(kill_at)]
    code = subprocess.run(command).returncode
    what = f"killed at step {kill_at}, exit code {code}" if kill_at else "ended"
    print(f"{name:8}{what}")

losses = {name: json.loads(Path(f"{name}.json").read_text()) for name in ("whole", "killed")}
print(f"\n{'epoch':>5}{'whole':>22}{'killed twice':>22}")
for epoch, pair in enumerate(zip(*losses.values(), strict=True), start=1):
    print(f"{epoch:5}" + "".join(f"{loss:22}" for loss in pair))
print("equal losses: ", losses["whole"] == losses["killed"])
same = Path("whole.weights.h5").read_bytes() == Path("killed.weights.h5").read_bytes()
print("equal weights:", same)

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
axes.plot(range(1, 13), losses["whole"], lw=6, color="0.8", label="not interrupted")
axes.plot(range(1, 13), losses["killed"], "o-", ms=4, label="killed twice")
for step in kills:
    axes.axvline(step / 40, color="C3", ls=":", label="killed" if step == kills[0] else None)
axes.set(xlabel="epoch", ylabel="loss", xlim=(0, 12.3))
axes.legend()
figure.savefig("resume.png", dpi=100)
