"""A member of an ensemble is what a model of its own would be, whatever happens to the others."""

import numpy as np
import pytest

import jkeras as keras
from jkeras import callbacks, layers
from jkeras.models import Ensemble, cross_validate, search

X = np.random.default_rng(0).normal(size=(70, 4)).astype("float32")
Y = np.square(X.sum(axis=1, keepdims=True))
VALID = {"validation_data": (X[:20], Y[:20])}


def plain(learning_rate=0.01, units=5):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(units, "tanh"), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(learning_rate), "mse")
    return model


def rich(rate=0.2):
    model = keras.Sequential(
        [
            layers.Dense(5, "relu"),
            layers.BatchNormalization(),
            layers.Dropout(rate),
            layers.Dense(1),
        ]
    )
    model.compile("adam", "mse", metrics=["mae"])
    return model


def single(make, seed, *fits, **settings):
    """Returns a model trained by itself, and the history of its last fit."""
    keras.utils.set_random_seed(seed)
    model = make(**settings)
    for options in fits:
        history = model.fit(X, Y, verbose=0, **{**VALID, **options()})
    return model, history.history


def check(member, history, model, expected, exact):
    for name, values in expected.items():
        if exact:
            assert history[name] == values
        else:
            np.testing.assert_allclose(history[name], values, rtol=1e-6)
    for one, other in zip(member.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=0 if exact else 1e-6)


def of_member(history, number):
    return {name: lists[number] for name, lists in history.items()}


@pytest.mark.parametrize(
    ("make", "settings", "exact"),
    [
        (plain, {"learning_rate": [0.001, 0.01, 0.02]}, True),
        (rich, {}, False),
        (rich, {"rate": [0.1, 0.2, 0.5]}, False),
    ],
)
def test_members_are_single_fits(make, settings, exact):
    seeds, options = [3, 4, 4], lambda: {"epochs": 3}
    runs = Ensemble(make, seeds, **settings)
    runs.fit(X, Y, verbose=0, epochs=3, **VALID)
    history = runs.fit(X, Y, verbose=0, epochs=2, **VALID)  # and goes on
    for number, seed in enumerate(seeds):
        own = {name: values[number] for name, values in settings.items()}
        again = lambda: {"epochs": 2}
        model, expected = single(make, seed, options, again, **own)
        check(runs.member(number), of_member(history, number), model, expected, exact)
        np.testing.assert_allclose(
            runs.predict(X)[number], model.predict(X, verbose=0), rtol=1e-5, atol=1e-6
        )
        scores = model.evaluate(X, Y, verbose=0, return_dict=True)
        for name, value in runs.evaluate(X, Y).items():
            np.testing.assert_allclose(value[number], scores[name], rtol=1e-5)


def test_callbacks_mean_for_a_member_what_they_mean_for_a_model(tmp_path):
    def listening(folder):
        return [
            callbacks.EarlyStopping("val_loss", patience=1, restore_best_weights=True),
            callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=0.1),
            callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
            callbacks.CSVLogger(f"{folder}/log.csv"),
            callbacks.ModelCheckpoint(
                f"{folder}/best.weights.h5", save_best_only=True, save_weights_only=True
            ),
        ]

    rates = [0.3, 0.001, 0.05, 0.01]
    (tmp_path / "all").mkdir()
    runs = Ensemble(plain, [1, 2, 3, 4], learning_rate=rates)
    given = listening(tmp_path / "all")
    history = runs.fit(X, Y, epochs=8, verbose=0, callbacks=given, **VALID)
    lengths = set()
    for number, rate in enumerate(rates):
        folder = tmp_path / str(number)
        folder.mkdir()
        options = lambda: {"epochs": 8, "callbacks": listening(folder)}  # noqa: B023
        model, expected = single(plain, number + 1, options, learning_rate=rate)
        check(runs.member(number), of_member(history, number), model, expected, True)
        lengths.add(len(expected["loss"]))
        ours = tmp_path / "all" / f"log_member_{number}.csv"
        assert ours.read_text() == (folder / "log.csv").read_text()
        other = plain()
        other.load_weights(tmp_path / "all" / f"best_member_{number}.weights.h5")
        model.load_weights(folder / "best.weights.h5")
        np.testing.assert_allclose(other.get_weights()[0], model.get_weights()[0], rtol=1e-6)
    assert len(lengths) > 1  # some stopped before others
    assert [np.isclose(r, 1) for r in rates].count(True) == 0
    best = min(range(4), key=lambda n: min(history["val_loss"][n]))
    assert runs.best() is runs.member(best)


