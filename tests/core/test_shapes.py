"""Unknown sizes stay unknown, on every axis, in whatever a symbolic call builds, checks or asks."""

import numpy as np
import pytest

import jkeras as keras
from jkeras import layers, ops


def ones(*shape):
    return np.ones(shape, "float32")


class Applied(layers.Layer):
    """A layer whose call is a function of the layer and its input; parts are its attributes."""

    def __init__(self, function, **parts):
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def call(self, x):
        return self.function(self, x)


def agrees(layer, shape, *sizes, batch=3):
    """Returns the symbolic shape, checked against eager calls at other sizes of unknown axes."""
    symbolic = layer(keras.Input(shape)).shape
    found = [layer(ones(batch, *(s if n is None else n for n in shape))).shape for s in sizes]
    for real in found:
        assert len(real) == len(symbolic)
        assert all(n in (None, m) for n, m in zip(symbolic, real)), (symbolic, real)
    return symbolic


# ------------------------------------------------------------------ what a call builds
class Record(layers.Layer):
    """Notes the shapes for which it is built, and which its compute_output_shape is asked for."""

    def build(self, input_shape):
        self.built_for = input_shape

    def call(self, x):
        return x


def loop(x):
    """Refuses symbolic sizes: it needs the number."""
    for i in range(x.shape[1]):
        x = x + i
    return x


WAYS = {
    "as it is": (lambda x: x, (None, 4)),
    "every second": (lambda x: x[:, ::2], (None, 4)),
    "one less": (lambda x: x[:, 1:], (None, 4)),
    "flat": (lambda x: ops.reshape(x, (-1, 4)), (4,)),
    "transposed": (lambda x: ops.transpose(x, (0, 2, 1)), (4, None)),
    "with itself": (lambda x: ops.einsum("bij,bkj->bik", x, x), (None, None)),
    "widened": (lambda x: ops.concatenate([x, x], -1), (None, 8)),
}


@pytest.mark.parametrize("loops", [False, True], ids=["symbols", "numbers"])
@pytest.mark.parametrize("way", WAYS)
def test_what_is_built_meanwhile_sees_none(way, loops):
    change, expected = WAYS[way]
    record = Record()

    def call(layer, x):
        x = loop(x) if loops else x
        return layer.record(change(x))

    outer = Applied(call, record=record)
    assert outer(keras.Input((None, 4))).shape == (None, *expected)
    assert record.built_for == (None, *expected)


@pytest.mark.parametrize("loops", [False, True], ids=["symbols", "numbers"])
@pytest.mark.parametrize("step", [1, 2])
def test_models_inside(loops, step):
    inner = keras.Sequential([layers.Dense(4), layers.Dense(5)])

    def call(layer, x):
        x = loop(x) if loops else x
        return layer.inner(x[:, ::step])

    outer = Applied(call, inner=inner)
    assert agrees(outer, (None, 3), 3, 8) == (None, None, 5)
    assert inner.input_shape == (None, None, 3)
    model = keras.Sequential([keras.Input((None, 3)), outer, layers.GlobalMaxPooling1D()])
    model.compile("sgd", "mse")
    model.fit(ones(6, 7, 3), ones(6, 5), verbose=0)
    assert model.predict(ones(6, 4, 3), verbose=0).shape == (6, 5)


def test_functional_models_inside():
    inputs = keras.Input((None, 3))
    inner = keras.Model(inputs, layers.LSTM(2)(inputs))
    outer = Applied(lambda layer, x: layer.inner(x[:, ::2]), inner=inner)
    assert agrees(outer, (None, 3), 4, 9) == (None, 2)


def test_summaries_show_none():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv = layers.Conv1D(2, 3, strides=2)
            self.pool = layers.AdaptiveAveragePooling1D(4)  # needs a number

        def call(self, x):
            return self.pool(self.conv(x))

    model = Net()
    model.build((None, None, 3))
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert "(None, None, 2)" in lines[0] and "(None, 4, 2)" in lines[0]


@pytest.mark.parametrize("size", [1, 3, 7, 9, 32, 64, 192, 320, 384, 640, 4096])
def test_no_size_of_the_data_means_unknown(size):
    class PerRow(layers.Layer):
        def build(self, input_shape):
            self.gain = self.add_weight(shape=(input_shape[0], 1), initializer="ones")

        def call(self, x):
            return x * self.gain

    inputs = keras.Input((3,), batch_size=size)
    assert PerRow()(inputs).shape == (size, 3)
    assert PerRow()(ones(size, 3)).shape == (size, 3)
    outer = Applied(lambda layer, x: layer.inner(x), inner=PerRow())
    assert outer(inputs).shape == (size, 3)
    rnn = Applied(lambda layer, x: layer.rnn(x), rnn=layers.LSTM(2, stateful=True))
    assert rnn(keras.Input((2, 3), batch_size=size)).shape == (size, 2)

    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.rnn = layers.LSTM(2, stateful=True)

        def call(self, x):
            return self.rnn(x)

    model = Net()
    model.build((size, 2, 3))
    assert model.count_params() == 48


