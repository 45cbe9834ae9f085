"""Calls that are wrong, one a line: what a user reads names what is wrong, expected and got.

The first table is of mechanisms that many names share: constructors' flags, numbers, paths and
functions; and what comes from inside JAX, NumPy or Python. A new kind of wrong call is a new line.
"""

import os
import pathlib

import jax
import numpy as np
import pytest

import jkeras as keras
from jkeras import callbacks, constraints, initializers, layers, losses, metrics, ops, optimizers
from jkeras import random as keras_random

X, Y = np.ones((8, 3), "float32"), np.ones((8, 1), "float32")
SEQUENCES, IMAGES = np.ones((2, 4, 3), "float32"), np.ones((1, 5, 5, 3), "float32")


def model(loss="mse", **options):
    made = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    made.compile("sgd", loss, **options)
    return made


def fit(x=X, y=Y, **options):
    return model().fit(x, y, verbose=0, **options)


class ReturnsNone(metrics.Metric):
    def update_state(self, y_true, y_pred, sample_weight=None):
        pass

    def result(self):
        return None


class OfTwo(constraints.Constraint):
    def __call__(self, w):
        return ops.ones((2, 2))


def constrained():
    made = keras.Sequential([layers.Dense(1, kernel_constraint=OfTwo())])
    made.compile("sgd", "mse")
    made.fit(X, Y, verbose=0)


class Batches(keras.utils.PyDataset):
    def __init__(self, length=1, **kwargs):
        super().__init__(**kwargs)
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return X, Y


class Keeps(metrics.Metric):
    def update_state(self, y_true, y_pred, sample_weight=None):
        self.last = y_true

    def result(self):
        return self.last


def of_string(kernel):
    return "x"


def Own(**methods):
    """Returns a layer whose class has these methods."""
    methods = {"call": lambda self, x: x, **methods}
    methods["get"] = lambda self: keras.saving.serialize_keras_object(self)
    return type("Own", (layers.Layer,), methods)()


def trained(**methods):
    """Trains a subclass of Model that has these methods."""
    own = type("Own", (keras.Model,), {"call": lambda self, x: x, **methods})()
    own.compile("sgd", "mse")
    own.fit(X, X, verbose=0)


