"""A training that goes on after an interruption is the one that was not interrupted, to the bit."""

import datetime
import os
import signal
import threading

import numpy as np
import pytest

import jkeras as keras
from tests.callbacks.models import PatientBackup
from tests.resume.program import SOURCES, VALID, X, Y, differences, make_model

pytestmark = pytest.mark.optimized
BackupAndRestore = keras.callbacks.BackupAndRestore


class PowerCut(Exception):
    pass


class Fail(keras.callbacks.Callback):
    """Ends training before a batch, as long as `armed`."""

    def __init__(self, epoch, batch):
        self.at, self.epoch = (epoch, batch), 0

    def get_state(self):
        return None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            raise PowerCut


def net(**options):
    """Returns a small model, compiled for this."""
    keras.utils.set_random_seed(4)
    layers = [keras.layers.Dense(4, activation="relu"), keras.layers.Dropout(0.3)]
    layers = [*options.pop("first", []), *layers, keras.layers.Dense(1, activation="sigmoid")]
    model = options.pop("kind", keras.Sequential)([keras.Input((5,)), *layers])
    options = {"optimizer": keras.optimizers.Adam(0.05), "loss": "binary_crossentropy", **options}
    model.compile(**options)
    return model


class Guide(keras.Sequential):
    """Takes the step of Keras's guide, with a metric of its own."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.mean = keras.metrics.Mean(name="own")

    @property
    def metrics(self):
        return [self.mean]

    def compute_loss_and_updates(self, trainable, non_trainable, x, y):
        y_pred, non_trainable = self.stateless_call(trainable, non_trainable, x, training=True)
        return ((y_pred[:, 0] - y) ** 2).mean(), non_trainable

    def train_step(self, state, data):
        import jax

        trainable, non_trainable, optimizer, metrics = state
        gradient = jax.value_and_grad(self.compute_loss_and_updates, has_aux=True)
        (loss, non_trainable), grads = gradient(trainable, non_trainable, *data)
        trainable, optimizer = self.optimizer.stateless_apply(optimizer, grads, trainable)
        metrics = self.mean.stateless_update_state(metrics, loss)
        return {"own": self.mean.stateless_result(metrics)}, (
            trainable,
            non_trainable,
            optimizer,
            metrics,
        )


def with_counter():
    """Returns a loss that reads a variable which nothing else knows."""
    scale = keras.Variable(np.float32(1.5), trainable=False, name="scale")
    return lambda y, p: ((y - p) ** 2).mean(-1) * scale


SGD = keras.optimizers.SGD
CASES = {
    "plain": {},
    "steps_per_execution": {"compile": {"steps_per_execution": 3}, "save_freq": 3},
    "steps_per_epoch": {"fit": {"steps_per_epoch": 4}},
    "weights": {
        "fit": {"class_weight": {0: 1.0, 1: 3.0}, "sample_weight": np.linspace(0, 1, 70)},
        "compile": {"weighted_metrics": ["mae"]},
    },
    "not_shuffled": {"fit": {"shuffle": False}},
    "validation": {"fit": {"validation_data": (X[VALID], Y[VALID]), "validation_freq": 2}},
    "accumulation": {
        "make": lambda: net(optimizer=SGD(0.1, momentum=0.9, gradient_accumulation_steps=4))
    },
    "momentum_and_averages": {
        "make": lambda: net(optimizer=SGD(0.1, use_ema=True, ema_overwrite_frequency=5))
    },
    "loss_scale": {
        "make": lambda: net(
            optimizer=keras.optimizers.LossScaleOptimizer(SGD(0.1), dynamic_growth_steps=4)
        )
    },
    "schedule": {
        "make": lambda: net(optimizer=SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.7)))
    },
    "metrics": {"make": lambda: net(metrics=["accuracy", keras.metrics.AUC(num_thresholds=8)])},
    "own_step": {"compile": {"kind": Guide}},
    "variable_in_loss": {"make": lambda: net(loss=with_counter())},
    "loss_of_layers": {
        "make": lambda: net(
            first=[keras.layers.GaussianNoise(0.1), keras.layers.BatchNormalization()]
        )
    },
}


def run(case, *callbacks):
    """Trains as a new process that runs the same script would; returns all that comes out."""
    keras.base.naming.reset_names()
    made = case["make"]() if "make" in case else net(**case.get("compile", {}))
    options = {"batch_size": 8, "epochs": 3, "verbose": 0, **case.get("fit", {})}
    source = case.get("source")
    data = SOURCES[source]() if source else {"x": X[:70], "y": Y[:70], "batch_size": 8}
    if source:
        options.pop("batch_size")
    history = made.fit(**{**data, **options}, callbacks=list(callbacks))
    variables = [*made.variables, *made.optimizer.variables]
    return {
        "history": history.history,
        "epoch": history.epoch,
        "variables": [v.numpy() for v in variables],
        "metrics": made.get_metrics_result(),
        "random": [np.random.rand(), np.asarray(keras.random.uniform((2,)))],
    }


def interrupted(folder, case, *more, at=(1, 4), save_freq=3):
    """Lets a training fail, and go on."""
    with pytest.raises(PowerCut):
        run(case, PatientBackup(folder, save_freq), Fail(*at), *more)
    return run(case, PatientBackup(folder, save_freq), Fail(None, None), *more)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("name", CASES)
def test_every_way_to_train(tmp_path, name):
    case = CASES[name]
    save_freq = case.get("save_freq", 2)
    at = (1, 3)
    found = interrupted(tmp_path / "b", case, at=at, save_freq=save_freq)
    assert differences(run(case), found) == []


@pytest.mark.parametrize("name", SOURCES)
def test_every_source(tmp_path, name, caplog):
    case = {"source": name, "make": net}
    found = interrupted(tmp_path / "b", case, at=(1, 4), save_freq=2)
    assert differences(run(case), found) == []
    note = "batches were made and thrown away, which took" in caplog.text
    assert note == (name in ("generator", "iterable"))


class Loader:
    """Has a state of its own, as torchdata's StatefulDataLoader has one."""

    def __init__(self):
        self.rng, self.order, self.done = np.random.default_rng(2), None, 0

    def __len__(self):
        return 9

    def __iter__(self):
        if self.order is None:
            self.order, self.done = self.rng.permutation(70), 0
        while self.done < 9:
            rows = self.order[8 * self.done :][:8]
            self.done += 1
            yield X[rows], Y[rows]
        self.order = None

    def state_dict(self):
        return {"rng": self.rng.bit_generator.state, "order": self.order, "done": self.done}

    def load_state_dict(self, state):
        self.rng.bit_generator.state = state["rng"]
        self.order, self.done = state["order"], state["done"]


