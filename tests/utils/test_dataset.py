import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jkeras.base import keys
from jkeras.utils import (
    Dataset,
    PyDataset,
    Sequence,
    pack_x_y_sample_weight,
    split_dataset,
    timeseries_dataset_from_array,
    unpack_x_y_sample_weight,
)


# ------------------------------------------------------------------ PyDataset
class Numbers(PyDataset):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.ended = 0

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return np.full(2, index)


def test_a_py_dataset():
    dataset = Numbers(workers=2, use_multiprocessing=True, max_queue_size=3)
    assert (dataset.workers, dataset.use_multiprocessing, dataset.max_queue_size) == (2, True, 3)
    assert dataset.num_batches == len(dataset) == 3
    assert [x[0] for x in dataset] == [x[0] for x in dataset] == [0, 1, 2]
    assert dataset.on_epoch_begin() is None and dataset.on_epoch_end() is None
    assert Sequence is PyDataset


def test_a_subclass_that_does_not_call_super():
    class Careless(Numbers):
        def __init__(self):
            pass

    assert (Careless().workers, Careless().use_multiprocessing) == (1, False)
    assert Careless().max_queue_size == 10


def test_endless_data():
    class Endless(PyDataset):
        num_batches = None

        def __getitem__(self, index):
            return index

    batches = iter(Endless())
    assert [next(batches) for _ in range(50)] == list(range(50))


def test_a_subclass_that_lacks_a_method():
    with pytest.raises(NotImplementedError, match=r"neither a method __len__\(self\) nor"):
        _ = PyDataset().num_batches
    with pytest.raises(NotImplementedError, match="PyDataset has no method __getitem__"):
        PyDataset()[0]
    with pytest.raises(TypeError, match="foo"):
        PyDataset(foo=1)


# ------------------------------------------------------------------ Dataset
def squares(size=10):
    return Dataset(lambda i: (np.int32(i), np.array([i, i * i])), size)


def test_elements():
    dataset = squares()
    assert len(dataset) == 10
    assert [x for x, _ in dataset] == list(range(10))
    assert dataset[-1][0] == 9
    for index in (10, -11):
        with pytest.raises(IndexError, match="the data set has 10"):
            dataset[index]


def test_batches():
    batches = list(squares().batch(4))
    assert [x.tolist() for x, _ in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [y.shape for _, y in batches] == [(4, 2), (4, 2), (2, 2)]
    assert batches[0][0].dtype == np.int32
    assert len(squares().batch(4, drop_remainder=True)) == 2
    assert list(squares(2).batch(2, collate=len)) == [2]
    with pytest.raises(ValueError, match="batch_size=0"):
        squares().batch(0)


def test_map_take_and_skip():
    dataset = squares().map(lambda x, y: x + 1)
    assert list(dataset) == list(range(1, 11))
    assert list(dataset.take(3)) == [1, 2, 3]
    assert list(dataset.skip(8)) == [9, 10]
    assert list(dataset.skip(2).take(2).map(lambda x: -x)) == [-3, -4]
    assert list(dataset.take(-1)) == list(dataset.take(99)) == list(dataset)
    assert list(dataset.skip(-1)) == list(dataset.skip(99)) == []
    with pytest.raises(IndexError):
        dataset.take(3)[3]


def test_shuffling():
    dataset = Dataset(lambda i: i, 50).shuffle(50, seed=1)
    batches = dataset.batch(7)
    first, second = ([int(i) for batch in batches for i in batch] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert list(Dataset(lambda i: i, 50).shuffle(50, seed=1)) == first
    assert list(Dataset(lambda i: i, 50).shuffle(50, seed=2)) != first


def test_shuffling_follows_the_global_seed():
    orders = []
    for seed in (1, 1, 2):
        keys.set_random_seed(seed)
        orders.append(list(Dataset(lambda i: i, 50).shuffle(50)))
    assert orders[0] == orders[1] != orders[2]


# ------------------------------------------------------------------ packing
def test_packing():
    x, y, w = np.ones(1), np.ones(2), np.ones(3)
    assert pack_x_y_sample_weight(x) is x
    assert pack_x_y_sample_weight([x, x]) == ([x, x],)
    assert pack_x_y_sample_weight(x, y) == (x, y)
    assert pack_x_y_sample_weight(x, y, w) == (x, y, w)
    assert pack_x_y_sample_weight(x, None, w) == (x, None, w)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (1, (1, None, None)),
        ((1,), (1, None, None)),
        ([1, 2], (1, 2, None)),
        ((1, 2, 3), (1, 2, 3)),
        ({"a": 1}, ({"a": 1}, None, None)),
    ],
)
def test_unpacking(data, expected):
    assert unpack_x_y_sample_weight(data) == expected