CONSTRUCTORS = [
    (lambda: initializers.GlorotUniform(seed="x"), ["seed", "SeedGenerator", "'x'"]),
    (lambda: initializers.RandomNormal(seed=1.5), ["seed", "integer", "1.5"]),
    (lambda: initializers.Orthogonal(seed=True), ["seed", "integer", "True"]),
    (lambda: layers.ReLU(max_value=-1), ["max_value", "cannot be a negative value", "-1"]),
    (lambda: layers.LeakyReLU(None), ["negative_slope", "Leaky ReLU layer cannot be None"]),
    (
        lambda: layers.LayerNormalization(axis={"axis": -1}),
        ["Expected an int or a list/tuple of ints for the argument 'axis'"],
    ),
    (lambda: layers.Dense("abc"), ["`units`", "'abc'", "positive integer"]),
    (lambda: layers.Dense(3, use_bias="no"), ["`use_bias`", "Dense", "True or False", "'no'"]),
    (lambda: layers.LSTM(3, return_sequences="yes"), ["`return_sequences`", "True or False"]),
    (lambda: layers.BatchNormalization(center=2), ["`center`", "True or False", "2"]),
    (lambda: layers.Embedding(5, 3, mask_zero="x"), ["`mask_zero`", "True or False"]),
    (lambda: layers.GRU(3, go_backwards=1.5), ["`go_backwards`", "1.5"]),
    (lambda: layers.Softmax(axis="x"), ["`axis`", "a number", "'x'"]),
    (lambda: layers.Concatenate(axis="last"), ["`axis`", "a number", "'last'"]),
    (lambda: layers.PReLU(shared_axes="x"), ["'axis'", "ints", "'x'"]),
    (lambda: layers.MultiHeadAttention(2, 3, attention_axes="x"), ["'axis'", "ints", "'x'"]),
    (lambda: layers.Rescaling("x"), ["`scale`", "'x'"]),
    (lambda: layers.Discretization(bin_boundaries=[3, 1]), ["`bin_boundaries`", "ascending"]),
    (lambda: layers.TextVectorization(ngrams=0), ["`ngrams`", "positive integer", "0"]),
    (lambda: layers.StringLookup(encoding="zz"), ["`encoding`", "'zz'"]),
    (lambda: layers.IntegerLookup(vocabulary=["a"]), ["'a'", "StringLookup"]),
    (lambda: layers.RNN([]), ["`cells`", "at least one"]),
    (lambda: losses.Huber(delta="x"), ["`delta`", "a number", "'x'"]),
    (lambda: losses.Huber(delta=-1.0), ["`delta`", "at least 0", "-1.0"]),
    (lambda: losses.BinaryCrossentropy(label_smoothing=2), ["`label_smoothing`", "[0, 1]", "2"]),
    (lambda: losses.BinaryCrossentropy(from_logits="x"), ["`from_logits`", "True or False"]),
    (lambda: losses.LossFunctionWrapper(3), ["`fn`", "a function", "3"]),
    (lambda: metrics.TopKCategoricalAccuracy(k=0), ["`k`", "a positive integer", "k=0"]),
    (lambda: metrics.MeanIoU("x"), ["`num_classes`", "'x'"]),
    (lambda: metrics.Precision(thresholds="x"), ["Threshold values", "'x'"]),
    (lambda: metrics.Precision(class_id=-1), ["`class_id`", "at least 0", "-1"]),
    (lambda: metrics.BinaryAccuracy(threshold=2), ["`threshold`", "[0, 1]", "2"]),
    (lambda: metrics.Mean(name=3), ["`name`", "a string", "3"]),
    (lambda: optimizers.SGD(nesterov="x"), ["`nesterov`", "True or False"]),
    (lambda: optimizers.Adam(beta_1="x"), ["`beta_1`", "a number"]),
    (lambda: optimizers.SGD(name=3), ["`name`", "a string"]),
    (lambda: optimizers.schedules.ExponentialDecay("x", 1, 0.5), ["initial_learning_rate", "'x'"]),
    (lambda: callbacks.EarlyStopping(monitor=3), ["`monitor`", "a string", "3"]),
    (lambda: callbacks.EarlyStopping(baseline="x"), ["`baseline`", "a number"]),
    (lambda: callbacks.ReduceLROnPlateau(cooldown=-1), ["`cooldown`", "at least 0", "-1"]),
    (lambda: callbacks.LearningRateScheduler(3), ["`schedule`", "a function", "3"]),
    (lambda: callbacks.LambdaCallback(on_epoch_end=3), ["`on_epoch_end`", "a function", "3"]),
    (lambda: callbacks.ModelCheckpoint(3), ["`filepath`", "a path", "3"]),
    (lambda: callbacks.CSVLogger(3), ["`filename`", "a path", "3"]),
    (lambda: callbacks.TensorBoard(3), ["`log_dir`", "a path", "3"]),
    (lambda: initializers.RandomNormal(stddev=-1), ["`stddev`", "at least 0", "-1"]),
    (lambda: initializers.RandomUniform(3, 1), ["`maxval`", "at least 3", "1"]),
    (lambda: initializers.Constant("x"), ["`value`", "a number"]),
    (lambda: constraints.MaxNorm("x"), ["`max_value`", "a number"]),
    (lambda: keras.Sequential(3), ["`layers`", "list", "3"]),
    (lambda: keras.Variable("x"), ["initializer", "'x'"]),
    (lambda: keras.Variable(np.ones(2), aggregation="x"), ["`aggregation`", "'x'"]),
    (lambda: keras.Variable(np.ones(2), shape=(3,)), ["shape=(3,)", "(2,)"]),
    (lambda: callbacks.ReduceLROnPlateau(factor=-1), ["negative factor", "-1"]),
    (lambda: callbacks.TensorBoard("logs", histogram_freq=-1), ["`histogram_freq`", "-1"]),
    (lambda: Batches(workers=-1), ["`workers`", "at least 0", "-1"]),
    (lambda: Batches(max_queue_size=-1), ["`max_queue_size`", "at least 0", "-1"]),
    (lambda: constraints.MinMaxNorm(2, 1), ["`max_value`", "at least 2", "1"]),
    (lambda: keras.DTypePolicy(3), ["3"]),
    (lambda: keras.dtype_policies.get(123), ["Cannot interpret `dtype` argument", "123"]),
    (lambda: keras.dtype_policies.DTypePolicyMap(policy_map=3), ["`policy_map`", "dict", "3"]),
    (lambda: keras.config.set_dtype_policy(None), ["Invalid `policy` argument", "None"]),
    (lambda: keras.config.set_epsilon("x"), ["a number", "'x'"]),
    (lambda: model().compile(0.01, "mse"), ["optimizer", "0.01", "'adam'"]),
]