def test_loaders_with_a_state(tmp_path, caplog, monkeypatch):
    monkeypatch.setitem(SOURCES, "loader", lambda: {"x": Loader()})
    case = {"source": "loader", "make": net}
    found = interrupted(tmp_path / "b", case, at=(2, 4), save_freq=3)
    assert differences(run(case), found) == []
    assert "thrown away" not in caplog.text


def test_grain(tmp_path, caplog, monkeypatch):
    grain = pytest.importorskip("grain")

    def loader():
        data = grain.MapDataset.source(list(zip(X[:70], Y[:70], strict=True)))
        return {"x": data.shuffle(seed=1).to_iter_dataset().batch(8)}

    monkeypatch.setitem(SOURCES, "grain", loader)
    case = {"source": "grain", "make": net}
    found = interrupted(tmp_path / "b", case, at=(1, 4), save_freq=3)
    assert differences(run(case), found) == []
    assert "thrown away" not in caplog.text


def test_validation_on_a_generator_goes_on_where_it_stood(tmp_path):
    def case():
        valid = SOURCES["generator"]()["x"]
        return {"make": net, "fit": {"validation_data": valid, "validation_steps": 3}}

    with pytest.raises(PowerCut):
        run(case(), BackupAndRestore(tmp_path / "b", 2), Fail(2, 4))
    found = run(case(), BackupAndRestore(tmp_path / "b", 2))
    assert differences(run(case()), found) == []
    assert found["history"]["val_loss"][0] != found["history"]["val_loss"][1]


