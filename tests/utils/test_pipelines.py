"""Data sets as pipelines: the methods of tf.data.Dataset."""

import copy
import gc
import json
import pickle
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jkeras as keras
from jkeras.utils import Dataset


def values(dataset):
    """Returns the elements as Python values."""
    return [to_python(element) for element in dataset]


def to_python(element):
    if isinstance(element, tuple):
        return tuple(map(to_python, element))
    if isinstance(element, dict):
        return {k: to_python(v) for k, v in element.items()}
    return values(element) if isinstance(element, Dataset) else element.tolist()


# ------------------------------------------------------------------ sources
def test_rows_of_arrays():
    x, y = np.arange(6).reshape(3, 2), [1.0, 2.0, 3.0]
    assert values(Dataset.from_tensor_slices((x, y))) == [([0, 1], 1), ([2, 3], 2), ([4, 5], 3)]
    nested = Dataset.from_tensor_slices({"b": ([1, 2], [3, 4]), "a": ["x", "y"]})
    assert values(nested) == [{"b": (1, 3), "a": "x"}, {"b": (2, 4), "a": "y"}]
    assert list(next(iter(nested))) == ["b", "a"]
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"n": [1, 2], "s": ["a", "b"]})
    assert values(Dataset.from_tensor_slices(dict(frame))) == [
        {"n": 1, "s": "a"},
        {"n": 2, "s": "b"},
    ]
    assert values(Dataset.from_tensors([1, 2])) == [[1, 2]]


def test_dtypes_are_those_of_tensorflow():
    for data, dtype in (
        ([1, 2], "int32"),
        ([0.5], "float32"),
        ([True], "bool"),
        (np.arange(2), "int64"),
        (np.ones(2), "float64"),
        (jnp.ones(2), "float32"),
        (["a"], "string"),
        ([b"a"], "string"),
    ):
        assert Dataset.from_tensor_slices(data).element_spec == ((), dtype)
    assert Dataset.range(3).element_spec == ((), "int64")
    assert Dataset.range(3, output_type="int32").map(lambda x: 2.5).element_spec == ((), "float32")


def test_generators():
    made = []

    def generate(stop=3):
        made.append(stop)
        for i in range(stop):
            yield [i, i], float(i)

    dataset = Dataset.from_generator(generate, output_types=("int64", "float32"), args=(2,))
    assert values(dataset) == values(dataset) == [([0, 0], 0.0), ([1, 1], 1.0)]
    assert made == [2, 2] and dataset.element_spec[0] == ((2,), "int64")
    assert dataset.cardinality() == -2
    with pytest.raises(TypeError, match="length is unknown"):
        len(dataset)
    with pytest.raises(TypeError, match="pass the generator function itself"):
        Dataset.from_generator(generate())


def test_endless_sources():
    assert values(Dataset.counter(5, 2).take(3)) == [5, 7, 9]
    draws = Dataset.random(seed=1)
    assert values(draws.take(5)) == values(draws.take(5)) != values(draws.skip(5).take(5))
    with pytest.raises(TypeError, match="length is infinite"):
        len(draws)


def test_files(tmp_path):
    for name in "cab":
        (tmp_path / f"{name}.txt").write_text(name)
    names = [str(tmp_path / f"{name}.txt") for name in "abc"]
    pattern = str(tmp_path / "*.txt")
    assert values(Dataset.list_files(pattern, shuffle=False)) == names
    assert sorted(values(Dataset.list_files([pattern, names[0]], seed=0))) == names
    with pytest.raises(ValueError, match="No files matched"):
        Dataset.list_files(str(tmp_path / "*.csv"))


# ------------------------------------------------------------------ what methods mean
def test_a_tuple_gives_several_arguments():
    pairs = Dataset.from_tensor_slices(([1, 2], [3, 4]))
    assert values(pairs.map(lambda x, y: {"sum": x + y})) == [{"sum": 4}, {"sum": 6}]
    assert values(pairs.filter(lambda x, y: x > 1)) == [(2, 4)]
    assert values(Dataset.from_tensors({"a": 1}).map(lambda d: d["a"])) == [1]
    assert values(Dataset.range(2).map(lambda i: [i, i])) == [(0, 0), (1, 1)]  # as in tf.data