CALLS = [
    (
        lambda: layers.Embedding(10, 2)(np.array([[3, 100]])),
        ["integers 0 to 9", "100", "input_dim"],
    ),
    (lambda: layers.Embedding(10, 2)(np.array([-1])), ["integers 0 to 9", "-1"]),
    (lambda: layers.LSTM(3)(np.ones((2, 0, 4))), ["at least one step", "(2, 0, 4)"]),
    (lambda: layers.Bidirectional(layers.GRU(3))(np.ones((2, 0, 4))), ["at least one step"]),
    (lambda: ops.conv(np.ones((2, 3)), np.ones((3, 3))), ["(batch, *space, channels)", "(2, 3)"]),
    (lambda: ops.conv(np.ones((2, 3, 3)), np.ones((3, 3))), ["kernel.shape=(3, 3)"]),
    (lambda: ops.depthwise_conv(np.ones((2, 3)), np.ones((3, 3))), ["inputs.shape=(2, 3)"]),
    (lambda: ops.conv_transpose(np.ones((2, 3)), np.ones((3, 3))), ["inputs.shape=(2, 3)"]),
    (lambda: keras.models.load_model("m.keras", compile="x"), ["compile", "True or False", "'x'"]),
    (lambda: keras.utils.plot_model(3), ["model", "keras.Model", "3"]),
    (lambda: ops.matmul(X, X), ["keras.ops.matmul()", "x1", "x2", "(8, 3)"]),
    (lambda: ops.add(X, np.ones((8, 4))), ["keras.ops.add()", "(8, 3)", "(8, 4)"]),
    (lambda: ops.add(X, None), ["keras.ops.add()", "`x2` is None"]),
    (lambda: ops.sum("x"), ["keras.ops.sum()", "`x` is 'x'", "array"]),
    (lambda: ops.sum(X, axis="x"), ["`axis` is not an integer", "axis='x'"]),
    (lambda: ops.reshape(X, (5, 5)), ["keras.ops.reshape()", "newshape=(5, 5)"]),
    (lambda: ops.squeeze(X, axis=0), ["keras.ops.squeeze()", "axis=0", "(8, 3)"]),
    (lambda: ops.concatenate([X, IMAGES]), ["keras.ops.concatenate()", "(1, 5, 5, 3)"]),
    (lambda: ops.split(X, "x"), ["keras.ops.split()", "'x'"]),
    (lambda: ops.max_pool(X, 2), ["(batch, *space, channels)", "(8, 3)"]),
    (lambda: ops.shape(None), ["keras.ops.shape()", "None"]),
    (lambda: ops.convert_to_tensor(None), ["convert_to_tensor()", "`x` is None"]),
    (lambda: keras.Input((3,)) + np.ones(4), ["add()", "(None, 3)", "(4,)"]),
    (lambda: keras.Input((3,))[1, 2, 3], ["get_item()", "(None, 3)", "(1, 2, 3)"]),
    (lambda: keras.Input((3,)) + "a", ["add()", "`b` is 'a'"]),
    (lambda: ops.matmul(keras.Input((3,)), np.ones((4, 2))), ["matmul()", "(None, 3)", "(4, 2)"]),
    (lambda: float(keras.Input(())), ["symbolic", "not a number"]),
    (lambda: layers.Dense(3)({"a": X}), ["'dense", "{'a': array of shape (8, 3)"]),
    (lambda: layers.Embedding(5, 3)(np.array([["a"]])), ["'embedding", "inputs=array", "<U1"]),
    (lambda: layers.Softmax(axis=7)(X), ["softmax()", "axis=7", "(8, 3)"]),
    (lambda: layers.MultiHeadAttention(2, 3)(SEQUENCES), ["missing", "'value'"]),
    (lambda: layers.CategoryEncoding(3)(np.array(["a"])), ["strings", "StringLookup"]),
    (lambda: layers.Normalization().adapt([]), ["empty iterable"]),
    (lambda: layers.Normalization().adapt(None), ["adapt()", "data=None"]),
    (lambda: layers.TextVectorization().adapt(X), ["takes texts", "float32"]),
    (lambda: losses.MeanSquaredError()(None, X), ["'mean_squared_error'", "None"]),
    (lambda: losses.MeanSquaredError()(X, "a"), ["'mean_squared_error'", "'a'"]),
    (lambda: losses.CosineSimilarity(axis=7)(X, X), ["'cosine_similarity'", "axis 7", "(8, 3)"]),
    (lambda: metrics.Mean()("x"), ["The metric 'mean'", "'x'"]),
    (lambda: metrics.Accuracy()(X, np.ones((8, 4))), ["'accuracy'", "(8, 3)", "(8, 4)"]),
    (lambda: initializers.RandomNormal()((2, -1)), ["shape", "(2, -1)"]),
    (lambda: initializers.Constant(np.ones((2, 2)))((3,)), ["(2, 2)", "(3,)"]),
    (lambda: keras_random.normal((-1,)), ["`shape`", "(-1,)"]),
    (lambda: keras_random.normal((2,), stddev=-1), ["`stddev`", "-1"]),
    (lambda: keras_random.uniform((2,), 3, 1), ["`maxval`", "at least 3", "1"]),
    (lambda: keras_random.randint((2,), 5, 1), ["`maxval`", "at least 6", "1"]),
    (lambda: keras_random.dropout(X, 2), ["`rate`", "2"]),
    (lambda: keras_random.shuffle(X, axis=9), ["keras.random.shuffle()", "axis=9"]),
    (lambda: keras.utils.to_categorical([1.5]), ["class numbers", "1.5"]),
    (lambda: keras.utils.to_categorical([-1, 0]), ["-1", "negative"]),
    (lambda: keras.utils.pad_sequences([[1]], maxlen="x"), ["`maxlen`", "'x'"]),
    (lambda: keras.utils.pad_sequences([[1]], dtype="foo"), ["`dtype`", "'foo'"]),
    (lambda: keras.utils.normalize(X, axis=9), ["normalize()", "9"]),
    (lambda: model().set_weights(None), ["`weights`", "None"]),
    (lambda: model().build((None, 5)), ["already been configured", "(None, 3)", "(None, 5)"]),
    (lambda: model().summary(line_length="x"), ["`line_length`", "'x'"]),
    (lambda: keras.models.model_from_json(3), ["`json_string`", "3"]),
    (lambda: fit([None]), ["not optional"]),
    (lambda: model(metrics=[ReturnsNone()]).fit(X, Y, verbose=0), ["'returns_none'", "None"]),
    (constrained, ["constraint", "(2, 2)", "(3, 1)"]),
    (lambda: model(metrics=[lambda a, b: None]).fit(X, Y, verbose=0), ["'lambda'", "None"]),
    (
        lambda: fit(validation_data=(X, Y), validation_freq=[0]),
        ["`validation_freq`", "from 1", "[0]"],
    ),
    (
        lambda: fit(callbacks=[callbacks.LearningRateScheduler(lambda: 0.1)]),
        ["schedule(epoch)", "()"],
    ),
    (lambda: fit(callbacks=[callbacks.SwapEMAWeights()]), ["use_ema=True", "use_ema=False"]),
    (lambda: fit(Batches, None), ["Batches", "x=Batches(...)"]),
    (lambda: fit(Batches(-1), None), ["Batches.__len__()", "at least 0"]),
    (lambda: fit(Batches("2"), None), ["Batches.__len__()", "integer", "'str'"]),
    (
        lambda: model().train_on_batch((X, Y) for _ in range(2)),
        ["train_on_batch()", "generator", "fit()"],
    ),
    (lambda: layers.Dense(1)(3), ["expected min_ndim=2, found ndim=0"]),
    (lambda: keras.saving.load_model(""), ["`filepath`", "empty"]),
    (lambda: keras.saving.custom_object_scope([1]), ["`custom_objects`", "dict", "[1]"]),
    (lambda: keras.models.clone_model(model(), clone_function=3), ["`clone_function`", "3"]),
    (lambda: keras.saving.register_keras_serializable()(3), ["class or a function", "3"]),
    (lambda: optimizers.SGD().apply_gradients(3), ["`grads_and_vars`", "zip(", "3"]),
    (lambda: Own(get_config=lambda _: None).get(), ["get_config()", "dict", "None"]),
    (
        lambda: Own(compute_output_shape=lambda _, input_shape: "x")(keras.Input((3,))),
        ["compute_output_shape()", "tuple of sizes", "'x'"],
    ),
    (
        lambda: trained(compute_loss=lambda _, **given: None),
        ["compute_loss()", "one number", "None"],
    ),
    (
        lambda: trained(compute_loss=lambda _, **given: X),
        ["compute_loss()", "one number", "(8, 3)"],
    ),
    (lambda: trained(compute_metrics=lambda *a, **k: None), ["compute_metrics()", "dict", "None"]),
    (lambda: trained(train_step=lambda _, state, data: (3, state)), ["train_step()", "dict", "3"]),
    (
        lambda: model(metrics=[Keeps()]).fit(X, Y, verbose=0),
        ["'keeps'", "self.last", "add_variable"],
    ),
    (lambda: layers.Dense(1, kernel_initializer=lambda *a, **k: None)(X), ["initializer", "None"]),
    (
        lambda: (
            keras.Sequential(
                [keras.Input((3,)), layers.Dense(1, kernel_regularizer=of_string)]
            ).losses
        ),
        ["regularizer", "kernel", "'x'"],
    ),
]


