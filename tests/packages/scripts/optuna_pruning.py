"""optuna-integration: trials of which the bad ones are pruned."""

import keras
import numpy as np
import optuna
from optuna_integration.keras import KerasPruningCallback

x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
y = x.sum(1, keepdims=True)


def objective(trial):
    rate = trial.suggest_float("rate", 1e-4, 0.1, log=True)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mse")
    callbacks = [KerasPruningCallback(trial, "val_loss")]
    history = model.fit(x, y, epochs=5, validation_split=0.25, verbose=0, callbacks=callbacks)
    return history.history["val_loss"][-1]


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(
    sampler=optuna.samplers.RandomSampler(seed=1),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=1),
)
study.optimize(objective, n_trials=8)
states = [trial.state.name for trial in study.trials]
assert "PRUNED" in states and "COMPLETE" in states, states