def test_the_classical_examples():
    ten = Dataset.range(10)
    assert values(ten.repeat(3).batch(7)) == [
        [0, 1, 2, 3, 4, 5, 6], [7, 8, 9, 0, 1, 2, 3], [4, 5, 6, 7, 8, 9, 0],
        [1, 2, 3, 4, 5, 6, 7], [8, 9],
    ]  # fmt: skip
    windows = ten.window(4, shift=2, stride=2, drop_remainder=True).flat_map(lambda w: w.batch(4))
    assert values(windows) == [[0, 2, 4, 6], [2, 4, 6, 8]]
    assert values(ten.window(3)) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    assert values(ten.window(1, shift=4)) == [[0], [4], [8]]
    assert values(Dataset.zip(ten, ten).window(2).take(1)) == [([0, 1], [0, 1])]
    blocks = Dataset.range(1, 6).interleave(
        lambda x: Dataset.from_tensors(x).repeat(6), cycle_length=2, block_length=4
    )
    assert values(blocks) == [int(c) for c in "111122221122333344443344555555"[:30]]
    assert values(ten.batch(4).rebatch(3)) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    assert values(ten.batch(4).rebatch([1, 5])) == [[0], [1, 2, 3, 4, 5], [6], [7, 8, 9]]
    assert values(ten.batch(4).rebatch(4, drop_remainder=True)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert values(ten.batch(4).unbatch()) == values(ten)
    assert values(ten.take(2).concatenate(ten.skip(8)).enumerate(5)) == [
        (5, 0),
        (6, 1),
        (7, 8),
        (8, 9),
    ]
    assert values(Dataset.zip({"a": ten, "b": (ten.skip(8),)})) == [
        {"a": 0, "b": (8,)}, {"a": 1, "b": (9,)},
    ]  # fmt: skip
    assert values(ten.shard(3, 1)) == [1, 4, 7]
    assert values(ten.take_while(lambda x: x < 3)) == [0, 1, 2]
    assert values(ten.map(lambda x: x % 3).unique()) == [0, 1, 2]
    assert values(ten.scan(0, lambda s, x: (s + x, s + x)).take(4)) == [0, 1, 3, 6]
    assert ten.reduce(0, lambda s, x: s + x).numpy() == 45
    assert ten.apply(lambda d: d.take(1)).get_single_element() == 0
    assert values(ten.with_options(object()).take(1)) == [0]


def test_filling_up():
    lists = Dataset.range(1, 5).map(lambda x: np.full(x, x))
    assert values(lists.padded_batch(2)) == [[[1, 0], [2, 2]], [[3, 3, 3, 0], [4, 4, 4, 4]]]
    assert values(lists.padded_batch(2, [5], -1, drop_remainder=True))[0] == [
        [1, -1, -1, -1, -1],
        [2, 2, -1, -1, -1],
    ]
    pairs = Dataset.zip(lists, Dataset.range(4)).padded_batch(
        4, ([None], []), (np.int64(9), np.int64(0))
    )
    assert values(pairs)[0][1] == [0, 1, 2, 3] and values(pairs)[0][0][0] == [1, 9, 9, 9]
    words = Dataset.from_generator(lambda: iter([["a"], ["b", "c"]])).padded_batch(2)
    assert values(words) == [[["a", ""], ["b", "c"]]]
    buckets = lists.bucket_by_sequence_length(lambda x: len(x), [3], [2, 2])
    assert values(buckets) == [[[1, 0], [2, 2]], [[3, 3, 3, 0], [4, 4, 4, 4]]]
    with pytest.raises(ValueError, match="pad to a smaller size"):
        values(lists.padded_batch(4, [2]))
    with pytest.raises(
        ValueError, match=r"First element had shape \[1\] and element 1 had shape \[2\]"
    ):
        values(lists.batch(2))


def test_several_data_sets_by_draws_and_by_numbers():
    parts = [Dataset.from_tensors(i).repeat(50) for i in range(3)]
    drawn = Dataset.sample_from_datasets(parts, weights=[0.8, 0.2, 0.0], seed=3)
    assert values(drawn) == values(drawn)
    assert sorted(values(drawn)) == [0] * 50 + [1] * 50  # the third is never drawn
    first = values(drawn.take(40))
    assert first.count(0) > first.count(1) > 0
    order = Dataset.from_tensor_slices([2, 0, 0])
    assert values(Dataset.choose_from_datasets(parts, order)) == [2, 0, 0]


def test_sizes():
    ten = Dataset.range(10)
    for dataset, size in (
        (ten, 10), (ten.batch(3), 4), (ten.batch(3, drop_remainder=True), 3), (ten.repeat(), -1),
        (ten.repeat(2), 20), (ten.filter(bool), -2), (ten.repeat().take(7), 7), (ten.skip(4), 6),
        (ten.batch(3).unbatch(), -2), (ten.batch(3, True).unbatch(), 9), (ten.take(0), 0),
        (ten.window(3, 1, drop_remainder=True), 8),
        (Dataset.zip(ten, ten.repeat()), 10), (ten.concatenate(ten), 20), (ten.shard(4, 3), 2),
        (ten.shuffle(5).prefetch(1).cache(), 10), (ten.repeat(0), 0),
    ):  # fmt: skip
        assert dataset.cardinality().numpy() == size
        assert bool(dataset)
        if size >= 0:
            assert len(dataset) == size == len(values(dataset))


def test_specs():
    x = Dataset.from_tensor_slices((np.ones((5, 3)), ["a"] * 5))
    assert x.element_spec == (((3,), "float64"), ((), "string"))
    assert x.batch(2).map(lambda x, y: x).prefetch(1).element_spec == ((None, 3), "float64")
    assert x.batch(2, drop_remainder=True).element_spec[0].shape == (2, 3)
    assert x.batch(2).unbatch().element_spec[0].shape == (3,)
    assert iter(x).element_spec == x.element_spec


# ------------------------------------------------------------------ order
def test_a_shuffle():
    numbers = Dataset.range(50)
    for dataset in (numbers.shuffle(50, seed=1), numbers.shuffle(7, seed=1),
                    numbers.filter(lambda x: True).shuffle(7, seed=1)):  # fmt: skip
        first, second = values(dataset), values(dataset)
        assert first != second and sorted(first) == sorted(second) == list(range(50))
    assert all(x <= i + 7 for i, x in enumerate(values(numbers.shuffle(7))))
    fixed = numbers.shuffle(50, seed=1, reshuffle_each_iteration=False)
    assert values(fixed) == values(fixed) == values(fixed.batch(8).unbatch())
    twice = values(numbers.shuffle(50).repeat(2))
    assert twice[:50] != twice[50:] and sorted(twice[:50]) == sorted(twice[50:])


def test_each_look_at_a_shuffled_data_set_shows_others():
    dataset = Dataset.range(1000).shuffle(1000, seed=1)
    assert len({int(x) for _ in range(4) for x in dataset.take(1)}) > 1
    fixed = Dataset.range(1000).shuffle(1000, seed=1, reshuffle_each_iteration=False)
    assert len({int(x) for _ in range(4) for x in fixed.take(1)}) == 1


def test_an_order_that_is_kept_by_a_cache():
    dataset = Dataset.range(30).shuffle(30).cache()
    half = values(dataset.take(15))
    assert values(dataset)[:15] == half
    assert values(dataset) == values(dataset) and sorted(values(dataset)) == list(range(30))
    assert values(dataset.shuffle(30)) != values(dataset)


def test_the_global_seed_fixes_orders():
    orders = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        orders.append(values(Dataset.range(50).shuffle(50)))
    assert orders[0] == orders[1] != orders[2]


# ------------------------------------------------------------------ any pipeline goes on anywhere
STEPS = {
    "map": lambda d, n: d.map(lambda x: x + 1, num_parallel_calls=n % 3 or None),
    "filter": lambda d, n: d.filter(lambda x: x % 3 != 1),
    "shuffle": lambda d, n: d.shuffle(n + 1),
    "once": lambda d, n: d.shuffle(n + 1, reshuffle_each_iteration=False),
    "repeat": lambda d, n: d.repeat(n % 3 + 1),
    "take": lambda d, n: d.take(n),
    "skip": lambda d, n: d.skip(n),
    "cache": lambda d, n: d.cache(),
    "prefetch": lambda d, n: d.prefetch(n % 3),
    "rebatch": lambda d, n: d.batch(n + 1).rebatch(3).unbatch(),
    "batch": lambda d, n: d.batch(n + 1, drop_remainder=n % 2 == 1, num_parallel_calls=2).unbatch(),
    "shard": lambda d, n: d.shard(n + 1, n // 2),
    "concatenate": lambda d, n: d.concatenate(Dataset.range(n)),
    "zip": lambda d, n: Dataset.zip(d, d).map(lambda a, b: a + b),
    "window": lambda d, n: d.window(n + 1, shift=n // 2 + 1).flat_map(lambda w: w),
    "interleave": lambda d, n: d.interleave(
        lambda x: Dataset.range(x % 3), 2, 2, num_parallel_calls=n % 2 or None
    ),
}


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 9)), max_size=4),
    start=st.integers(0, 30),
)
def test_any_pipeline_goes_on_where_a_state_says(steps, start):
    def make(seed):
        keras.utils.set_random_seed(seed)
        dataset = Dataset.range(9)
        for name, number in steps:
            dataset = STEPS[name](dataset, number)
        return dataset

    dataset = make(1)
    list(dataset)
    items = iter(dataset)
    taken = [next(items, None) for _ in range(start)]
    state = json.loads(json.dumps(items.get_state()))
    rest, later = values(items), values(dataset)

    other = make(2)
    resumed = iter(other)
    next(resumed, None)
    resumed.set_state(state)
    assert values(resumed) == rest
    assert values(other) == later
    if dataset.cardinality() >= 0 and None not in taken:
        assert start + len(rest) == len(dataset)


