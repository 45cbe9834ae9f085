"""Models that override steps, as Keras users write them: the same code for Keras and jkeras."""

import jax
import numpy as np


def data():
    x = np.random.default_rng(0).normal(size=(96, 3)).astype("float32")
    return x, x.sum(axis=1, keepdims=True)


def build(keras, cls):
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(4, activation="tanh", kernel_regularizer="l2")(inputs)
    model = cls(inputs, keras.layers.Dense(1)(hidden))
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=w.shape).astype("float32") for w in model.get_weights()])
    model.compile(loss="mse", optimizer=keras.optimizers.Adam(0.01), metrics=["mae"])
    return model


def own_loss(keras):
    class OwnLoss(keras.Model):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.loss_tracker = keras.metrics.Mean(name="own_loss")

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            loss = keras.ops.mean((y_pred - y) ** 4) + sum(self.losses)
            self.loss_tracker.update_state(loss)
            return loss

        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            logs = super().compute_metrics(x, y, y_pred, sample_weight)
            logs["largest"] = keras.ops.max(y_pred)
            return logs

    return OwnLoss


def own_step(keras):
    """The custom step of Keras's guide for JAX."""

    class OwnStep(keras.Model):
        def compute_loss_and_updates_(self, trainable, non_trainable, x, y, training=False):
            y_pred, non_trainable = self.stateless_call(
                trainable, non_trainable, x, training=training
            )
            return keras.ops.mean((y - y_pred) ** 2), (y_pred, non_trainable)

        def train_step(self, state, data):
            trainable, non_trainable, optimizer, metrics = state
            x, y = data
            gradient = jax.value_and_grad(self.compute_loss_and_updates_, has_aux=True)
            (loss, (y_pred, non_trainable)), grads = gradient(
                trainable, non_trainable, x, y, training=True
            )
            trainable, optimizer = self.optimizer.stateless_apply(optimizer, grads, trainable)
            new, logs = [], {}
            for metric in self.metrics:
                own = metrics[len(new) : len(new) + len(metric.variables)]
                if metric.name == "loss":
                    own = metric.stateless_update_state(own, loss)
                else:
                    own = metric.stateless_update_state(own, y, y_pred)
                logs[metric.name] = metric.stateless_result(own)
                new += own
            return logs, (trainable, non_trainable, optimizer, new)

        def test_step(self, state, data):
            trainable, non_trainable, metrics = state
            x, y = data
            loss, (y_pred, non_trainable) = self.compute_loss_and_updates_(
                trainable, non_trainable, x, y
            )
            new, logs = [], {}
            for metric in self.metrics:
                own = metrics[len(new) : len(new) + len(metric.variables)]
                if metric.name == "loss":
                    own = metric.stateless_update_state(own, loss)
                else:
                    own = metric.stateless_update_state(own, y, y_pred)
                logs[metric.name] = metric.stateless_result(own)
                new += own
            return logs, (trainable, non_trainable, new)

        @property
        def metrics(self):
            if not hasattr(self, "own_metrics"):
                self.own_metrics = [
                    keras.metrics.Mean(name="loss"),
                    keras.metrics.MeanAbsoluteError(name="mae"),
                ]
            return self.own_metrics

    return OwnStep


def train(keras, make):
    model = build(keras, make(keras))
    x, y = data()
    history = model.fit(
        x, y, epochs=3, batch_size=32, shuffle=False, verbose=0, validation_data=(x, y)
    )
    return {
        "history": {k: [float(v) for v in values] for k, values in sorted(history.history.items())},
        "weights": model.get_weights(),
    }