def test_the_others_go_on_when_most_have_stopped():
    def stop_after(number):
        return [callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: stop(number, epoch))]

    def stop(number, epoch):
        if epoch == number:
            runs.member(number).stop_training = True

    runs = Ensemble(plain, 5)
    history = runs.fit(X, Y, epochs=5, verbose=0, callbacks=stop_after)
    assert [len(values) for values in history["loss"]] == [1, 2, 3, 4, 5]
    for number in range(5):
        options = lambda: {"epochs": number + 1, "validation_data": None}  # noqa: B023
        model, expected = single(plain, number, options)
        check(runs.member(number), of_member(history, number), model, expected, True)


def test_a_member_whose_loss_is_not_finite_stops_alone(capsys):
    runs = Ensemble(plain, [0, 0], learning_rate=[0.01, 1e30])
    history = runs.fit(X, Y, epochs=3, verbose=0, callbacks=callbacks.TerminateOnNaN())
    assert [len(values) for values in history["loss"]] == [3, 1]
    assert "Invalid loss, terminating training" in capsys.readouterr().out
    assert runs.best("loss") is runs.member(0)


def test_some_members_at_a_time_are_the_same():
    histories = [
        Ensemble(plain, 5, members_at_once=size).fit(X, Y, epochs=2, verbose=0)
        for size in (None, 2)
    ]
    assert histories[0] == histories[1]


@pytest.mark.parametrize(
    "name", ["weight_decay", "label_smoothing", "loss_weight", "l2", "momentum"]
)
def test_other_numbers_may_differ(name):
    labels = np.eye(3, dtype="float32")[np.arange(70) % 3]
    values = [0.01, 0.3]

    def make(**given):
        decay = given.get("l2", 0.5)
        model = keras.Sequential(
            [
                keras.Input((4,)),
                layers.Dense(3, "softmax", kernel_regularizer=keras.regularizers.L2(decay)),
            ]
        )
        optimizer = keras.optimizers.Adam(0.01, weight_decay=given.get("weight_decay", 0.1))
        if "momentum" in given:
            optimizer = keras.optimizers.SGD(0.01, momentum=given["momentum"])
        model.compile(
            optimizer,
            keras.losses.CategoricalCrossentropy(label_smoothing=given.get("label_smoothing", 0.1)),
            loss_weights=[given.get("loss_weight", 1.0)],
        )
        return model

    runs = Ensemble(make, [7, 7], **{name: values})
    history = runs.fit(X, labels, epochs=2, verbose=0)
    for number, value in enumerate(values):
        keras.utils.set_random_seed(7)
        model = make(**{name: value})
        expected = model.fit(X, labels, epochs=2, verbose=0).history["loss"]
        np.testing.assert_allclose(history["loss"][number], expected, rtol=1e-6)
    assert history["loss"][0] != history["loss"][1]


class Branching(layers.Layer):
    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def call(self, x):
        return x * self.scale if self.scale > 0.5 else x