@pytest.mark.parametrize("size", [1, 3, 7, 9, 32, 64, 192, 320, 384, 640, 4096])
@pytest.mark.parametrize("loops", [False, True], ids=["symbols", "numbers"])
def test_static_axes_stay_beside_unknown_ones(size, loops):
    record = Record()

    def call(layer, x):
        if loops:
            int(x.shape[0])
        return layer.record(x)

    outer = Applied(call, record=record)
    assert outer(keras.Input((None, size))).shape == (None, None, size)
    assert record.built_for == (None, None, size)


def test_a_weight_of_unknown_size_inside():
    class PerStep(layers.Layer):
        def build(self, input_shape):
            self.gain = self.add_weight(shape=(input_shape[1],))

        def call(self, x):
            return x * self.gain[:, None]

    for change in (lambda x: x, lambda x: x[:, ::2]):
        outer = Applied(lambda layer, x, c=change: layer.inner(c(x)), inner=PerStep())
        with pytest.raises(ValueError, match=r"axis of unknown size: \(None,\)"):
            outer(keras.Input((None, 4)))


# ------------------------------------------------------------------ what a call checks and asks
def test_specs_of_inputs_are_compared_with_none():
    class Strict(layers.Layer):
        def __init__(self):
            super().__init__()
            self.input_spec = keras.InputSpec(shape=(None, 5, 4))

        def call(self, x):
            return x * 2

    outer = Applied(lambda layer, x: layer.inner(x), inner=Strict())
    assert outer(keras.Input((None, 4))).shape == (None, None, 4)
    with pytest.raises(ValueError, match=r"expected shape=\(None, 5, 4\), found shape=\(None, 6"):
        outer(keras.Input((6, 4)))
    with pytest.raises(ValueError, match=r"found shape=\(None, None, 3\)"):
        outer(keras.Input((None, 3)))


class Positions(layers.Layer):
    """A table of positions, as text packages have it."""

    def __init__(self, rows):
        super().__init__()
        self.rows = rows

    def build(self, input_shape):
        self.table = self.add_weight(shape=(self.rows, input_shape[-1]))

    def call(self, x):
        return x + self.table[: ops.shape(x)[1]]


class DeclaredPositions(Positions):
    def compute_output_shape(self, input_shape):
        assert input_shape[1] is None
        return input_shape


@pytest.mark.parametrize("rows", [5, 24, 100, 191, 1000])
@pytest.mark.parametrize("kind", [Positions, DeclaredPositions])
def test_tables_of_positions_may_be_short(kind, rows):
    assert agrees(kind(rows), (None, 4), 2, 5) == (None, None, 4)
    outer = Applied(lambda layer, x: layer.dense(layer.inner(x)), inner=kind(rows))
    outer.dense = layers.Dense(6)
    assert agrees(outer, (None, 4), 2, 5) == (None, None, 6)


def test_a_declared_shape_is_believed_where_nothing_can_be_evaluated():
    class Host(layers.Layer):
        def compute_output_shape(self, input_shape):
            assert input_shape == (None, None, 4)
            return (*input_shape[:-1], 2)

        def call(self, x):
            return np.asarray(x)[..., :2]  # of traced values this is an error

    outer = Applied(
        lambda layer, x: layer.dense(layer.inner(x)), inner=Host(), dense=layers.Dense(3)
    )
    assert outer(keras.Input((None, 4))).shape == (None, None, 3)