def test_what_cannot_be_unpacked():
    for data in ((), (1, 2, 3, 4)):
        with pytest.raises(ValueError, match="Data is expected to be in format"):
            unpack_x_y_sample_weight(data)


# ------------------------------------------------------------------ splitting
@pytest.mark.parametrize(
    ("kwargs", "left", "right"),
    [
        ({"left_size": 0.8}, 8, 2),
        ({"right_size": 0.8}, 2, 8),
        ({"left_size": 3}, 3, 7),
        ({"left_size": 2, "right_size": 0.3}, 2, 3),
        ({"left_size": 0.25}, 2, 8),
        ({"left_size": 0.5, "right_size": 0.5}, 5, 5),
    ],
)
def test_the_parts_of_a_split(kwargs, left, right):
    x = np.arange(10)
    parts = split_dataset((x, -x), **kwargs)
    assert [len(part) for part in parts] == [left, right]
    assert [int(x) for x, _ in parts[0]] == list(range(left))
    assert [int(-y) for _, y in parts[1]] == list(range(10 - right, 10))


def test_shuffling_before_a_split():
    left, right = split_dataset(np.arange(11), left_size=0.5, shuffle=True, seed=3)
    assert list(left) == [1, 5, 6, 0, 10, 4]  # seen with Keras 3.15
    assert list(right) == [7, 2, 8, 9, 3]


def test_what_can_be_split():
    for data in (np.arange(6.0), jnp.arange(6.0), squares(6), list(np.arange(12.0).reshape(2, 6))):
        left, right = split_dataset(data, left_size=2)
        assert (len(left), len(right)) == (2, 4)
    (x, y), *_ = split_dataset([np.arange(6.0), np.ones((6, 2))], left_size=2)[0].batch(2)
    assert (x.shape, y.shape) == ((2,), (2, 2))


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ({}, ValueError, "At least one of the `left_size` or `right_size` must be specified"),
        ({"left_size": 10}, ValueError, "positive integer smaller than 10"),
        ({"left_size": 0}, ValueError, "positive integer smaller than 10"),
        ({"right_size": 1.5}, ValueError, "a float within the range"),
        ({"left_size": 0.7, "right_size": 0.7}, ValueError, "The sum of `left_size` and"),
        ({"left_size": 0.01}, ValueError, "leave none for one part"),
        ({"left_size": "a"}, TypeError, "Expected: int or float or None"),
    ],
)
def test_sizes_that_do_not_fit(args, error, message):
    with pytest.raises(error, match=message):
        split_dataset(np.arange(10), **args)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ([], ValueError, "empty list"),
        ([np.ones(3), np.ones(2)], ValueError, "different lengths: the first has 3"),
        ([1, 2, 3], ValueError, "Expected a list of arrays"),
        ({"a": np.ones(3)}, TypeError, "Unsupported dataset type"),
        (5, TypeError, "Unsupported dataset type"),
    ],
)
def test_what_cannot_be_split(data, error, message):
    with pytest.raises(error, match=message):
        split_dataset(data, left_size=0.5)


# ------------------------------------------------------------------ windows
@given(
    size=st.integers(1, 30),
    length=st.integers(1, 6),
    stride=st.integers(1, 4),
    rate=st.integers(1, 4),
    batch_size=st.integers(1, 9),
)
def test_windows(size, length, stride, rate, batch_size):
    if max(stride, rate) >= size:
        return
    series = np.arange(size)
    windows = timeseries_dataset_from_array(
        series, 10 * series, length, stride, rate, batch_size=batch_size
    )
    expected = [
        list(range(start, start + rate * length, rate))
        for start in range(0, size, stride)
        if start + rate * (length - 1) < size
    ]
    found = [(x, y) for xs, ys in windows for x, y in zip(xs.tolist(), ys.tolist())]
    assert [x for x, _ in found] == expected
    assert [y for _, y in found] == [10 * x[0] for x in expected]


def test_the_bounds_of_windows():
    series = np.arange(20)
    kwargs = {"sequence_length": 4, "batch_size": None}
    windows = timeseries_dataset_from_array(series, None, start_index=5, end_index=10, **kwargs)
    assert [x.tolist() for x in windows] == [[5, 6, 7, 8], [6, 7, 8, 9]]
    fewer = timeseries_dataset_from_array(series, series[:3], **kwargs)
    assert len(fewer) == 3
    x, y = fewer[2]
    assert x.tolist() == [2, 3, 4, 5] and y == 2


