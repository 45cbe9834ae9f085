"""Subclassed models: seen, copied, saved, and loaded without their class."""

import builtins
import json
import sys
import types
import warnings
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jkeras as keras
from jkeras import layers, ops
from jkeras.utils.diagram import Options, describe, to_dot
from tests.models import recorded_models as nets

FORMATS = ("model.keras", "model.h5")


def trained(cls, data):
    """Returns a model after an epoch, and targets for it."""
    keras.utils.set_random_seed(0)
    model = cls()
    model.compile(keras.optimizers.Adam(0.01), "mse")
    outputs = jax.tree.map(np.asarray, model(data))
    numbers = np.random.default_rng(1)
    targets = jax.tree.map(lambda a: numbers.normal(size=a.shape).astype("float32"), outputs)
    model.fit(data, targets, epochs=1, verbose=0)
    return model, targets


def check_same(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def check_trains_alike(models, data, targets):
    histories = []
    for model in models:
        keras.utils.set_random_seed(2)
        histories.append(model.fit(data, targets, epochs=1, verbose=0).history)
    for history in histories[1:]:
        assert history.keys() == histories[0].keys()
        for name, values in history.items():
            np.testing.assert_allclose(values, histories[0][name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("cls", nets.ALL, ids=lambda cls: cls.__name__)
def test_six_parts(cls, tmp_path):
    """Plot, clone, save as both formats, load both without the class, train on; and once more."""
    data = nets.ALL[cls]
    model, targets = trained(cls, data)
    expected = model.predict(data, verbose=0)
    assert " -> " in keras.utils.model_to_dot(model).to_string()
    clone = keras.models.clone_model(model)
    assert type(clone) is cls
    assert [w.shape for w in clone.weights] == [w.shape for w in model.weights]
    models = []
    for name in FORMATS:
        model.save(tmp_path / name)
        known = keras.models.load_model(tmp_path / name, custom_objects={cls.__name__: cls})
        loaded = keras.models.load_model(tmp_path / name)
        loaded.save(tmp_path / f"again_{name}")
        again = keras.models.load_model(tmp_path / f"again_{name}")
        assert type(known) is cls
        wanted = "TracedModel" if cls is nets.RawJax else "Functional"
        assert type(loaded).__name__ == type(again).__name__ == wanted
        for other in (known, loaded, again):
            check_same(other.predict(data, verbose=0), expected)
        # Both classes and graphs of both formats, of which one was saved twice.
        models += [known, loaded] if name == "model.keras" else [again]
    check_trains_alike(models, data, targets)


@pytest.mark.parametrize("cls", nets.RECORDED, ids=lambda cls: cls.__name__)
def test_it_is_seen_as_its_functional_model(cls, capsys):
    data = nets.ALL[cls]
    model = cls()
    expected = model(data)
    twin = model.functional()
    check_same(jax.tree.map(np.asarray, twin(data)), jax.tree.map(np.asarray, expected))
    options = Options(show_shapes=True, show_dtype=True)
    assert to_dot(describe(model, options), {}) == to_dot(describe(twin, options), {})
    model.summary()
    seen = capsys.readouterr().out
    assert "(None, " in seen and "(48, " not in seen
    if "Connected to" in seen:
        twin.summary()
        assert capsys.readouterr().out == seen


def test_the_same_layers_with_the_same_weights():
    model = nets.Skipping()
    model(nets.X)
    twin = model.functional()
    assert twin.get_layer(model.hidden.name) is model.hidden
    assert twin.count_params() == model.count_params()
    assert twin.layers[-1].output is twin.output
    stack = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    assert stack.functional() is stack


def test_nothing_else_is_named_or_drawn_otherwise():
    def made(look):
        keras.utils.clear_session()
        keras.utils.set_random_seed(0)
        model = nets.Nested()
        model(nets.X)
        look(model)
        dense = layers.Dense(1)
        return dense.name, np.asarray(dense(nets.X)), keras.Input((2,)).name

    plain = made(lambda model: None)
    seen = made(lambda model: (model.summary(print_fn=str), keras.utils.model_to_dot(model)))
    assert plain[0] == seen[0] and plain[2] == seen[2]
    np.testing.assert_array_equal(plain[1], seen[1])


def test_what_cannot_be_recorded_says_why():
    class Draws(keras.Model):
        def __init__(self):
            super().__init__()
            self.seed = keras.random.SeedGenerator(0)

        def call(self, x):
            return x + keras.random.normal((5,), seed=self.seed)

    class Counts(keras.Model):
        def __init__(self):
            super().__init__()
            self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, x):
            self.count.assign_add(1.0)
            return x * 2

    class Large(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1, kernel_initializer="zeros")

        def call(self, x):
            return x + self.dense(np.ones((1, 1_000_001), "float32"))

    class Keeps(keras.Model):
        def call(self, x):
            self.last = x * 2
            return self.last

    model = Keeps()
    model(nets.X)
    with pytest.raises(ValueError, match=r"self\.last"):
        model.functional()
    assert isinstance(model.last, jax.Array)
    messages = {Draws: "seed|random", Counts: "assigns", Large: "weight", nets.RawJax: "keras.ops"}
    for cls, message in messages.items():
        model = cls()
        with pytest.raises(ValueError, match="not built"):
            model.functional()
        model(nets.X)
        with pytest.raises(ValueError, match=rf"(?s)cannot be recorded.*({message})"):
            model.functional()


def test_what_cannot_be_recorded_is_seen_in_its_program(capsys):
    model = nets.RawJax()
    model(nets.X)
    model.summary()
    seen = capsys.readouterr().out
    assert "sin (Sin)" in seen and "(None, 3)" in seen and "tanh (Tanh)" in seen
    names = [node.rows[0][0].words[0][0] for node in describe(model, Options()).root.nodes()]
    assert names == ["input_layer", "sin", model.dense.name, "tanh"]


def test_a_program_with_layers_of_the_users_and_several_outputs():
    class Mixed(keras.Model):
        def __init__(self):
            super().__init__()
            self.block, self.head = nets.Residual(5), layers.Dense(3)
            self.memory = layers.LSTM(4, return_state=True)

        def call(self, x):
            z = self.block(jnp.sin(x))
            whole, hidden, _ = self.memory(z[:, :, None])
            return {"a": jax.nn.relu(self.head(z)), "b": [whole, hidden]}

    model = Mixed()
    model(nets.X)
    found = describe(model, Options())
    names = {node.key: node.rows[0][0].words[0][0] for node in found.root.nodes()}
    arrows = [(names[e.tail], names[e.head]) for e in found.edges]
    block, head, memory = model.block.name, model.head.name, model.memory.name
    assert arrows == [
        ("input_layer", "sin"),
        ("sin", block),
        (block, memory),
        (block, head),
        (head, "relu"),
    ]


# ------------------------------------------------------------------ losses
def test_add_loss_of_a_symbolic_value_is_a_node():
    inputs = keras.Input((5,))
    outputs = layers.Dense(1, name="head")(inputs)
    model = keras.Model(inputs, outputs)
    model.add_loss(0.5 * ops.mean(ops.square(outputs)))
    model.compile("sgd", "mse")
    zeros = np.zeros((48, 1), "float32")
    expected = 1.5 * np.mean(np.square(model.predict(nets.X, verbose=0)))
    assert model.output_names == ["head"]
    for other in (
        model,
        keras.models.model_from_json(model.to_json()),
        keras.models.clone_model(model),
    ):
        other.set_weights(model.get_weights())
        other.compile("sgd", "mse")
        assert other.evaluate(nets.X, zeros, verbose=0) == pytest.approx(expected, rel=1e-6)
    with pytest.raises(ValueError, match="nothing computes it"):
        layers.Dense(1).add_loss(outputs)


def test_recorded_losses_are_those_of_the_call():
    model = nets.AddsLoss()
    model.compile("sgd", "mse")
    y = nets.X[:, :1]
    expected = model.evaluate(nets.X, y, verbose=0)
    twin = model.functional()
    twin.compile("sgd", "mse")
    assert twin.evaluate(nets.X, y, verbose=0) == pytest.approx(expected, abs=1e-6)
    assert "AddLoss" in keras.utils.model_to_dot(model).to_string()


# ------------------------------------------------------------------ files
def test_keras_ignores_what_it_does_not_know_of(tmp_path):
    model = nets.Loop()
    model(nets.X)
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as file:
        assert json.loads(file.read("config.json"))["class_name"] == "Loop"
        found = json.loads(file.read("graph.json"))
    assert {e["class_name"] for e in found["model"]["config"]["layers"]} == {"InputLayer", "Dense"}


def test_a_functional_subclass_without_its_class(tmp_path):
    class Trainer(keras.Model):
        def train_step(self, data):
            return super().train_step(data)

    inputs = keras.Input((5,))
    model = Trainer(inputs, layers.Dense(2)(inputs))
    model.save(tmp_path / "model.keras")
    with pytest.warns(UserWarning, match=r"'Trainer'.*train_step"):
        loaded = keras.models.load_model(tmp_path / "model.keras")
    check_same(loaded.predict(nets.X, verbose=0), model.predict(nets.X, verbose=0))


class Own(keras.Model):
    """A model with weights of its own: one of its `__init__`, one of its `build`."""

    def __init__(self):
        super().__init__()
        self.scale, self.dense = keras.Variable(np.full((3, 2), 3.0)), layers.Dense(2)

    def build(self, input_shape):
        self.shift = self.add_weight(shape=(2,), initializer="ones")
        self.dense.build((None, 2))

    def call(self, x):
        return self.dense(ops.matmul(x[:, :3], self.scale) + self.shift)


class Tied(keras.Model):
    """A model that reads weights of layers that it also calls, one of them inside of another."""

    def __init__(self):
        super().__init__()
        self.first = layers.Dense(4)
        self.inner = keras.Sequential([layers.Dense(3), layers.Dense(4)])

    def call(self, x):
        y = ops.matmul(self.inner(self.first(x)), ops.transpose(self.first.kernel))
        self.add_loss(ops.sum(ops.square(self.inner.layers[0].kernel)))
        return y


@pytest.mark.parametrize("name", FORMATS)
def test_a_weight_that_is_read_twice_stays_one_weight(name, tmp_path):
    x = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    model, targets = trained(Tied, x)
    model.save(tmp_path / name)
    found = keras.models.load_model(tmp_path / name)
    found.save(tmp_path / f"again-{name}")
    again = keras.models.load_model(tmp_path / f"again-{name}")
    clone = keras.models.clone_model(found)
    for one in (found, again, clone):
        assert len(one.trainable_weights) == len(model.trainable_weights) == 6
    check_trains_alike([model, found, again], x, targets)


class Unused(keras.Model):
    """A model with layers that its call does not use, or of which it uses nothing."""

    def __init__(self):
        super().__init__()
        self.dense, self.skip, self.never = layers.Dense(2), layers.Dense(2), layers.Dense(3)
        self.never.build((None, 4))

    def call(self, x):
        self.skip(x)
        return self.dense(x)


@pytest.mark.parametrize("name", FORMATS)
def test_weights_that_a_call_does_not_use_come_back_with_the_class(name, tmp_path):
    x = np.ones((4, 5), "float32")
    model, targets = trained(Unused, x)
    model.save(tmp_path / name)
    known = keras.models.load_model(tmp_path / name, custom_objects={"Unused": Unused})
    assert len(known.weights) == 6
    check_same(known.get_weights(), model.get_weights())
    found = keras.models.load_model(tmp_path / name)
    check_trains_alike([model, known, found], x, targets)


class Half(layers.Layer):
    def __init__(self, shared):
        super().__init__()
        self.norm, self.shared = layers.BatchNormalization(), shared

    def call(self, x):
        return jnp.tanh(self.norm(self.shared(x)))


class Halves(keras.Model):
    """A model of which no graph is recorded, and two layers of which hold the same one."""

    def __init__(self):
        super().__init__()
        shared = layers.Dense(5)
        self.halves = [Half(shared), Half(shared)]

    def call(self, x):
        return self.halves[1](self.halves[0](x))


@pytest.mark.parametrize("name", FORMATS)
def test_layers_that_share_one_are_traced_as_such(name, tmp_path):
    x = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    model, targets = trained(Halves, x)
    model.save(tmp_path / name)
    found = keras.models.load_model(tmp_path / name)
    found.save(tmp_path / f"again-{name}")
    again = keras.models.load_model(tmp_path / f"again-{name}")
    assert [len(layer.weights) for layer in again.layers] == [6, 6]
    check_same(again.predict(x, verbose=0), model.predict(x, verbose=0))
    check_trains_alike([model, found, again], x, targets)


def test_programs_are_mapped_over_and_take_no_rows(tmp_path):
    x = np.random.default_rng(0).normal(size=(3, 5)).astype("float32")
    model = nets.RawJax()
    model(x)
    model.save(tmp_path / "model.keras")
    found = keras.models.load_model(tmp_path / "model.keras")
    assert found(x[:0]).shape == (0, 3) == model(x[:0]).shape
    for of in (lambda f: jax.vmap(f)(x[:, None]), lambda f: jax.jacrev(f)(x)):
        np.testing.assert_allclose(of(found), of(model), atol=1e-6)
    by_row = [
        jax.vmap(jax.grad(lambda one, f=f: jnp.sum(f(one[None]) ** 2)))(x) for f in (found, model)
    ]
    np.testing.assert_allclose(*by_row, atol=1e-6)
    for wrong in (x[:, :4], x[None]):
        with pytest.raises(ValueError, match=r"saved for .*float32\[batch,5\].*called on"):
            found(wrong)
    with pytest.raises(ValueError, match="one program"):
        found.functional()


class NoWeights(keras.Model):
    def call(self, x):
        return ops.where(x > 0, x, -np.inf)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("cls", [Own, NoWeights])
def test_models_with_weights_of_their_own_and_with_none(cls, name, tmp_path):
    x, model = np.random.default_rng(0).normal(size=(4, 5)).astype("float32"), cls()
    model(x)
    model.save(tmp_path / name)
    found = keras.models.load_model(tmp_path / name)
    copy = keras.models.clone_model(found)
    copy.set_weights(found.get_weights())
    for one in (found, copy):
        check_same(one(x), model(x))
        assert len(one.trainable_weights) == len(model.trainable_weights)


def test_damaged_graphs(tmp_path):
    model = nets.Loop()
    model(nets.X)
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as file:
        members = {name: file.read(name) for name in file.namelist()}
    good = json.loads(members["graph.json"])
    for bad in (
        [],
        {},
        {**good, "version": 99},
        {**good, "places": {"dense": 3}},
        {**good, "places": None},
        {**good, "trained": "all"},
        {**good, "model": {"class_name": "Functional"}},
    ):
        with zipfile.ZipFile(tmp_path / "bad.keras", "w") as file:
            for name, data in members.items():
                file.writestr(name, json.dumps(bad) if name == "graph.json" else data)
        with pytest.raises(ValueError, match=r"bad\.keras|damaged|does not say|Functional"):
            keras.models.load_model(tmp_path / "bad.keras")


def test_a_graph_with_code_is_refused(tmp_path):
    model = nets.Loop()
    model(nets.X)
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as file:
        members = {name: file.read(name) for name in file.namelist()}
    found = json.loads(members["graph.json"])
    entry = found["model"]["config"]["layers"][1]
    code = {"class_name": "__lambda__", "config": {"code": "4wAAAA=="}}
    entry.update(class_name="Lambda", config={"name": entry["config"]["name"], "function": code})
    with zipfile.ZipFile(tmp_path / "bad.keras", "w") as file:
        for name, data in members.items():
            file.writestr(name, json.dumps(found) if name == "graph.json" else data)
    with pytest.raises(ValueError, match="never execute"):
        keras.models.load_model(tmp_path / "bad.keras")


# ------------------------------------------------------------------ what it costs
def test_a_profile(capsys):
    model = nets.Residuals()
    model(nets.X)
    model.summary(profile=16, line_length=140)
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split("│")[1].split("(")[0].strip(): line for line in lines if "│" in line}
    assert "FLOPs" in lines[2] and "Time" in lines[2]
    # Three calls of one block cost three times as much as one of the other.
    words = [rows[layer.name].split("│")[5].split() for layer in (model.block, model.other)]
    counts = [float(n) * {"k": 1e3, "M": 1e6}[unit] for n, unit in words]
    assert counts[0] == pytest.approx(3 * counts[1], rel=0.02)
    assert lines[-1].startswith(" Whole model, batches of 16: FLOPs ")


def test_strings_have_no_profile_and_no_program(capsys):
    inputs = keras.Input((), dtype="string")
    numbers = layers.StringLookup(vocabulary=["a", "b"])(inputs)
    model = keras.Model(inputs, layers.Embedding(9, 2)(numbers))
    model.summary(profile=True)
    assert "FLOPs -" in capsys.readouterr().out
    with pytest.raises(ValueError, match="takes strings"):
        model.program()


def test_colours_in_a_terminal_and_none_elsewhere(capsys, monkeypatch):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="out")])
    model.summary()
    plain = capsys.readouterr().out
    assert "\x1b[" not in plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLORTERM", "truecolor")
    model.summary()
    coloured = capsys.readouterr().out
    assert "\x1b[38;5;33mDense" in coloured
    assert "\x1b[38;5;34m" in coloured