# ------------------------------------------------------------------ functions of sizes
CALLS = {
    "more than three": (lambda x: x if x.shape[1] > 3 else x[:, :1], (None, 4), (None, 4)),
    "at most a hundred": (lambda x: x[:, : min(x.shape[1], 100)], (None, 4), (None, 4)),
    "a slice": (lambda x: x[:, :100], (None, 4), (None, 4)),
    "cropping": (lambda x: x[:, 5000:-5000], (None, 4), (None, 4)),
    "even sizes": (lambda x: x[:, : x.shape[1] // 2 * 2], (None, 4), (None, 4)),
    "halves": (lambda x: ops.reshape(x, (x.shape[0], -1, 2, 4)), (None, 4), (None, 2, 4)),
    "to numbers": (lambda x: x + int(x.shape[1]), (None, 4), (None, 4)),
    "by NumPy": (lambda x: x * float(np.sqrt(x.shape[1])), (None, 4), (None, 4)),
    "a loop": (lambda x: sum(x[:, i] for i in range(x.shape[1])), (None, 4), (4,)),
    "the other axis": (lambda x: sum(x[:, :, i] for i in range(x.shape[2])), (None, 4), (None,)),
    "unstacked": (lambda x: ops.stack(ops.unstack(x, axis=2), 1), (None, 4), (4, None)),
    "a range": (
        lambda x: x + ops.arange(x.shape[1], dtype="float32")[:, None],
        (None, 4),
        (None, 4),
    ),
    "slices": (lambda x: ops.slice(x, (0, 0, 1), (*ops.shape(x)[:2], 2)), (None, 4), (None, 2)),
    "mean by size": (lambda x: ops.sum(x, 1) / x.shape[1], (None, 4), (4,)),
    "with a mask": (
        lambda x: x * ops.cast(ops.tril(ops.ones((x.shape[1],) * 2)), x.dtype)[..., :1],
        (None, 4),
        (None, 4),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_functions_of_sizes(name):
    function, shape, expected = CALLS[name]
    layer = Applied(lambda layer, x: function(x))
    sizes = (6, 8) if name != "cropping" else (10_002, 10_004)
    if name in ("at most a hundred", "a slice"):
        sizes = (6, 200)
    assert agrees(layer, shape, *sizes) == (None, *expected)


PARTS = {
    "reshape": (lambda x: ops.reshape(x, (-1, 7, 2)), (None, 7, 2)),
    "method": (lambda x: x.reshape((-1, 7, 4)), (None, 7, 4)),
    "a window": (lambda x: ops.reshape(x, (x.shape[0], -1, 11, 4)), (None, None, 11, 4)),
    "and back": (
        lambda x: ops.reshape(ops.reshape(x, (-1, 4)) * 2, (-1, *x.shape[1:])),
        (None, None, 4),
    ),
    "split": (lambda x: ops.split(x, 11, axis=1)[3], (None, None, 4)),
    "split, of batches": (lambda x: ops.split(x, 7, axis=0)[0], (None, None, 4)),
    "a check": (lambda x: x[:, : 1 // (x.shape[1] % 7 == 0)], (None, 1, 4)),
}


@pytest.mark.parametrize("name", PARTS)
def test_whether_a_number_divides_an_unknown_size_the_data_tell(name):
    function, expected = PARTS[name]
    layer = Applied(lambda layer, x: function(x))
    assert agrees(layer, (None, 4), 77, batch=7) == expected


def test_numbers_that_do_not_divide_known_sizes():
    with pytest.raises(ValueError, match="reshape"):
        ops.reshape(keras.Input(batch_shape=(5, 4)), (-1, 7, 2))
    with pytest.raises(ValueError, match="split"):
        ops.split(keras.Input((5,)), 2, axis=1)


def test_an_unknown_size_is_no_part_of_a_new_shape():
    x = keras.Input((None, 4))
    with pytest.raises(ValueError, match=r"must not hold None[\s\S]*write -1"):
        ops.reshape(x, (x.shape[0], -1, 2))


def test_halving_and_doubling():
    inputs = x = keras.Input((None, None, 3))
    skips = []
    for filters in (4, 5, 6):
        x = layers.Conv2D(filters, 3, padding="same")(x)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    for skip in reversed(skips):
        x = layers.Concatenate()([layers.UpSampling2D()(x), skip])
    assert x.shape == (None, None, None, 21)
    assert keras.Model(inputs, x)(ones(1, 16, 24, 3)).shape == (1, 16, 24, 21)


def test_a_large_cropping_where_symbols_are_refused():
    crop = Applied(lambda layer, x: layers.Cropping1D(5000)(x) + int(x.shape[0]))
    assert crop(keras.Input((None, 4))).shape == (None, None, 4)


def test_what_loops_over_an_axis_and_fails_is_not_tried_at_thousands():
    tried = []

    def fail(layer, x):
        tried.append(x.shape[0])
        rows = [ops.sin(ops.cos(row) + 1) * row for row in x]
        raise ValueError(f"These are {len(rows)} rows.")

    with pytest.raises(ValueError, match="These are"):
        Applied(fail)(keras.Input((4,)))
    assert max(int(n) for n in tried if isinstance(n, int)) < 5000


def test_what_only_some_batches_fit_is_left_to_them():
    layer = Applied(lambda layer, x: ops.reshape(x, [100, 4]))
    model = keras.Sequential([keras.Input((10, 4)), layer])
    assert model.output_shape == (100, 4)
    assert model(ones(10, 10, 4)).shape == (100, 4)
    with pytest.raises(TypeError, match="reshape"):
        model(ones(9, 10, 4))


def test_an_error_says_what_was_tried():
    layer = Applied(lambda layer, x: x @ ops.ones((5, int(x.shape[1]))))
    with pytest.raises(Exception, match=r"dot_general|incompatible|matmul") as raised:
        layer(keras.Input((None, 4)))
    notes = "".join(raised.value.__notes__)
    assert "(None, None, 4)" in notes and "`batch_size=`" in notes


def test_a_fixed_batch_is_never_another():
    def call(layer, x):
        return layer.dense(x) + keras.random.normal((4, 1))

    outer = Applied(call, dense=layers.Dense(1))
    assert outer(keras.Input((3,), batch_size=4)).shape == (4, 1)


def test_a_call_that_takes_one_batch_size_is_tried_with_that_of_the_data():
    def call(layer, x):
        return layer.dense(x) + keras.random.normal((4, 1))

    outer = Applied(call, dense=layers.Dense(1))
    outer.compute_output_spec(keras.KerasTensor((None, 3), sample=4))
    assert outer.dense.kernel.shape == (3, 1)
    with pytest.raises(TypeError, match="incompatible shapes"):
        Applied(call, dense=layers.Dense(1))(keras.Input((3,)))


# ------------------------------------------------------------------ axes that must agree
UNKNOWN_MEETS_KNOWN = {
    "add": (lambda a, b: ops.add(a, b), [(None, 3), (2, None)], (2, 3)),
    "where": (lambda a, b: ops.where(a > b, a, b), [(None, 3), (2, None)], (2, 3)),
    "matmul": (ops.matmul, [(None, 3, 4), (3, None, 4, 5)], (3, None, 3, 5)),
    "inner": (ops.inner, [(5, None), (4, 3)], (5, 4)),
    "cross": (ops.cross, [(2, 3, 3), (None, 1, 2)], (2, 3, 3)),
    "einsum": (lambda a, b: ops.einsum("ij,kj->ik", a, b), [(None, None), (2, 3)], (None, 2)),
    "linspace": (lambda a, b: ops.linspace(a, b, 7, axis=1), [(None, 4), (2, 4)], (2, 7, 4)),
    "a layer": (lambda a, b: layers.Dot(axes=-1)([a, b]), [(None, None), (None, 3)], (None, 1)),
}


@pytest.mark.parametrize("name", UNKNOWN_MEETS_KNOWN)
def test_an_unknown_axis_that_meets_a_known_one_has_its_size(name):
    function, given, expected = UNKNOWN_MEETS_KNOWN[name]
    assert function(*[keras.KerasTensor(shape) for shape in given]).shape == expected


def test_axes_that_cannot_agree_are_an_error_of_either_kind():
    for kind in (ValueError, TypeError):
        with pytest.raises(kind, match=r"keras.ops.add\(\) got arguments that do not fit"):
            ops.add(keras.KerasTensor((None, 3)), keras.KerasTensor((2, 4)))
        with pytest.raises(kind, match=r"keras.ops.matmul\(\) got arguments that do not fit"):
            ops.matmul(ops.ones((3, 4)), ops.ones((3, 4)))


def test_no_layer_is_built_for_a_size_that_stands_for_an_unknown_one():
    class Steps(layers.Layer):
        def build(self, shapes):
            self.gain = self.add_weight(shape=(shapes[0][1],))

        def call(self, inputs):
            return inputs[0] * self.gain[:, None] + inputs[1]

    with pytest.raises(ValueError, match="unknown size"):
        Applied(lambda layer, x: layer.inner(x), inner=Steps())(
            [keras.Input((None, 4)), keras.Input((5, 4))]
        )


def test_a_diagonal_ends_with_the_shorter_axis():
    assert ops.diag(keras.KerasTensor((None, 3))).shape == (None,)
    assert ops.diagonal(keras.KerasTensor((None, 3, 3))).shape == (3, None)
    assert ops.diagonal(keras.KerasTensor((None, 3, 3)), axis1=1, axis2=2).shape == (None, 3)


@pytest.mark.parametrize(
    "key", [np.s_[:, 17], np.s_[..., 16], np.s_[:, -6, None], np.s_[:, :, -17]]
)
def test_an_index_beyond_an_axis(key):
    x = keras.KerasTensor((None, 5, 16))
    for get in (lambda x: x[key], lambda x: ops.get_item(x, key)):
        with pytest.raises(ValueError, match=r"is out of bounds for axis [12] of size \d+"):
            get(x)
    for inside in (np.s_[500], np.s_[..., -16], np.s_[:, None, 4], np.s_[:, 1:99, 15]):
        assert len(x[inside].shape) == len(np.ones((501, 5, 16))[inside].shape)