def test_what_decides_the_program_is_named():
    with pytest.raises(ValueError, match=r"differ in `units` \(3 and 5\).*\n?.*search"):
        Ensemble(plain, 2, units=[3, 5])

    def with_branch(scale):
        model = keras.Sequential([keras.Input((4,)), Branching(scale), layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    runs = Ensemble(with_branch, 2, scale=[0.2, 0.7])
    with pytest.raises(ValueError, match="`scale`"):
        runs.fit(X, Y, verbose=0)


def test_metrics_without_names_are_called_alike_in_all_members():
    def make():
        model = keras.Sequential([keras.Input((4,)), layers.Dense(1, "sigmoid")])
        model.compile("sgd", "mse", metrics=[keras.metrics.AUC(num_thresholds=9)])
        return model

    labels = (Y > 1).astype("float32")
    runs = Ensemble(make, seeds=2)
    found = runs.fit(X, labels, epochs=2, verbose=0)
    keras.utils.set_random_seed(1)
    alone = make().fit(X, labels, epochs=2, verbose=0).history
    (name,) = set(found) - {"loss"}
    (of_single,) = set(alone) - {"loss"}
    assert found[name][1] == pytest.approx(alone[of_single], rel=1e-6)
    # What a model is called stays its own: an average of all members is one model.
    inputs = keras.Input((4,))
    mean = keras.Model(inputs, layers.Average()([model(inputs) for model in runs.members]))
    assert mean.count_params() == 10


def test_members_in_threads_are_single_fits():
    rates = list(np.geomspace(0.001, 0.1, 9))  # two cores have parts of five and four

    def stop(number):
        stop = keras.callbacks.EarlyStopping(min_delta=0.1, patience=1, restore_best_weights=True)
        return [stop]

    runs = Ensemble(plain, range(9), learning_rate=rates)
    history = runs.fit(X, Y, epochs=8, verbose=0, callbacks=stop, **VALID)
    for number in (0, 5, 8):
        options = {"epochs": 8, "callbacks": stop(number)}
        found = single(plain, number, lambda o=options: o, learning_rate=rates[number])
        check(runs.member(number), of_member(history, number), *found, exact=True)


class Own(keras.Sequential):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return keras.ops.mean(keras.ops.abs(y - y_pred))


def own():
    model = Own([keras.Input((4,)), layers.Dense(1)])
    model.compile("sgd")
    return model


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: Ensemble(own, 2).fit(X, Y, verbose=0), "`compute_loss` of their own"),
        (lambda: Ensemble(plain, 2, learning_rate=0.1), "a list of a value for each member"),
        (lambda: Ensemble(plain, []), "at least one member"),
        (
            lambda: Ensemble(plain, 2, momentum=[0.1, 0.2]).fit(X, Y, verbose=0),
            "made without: make a new one",
        ),
    ],
)
def test_what_an_ensemble_cannot_do_is_said(ask, message):
    with pytest.raises(ValueError, match=message):
        ask()


def test_errors():
    with pytest.raises(ValueError, match="3 values of each setting"):
        Ensemble(plain, 3, learning_rate=[0.1, 0.2])
    with pytest.raises(ValueError, match="takes no argument 'depth'"):
        Ensemble(plain, 2, depth=[1, 2])
    with pytest.raises(TypeError, match=r"must return a keras\.Model"):
        Ensemble(lambda: None, 2)
    runs = Ensemble(plain, 2)
    with pytest.raises(ValueError, match="stream"):
        runs.fit(iter([(X, Y)]), verbose=0)
    with pytest.raises(ValueError, match="wants to be called for batches"):
        runs.fit(X, Y, verbose=0, callbacks=[callbacks.LambdaCallback(on_train_batch_end=print)])
    with pytest.raises(ValueError, match="There is no value 'val_loss'"):
        runs.best()
    with pytest.raises(ValueError, match="reduce"):
        runs.predict(X, reduce="median")


