"""Data sets as pipelines: the methods of tf.data.Dataset."""

import json

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
    for given, dtype in (
        ([1, 2], "int32"),
        ([0.5], "float32"),
        ([True], "bool"),
        (np.arange(2), "int64"),
        (np.ones(2), "float64"),
        (jnp.ones(2), "float32"),
        (["a"], "string"),
        ([b"a"], "string"),
    ):
        assert Dataset.from_tensor_slices(given).element_spec == ((), dtype)
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
    assert values(Dataset.range(2).map(lambda i: [i, i])) == [[0, 0], [1, 1]]  # a list is an array


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
        (ten.batch(3).unbatch(), -2), (ten.window(3, 1, drop_remainder=True), 8), (ten.take(0), 0),
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