@pytest.mark.parametrize("call", range(len(CONSTRUCTORS)))
def test_constructors_name_the_argument(call):
    action, words = CONSTRUCTORS[call]
    with pytest.raises((TypeError, ValueError)) as raised:
        action()
    for word in words:
        assert word in str(raised.value)


@pytest.mark.parametrize("call", range(len(CALLS)))
def test_calls_speak_of_what_was_called(call):
    action, words = CALLS[call]
    with pytest.raises((TypeError, ValueError, IndexError)) as raised:
        action()
    for word in words:
        assert word in str(raised.value)
    trace = raised.value.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    assert (
        pathlib.Path(keras.__file__).parent
        in pathlib.Path(trace.tb_frame.f_code.co_filename).parents
    ), "the error comes from inside another library"


def test_what_the_user_s_own_code_does_wrong_is_left_to_it():
    class Wrong(layers.Layer):
        def call(self, x):
            return jax.numpy.reshape(x, (5, 5))

    with pytest.raises(TypeError, match="cannot reshape") as raised:
        Wrong()(X)
    assert "do not fit" not in str(raised.value)


def test_what_is_no_mistake_is_no_error():
    flags = [np.bool_(True), 1, np.int64(0), jax.numpy.asarray(True)]
    for flag in flags:
        layers.Dense(3, use_bias=flag)
    layers.Dropout(np.float32(0.5))
    Batches(max_queue_size=0)
    callbacks.ModelCheckpoint(pathlib.PurePosixPath("a.keras"))
    callbacks.TensorBoard(os.fspath(pathlib.Path("logs")), profile_batch="1,2")

    class Own(layers.Dense):
        def __init__(self, units, use_bias="sometimes"):
            super().__init__(units, use_bias=use_bias == "sometimes")

    assert Own(2, "never").use_bias is False


def test_errors_within_metrics_say_which_one():
    labels = np.arange(8) % 2
    for name, hint in (("precision", "to_categorical"), ("categorical_accuracy", "sparse_")):
        two = keras.Sequential([keras.Input((3,)), layers.Dense(2, activation="softmax")])
        two.compile("sgd", "sparse_categorical_crossentropy", metrics=[name])
        with pytest.raises(ValueError, match=hint) as raised:
            two.fit(X, labels, verbose=0)
        notes = " ".join(raised.value.__notes__)
        assert f"in the metric {name!r}" in notes
        assert "(8,)" in notes and "(8, 2)" in notes


def test_a_loss_without_super_says_so():
    class Own(losses.Loss):
        def __init__(self):
            pass

        def call(self, y_true, y_pred):
            return y_pred

    with pytest.raises(RuntimeError, match=r"super\(\).__init__\(\)"):
        model(Own()).fit(X, Y, verbose=0)