def test_kills_between_any_two_hooks(tmp_path):
    """Also before and in validation, and between an epoch's end and the next one's begin."""
    case = {"fit": {"validation_data": (X[VALID], Y[VALID]), "epochs": 2}}
    whole = run(case)
    for hook in ("on_test_begin", "on_test_end", "on_epoch_end", "on_train_end"):

        def fail(*args):
            raise PowerCut

        stop = keras.callbacks.LambdaCallback(**{hook: fail})
        for frequency in (1, "epoch"):
            folder = tmp_path / f"{hook}-{frequency}"
            with pytest.raises(PowerCut):
                run(case, stop, BackupAndRestore(folder, frequency))
            found = run(case, BackupAndRestore(folder, frequency))
            assert differences(whole, found) == [], (hook, frequency)


def test_averages_in_the_place_of_weights(tmp_path):
    def make():
        return net(optimizer=SGD(0.1, use_ema=True))

    case = {"make": make, "fit": {"validation_data": (X[VALID], Y[VALID])}}
    swap = lambda: keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    found = interrupted(tmp_path / "b", case, swap(), at=(2, 0), save_freq="epoch")
    assert differences(run(case, swap()), found) == []


def test_rates_of_a_scheduler(tmp_path):
    scheduler = lambda: keras.callbacks.LearningRateScheduler(lambda e, rate: 0.5 * rate)
    found = interrupted(tmp_path / "b", {}, scheduler(), at=(1, 4))
    assert differences(run({}, scheduler()), found) == []
    assert len(set(found["history"]["learning_rate"])) == 3


def test_tensorboard_has_each_step_once(tmp_path):
    from tests.callbacks.test_tensorboard import read

    def steps(folder):
        return {tag: found[0] for tag, found in read(folder)[1].items()}

    def board(name):
        return keras.callbacks.TensorBoard(tmp_path / name, update_freq=2)

    case = {"fit": {"validation_data": (X[VALID], Y[VALID])}}
    run(case, board("whole"))
    interrupted(tmp_path / "b", case, board("cut"), at=(2, 1), save_freq=5)
    for part in ("train", "validation"):
        expected, found = (steps(tmp_path / name / part) for name in ("whole", "cut"))
        assert found == expected and "epoch_loss" in expected


class Count(keras.callbacks.Callback):
    def __init__(self):
        self.count, self.seen = 0, []

    def on_epoch_end(self, epoch, logs=None):
        self.count += 1
        self.seen.append(logs["loss"])


class Saying(Count):
    def get_state(self):
        return {"count": self.count, "seen": (self.seen, np.arange(3), 2**70, b"x", {1: None})}

    def set_state(self, state):
        self.count, (self.seen, array, *rest) = state["count"], state["seen"]
        assert array.tolist() == [0, 1, 2] and rest == [2**70, b"x", {1: None}]


def test_a_callback_of_ones_own_says_its_state(tmp_path):
    with pytest.raises(PowerCut):
        run({}, BackupAndRestore(tmp_path / "b", 3), Fail(2, 4), Saying())
    found = Saying()
    outcome = run({}, BackupAndRestore(tmp_path / "b", 3), found)
    assert found.count == 3 and found.seen == outcome["history"]["loss"]


def test_callbacks_that_change_and_say_no_state_are_named_in_one_warning(tmp_path):
    class More(keras.callbacks.EarlyStopping):  # the state of its base is known
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            self.more = epoch

    class Quiet(keras.callbacks.EarlyStopping):
        pass

    others = [Quiet("loss"), keras.callbacks.LambdaCallback(), keras.callbacks.Callback()]
    with pytest.warns(UserWarning, match="the callbacks Count, More change") as caught:
        run({}, BackupAndRestore(tmp_path / "b"), Count(), More("loss", patience=9), *others)
    assert len(caught) == 1