def test_an_html_table_in_a_notebook(monkeypatch):
    class ZMQInteractiveShell:
        """What a notebook's shell is called."""

    shown = []
    display = types.SimpleNamespace(display=shown.append)
    monkeypatch.setattr(builtins, "get_ipython", ZMQInteractiveShell, raising=False)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(display=display))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    keras.Sequential([keras.Input((4,)), layers.Dense(3, name="out")]).summary()
    html = "".join(item.html for item in shown)
    assert "<span" in html and "out" in html and "Total params" in html


def test_programs():
    model = nets.Noisy()
    model(nets.X)
    program = model.program(nets.X, stage="hlo")
    assert str(program).startswith("HloModule") and "stablehlo" in program.stablehlo
    assert "dot_general" in program.jaxpr
    assert program.cost["flops"] > 2 * 48 * 5 * 8
    assert program.memory["output"] == 48 * 4
    assert "flops=" in repr(program)
    assert "random" not in program.jaxpr
    assert "random" in model.program(training=True).jaxpr
    with pytest.raises(ValueError, match="stablehlo"):
        model.program(nets.X, stage="stablehl")
    with pytest.raises(ValueError, match="not called yet"):
        nets.Noisy().program()


def test_warnings_are_none_when_a_model_is_saved(tmp_path):
    model = nets.Nested()
    model(nets.X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.save(tmp_path / "model.keras")