# ------------------------------------------------------------------ threads
def test_calls_in_parallel_keep_the_order():
    running, most = 0, 0
    lock = threading.Lock()

    def slow(x):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01 * (int(x) % 3))
        with lock:
            running -= 1
        return x * 2

    numbers = Dataset.range(24)
    assert values(numbers.map(slow, num_parallel_calls=4)) == [2 * i for i in range(24)]
    assert 1 < most <= 4
    most = 0
    assert values(numbers.map(slow)) == [2 * i for i in range(24)] and most == 1
    fast_first = values(
        numbers.map(lambda x: (time.sleep(0.2 * float(x == 0)), x)[1], 4, deterministic=False)
    )
    assert sorted(fast_first) == list(range(24)) and fast_first[0] != 0
    for wrong in (0, -2, 1.5):
        with pytest.raises(ValueError, match="number of threads, at least 1, or AUTOTUNE"):
            numbers.map(slow, num_parallel_calls=wrong)


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("threads", [None, 3])
def test_errors_come_up_where_the_element_is_asked_for(threads, ahead):
    def broken_on_five(x):
        if x == 5:
            raise KeyError("the user's own error")
        return x

    dataset = Dataset.range(9).map(broken_on_five, num_parallel_calls=threads)
    dataset = dataset.prefetch(2) if ahead else dataset
    items = iter(dataset)
    assert [int(next(items)) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(KeyError, match="the user's own error") as caught:
        next(items)
    assert "broken_on_five" in [entry.name for entry in caught.traceback]


def test_a_function_that_raises_stop_iteration_does_not_end_the_data():
    def stop(x):
        raise StopIteration

    for threads in (None, 2):
        with pytest.raises(RuntimeError):
            values(Dataset.range(3).map(stop, num_parallel_calls=threads))


def test_threads_end_when_the_data_are_dropped():
    before = threading.active_count()
    closed = []

    def generate():
        try:
            yield from range(10**6)
        finally:
            closed.append(True)

    dataset = Dataset.from_generator(generate).map(lambda x: x + 1, 3).batch(2).prefetch(2)
    dataset = dataset.interleave(lambda b: Dataset.from_tensors(b), 2, num_parallel_calls=2)
    items = iter(dataset)
    next(items)
    assert threading.active_count() > before
    del items
    gc.collect()
    deadline = time.time() + 5
    while threading.active_count() > before and time.time() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before and closed == [True]


def test_reading_ahead():
    made = []
    items = iter(Dataset.range(100).map(lambda x: made.append(1) or x).prefetch(3))
    next(items)
    deadline = time.time() + 5
    while len(made) < 4 and time.time() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(made) == 4
    assert Dataset.range(3).prefetch(0).prefetch(-1).cardinality() == 3


def test_what_a_cache_saves():
    made = []
    dataset = Dataset.range(6).map(lambda x: made.append(int(x)) or x, 2).cache()
    assert values(dataset.take(2)) == [0, 1]
    assert values(dataset.shuffle(6).take(6).map(lambda x: x * 0)) == [0] * 6
    assert values(dataset) == list(range(6))
    assert sorted(set(made)) == list(range(6)) and len(made) <= 6 + 3  # and what was ahead
    streamed = Dataset.range(6).map(lambda x: made.append(int(x)) or x).filter(bool).cache()
    made.clear()
    assert values(streamed) == values(streamed) == values(streamed.skip(0)) == [1, 2, 3, 4, 5]
    assert len(made) == 6


# ------------------------------------------------------------------ arrays
def test_arrays_answer_numpy():
    batch = next(iter(Dataset.from_tensor_slices((np.eye(2), ["a", "b"])).batch(2)))
    x, words = batch
    assert type(x.numpy()) is np.ndarray and x[0].numpy().tolist() == [1.0, 0.0]
    assert x[0, 1].numpy() == 0.0 and [row[0].numpy() for row in x] == [1.0, 0.0]
    assert words.numpy().tolist() == [b"a", b"b"] and words[0].numpy() == b"a"
    assert {0: "zero", 1: "one"}[x[0, 0].astype(int)] == "one"
    assert ["no", "yes"][Dataset.range(2).skip(1).get_single_element()] == "yes"
    with pytest.raises((TypeError, ValueError)):
        hash(x)


def test_arrays_are_safe_wherever_arrays_go():
    x = next(
        iter(Dataset.from_tensor_slices(np.arange(6.0, dtype="float32").reshape(3, 2)).batch(3))
    )
    assert jax.jit(lambda a: a @ a.T)(x).shape == (3, 3)
    assert jax.grad(lambda a: (a**2).sum())(jax.device_put(x))[2, 1] == 10
    assert isinstance(jnp.asarray(x), jax.Array) and isinstance(keras.ops.sum(x), jax.Array)
    for copied in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x), np.concatenate([x])):
        np.testing.assert_array_equal(copied, x)
    assert np.mean(x) == 2.5 and (x + 1).numpy().sum() == 21 and f"{x[0, 1]:.1f}" == "1.0"