def test_shuffled_windows():
    series = np.arange(30)
    kwargs = {"sequence_length": 3, "batch_size": 50, "shuffle": True, "seed": 2}
    (x, y), *rest = timeseries_dataset_from_array(series, series, **kwargs)
    assert rest == []
    assert (x[:, 0] == y).all()
    assert y.tolist() != sorted(y) == list(range(28))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"sequence_length": 0}, "`sequence_length` must be higher than 0"),
        ({"sampling_rate": 0}, "`sampling_rate` must be higher than 0. Received: sampling_rate=0"),
        ({"sequence_stride": 20}, "must be lower than the length of the data"),
        ({"start_index": -1}, "`start_index` must be 0 or greater"),
        ({"end_index": 0}, "`end_index` must be higher than 0"),
        ({"end_index": 20}, "`end_index` must be lower than the length of the data"),
        ({"start_index": 9, "end_index": 9}, "`end_index` must be higher than `start_index`"),
        ({"format": "torch"}, '`format` should be either "tf" or "grain"'),
    ],
)
def test_errors_of_windows(kwargs, message):
    with pytest.raises(ValueError, match=message):
        timeseries_dataset_from_array(np.arange(20), None, **{"sequence_length": 3, **kwargs})


def test_save_and_load(tmp_path):
    texts = np.array(["a", "", "ü", "nul\0"], object)
    rows = {"x": np.arange(8.0).reshape(4, 2), "y": (np.arange(4), texts)}
    folder = tmp_path / "new" / "set"
    Dataset.from_tensor_slices(rows).map(lambda e: (e, b"\xff")).save(folder)
    again = Dataset.load(folder)
    assert len(again) == 4
    for i, (element, raw) in enumerate(again):
        assert element["x"].tolist() == rows["x"][i].tolist() and element["x"].dtype == "float64"
        assert element["y"][0].dtype == "int64" and element["y"][1].item() == texts[i]
        assert raw.item() == b"\xff"
    assert len(list(again.shuffle(4, seed=1).skip(1))) == 3
    assert int(again[2][0]["y"][0]) == 2
    several = Dataset.load(folder, reader_func=lambda parts: parts.flat_map(lambda part: part))
    assert len(list(several)) == 4


def test_what_cannot_be_saved(tmp_path):
    with pytest.raises(ValueError, match="no data set in"):
        Dataset.load(tmp_path)
    with pytest.raises(ValueError, match="compression=None"):
        Dataset.range(2).save(tmp_path, compression="GZIP")
    mixed = Dataset.from_generator(lambda: iter([1, (1, 2)]))
    with pytest.raises(ValueError, match="one structure"):
        mixed.save(tmp_path)
    with pytest.raises(ValueError, match="of arrays can be written"):
        Dataset.range(4).window(2).save(tmp_path)
    with pytest.raises(ValueError, match="are text"):
        Dataset.range(1).map(lambda i: {1: i}).save(tmp_path)
    with pytest.raises(ValueError, match="cast them"):
        Dataset.range(1).map(lambda i: np.asarray(jnp.ones(2, "bfloat16"))).save(tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / "dataset.index.json").write_text("[]")
    with pytest.raises(ValueError, match="is not the index"):
        Dataset.load(tmp_path)


def test_a_program_that_ends_within_a_pass_over_a_cache(tmp_path):
    program = f"""
from jkeras.utils import Dataset
batches = iter(Dataset.range(4).cache({str(tmp_path / "cache")!r}))
next(batches)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr, list(tmp_path.iterdir())) == (0, "", [])


def test_a_cache_in_files(tmp_path):
    made = []

    def make(i):
        made.append(int(i))
        return i * 10

    name = str(tmp_path / "below" / "cache")
    cached = Dataset.range(4).map(make).cache(name)
    assert [int(i) for i in cached.take(2)] == [0, 10]
    assert not list((tmp_path / "below").glob("*.json")) and made == [0, 1]
    assert [int(i) for i in cached] == [0, 10, 20, 30] and len(cached) == 4
    assert [int(i) for i in cached.skip(1)] == [10, 20, 30] and len(made) == 6
    # Another run of the program finds it, and makes nothing.
    again = Dataset.range(4).map(lambda i: 1 / 0).cache(name)
    assert [b.tolist() for b in again.batch(3)] == [[0, 10, 20], [30]]
    iterator = iter(again)
    next(iterator)
    other = iter(again)
    other.set_state(iterator.get_state())
    assert int(next(other)) == 10
    assert sorted(p.name for p in (tmp_path / "below").iterdir()) == [
        "cache.data",
        "cache.index.json",
    ]