def test_states_that_cannot_be_written_or_are_not_wanted(tmp_path):
    class Odd(Count):
        def get_state(self):
            return {"thing": [0, object()]}

    with pytest.raises(TypeError, match=r"\['Odd'\]\['thing'\]\[1\] is a object"):
        run({}, BackupAndRestore(tmp_path / "a"), Odd())
    with pytest.raises(PowerCut):
        run({}, BackupAndRestore(tmp_path / "b"), Fail(2, 4), Saying())
    with pytest.warns(UserWarning, match=r"lacks: \['Saying'\]"):
        run({}, BackupAndRestore(tmp_path / "b"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_write_a_backup_first(tmp_path, number):
    received = []
    before = signal.signal(number, lambda *args: received.append(number) or stop())

    def stop():
        raise PowerCut

    def send(batch, logs):
        if int(cut.model.optimizer.iterations) == 13:
            os.kill(os.getpid(), number)

    cut = keras.callbacks.LambdaCallback(on_train_batch_end=send)
    try:
        with pytest.raises(PowerCut):
            run({}, cut, BackupAndRestore(tmp_path / "b"))
        assert received == [number] and signal.getsignal(number) is not signal.SIG_DFL
        seen = []
        watch = keras.callbacks.LambdaCallback(on_train_batch_begin=lambda b, logs: seen.append(b))
        found = run({}, watch, BackupAndRestore(tmp_path / "b"))
    finally:
        signal.signal(number, before)
    assert seen[0] == 4  # nine batches an epoch
    assert differences(run({}), found) == []


def test_a_signal_in_validation_keeps_the_state_before_it(tmp_path):
    class Interrupt(keras.callbacks.Callback):
        def on_test_batch_end(self, batch, logs=None):
            os.kill(os.getpid(), signal.SIGINT)

    def make():
        return net(optimizer=SGD(0.1, use_ema=True))

    case = {"make": make, "fit": {"validation_data": (X[VALID], Y[VALID])}}
    swap = keras.callbacks.SwapEMAWeights
    # A shell's background processes ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(case, swap(), Interrupt(), BackupAndRestore(tmp_path / "b"))
    finally:
        signal.signal(signal.SIGINT, before)
    found = run(case, swap(), BackupAndRestore(tmp_path / "b"))
    assert differences(run(case, swap()), found) == []


def test_times(tmp_path):
    for given in (datetime.timedelta(milliseconds=1), "0.001s"):
        backup = BackupAndRestore(tmp_path / "b", given)
        with pytest.raises(PowerCut):
            run({}, backup, Fail(1, 4))
        found = run({}, backup)
        assert differences(run({}), found) == []
    for text in ("10min", "2 h", "90s"):
        BackupAndRestore(tmp_path, text)
    for bad in ("10", "0s", "-1s", "1.2.3s", "min", "5 days", datetime.timedelta(0)):
        with pytest.raises(ValueError, match=r"Unrecognized save_freq.*'10min'"):
            BackupAndRestore(tmp_path, bad)


def test_nothing_is_trained_twice(tmp_path):
    backup = lambda: BackupAndRestore(tmp_path / "b", delete_checkpoint=False)
    stop = lambda: keras.callbacks.EarlyStopping("loss", min_delta=9, patience=1)
    whole = run({}, backup(), stop())
    assert len(whole["epoch"]) == 2
    again = run({}, backup(), stop(), Fail(2, 0))  # was stopped, and stays so
    assert differences(whole, again) == []
    finished = {"fit": {"epochs": 2}}
    (tmp_path / "b" / "latest.backup").unlink()
    run(finished, backup())
    assert differences(run({}), run({}, backup(), Fail(1, 0))) == []  # one epoch more


def test_two_fits_are_one(tmp_path):
    for options in ({}, {"steps_per_epoch": 4}, {"steps_per_epoch": 4, "shuffle": False}):
        options = {"batch_size": 8, "verbose": 0, **options}
        model = make_model()
        model.fit(X[:64], Y[:64], epochs=2, **options)
        model.fit(X[:64], Y[:64], initial_epoch=2, epochs=4, **options)
        other = make_model()
        other.fit(X[:64], Y[:64], epochs=4, **options)
        assert differences(model.get_weights(), other.get_weights()) == []


def make_later_fit(folder):
    """Interrupts the second `fit` of a program; returns what the first one finds when run again."""
    model = net()
    model.fit(X[:70], Y[:70], batch_size=8, verbose=0)
    options = {"batch_size": 8, "verbose": 0, "epochs": 3}
    with pytest.raises(PowerCut):
        model.fit(X[:70], Y[:70], callbacks=[BackupAndRestore(folder), Fail(1, 4)], **options)
    return BackupAndRestore(folder)


def test_a_second_try_in_the_same_process(tmp_path):
    options = {"batch_size": 8, "verbose": 0, "epochs": 3}
    whole = net()
    expected = whole.fit(X[:70], Y[:70], **options)
    model = net()
    for failure in (Fail(1, 4), Fail(2, 1), Fail(None, None)):
        callbacks = [BackupAndRestore(tmp_path / "b", 3), failure]
        try:
            history = model.fit(X[:70], Y[:70], callbacks=callbacks, **options)
        except PowerCut:
            continue
    assert history.history == expected.history and history.epoch == [0, 1, 2]
    assert differences(whole.get_weights(), model.get_weights()) == []


def test_backups_of_others(tmp_path):
    with pytest.raises(PowerCut):
        run({}, BackupAndRestore(tmp_path / "b", 2), Fail(1, 4))
    adamw = {"compile": {"optimizer": keras.optimizers.Nadam(0.05)}}
    with pytest.raises(ValueError, match=r"another program.*\n- optimizer: here Nadam, there Adam"):
        run(adamw, BackupAndRestore(tmp_path / "b", 2))
    later = make_later_fit(tmp_path / "c")
    with pytest.raises(ValueError, match="steps_before: here 0, there 9"):
        run({}, later)
    with pytest.raises(ValueError, match="initial_epoch: here 1, there 0"):
        run({"fit": {"initial_epoch": 1}}, BackupAndRestore(tmp_path / "b", 2))
    with pytest.raises(ValueError, match=r"here are 70 rows in batches of 16, there were.*of 8\."):
        run({"fit": {"batch_size": 16}}, BackupAndRestore(tmp_path / "b", 2))
    latest = tmp_path / "b" / "latest.backup"
    data = latest.read_bytes()
    latest.write_bytes(data.replace(b'"version": 2', b'"version": 9'))
    with pytest.raises(ValueError, match="version 9 of the format; this jkeras reads version 2"):
        run({}, BackupAndRestore(tmp_path / "b", 2))
    latest.write_bytes(data.replace(b'"jkeras": "0', b'"jkeras": "9'))
    with pytest.warns(UserWarning, match=r"written with jkeras 9.*now 0"):
        run({}, BackupAndRestore(tmp_path / "b", 2))


@pytest.mark.parametrize(
    ("compiled", "words"),
    [
        ({"loss": "mae"}, r"- loss: here mae, there"),
        ({"optimizer": keras.optimizers.Adam(0.25)}, r"- learning_rate: here 0\.25, there 0\.0"),
        (
            {"optimizer": keras.optimizers.Adam(0.05, beta_1=0.5)},
            r"- beta_1: here 0\.5, there 0\.9",
        ),
    ],
)
def test_a_program_that_was_compiled_otherwise(tmp_path, compiled, words):
    with pytest.raises(PowerCut):
        run({}, BackupAndRestore(tmp_path / "b", 2), Fail(1, 4))
    with pytest.warns(UserWarning, match=words):
        run({"compile": compiled}, BackupAndRestore(tmp_path / "b", 2))


def test_what_is_in_the_folder_besides_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    run({"fit": {"epochs": 1}}, BackupAndRestore(tmp_path))
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_a_disk_that_is_full(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        run({}, BackupAndRestore(tmp_path / "b"))
    assert not any(t.name.startswith("jkeras-backup") for t in threading.enumerate())
