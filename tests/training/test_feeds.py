"""Feeds: every row once a pass, in an order that follows from the seed, in chunks of any length."""

import time

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jkeras.training import ArrayFeed, HostFeed, StreamFeed
from jkeras.training.feeds import SliceFeed


def rows_of(chunks):
    """Returns the rows that each step of some chunks takes."""
    steps = []
    for chunk in chunks:
        slots = list(np.asarray(chunk.slots)[chunk.start : chunk.start + chunk.steps])
        if chunk.rest is not None:
            slots.append(chunk.rest)
        assert len(slots) == chunk.steps
        steps += [np.asarray(chunk.resident)[np.asarray(rows)] for rows in slots]
    return steps


@given(
    size=st.integers(1, 40),
    batch_size=st.integers(1, 16),
    length=st.one_of(st.none(), st.integers(1, 9)),
    seed=st.one_of(st.none(), st.integers(0, 2**31)),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_pass_takes_every_row_once(size, batch_size, length, seed):
    feed = ArrayFeed(np.arange(size), batch_size, seed)
    for _ in range(2):
        steps = rows_of(feed.chunks(lambda: length))
        assert len(steps) == feed.steps_per_pass == -(-size // batch_size)
        assert all(len(s) == batch_size for s in steps[:-1])
        taken = np.concatenate(steps)
        assert sorted(taken) == list(range(size))
        if seed is None:
            assert list(taken) == list(range(size))


def test_the_order_follows_from_the_seed_and_changes_with_the_pass():
    def passes(seed):
        feed = ArrayFeed(np.arange(50), 8, seed)
        return [np.concatenate(rows_of(feed.chunks(lambda: None))).tolist() for _ in range(2)]

    assert passes(3) == passes(3)
    assert passes(3) != passes(4)
    first, second = passes(3)
    assert first != second


@given(steps=st.integers(1, 11), length=st.one_of(st.none(), st.integers(1, 4)))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_with_a_number_of_steps_the_next_call_goes_on_to_the_end_of_the_pass(steps, length):
    feed = ArrayFeed(np.arange(20), 4)  # five steps a pass
    calls = -(-5 // steps)
    for _ in range(2):
        taken = [rows_of(feed.chunks(lambda: length, steps)) for _ in range(calls)]
        assert [len(t) for t in taken] == [*[min(steps, 5)] * (calls - 1), 5 - steps * (calls - 1)]
        np.testing.assert_array_equal(
            np.concatenate([np.concatenate(t) for t in taken]), np.arange(20)
        )


def test_a_feed_that_is_rewound_starts_at_the_first_row():
    def one(feed):
        return host_rows(feed.chunks(lambda: 1, 2))

    for feed in (ArrayFeed(np.arange(8), 2), HostFeed(np.arange(8), 2)):
        first = one(feed)
        assert one(feed) != first
        feed.rewind()
        assert one(feed) == first
    feed = StreamFeed(lambda: batches(2, 2, 2), 3)
    first = streamed(feed.chunks(lambda: None, 2))
    feed.rewind()
    assert streamed(feed.chunks(lambda: None, 2)) == first


@given(
    size=st.integers(1, 40),
    batch_size=st.integers(1, 16),
    length=st.one_of(st.none(), st.integers(1, 9)),
    steps=st.one_of(st.none(), st.integers(1, 5)),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_slices_are_gone_through_once_in_order(size, batch_size, length, steps):
    feed, taken, count = SliceFeed(np.arange(size), batch_size), [], 0
    for chunk in feed.chunks(lambda: length, steps):
        taken += [] if chunk.slots is None else chunk.slots.ravel().tolist()
        taken += [] if chunk.rest is None else chunk.rest.tolist()
        count += chunk.steps
    wanted = min(feed.steps_per_pass, steps or size)
    assert count == wanted
    assert taken == list(range(min(size, wanted * batch_size)))


def test_a_pass_is_one_chunk_where_nothing_needs_the_host():
    feed = ArrayFeed(np.arange(10), 4)
    assert [c.steps for c in feed.chunks(lambda: None)] == [3]
    assert [c.steps for c in feed.chunks(lambda: 2)] == [2, 1]
    assert [c.steps for c in feed.chunks(lambda: None, 2)] == [2]


def test_data_is_sent_to_the_device_once():
    feed = ArrayFeed(np.arange(6.0), 2)
    first = [c.resident for c in feed.chunks(lambda: None)]
    second = [c.resident for c in feed.chunks(lambda: 1)]
    assert all(r is first[0] for r in first + second)


def batches(*sizes):
    start = 0
    for size in sizes:
        yield {"x": np.arange(start, start + size, dtype="float32")}
        start += size


def streamed(chunks):
    return [
        np.asarray(c.slots["x"])[i].tolist()
        for c in chunks
        for i in range(c.start, c.start + c.steps)
    ]


@given(
    sizes=st.lists(st.integers(1, 3), min_size=1, max_size=12),
    length=st.one_of(st.none(), st.integers(1, 5)),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_stream_gives_its_batches_in_order_whatever_their_sizes(sizes, length):
    feed = StreamFeed(lambda: batches(*sizes), None)
    for _ in range(2):
        got = streamed(feed.chunks(lambda: length))
        assert [len(g) for g in got] == sizes
        assert [x for g in got for x in g] == list(range(sum(sizes)))


def test_a_stream_ends_with_its_pass_and_then_starts_over():
    feed = StreamFeed(lambda: batches(2, 2, 2), 3)
    got = [streamed(feed.chunks(lambda: None, 2)) for _ in range(3)]
    assert got == [[[0, 1], [2, 3]], [[4, 5]], [[0, 1], [2, 3]]]
    feed = StreamFeed(lambda: batches(2, 2), None)
    got = [streamed(feed.chunks(lambda: None, 2)) for _ in range(2)]
    assert got == [[[0, 1], [2, 3]]] * 2 and not feed.has_ended


def test_a_generator_goes_on_and_ends():
    generator = batches(2, 2, 2)
    feed = StreamFeed(lambda: generator, None, endless=True)
    assert streamed(feed.chunks(lambda: None, 2)) == [[0, 1], [2, 3]]
    assert streamed(feed.chunks(lambda: None, 2)) == [[4, 5]]
    assert feed.has_ended
    assert streamed(feed.chunks(lambda: None, 2)) == []


def test_chunks_of_a_stream_have_one_shape():
    feed = StreamFeed(lambda: batches(*[2] * 7), 7)
    shapes = {c.slots["x"].shape for c in feed.chunks(lambda: 3)}
    assert shapes == {(8, 2)}  # room for eight, of which three are run


def test_an_idle_device_does_not_wait_for_a_slow_source():
    def slow():
        for batch in batches(*[2] * 4):
            time.sleep(0.025)
            yield batch

    def steps(idle):
        return [c.steps for c in StreamFeed(slow, 4).chunks(lambda: None, idle=lambda: idle)]

    assert steps(idle=True) == [1, 1, 1, 1]
    assert steps(idle=False) == [4]


def test_an_error_in_a_stream_comes_out_as_it_is():
    def broken():
        yield {"x": np.zeros(2)}
        raise KeyError("no such file")

    with pytest.raises(KeyError, match="no such file"):
        list(StreamFeed(broken, None).chunks(lambda: 1))


# ------------------------------------------------------------------ arrays on the host
def host_rows(chunks):
    return [
        np.asarray(c.slots)[i].tolist() for c in chunks for i in range(c.start, c.start + c.steps)
    ]


@given(
    size=st.integers(1, 40),
    batch_size=st.integers(1, 16),
    length=st.one_of(st.none(), st.integers(1, 9)),
    seed=st.one_of(st.none(), st.integers(0, 2**31)),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_a_host_feed_takes_the_rows_that_an_array_feed_takes(size, batch_size, length, seed):
    data = np.arange(size) * 3
    host, device = HostFeed(data, batch_size, seed), ArrayFeed(data, batch_size, seed)
    for _ in range(2):
        expected = [s.tolist() for s in rows_of(device.chunks(lambda: None))]
        assert host_rows(host.chunks(lambda: length)) == expected


def test_memory_maps_and_hdf5_are_read_by_rows(tmp_path):
    import h5py

    values = np.random.default_rng(0).normal(size=(50, 3)).astype("float32")
    np.save(tmp_path / "x.npy", values)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = values
        sources = [np.load(tmp_path / "x.npy", mmap_mode="r"), file["x"], jnp.asarray(values)]
        expected = host_rows(HostFeed(values, 8, 5).chunks(lambda: None))
        for source in sources:
            assert host_rows(HostFeed(source, 8, 5).chunks(lambda: None)) == expected


def test_positions_are_shared(tmp_path):
    first, second = HostFeed(np.arange(30), 4, 9), ArrayFeed(np.arange(30), 4, 1)
    taken = host_rows(first.chunks(lambda: 2, 3))
    second.position = first.position
    rest = [s.tolist() for s in rows_of(second.chunks(lambda: None, 5))]
    assert sorted(sum(taken + rest, [])) == list(range(30))  # noqa: RUF017


def test_what_is_on_the_device_already_takes_no_more_of_it(monkeypatch):
    from jkeras.training import budget

    monkeypatch.setattr(budget, "free_bytes", lambda: 1000)
    rows = np.ones((200, 1), "float32")  # 800 bytes, of which 500 are allowed
    assert not budget.fits_on_device(rows)
    assert budget.fits_on_device(jnp.asarray(rows))
    assert budget.fits_on_device(rows[:120].astype("float64"))  # sent in 32 bits
    assert not budget.fits_on_device(rows[:120], besides=100)


def test_training_and_validation_data_share_one_budget(monkeypatch, caplog):
    import jkeras as keras
    from jkeras.training import budget

    monkeypatch.setattr(budget, "free_bytes", lambda: 2000)
    x, y = np.ones((100, 1), "float32"), np.ones((100, 1), "float32")  # 800 bytes
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(x, y, verbose=0, validation_data=(x[:20], y[:20]))
    assert not caplog.records
    model.fit(x, y, verbose=0, validation_data=(x[:80], y[:80]))
    assert [record.message[:23] for record in caplog.records] == ["The data takes 640 byte"]