def test_the_mean_and_the_vote():
    def make():
        return keras.Sequential([keras.Input((4,)), layers.Dense(3, "softmax")])

    runs = Ensemble(make, 5)
    outputs = runs.predict(X)
    np.testing.assert_allclose(runs.predict(X, reduce="mean"), outputs.mean(0), rtol=1e-6)
    votes = [np.bincount(row, minlength=3).argmax() for row in outputs.argmax(-1).T]
    np.testing.assert_array_equal(runs.predict(X, reduce="vote"), votes)


def test_saved_and_loaded(tmp_path):
    runs = Ensemble(plain, 3, learning_rate=[0.01, 0.02, 0.03])
    runs.fit(X, Y, epochs=2, verbose=0)
    runs.save(tmp_path / "runs")
    again = Ensemble.load(tmp_path / "runs")
    np.testing.assert_array_equal(again.predict(X), runs.predict(X))
    assert (again.history, again.settings, again.seeds) == (runs.history, runs.settings, runs.seeds)
    frame = again.dataframe()
    assert list(frame.columns) == ["member", "seed", "learning_rate", "epoch", "loss"]
    assert len(frame) == 6


def test_a_line_an_epoch_shows_the_median_and_the_lowest(capsys):
    runs = Ensemble(plain, 3)
    history = runs.fit(X, Y, epochs=1, verbose=2)
    out = capsys.readouterr().out
    losses = [values[0] for values in history["loss"]]
    assert f"loss: {np.median(losses):.4f}" in out
    assert f"lowest_loss: {min(losses):.4f}" in out


@pytest.mark.parametrize("make", [plain, rich])
def test_folds_are_fits_on_scikit_learns_folds(make):
    from sklearn.model_selection import KFold

    splitter = KFold(4, shuffle=True, random_state=0)  # 70 rows: two sizes of folds
    result = cross_validate(make, X, Y, splitter, seed=5, epochs=2, batch_size=16, verbose=0)
    for number, (train, test) in enumerate(splitter.split(X)):
        keras.utils.set_random_seed(5)
        model = make()
        expected = model.fit(
            *(X[train], Y[train], 16),
            epochs=2,
            verbose=0,
            validation_data=(X[test], Y[test]),
        ).history
        for name, values in expected.items():
            np.testing.assert_allclose(result.history[name][number], values, rtol=1e-6)
    assert result.mean["val_loss"] == result.scores["val_loss"].mean()


@pytest.mark.parametrize("stratified", [True, False])
def test_own_folds_cut_the_rows_into_parts(stratified):
    labels = np.repeat([0, 1, 1, 1, 1], 14)

    def make():
        model = keras.Sequential([keras.Input((4,)), layers.Dense(2, "softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    result = cross_validate(make, X, labels, 7, stratified=stratified, verbose=0)
    tests = [test for _, test in result.folds]
    assert sorted(np.concatenate(tests)) == list(range(70))
    if stratified:
        assert [int((labels[test] == 0).sum()) for test in tests] == [2] * 7
    with pytest.raises(ValueError, match="between 2 and the 70 rows"):
        cross_validate(make, X, labels, 71)


@pytest.mark.parametrize("method", ["grid", "random", "halving"])
def test_search(method):
    settings = {"units": [2, 4], "learning_rate": [0.001, 0.01, 0.05]}
    found = search(
        plain, X, Y, settings, method=method, trials=4, epochs=4, verbose=0, validation_split=0.2
    )
    assert len(found.settings) == (6 if method == "grid" else 4)
    score = found.best_model.evaluate(X[56:], Y[56:], verbose=0)
    np.testing.assert_allclose(score, found.best_score, rtol=1e-5)
    assert found.best_score == np.nanmin(found.scores)
    assert len(found.dataframe()) == len(found.settings)
    if method == "grid":
        keras.utils.set_random_seed(0)
        model = plain(**found.best_settings)
        history = model.fit(X, Y, epochs=4, verbose=0, validation_split=0.2).history
        np.testing.assert_allclose(history["val_loss"][-1], found.best_score, rtol=1e-6)