def test_plain_arrays():
    x, word = next(Dataset.from_tensors(([1.0], "a")).as_numpy_iterator())
    assert type(x) is np.ndarray and word == b"a"
    assert type(next(Dataset.range(1).as_numpy_iterator())) is np.int64


# ------------------------------------------------------------------ wrong calls
@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda d: d.batch(0), ValueError, "batch_size=0"),
        (lambda d: d.shuffle(0), ValueError, "buffer_size=0"),
        (lambda d: d.shard(2, 2), ValueError, "less than num_shards=2"),
        (lambda d: d.concatenate([1]), TypeError, "takes a data set, got list"),
        (lambda d: Dataset.zip(d, [1]), TypeError, "takes data sets, got list"),
        (lambda d: values(d.flat_map(lambda x: x)), TypeError, "must return a `Dataset` object"),
        (lambda d: d.filter(bool)[0], TypeError, "have no numbers"),
        (lambda d: d[9], IndexError, "the data set has 4"),
        (lambda d: d.interleave(lambda x: d, block_length=0), ValueError, "`block_length` must be"),
        (lambda d: d.prefetch(-2), ValueError, "`buffer_size` is at least 0"),
        (lambda d: d.get_single_element(), ValueError, "has more"),
        (lambda d: d.take(0).element_spec, ValueError, "no element"),
        (lambda d: Dataset.from_tensor_slices(3), ValueError, "single value"),
        (lambda d: Dataset.from_tensor_slices(([1], [1, 2])), ValueError, "not compatible"),
        (lambda d: values(d.unbatch()), ValueError, "no batches"),
        (lambda d: values(d.window(2).batch(2)), TypeError, "batch of data sets"),
        (lambda d: iter(d).set_state({"pass": 0, "taken": 0, "seeds": [1]}), ValueError, "another"),
    ],
)
def test_wrong_calls(wrong, error, message):
    with pytest.raises(error, match=message):
        wrong(Dataset.range(4))


