"""TensorBoard's files, read back by TensorBoard itself; tags and steps are those of Keras."""

import json
import struct
import zlib

import numpy as np
import pytest
from google.protobuf import text_format
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
from tensorboard.util.tensor_util import make_ndarray

import jkeras as keras
from jkeras.callbacks.event_files import as_png
from jkeras.callbacks.tensorboard import as_images
from tests.callbacks.models import X, Y, linear

TensorBoard = keras.callbacks.TensorBoard


def read(folder):
    """Returns, for each tag of a run, its steps, and its values as arrays."""
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    found = {}
    for tag in events.Tags()["tensors"]:
        records = events.Tensors(tag)
        found[tag] = [r.step for r in records], [make_ndarray(r.tensor_proto) for r in records]
    return events, found


def fit(folder, model=None, epochs=3, evaluate=False, **arguments):
    model = model or linear(metrics=["mae"])
    board = TensorBoard(folder, **arguments)
    history = model.fit(
        *(X, Y), batch_size=4, epochs=epochs, verbose=0, callbacks=[board], validation_data=(X, Y)
    )
    return model, history


def test_scalars_of_epochs(tmp_path):
    _, history = fit(tmp_path, write_graph=False)
    train, validation = read(tmp_path / "train")[1], read(tmp_path / "validation")[1]
    assert sorted(train) == ["epoch_learning_rate", "epoch_loss", "epoch_mae"]
    assert sorted(validation) == [
        "epoch_loss",
        "epoch_mae",
        "evaluation_loss_vs_iterations",
        "evaluation_mae_vs_iterations",
    ]
    for run, prefix in ((train, ""), (validation, "val_")):
        for name in ("loss", "mae"):
            steps, values = run[f"epoch_{name}"]
            assert steps == [0, 1, 2]
            assert values == pytest.approx(history.history[prefix + name], rel=1e-6)
    assert validation["evaluation_loss_vs_iterations"][0] == [3, 6, 9]
    assert train["epoch_learning_rate"][1] == pytest.approx([0.01] * 3)


def test_records_are_those_of_tensorflow(tmp_path):
    fit(tmp_path, epochs=1, histogram_freq=1, write_images=True)
    events, _ = read(tmp_path / "train")
    plugins = {
        tag: events.SummaryMetadata(tag).plugin_data.plugin_name for tag in events.Tags()["tensors"]
    }
    assert plugins == {
        "epoch_loss": "scalars",
        "epoch_mae": "scalars",
        "epoch_learning_rate": "scalars",
        "sequential/dense/kernel/histogram": "histograms",
        "sequential/dense/kernel/image": "images",
        "keras": "graph_keras_model",
    }
    assert events.SummaryMetadata("keras").plugin_data.content == b"1"


def test_scalars_of_batches(tmp_path):
    model, _ = fit(tmp_path, epochs=2, update_freq=2, write_graph=False)
    train = read(tmp_path / "train")[1]
    assert train["batch_loss"][0] == [2, 4, 6]  # three batches an epoch
    board = TensorBoard(tmp_path / "each", update_freq="batch", write_steps_per_second=True)
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(logs["loss"])
    )
    model.fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[board, watch])
    train = read(tmp_path / "each" / "train")[1]
    assert train["batch_loss"] == ([1, 2, 3, 4, 5, 6], pytest.approx(seen, rel=1e-6))
    assert train["batch_steps_per_second"][0] == [1, 2, 3, 4, 5, 6]
    assert train["epoch_steps_per_second"][0] == [0, 1]
    assert min(train["epoch_steps_per_second"][1]) > 0
    assert not (tmp_path / "each" / "validation").exists()


def test_training_stays_in_chunks(tmp_path):
    """The batches that are written are the only ones that training stops for."""
    board = TensorBoard(tmp_path, update_freq=4)
    ends = []

    class Noting(TensorBoard):
        def on_train_batch_end(self, batch, logs=None):
            ends.append(batch)
            super().on_train_batch_end(batch, logs)

        def steps_ahead(self, mode, batch):
            return super().steps_ahead(mode, batch)

    board = Noting(tmp_path, update_freq=4)
    linear().fit(
        np.ones((10, 2)), np.ones(10), batch_size=1, epochs=2, verbose=0, callbacks=[board]
    )
    assert ends == [3, 7, 9, 1, 5, 9]
    assert not TensorBoard(tmp_path).wants_batches("train")


def test_a_chunk_may_pass_over_the_batch_that_is_due(tmp_path):
    model = linear(steps_per_execution=2)
    model.fit(
        *(np.ones((12, 2)), np.ones(12)),
        batch_size=1,
        verbose=0,
        callbacks=[TensorBoard(tmp_path, update_freq=3)],
    )
    assert read(tmp_path / "train")[1]["batch_loss"][0] == [4, 6, 10, 12]


def test_evaluation_alone(tmp_path):
    model = linear()
    model.fit(X, Y, batch_size=4, verbose=0)
    loss = model.evaluate(X, Y, verbose=0, callbacks=[TensorBoard(tmp_path)])
    _, found = read(tmp_path / "validation")
    assert found["evaluation_loss_vs_iterations"] == ([3], [pytest.approx(loss)])
    assert not (tmp_path / "train").exists()


def test_histograms(tmp_path):
    model, _ = fit(tmp_path, histogram_freq=2, write_graph=False)
    steps, values = read(tmp_path / "train")[1]["sequential/dense/kernel/histogram"]
    assert steps == [0, 2]
    left, right, count = values[-1].T
    weights = model.get_weights()[0]
    assert count.sum() == weights.size
    assert (left[0], right[-1]) == pytest.approx((weights.min(), weights.max()))
    np.testing.assert_array_equal(left[1:], right[:-1])


def test_histograms_of_weights_that_are_not_finite(tmp_path):
    model = linear()
    model.set_weights([np.array([[np.nan], [1.0]])])
    with pytest.warns(RuntimeWarning, match="loss is nan"):
        fit(tmp_path, model, epochs=1, histogram_freq=1, write_images=True)
    _, found = read(tmp_path / "train")
    assert found["sequential/dense/kernel/histogram"][1][0][:, 2].sum() == 0
    assert "sequential/dense/kernel/image" not in found