# ------------------------------------------------------------------ fit, evaluate, predict, adapt
def model():
    keras.utils.set_random_seed(0)
    built = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    built.compile("sgd", "mse", metrics=["mae"])
    return built


X = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


def test_training_on_a_data_set_is_training_on_its_arrays():
    data = Dataset.from_tensor_slices((X, Y)).batch(6)
    one, other = model(), model()
    history = one.fit(data, epochs=3, verbose=0, validation_data=data)
    expected = other.fit(X, Y, 6, epochs=3, shuffle=False, verbose=0, validation_data=(X, Y))
    for name, losses in expected.history.items():
        np.testing.assert_allclose(history.history[name], losses, rtol=1e-5)
    np.testing.assert_allclose(
        one.evaluate(data, verbose=0), other.evaluate(X, Y, verbose=0), rtol=1e-5
    )
    np.testing.assert_allclose(one.predict(data, verbose=0), other.predict(X, verbose=0), rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "steps", "epochs"),
    [
        (lambda d: d.filter(lambda x, y: True), None, [4, 4]),  # of unknown length
        (lambda d: d.repeat(), 3, [3, 3]),
        (lambda d: d.unbatch().batch(20), None, [1, 1]),
    ],
)
def test_steps_of_an_epoch(change, steps, epochs):
    counts = []

    class Count(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            counts.append(0)

        def on_train_batch_end(self, batch, logs=None):
            counts[-1] += 1

    data = change(Dataset.from_tensor_slices((X, Y)).batch(6)).prefetch(1)
    model().fit(data, epochs=2, steps_per_epoch=steps, verbose=0, callbacks=[Count()])
    assert counts == epochs


def test_each_epoch_has_its_order_and_each_run_the_same():
    seen = []

    def note(x, y):
        seen[-1].append(int(y))
        return x, np.float32([y])

    def run():
        keras.utils.set_random_seed(3)
        data = Dataset.from_tensor_slices((X, np.arange(20))).shuffle(20).map(note).batch(4)

        class Begin(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                seen.append([])

        seen[:] = [[]]
        model().fit(data, epochs=3, verbose=0, callbacks=[Begin()])
        return [i for epoch in seen for i in epoch]

    first = run()
    assert first == run() and len(first) == 60
    epochs = [first[:20], first[20:40], first[40:]]
    assert all(sorted(epoch) == list(range(20)) for epoch in epochs) and epochs[0] != epochs[1]


def test_layers_adapt_to_data_sets():
    x = Dataset.from_tensor_slices(X).batch(6)
    for data in (x, X):
        layer = keras.layers.Normalization()
        layer.adapt(data)
        np.testing.assert_allclose(layer(X).mean(), 0, atol=1e-6)
    texts = Dataset.from_tensor_slices(["a b", "b c", "b"])
    for data in (texts.batch(2), texts):
        layer = keras.layers.TextVectorization()
        layer.adapt(data)
        assert layer.get_vocabulary() == ["", "[UNK]", "b", "c", "a"]
    layer = keras.layers.Discretization(num_bins=2)
    layer.adapt(x.map(lambda v: v[:, 0]))
    assert layer.bin_boundaries == pytest.approx([np.median(X[:, 0])], abs=0.2)


def test_a_model_that_takes_strings():
    words = Dataset.from_tensor_slices((["a", "b", "a", "c"], np.float32([[1], [0], [1], [0]])))
    lookup = keras.layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")
    built = keras.Sequential([keras.Input((), dtype="string"), lookup, keras.layers.Dense(1)])
    built.compile("sgd", "mse")
    assert np.isfinite(built.fit(words.batch(2), verbose=0).history["loss"][0])
    assert built.predict(words.batch(2), verbose=0).shape == (4, 1)


def test_a_split_of_a_data_set():
    numbers = Dataset.range(10).map(lambda x: x * 2)
    left, right = keras.utils.split_dataset(numbers, left_size=0.8)
    assert values(left) == [0, 2, 4, 6, 8, 10, 12, 14] and values(right.batch(2)) == [[16, 18]]
    left, right = keras.utils.split_dataset(numbers.filter(lambda x: x > 3), right_size=3)
    assert (len(left), values(right)) == (5, [14, 16, 18])
    left, right = keras.utils.split_dataset(numbers.batch(3), left_size=0.8)
    assert (values(left), values(right)) == ([[0, 2, 4], [6, 8, 10], [12, 14]], [[16, 18]])


@pytest.mark.parametrize("stop", [(1, 2), (1, None)])
def test_a_training_that_was_interrupted_goes_on(stop, tmp_path):
    def train(*callbacks):
        keras.utils.set_random_seed(1)
        data = Dataset.from_tensor_slices((X, Y)).shuffle(20)
        flip = keras.layers.GaussianNoise(0.3)
        data = data.map(lambda x, y: (flip(x, training=True), y), 2).batch(4).prefetch(1)
        trained = model()
        trained.fit(data, epochs=3, verbose=0, callbacks=callbacks)
        return trained.get_weights()

    class Stops(keras.callbacks.Callback):
        def get_state(self):
            return None

        def set_state(self, state):
            pass

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if (self.epoch, batch) == stop:
                raise KeyboardInterrupt

        def on_epoch_end(self, epoch, logs=None):
            if (epoch, None) == stop:
                raise KeyboardInterrupt

    class Nothing(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            pass

    expected = train(Nothing())
    backup = str(tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        train(keras.callbacks.BackupAndRestore(backup, save_freq=1), Stops())
    found = train(keras.callbacks.BackupAndRestore(backup, save_freq=1), Nothing())
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