def decode(png):
    """Decodes a PNG file that has no filters."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    place, data, header = 8, b"", None
    while place < len(png):
        (size,) = struct.unpack(">I", png[place : place + 4])
        name, body = png[place + 4 : place + 8], png[place + 8 : place + 8 + size]
        assert struct.unpack(">I", png[place + 8 + size : place + 12 + size])[0] == zlib.crc32(
            name + body
        )
        header = struct.unpack(">IIBBBBB", body) if name == b"IHDR" else header
        data += body if name == b"IDAT" else b""
        place += 12 + size
    width, height, depth, kind, *_ = header
    assert depth == 8
    rows = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, -1)
    assert (rows[:, 0] == 0).all()
    return rows[:, 1:].reshape(height, width, {0: 1, 4: 2, 2: 3, 6: 4}[kind])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png(channels):
    image = np.random.default_rng(channels).integers(0, 256, (5, 7, channels)).astype(np.uint8)
    np.testing.assert_array_equal(decode(as_png(image)), image)


@pytest.mark.parametrize(
    ("shape", "images"),
    [
        ((6,), [(1, 6, 1)]),
        ((), [(1, 1, 1)]),
        ((4, 6), [(4, 6, 1)]),
        ((6, 4), [(4, 6, 1)]),
        ((3, 3, 1, 8), [(3, 3, 1)] * 8),
        ((2, 5, 4, 3), [(5, 4, 3)] * 2),
        ((3, 3, 4, 8), []),
    ],
)
def test_images_of_weights(shape, images):
    weight = np.random.default_rng(0).normal(size=shape).astype("float32")
    made = as_images(weight)
    assert [image.shape for image in made] == images
    if weight.size > 1 and made:
        assert min(image.min() for image in made) == 0
        assert max(image.max() for image in made) == 255


def test_images_are_written(tmp_path):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4, name="d")], name="net")
    model.compile("sgd", "mse")
    model.fit(
        *(np.ones((4, 6)), np.ones((4, 4))),
        verbose=0,
        callbacks=[TensorBoard(tmp_path, histogram_freq=1, write_images=True)],
    )
    steps, values = read(tmp_path / "train")[1]["net/d/kernel/image"]
    width, height, png = values[0]
    assert (steps, width, height) == ([0], b"6", b"4")
    np.testing.assert_array_equal(decode(png), as_images(model.get_weights()[0])[0])


def graph(folder):
    return json.loads(read(folder / "train")[1]["keras"][1][0].item())


def run_graph(folder):
    events, _ = read(folder / "train")
    return events.Graph().node


def test_the_graph_of_the_run(tmp_path):
    inputs = keras.Input((2,), name="data")
    inner = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="deep")], name="inner")
    outputs = keras.layers.Dense(1, name="head")(inner(inputs) * 2.0)
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    fit(tmp_path, model, epochs=1)
    nodes = {n.name: (n.op, list(n.input)) for n in run_graph(tmp_path)}
    assert nodes == {
        "data": ("InputLayer", []),
        "inner/deep": ("Dense", ["data"]),
        "multiply": ("Multiply", ["inner/deep"]),
        "head": ("Dense", ["multiply"]),
    }
    shapes = {n.name: n.attr["shapes"].s for n in run_graph(tmp_path)}
    assert shapes["inner/deep"] == b"Input shape: (None, 2), Output shape: (None, 3)"


def test_the_conceptual_graph(tmp_path):
    model, _ = fit(tmp_path, epochs=1)
    config = graph(tmp_path)
    assert config["class_name"] == "Sequential"
    assert [layer["class_name"] for layer in config["config"]["layers"]] == ["InputLayer", "Dense"]
    assert config["config"]["name"] == model.name


def test_the_graph_leaves_out_what_tensorboard_cannot_draw(tmp_path):
    inputs = keras.Input((2,))
    hidden = keras.layers.Dense(4)(inputs)
    outputs = keras.layers.Dense(1)(hidden[:, 1:] * 2.0 + hidden[:, :1])
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    fit(tmp_path, model, epochs=1)

    def check(value):
        tensor = isinstance(value, dict) and value.get("class_name") == "__keras_tensor__"
        assert tensor or all(check(v) for v in value), value
        return True

    nodes = [n for layer in graph(tmp_path)["config"]["layers"] for n in layer["inbound_nodes"]]
    assert len(nodes) > 5
    for node in nodes:
        check(node["args"])
        check(list(node["kwargs"].values()))


def test_a_subclass_is_the_graph_of_its_call(tmp_path):
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = keras.layers.Dense(1)

        def call(self, inputs):
            return self.head(inputs)

    model = Net()
    model.compile("sgd", "mse")
    fit(tmp_path, model, epochs=1)
    assert "keras" in read(tmp_path / "train")[1]
    nodes = [(n.name, n.op, list(n.input)) for n in run_graph(tmp_path)]
    assert nodes == [("input_layer", "InputLayer", []), ("dense", "Dense", ["input_layer"])]


def test_a_config_that_cannot_be_written(tmp_path):
    with pytest.warns(UserWarning, match="conceptual graph of the model is not shown"):
        model = linear()
        model.to_json = lambda: 1 / 0
        fit(tmp_path, model, epochs=1)
    assert [n.name for n in run_graph(tmp_path)] == ["dense"]


def test_an_optimizer_without_a_learning_rate(tmp_path):
    import optax

    fit(tmp_path, linear(optimizer=optax.sgd(0.1)), epochs=1, write_graph=False)
    assert sorted(read(tmp_path / "train")[1]) == ["epoch_loss"]


@pytest.mark.parametrize("batches", [2, (2, 4), "2,4"])
def test_profile(tmp_path, batches):
    ends = []

    class Noting(TensorBoard):
        def on_train_batch_end(self, batch, logs=None):
            ends.append(batch)
            super().on_train_batch_end(batch, logs)

        def steps_ahead(self, mode, batch):
            return super().steps_ahead(mode, batch)

    board = Noting(tmp_path, profile_batch=batches)
    assert board.wants_batches("train")
    linear().fit(np.ones((8, 2)), np.ones(8), batch_size=1, epochs=2, verbose=0, callbacks=[board])
    (run,) = (tmp_path / "train" / "plugins" / "profile").iterdir()
    assert [f for f in run.iterdir() if f.name.endswith(".xplane.pb")]
    # Single steps where they are profiled, and chunks elsewhere.
    assert ends == ([0, 1, 7] if batches == 2 else [0, 1, 2, 3, 7])
    assert not board.wants_batches("train")


def test_a_profile_ends_with_the_training(tmp_path):
    linear().fit(X, Y, verbose=0, callbacks=[TensorBoard(tmp_path, profile_batch=(1, 100))])
    linear().fit(X, Y, verbose=0, callbacks=[TensorBoard(tmp_path / "b", profile_batch=1)])
    assert (tmp_path / "train" / "plugins").exists()
    assert (tmp_path / "b" / "train" / "plugins").exists()


def test_embeddings(tmp_path):
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Embedding(5, 2, name="words"), keras.layers.Flatten()]
    )
    model.add(keras.layers.Dense(1))
    model.compile("sgd", "mse")
    data = np.array([[0, 1, 2], [3, 4, 0]]), np.ones(2)
    (tmp_path / "words.tsv").write_text("a\nb\nc\nd\ne\n")
    board = TensorBoard(tmp_path, embeddings_freq=2, embeddings_metadata={"words": "words.tsv"})
    model.fit(*data, epochs=4, verbose=0, callbacks=[board])
    run = tmp_path / "train"
    config = text_format.Parse((run / "projector_config.pbtxt").read_text(), ProjectorConfig())
    (entry,) = config.embeddings
    assert (entry.tensor_name, entry.tensor_path) == ("words", "words-2.tsv")
    assert (run / entry.metadata_path).read_text() == "a\nb\nc\nd\ne\n"
    assert (run / "words-0.tsv").exists()
    assert np.loadtxt(run / entry.tensor_path).shape == (5, 2)
    board = TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"wordz": "w.tsv"})
    with pytest.raises(ValueError, match=r"Unrecognized `Embedding` layer names.*wordz"):
        model.fit(*data, verbose=0, callbacks=[board])


def test_nothing_is_written_before_it_is_needed(tmp_path):
    board = TensorBoard(tmp_path / "logs")
    assert not (tmp_path / "logs").exists()
    fit(tmp_path / "a", epochs=1)
    fit(tmp_path / "a", epochs=1)  # another file of the same run
    assert len(list((tmp_path / "a" / "train").iterdir())) == 2
    assert board.log_dir == str(tmp_path / "logs")


def test_epochs_can_be_seen_while_training_goes_on(tmp_path):
    seen = []

    def look(epoch, logs):
        seen.append(len(read(tmp_path / "train")[1]["epoch_loss"][0]))

    watch = keras.callbacks.LambdaCallback(on_epoch_end=look)
    board = TensorBoard(tmp_path)
    linear().fit(X, Y, epochs=2, verbose=0, callbacks=[board, watch])
    assert seen == [1, 2]


@pytest.mark.parametrize(
    "arguments",
    [
        {"profile_batch": -1},
        {"profile_batch": (3, 2)},
        {"profile_batch": (0, 2)},
        {"profile_batch": (1, 2, 3)},
        {"update_freq": "step"},
        {"update_freq": 0},
    ],
)
def test_wrong_arguments(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=name):
        TensorBoard(**arguments)
