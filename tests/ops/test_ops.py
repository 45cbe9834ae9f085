"""keras.ops against NumPy, hand-written formulas and mathematics."""

import inspect
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jkeras as keras
from jkeras import Variable, ops, random
from jkeras.core import operations
from jkeras.ops import arrays

RNG = np.random.RandomState(0)
A = RNG.randn(3, 4).astype("float32")
B = RNG.randn(3, 4).astype("float32")
few = settings(max_examples=15, deadline=None)


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


# ------------------------------------------------------------------ what every operation takes
NUMPY_UNARY = (
    *("abs", "arctan", "ceil", "cos", "exp", "expm1", "fabs", "floor", "isfinite", "isnan"),
    *("negative", "rad2deg", "sign", "sin", "sinh", "square", "tanh", "trunc", "max", "min"),
    *("mean", "sum", "prod", "std", "var", "argmax", "median", "cumsum", "sort", "ravel"),
    *("transpose", "any", "all", "ptp", "diff", "flip", "count_nonzero"),
)


@pytest.mark.parametrize("name", NUMPY_UNARY)
def test_numpys_functions_of_one_array(name):
    expected = getattr(np, name)(A)
    close(getattr(ops, name)(A), expected)
    close(getattr(ops, name)(A.tolist()), expected)
    close(getattr(ops, name)(Variable(A)), expected)


NUMPY_BINARY = (
    *("add", "subtract", "multiply", "divide", "maximum", "minimum", "arctan2", "hypot", "less"),
    *("greater_equal", "equal", "logaddexp", "heaviside", "outer", "kron"),
)


@pytest.mark.parametrize("name", NUMPY_BINARY)
def test_numpys_functions_of_two_arrays(name):
    expected = getattr(np, name)(A, B)
    close(getattr(ops, name)(A, B), expected)
    close(getattr(ops, name)(x1=A.tolist(), x2=Variable(B)), expected)
    close(getattr(ops, name)(A, 2.0), getattr(np, name)(A, np.float32(2)))


def test_lists_of_arrays_and_variables():
    close(
        ops.concatenate([Variable(A), B.tolist(), jnp.asarray(A)], axis=0),
        np.concatenate([A, B, A]),
    )
    close(ops.stack((Variable(A), B), axis=1), np.stack([A, B], axis=1))
    close(ops.sum([A, Variable(B)], axis=0), A + B)
    close(ops.einsum("ij,kj->ik", Variable(A), B.tolist()), A @ B.T)
    assert [x.shape for x in ops.meshgrid([1, 2], [3, 4, 5])] == [(3, 2), (3, 2)]


def test_numbers_give_way_to_dtypes():
    half = np.ones(2, "float16")
    assert ops.add(half, 1).dtype == ops.multiply(2.5, half).dtype == "float16"
    assert ops.add(np.ones(2, "int8"), 1).dtype == "int8"
    assert ops.maximum(A.astype("bfloat16"), 0).dtype == "bfloat16"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.mean(), r"mean\(\): missing a required argument: 'x'"),
        (lambda: ops.mean(A, axes=1), r"mean\(\): got an unexpected keyword argument 'axes'"),
        (lambda: ops.add(A), r"add\(\): missing a required argument: 'x2'"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_every_operation_is_described():
    for entry in operations.entries():
        assert inspect.getdoc(entry.function), entry.name
        assert set(entry.called_with) <= set(entry.signature.parameters), entry.name
    assert len(operations.entries()) > 300


# ------------------------------------------------------------------ arrays
def test_new_arrays():
    assert ops.arange(5).dtype == "int32"
    assert ops.arange(0, 1, 0.25).tolist() == [0, 0.25, 0.5, 0.75]
    assert ops.eye(2, 3, k=1).tolist() == [[0, 1, 0], [0, 0, 1]]
    assert ops.full((2,), 3, dtype="int32").tolist() == [3, 3]
    assert ops.zeros(3).shape == (3,)
    assert ops.ones_like([1, 2]).dtype == "int32"


def test_where():
    close(ops.where(A > 0, A, 0.0), np.where(A > 0, A, 0))
    assert [x.tolist() for x in ops.where(np.array([[0, 1], [1, 0]]))] == [[0, 1], [1, 0]]
    with pytest.raises(ValueError, match="both should be"):
        ops.where(A > 0, A)


def test_padding():
    close(
        ops.pad(A, ((1, 0), (0, 2)), constant_values=7),
        np.pad(A, ((1, 0), (0, 2)), constant_values=7),
    )
    close(ops.pad(A, 1, "reflect"), np.pad(A, 1, "reflect"))
    with pytest.raises(ValueError, match="can only be provided when"):
        ops.pad(A, 1, "reflect", constant_values=3)


def test_counting():
    assert ops.bincount([0, 2, 2], minlength=5).tolist() == [1, 0, 2, 0, 0]
    assert ops.bincount([0, 2, 2], weights=[0.5, 1, 1]).tolist() == [0.5, 0, 2]
    assert ops.bincount([[0, 1], [1, 1]]).tolist() == [[1, 1], [0, 2]]
    counts, edges = ops.histogram(np.arange(10.0), 5, range=(0, 10))
    assert counts.tolist() == [2] * 5
    assert edges.tolist() == [0, 2, 4, 6, 8, 10]
    for bad in ({"x": A}, {"x": A[0], "bins": 0}, {"x": A[0], "range": (2, 1)}):
        with pytest.raises(ValueError, match=r"1-dimensional|`bins`|`range`"):
            ops.histogram(**bad)


def test_integer_products_do_not_overflow():
    a = np.full((1, 100), 100, "int8")
    assert ops.matmul(a, a.T).tolist() == [[1_000_000]]


def test_conversions():
    assert ops.convert_to_tensor([1, 2.5]).dtype == "float32"
    assert ops.convert_to_tensor(np.ones(2)).dtype == "float32"
    assert ops.convert_to_tensor(Variable([1.0]), "int32").dtype == "int32"
    assert isinstance(ops.convert_to_numpy(Variable(A)), np.ndarray)
    assert ops.is_tensor(jnp.ones(1))
    assert not ops.is_tensor(A)
    assert (ops.dtype(A), ops.dtype(Variable(1)), ops.dtype([1.5])) == (
        "float32",
        "int32",
        "float32",
    )
    assert (ops.shape([[1, 2]]), ops.ndim(Variable(A)), ops.size(A)) == ((1, 2), 2, 12)
    assert ops.cast([1.9, -1.9, 0], "bool").tolist() == [True, True, False]


@few
@given(
    st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=3, max_size=3),
    st.sampled_from(["int8", "uint8", "int32", "uint32", "float16"]),
)
def test_saturating_casts_stay_in_range(values, dtype):
    result = np.asarray(ops.saturate_cast(values, dtype)).astype("float64")
    ends = np.finfo(dtype) if dtype == "float16" else np.iinfo(dtype)
    exact = np.clip(np.float32(values).astype("float64"), float(ends.min), float(ends.max))
    exact = exact.astype(dtype).astype("float64")
    np.testing.assert_allclose(result, exact, rtol=1e-3, atol=1)


def test_scattering():
    assert ops.scatter([[0], [2], [0]], [1.0, 2.0, 3.0], (4,)).tolist() == [4, 0, 2, 0]
    start = np.ones((2, 3), "float32")
    for reduction, expected in ((None, 5), ("add", 6), ("max", 5), ("min", 1), ("mul", 5)):
        result = ops.scatter_update(start, [[1, 2]], [5.0], reduction)
        assert (result[1, 2], result.sum()) == (expected, 5 + expected)
    with pytest.raises(ValueError, match="Invalid reduction: avg"):
        ops.scatter_update(start, [[1, 2]], [5.0], "avg")


def test_slices_may_be_traced():
    take = jax.jit(lambda i: ops.slice(A, (i, 1), (2, 2)))
    close(take(1), A[1:3, 1:3])
    close(
        ops.slice_update(A, (0, 2), np.zeros((2, 2))),
        np.r_[np.c_[A[:2, :2], np.zeros((2, 2))], A[2:]],
    )


# ------------------------------------------------------------------ control flow
def test_control_flow():
    assert ops.cond(Variable(True), lambda: 1.0, lambda: 2.0) == 1.0
    assert ops.switch(7, [lambda x: x, lambda x: -x], 3) == -3
    assert ops.while_loop(lambda i, s: i < 5, lambda i, s: (i + 1, s + i), (0, 0)) == (5, 10)
    assert ops.while_loop(lambda i: i < 5, lambda i: i + 1, [0], maximum_iterations=2) == (2,)
    assert ops.fori_loop(1, 5, lambda i, x: x * i, 1) == 24
    last, sums = ops.scan(lambda c, x: (c + x, c), 0.0, A[0], reverse=True)
    close(last, A[0].sum())
    close(sums[0], A[0, 1:].sum())
    close(ops.associative_scan(jnp.maximum, A), np.maximum.accumulate(A))
    close(ops.map(lambda row: row.sum(), A), A.sum(1))
    close(ops.vectorized_map(lambda pair: pair[0] @ pair[1], (A, B)), (A * B).sum(1))
    close(ops.vectorize(lambda a, b: a + b, signature="(n),(n)->(n)")(A, B), A + B)


def test_gradients_of_ones_own():
    f = ops.custom_gradient(lambda x: (ops.sign(x), lambda upstream: upstream * 10))
    assert jax.grad(f)(3.0) == 10
    value, tangent = ops.jvp(lambda x: x**2, (3.0,), (1.0,))
    assert (value, tangent) == (9, 6)
    assert jax.grad(lambda x: ops.stop_gradient(x) * x)(3.0) == 3


# ------------------------------------------------------------------ linear algebra
def test_factorizations_multiply_back():
    m = RNG.randn(5, 3, 3).astype("float32")

    def t(x):
        return np.swapaxes(x, -1, -2)

    eye = np.eye(3, dtype="float32")
    positive = m @ t(m) + eye
    lower, upper = ops.cholesky(positive), ops.cholesky(positive, upper=True)
    close(lower @ t(lower), positive, 1e-4)
    close(t(upper) @ upper, positive, 1e-4)
    close(ops.cholesky_inverse(lower) @ positive, eye[None].repeat(5, 0), 1e-3)
    q, r = ops.qr(m)
    close(q @ r, m, 1e-4)
    u, s, v = ops.svd(m, full_matrices=False)
    close((u * s[:, None]) @ v, m, 1e-4)
    values, vectors = ops.eigh(positive)
    close(positive @ vectors, vectors * values[:, None], 1e-3)
    close(ops.inv(positive) @ positive, eye[None].repeat(5, 0), 1e-3)
    close(positive @ ops.solve(positive, m), m, 1e-3)
    triangle = np.tril(positive)
    x = ops.solve_triangular(triangle, m[:, 0], lower=True)
    close((triangle @ np.asarray(x)[..., None])[..., 0], m[:, 0], 1e-3)
    close(ops.det(positive), np.exp(ops.logdet(positive)), 1e-3)


def test_only_square_matrices():
    for function in (ops.inv, ops.det, ops.cholesky, ops.eigh):
        with pytest.raises(ValueError, match="square"):
            function(A)
    with pytest.raises(ValueError, match="`mode`"):
        ops.qr(A, mode="full")


# ------------------------------------------------------------------ mathematics
def test_top_k():
    values, places = ops.top_k(A, 2)
    close(values, -np.sort(-A, axis=1)[:, :2])
    close(np.take_along_axis(A, np.asarray(places), 1), values)
    assert ops.in_top_k([0, 1], [[1.0, 1.0, 0.0], [9.0, 1.0, 5.0]], 1).tolist() == [True, False]


@few
@given(st.lists(st.integers(-1, 4), min_size=6, max_size=6), st.data())
def test_segments(ids, data):
    values = np.array(data.draw(st.lists(st.integers(-5, 5), min_size=len(ids), max_size=len(ids))))
    for name, reduce, empty in (
        ("sum", np.sum, 0),
        ("prod", np.prod, 1),
        ("max", np.max, np.iinfo("int32").min),
        ("min", np.min, np.iinfo("int32").max),
    ):
        expected = [
            reduce(v) if v.size else empty for v in (values[np.array(ids) == i] for i in range(4))
        ]
        result = getattr(ops, f"segment_{name}")(values, ids, num_segments=4)
        assert result.tolist() == expected


def test_segment_ids_have_one_axis():
    with pytest.raises(ValueError, match="1-D vector"):
        ops.segment_sum(A, np.zeros((3, 4), int), 2)


def test_fourier_transforms():
    pair = (A, B)
    z = A + 1j * B
    for mine, theirs in ((ops.fft, np.fft.fft), (ops.fft2, np.fft.fft2), (ops.ifft2, np.fft.ifft2)):
        real, imag = mine(pair)
        close(real + 1j * imag, theirs(z), 1e-4)
    real, imag = ops.rfft(A)
    close(real + 1j * imag, np.fft.rfft(A), 1e-4)
    close(ops.irfft((real, imag)), A, 1e-4)
    close(ops.view_as_real(ops.view_as_complex(np.stack(pair, -1))), np.stack(pair, -1))
    with pytest.raises(ValueError, match="real and imaginary"):
        ops.fft(A)
    with pytest.raises(ValueError, match="same shape"):
        ops.fft((A, B[:2]))
    with pytest.raises(ValueError, match="not of type float"):
        ops.fft(([1, 2], [3, 4]))


@pytest.mark.parametrize(
    ("length", "stride", "size", "window"),
    [(8, 4, 8, "hann"), (6, 3, 8, "hamming"), (8, 2, 8, None)],
)
def test_short_time_transforms_come_back(length, stride, size, window):
    x = RNG.randn(2, 40).astype("float32")

    @jax.jit
    def there_and_back(x):
        pair = ops.stft(x, length, stride, size, window)
        return ops.istft(pair, length, stride, size, window=window)

    again = there_and_back(x)
    n = again.shape[-1]
    close(again[:, stride:-stride], x[:, stride : n - stride], 1e-4)


def test_one_piece_of_a_short_time_transform():
    x = RNG.randn(8).astype("float32")
    real, imag = ops.stft(x, 8, 8, 8, center=False)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(8) / 8)
    close(real[0] + 1j * imag[0], np.fft.rfft(x * hann), 1e-4)
    with pytest.raises(ValueError, match="must equal or larger"):
        ops.stft(x, 9, 4, 8)
    with pytest.raises(ValueError, match="must be one of"):
        ops.stft(x, 8, 4, 8, window="bartlett")
    with pytest.raises(TypeError, match="int32"):
        ops.stft(np.arange(16), 8, 4, 8)


def test_distances():
    expected = np.sqrt(((A[:, None] - B[None]) ** 2).sum(-1))
    close(ops.cdist(A, B), expected)


def test_sequences():
    assert ops.extract_sequences(np.arange(7), 3, 2).tolist() == [[0, 1, 2], [2, 3, 4], [4, 5, 6]]


def test_rearranging():
    x = np.arange(48).reshape(2, 4, 6)
    assert (ops.rearrange(x, "a b c -> c (b a)") == x.transpose(2, 1, 0).reshape(6, 8)).all()
    assert (ops.rearrange(x, "a (h p) c -> (a h) p c", p=2) == x.reshape(4, 2, 6)).all()
    assert (ops.rearrange(x, "... c -> c ...") == np.moveaxis(x, -1, 0)).all()
    assert ops.rearrange(x, "a b c -> a 1 (b c)").shape == (2, 1, 24)
    for bad in ("a b c", "a b -> b a", "a b c -> a b", "a (b q) c -> a b q c", "a b b -> a b b"):
        with pytest.raises(ValueError, match="pattern"):
            ops.rearrange(x, bad)
    with pytest.raises(ValueError, match="size 6 cannot be"):
        ops.rearrange(x, "a b (c d) -> a b c d", d=4)


# ------------------------------------------------------------------ neural networks
def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_crossentropies():
    labels = np.array([0, 3, 1])
    hot = np.eye(4)[labels]
    expected = -np.log(softmax(A)[np.arange(3), labels])
    close(ops.categorical_crossentropy(hot, A, from_logits=True), expected)
    close(ops.categorical_crossentropy(hot, softmax(A) * 5), expected)
    close(ops.sparse_categorical_crossentropy(labels[:, None], A, from_logits=True), expected)
    close(ops.sparse_categorical_crossentropy(labels, A.T, from_logits=True, axis=0), expected)
    p = 1 / (1 + np.exp(-A))
    binary = -(hot * np.log(p) + (1 - hot) * np.log(1 - p))
    close(ops.binary_crossentropy(hot, A, from_logits=True), binary)
    close(ops.binary_crossentropy(hot, p), binary)
    assert np.isfinite(ops.binary_crossentropy([0.0, 1.0], [1.0, 0.0])).all()
    for function in (ops.binary_crossentropy, ops.categorical_crossentropy):
        with pytest.raises(ValueError, match="must have the same shape"):
            function(hot, A[:2])
    with pytest.raises(ValueError, match="same shape up until"):
        ops.sparse_categorical_crossentropy(labels[:2], A)


def test_classes_as_vectors():
    assert ops.one_hot([0, 2, 5, -1], 3).tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert ops.multi_hot([[0, 2], [1, 1]], 3, dtype="int32").tolist() == [[1, 0, 1], [0, 1, 0]]
    with pytest.raises(ValueError, match="`num_classes` must be set"):
        ops.multi_hot([0])


def test_ctc_loss_sums_over_alignments():
    logits = RNG.randn(1, 3, 3).astype("float32")
    p = softmax(logits)[0]
    # "1 2" in three steps, 0 for none: every path that spells it.
    paths = [(1, 2, 0), (1, 0, 2), (0, 1, 2), (1, 1, 2), (1, 2, 2)]
    total = sum(np.prod([p[t, c] for t, c in enumerate(path)]) for path in paths)
    close(ops.ctc_loss([[1, 2]], logits, [2], [3]), [-np.log(total)], 1e-4)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int8", "int32"])
def test_bincount_counts_no_further_than_there_are_values(dtype):
    assert ops.bincount(np.array([1, 2, 3, 2], dtype)).tolist() == [0, 1, 2, 1]
    assert ops.bincount(np.array([], dtype), minlength=2).tolist() == [0, 0]


def test_ctc_decode():
    best = np.array([[1, 1, 0, 1, 2, 2], [0, 2, 2, 0, 1, 1]])
    logits = np.eye(3)[best] * 5
    classes, scores = ops.ctc_decode(logits, [6, 4])
    assert classes.tolist() == [[[1, 1, 2, -1, -1, -1], [2, -1, -1, -1, -1, -1]]]
    assert scores.tolist() == [[-30], [-20]]
    found, likely = ops.ctc_decode(logits, [6, 4], "beam_search", beam_width=4, top_paths=2)
    assert found[0].tolist() == classes[0].tolist()
    assert (likely[:, 0] > likely[:, 1]).all()
    with pytest.raises(ValueError, match="top_paths"):
        ops.ctc_decode(logits, [6, 4], "beam_search", beam_width=1, top_paths=2)
    with pytest.raises(ValueError, match="Invalid strategy"):
        ops.ctc_decode(logits, [6, 4], strategy="best")


def test_beam_search_sums_over_all_ways_to_spell():
    steps = RNG.rand(1, 4, 3)
    steps /= steps.sum(-1, keepdims=True)
    spelled = {}
    for way in itertools.product(range(3), repeat=4):
        kept = tuple(c for i, c in enumerate(way) if c and (i == 0 or way[i - 1] != c))
        spelled[kept] = spelled.get(kept, 0) + np.prod(steps[0, range(4), way])
    best = sorted(spelled.items(), key=lambda pair: -pair[1])[:5]
    paths, scores = ops.ctc_decode(np.log(steps), [4], "beam_search", top_paths=5)
    assert [tuple(c for c in row if c >= 0) for row in paths[:, 0].tolist()] == [p for p, _ in best]
    close(np.exp(scores[0]), [p for _, p in best], 1e-5)


WRONG = [  # what is called, and the phrase that people search for
    (
        lambda: ops.conv(np.ones((1, 9, 3)), np.ones((3, 5, 4))),
        "input channels must match the kern",
    ),
    (lambda: ops.conv_transpose(np.ones((1, 9, 3)), np.ones((3, 4, 5)), 2), "input channels must"),
    (
        lambda: ops.depthwise_conv(np.ones((1, 9, 3)), np.ones((3, 5, 1))),
        "input channels must match",
    ),
    (lambda: ops.batch_normalization(A, A[0], A[0], -1, A[:1, :2][0]), "`offset` must be a vector"),
    (lambda: ops.depth_to_space(np.ones((1, 2, 2, 4)), 0), "`block_size` must be at least 2"),
    (lambda: ops.space_to_depth(np.ones((1, 3, 3, 4)), 2), "must be multiples of block_size=2"),
    (lambda: ops.fold(np.ones((1, 2, 3, 4)), 4, 2), "must be a 3D tensor"),
    (lambda: ops.stft(np.ones(4), 2, 0, 4), "`sequence_stride` must be a positive integer"),
    (lambda: ops.cdist(np.ones((3, 4)), np.ones((5, 5))), "Last dimension of inputs"),
    (lambda: ops.segment_sum(A, [0]), "should have same leading dimension"),
    (lambda: ops.cholesky(-np.eye(3)), "Cholesky decomposition failed"),
    (lambda: ops.matrix_rank(np.ones(3)), "rank >= 2"),
    (lambda: ops.unstack(A, axis=7), "axis 7 is out of bounds"),
    (lambda: ops.unstack(keras.Input((None,)), axis=1), "Cannot infer .* `num` argument"),
    (lambda: ops.image.rgb_to_hsv(np.ones((4, 4, 2))), "must have 3 channels"),
    (lambda: ops.image.rgb_to_grayscale(np.ones((4, 4, 2))), "expected 3 .RGB. or 1"),
    (lambda: ops.image.affine_transform(np.ones((4, 4, 3)), 1.0), "Invalid transform rank"),
    (lambda: ops.image.crop_images(A[None], 2, 0, 2, 0), "target_height must be >= 0"),
    (lambda: ops.convert_to_numpy(keras.Input((3,))), "cannot convert it to a NumPy array"),
]


@pytest.mark.parametrize(("call", "phrase"), WRONG, ids=[phrase for _, phrase in WRONG])
def test_wrong_arguments_are_told_in_the_words_people_search_for(call, phrase):
    with pytest.raises(ValueError, match=phrase):
        call()


@few
@given(st.lists(st.floats(-5, 5, width=32), min_size=4, max_size=4))
def test_sparsemax_is_the_nearest_distribution(values):
    p = np.asarray(ops.sparsemax(values))
    assert (p >= 0).all()
    close(p.sum(), 1, 1e-4)
    # p is nearest: no other distribution lies in the direction of x - p.
    x = np.float32(values)
    for other in np.eye(len(values)):
        assert (x - p) @ (other - p) <= 1e-3


def test_blocks():
    x = RNG.randn(2, 4, 6, 3).astype("float32")
    deep = ops.space_to_depth(x, 2)
    assert deep.shape == (2, 2, 3, 12)
    close(ops.depth_to_space(deep, 2), x)
    first = ops.space_to_depth(x.transpose(0, 3, 1, 2), 2, data_format="channels_first")
    close(ops.depth_to_space(first, 2, data_format="channels_first"), x.transpose(0, 3, 1, 2))
    with pytest.raises(ValueError, match="data_format"):
        ops.space_to_depth(x, 2, data_format="last")


@pytest.mark.parametrize(
    "options", [{"stride": 2}, {"padding": 1, "dilation": 2}, {"stride": (1, 3)}]
)
def test_fold_is_the_transpose_of_unfold(options):
    x = RNG.randn(1, 2, 6, 7).astype("float32")
    columns = ops.unfold(x, (2, 3), **options)
    y = RNG.randn(*columns.shape).astype("float32")
    close((columns * y).sum(), (x * ops.fold(y, (6, 7), (2, 3), **options)).sum(), 1e-3)


def test_attention():
    q, k, v = (RNG.randn(2, n, 3, 4).astype("float32") for n in (2, 5, 5))
    mask = RNG.rand(2, 1, 2, 5) > 0.3
    mask[..., 0] = True
    logits = np.einsum("bqhd,bkhd->bhqk", q, k) / 2
    weights = softmax(np.where(mask, logits, -1e30))
    expected = np.einsum("bhqk,bkhd->bqhd", weights, v)
    close(ops.dot_product_attention(q, k, v, mask=mask), expected)
    with pytest.raises(ValueError, match="only supports 4D"):
        ops.dot_product_attention(q[0], k[0], v[0])
    with pytest.raises(ValueError, match="attn_logits_soft_cap"):
        ops.dot_product_attention(q, k, v, attn_logits_soft_cap=1.0)


def test_normalizations():
    close(ops.normalize(A), A / np.linalg.norm(A, axis=-1, keepdims=True))
    close(ops.normalize(A, axis=0, order=1), A / abs(A).sum(0))
    assert ops.normalize([0.0, 0.0]).tolist() == [0, 0]
    with pytest.raises(ValueError, match="`order`"):
        ops.normalize(A, order=0)
    mean, variance = ops.moments(A, [0], keepdims=True)
    close(mean, A.mean(0, keepdims=True))
    close(variance, A.var(0, keepdims=True))
    close(ops.layer_normalization(A, epsilon=0.0).std(-1), np.ones(3))
    with pytest.warns(UserWarning, match="rms_normalization"):
        scaled = ops.layer_normalization(A, beta=A[0], epsilon=0.0, rms_scaling=True)
    close(scaled, A / A.std(-1, keepdims=True))


# ------------------------------------------------------------------ images
IMAGES = RNG.rand(2, 6, 8, 3).astype("float32")


def each_layout(function, images=IMAGES):
    """Checks that single images and channels first give the same; returns the plain result."""
    result = np.asarray(function(images, "channels_last"))
    close(function(images[0], "channels_last"), result[0])
    first = function(np.moveaxis(images, -1, 1), "channels_first")
    close(np.moveaxis(np.asarray(first), 1, result.ndim - 1 if result.ndim == 4 else 3), result)
    return result


def test_colors():
    gray = each_layout(lambda x, f: ops.image.rgb_to_grayscale(x, f))
    close(gray[..., 0], IMAGES @ [0.2989, 0.5870, 0.1140])
    hsv = ops.image.rgb_to_hsv(IMAGES)
    close(hsv[..., 2], IMAGES.max(-1))
    close(ops.image.hsv_to_rgb(hsv), IMAGES)
    reds = [[[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0.5]]]
    close(ops.image.rgb_to_hsv(reds)[0, :, 0], [0, 1 / 3, 2 / 3, 0])
    with pytest.raises(ValueError, match="expected float"):
        ops.image.rgb_to_hsv(np.zeros((2, 2, 3), "uint8"))
    with pytest.raises(ValueError, match="Invalid images rank"):
        ops.image.rgb_to_grayscale(IMAGES[0, 0])


def test_resizing():
    small = each_layout(lambda x, f: ops.image.resize(x, (3, 4), data_format=f))
    close(small[:, 0, 0], IMAGES[:, :2, :2].mean((1, 2)))
    constant = ops.image.resize(np.full((5, 7, 1), 3.0), (9, 2), interpolation="bicubic")
    close(constant, np.full((9, 2, 1), 3))
    assert ops.image.resize(np.full((4, 4, 1), 255, "uint8"), (8, 8), "bicubic").dtype == "uint8"
    cropped = ops.image.resize(IMAGES, (6, 6), crop_to_aspect_ratio=True)
    close(cropped, IMAGES[:, :, 1:7])
    padded = ops.image.resize(IMAGES, (8, 8), pad_to_aspect_ratio=True, fill_value=9.0)
    close(padded[:, 1:7], IMAGES)
    close(padded[:, [0, 7]], np.full((2, 2, 8, 3), 9))
    for bad in (
        {"interpolation": "area"},
        {"fill_mode": "wrap"},
        {"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True},
        {"size": (1, 2, 3)},
    ):
        with pytest.raises(ValueError, match=r"Expected|Only one"):
            ops.image.resize(IMAGES, **{"size": (2, 2), **bad})


def test_cropping_and_padding_are_inverse():
    padded = each_layout(
        lambda x, f: ops.image.pad_images(x, 1, 2, target_height=9, target_width=12, data_format=f)
    )
    close(padded[:, 1:7, 2:10], IMAGES)
    assert padded.sum() == pytest.approx(IMAGES.sum(), rel=1e-4)
    close(ops.image.crop_images(padded, 1, 2, bottom_cropping=2, right_cropping=2), IMAGES)
    close(
        ops.image.crop_images(
            padded, bottom_cropping=2, right_cropping=2, target_height=6, target_width=8
        ),
        IMAGES,
    )
    with pytest.raises(
        ValueError, match="exactly two of top_padding, bottom_padding, target_height"
    ):
        ops.image.pad_images(IMAGES, 1, 1)
    with pytest.raises(ValueError, match="bottom_cropping must be >= 0"):
        ops.image.crop_images(IMAGES, 1, 0, target_height=9, target_width=2)


def test_patches():
    patches = each_layout(lambda x, f: ops.image.extract_patches(x, (2, 4), data_format=f))
    expected = IMAGES.reshape(2, 3, 2, 2, 4, 3).transpose(0, 1, 3, 2, 4, 5).reshape(2, 3, 2, 24)
    close(patches, expected)
    volume = np.arange(64.0, dtype="float32").reshape(1, 4, 4, 4, 1)
    close(ops.image.extract_patches_3d(volume, 2)[0, 0, 0, 1], [2, 3, 6, 7, 18, 19, 22, 23])


def test_blur_keeps_the_sum_and_spreads():
    x = np.zeros((1, 9, 9, 1), "float32")
    x[0, 4, 4] = 1
    blurred = np.asarray(ops.image.gaussian_blur(x, (7, 5), (1.5, 0.8)))[0, :, :, 0]

    def gauss(size, sigma):
        values = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * sigma**2))
        return values / values.sum()

    close(blurred[1:8, 2:7], np.outer(gauss(7, 1.5), gauss(5, 0.8)))
    assert blurred.sum() == pytest.approx(1, abs=1e-5)
    each_layout(lambda x, f: ops.image.gaussian_blur(x, data_format=f))


def test_edges():
    ramp = np.tile(np.arange(6.0, dtype="float32")[None, :, None, None], (1, 1, 5, 1))
    edges = np.asarray(ops.image.sobel_edges(ramp))[0, 1:-1, 1:-1, 0]
    close(edges[..., 0], np.full((4, 3), 8))  # 1 a row, weighed 1 2 1 over two rows
    close(edges[..., 1], np.zeros((4, 3)))


def test_similarity():
    close(ops.image.ssim(IMAGES, IMAGES, filter_size=5), np.ones(2))
    worse = [ops.image.ssim(IMAGES, IMAGES + n, filter_size=5).mean() for n in (0.1, 0.5)]
    assert 1 > worse[0] > worse[1]
    close(ops.psnr(IMAGES, IMAGES + 0.1, 1.0), 20, 1e-3)


def test_transformations():
    identity = np.float32([1, 0, 0, 0, 1, 0, 0, 0])
    close(each_layout(lambda x, f: ops.image.affine_transform(x, identity, data_format=f)), IMAGES)
    shift = np.float32([1, 0, 2, 0, 1, 1, 0, 0])
    moved = ops.image.affine_transform(IMAGES, shift, fill_value=5.0)
    close(moved[:, :-1, :-2], IMAGES[:, 1:, 2:])
    close(moved[:, -1], np.full((2, 8, 3), 5))
    corners = np.float32([[0, 0], [0, 5], [7, 0], [7, 5]])
    close(ops.image.perspective_transform(IMAGES, corners, corners), IMAGES, 1e-3)
    flipped = ops.image.perspective_transform(IMAGES, corners, corners[[2, 3, 0, 1]])
    close(flipped, IMAGES[:, :, ::-1], 1e-3)
    close(
        ops.image.map_coordinates(IMAGES[0, :, :, 0], [[1.0, 0.5], [2.0, 0.0]], order=1),
        [IMAGES[0, 1, 2, 0], IMAGES[0, :2, 0, 0].mean()],
    )
    close(ops.image.elastic_transform(IMAGES, alpha=0.0, seed=1), IMAGES)
    bent = [ops.image.elastic_transform(IMAGES, seed=seed) for seed in (1, 1, 2)]
    close(bent[0], bent[1])
    assert not np.allclose(bent[0], bent[2])
    for call in (
        lambda: ops.image.affine_transform(IMAGES, identity, interpolation="cubic"),
        lambda: ops.image.affine_transform(IMAGES, identity, fill_mode="edge"),
        lambda: ops.image.map_coordinates(A, [[0.5], [0.5]], order=2),
        lambda: ops.image.map_coordinates(A, [[0.5]], order=1),
        lambda: ops.image.scale_and_translate(A, (2, 2), [1], [1], (0,), "area"),
    ):
        with pytest.raises(ValueError, match=r"Expected|First dim"):
            call()


def test_shifts_of_an_elastic_transform_are_smoothed_by_a_whole_gaussian():
    # Where a pixel's value is its column, the outputs say from where they were taken.
    columns = np.broadcast_to(np.arange(200.0, dtype="float32"), (4, 200, 200))[..., None]
    bent = ops.image.elastic_transform(columns, alpha=10.0, sigma=2.0, seed=0)
    shifts = np.asarray(bent - columns)[:, 20:-20, 20:-20, 0]
    kernel = np.exp(-np.square(np.arange(-30, 31) / 2.0) / 2)
    kernel /= kernel.sum()
    for lag in (0, 2, 4):  # how noise hangs together that was smoothed by a kernel along two axes
        along = (kernel[lag:] * kernel[: len(kernel) - lag]).sum()
        found = (shifts[:, lag:] * shifts[:, : shifts.shape[1] - lag]).mean()
        close(found / (100 * along * (kernel**2).sum()), 1, 0.06)


def test_random_distortions_follow_from_a_generator():
    generator = random.SeedGenerator(1)
    first, second = (ops.image.elastic_transform(IMAGES, seed=generator) for _ in range(2))
    assert not np.allclose(first, second)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(
    ("window", "strides", "padding", "dilation"),
    [
        *(((3,), 2, "same", 1), ((3,), 1, "causal", 2), ((2, 3), 1, "valid", 1)),
        *(((3, 2), (2, 1), "same", 1), ((3, 3), 1, "same", 2), ((2, 1, 2), 1, "valid", 1)),
        ((8, 7), 1, "same", 1),  # more elements than are written out
    ],
)
def test_depthwise_convolution_is_one_in_as_many_groups_as_channels(
    window, strides, padding, dilation, data_format
):
    x = RNG.randn(2, *(9, 8, 7)[: len(window)], 3).astype("float32")
    kernel = RNG.randn(*window, 3, 2).astype("float32")
    if data_format == "channels_first":
        x = np.moveaxis(x, -1, 1)
    options = (strides, padding, data_format, dilation)
    expected = arrays.conv(x, kernel.reshape(*window, 1, 6), *options)
    close(arrays.depthwise_conv(x, kernel, *options), expected)


def test_rounding_integers_to_tens():
    x = np.array([[123, 155, -25]])
    assert ops.round(x, -1).tolist() == np.round(x, -1).tolist() == [[120, 160, -20]]


def test_partitions_of_the_flattened_array():
    x = np.array([[3, 1], [2, 0]])
    places = ops.argpartition(x, 1, axis=None)
    assert x.ravel()[places].tolist()[:2] == [0, 1]


def test_moments_beyond_float16():
    mean, variance = ops.moments(np.array([6e4, 6e4, -6e4], "float16"), 0)
    assert np.isfinite(mean) and variance == np.finfo("float16").max


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: ops.transpose(x, (0, 0)), r"`axes` must be a valid permutation.*axes=\(0, 0\)"),
        (lambda x: ops.reshape(x, (-2, 3)), r"non-negative integers.*newshape=\(-2, 3\)"),
        (
            lambda x: ops.image.affine_transform(x, np.ones(8)),
            "Invalid images rank: expected rank 3",
        ),
        (lambda x: ops.fft((x[0, 0], x[0, 0])), "Input should have rank >= 1"),
        (lambda x: ops.fft2((x[0], x[0])), "Input should have rank >= 2"),
        (lambda x: ops.rfft(x[0, 0]), "Input should have rank >= 1"),
        (lambda x: ops.istft((x[0], x[0]), 4, 2, 4), "Input should have rank >= 2"),
        (lambda x: ops.extract_sequences(x[0, 0], 2, 1), "Input should have rank >= 1"),
        (lambda x: ops.split(x, 2, axis=9), "axis 9 is out of bounds"),
        (lambda x: ops.histogram(x[0], bins=-1), "Argument `bins` should be a non-negative"),
    ],
)
def test_arguments_that_make_no_sense(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.ones((2, 3), "float32"))


@pytest.mark.parametrize(
    ("window", "strides", "options"),
    [
        ((5, 2), (1, 2), {"padding": "same", "output_padding": 0}),  # XLA's own ends the process
        ((2, 3), (3, 2), {"padding": "valid", "output_padding": 1}),
        ((3, 4), (2, 2), {"padding": "same"}),
    ],
)
def test_a_transposed_convolution_adds_windows_up(window, strides, options):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 4, 3, 3)).astype("float32")
    kernel = rng.normal(size=(*window, 2, 3)).astype("float32")
    sizes = [(n - 1) * s + k for n, s, k in zip((4, 3), strides, window, strict=True)]
    added = np.zeros((2, *sizes, 2))
    for i, j, a, b in np.ndindex(4, 3, *window):
        added[:, i * strides[0] + a, j * strides[1] + b] += x[:, i, j] @ kernel[a, b].T
    outputs, pull = jax.vjp(lambda x, k: ops.conv_transpose(x, k, strides, **options), x, kernel)
    # All windows added up, but for a border; or zeros behind them.
    cut = [max(k - s, 0) // 2 if "same" in options.values() else 0 for k, s in zip(window, strides)]
    if options.get("output_padding") == 0:
        cut = [k // 2 for k in window]
    height, width = outputs.shape[1:3]
    wide = np.pad(added, [(0, 0), (0, 9), (0, 9), (0, 0)])
    close(outputs, wide[:, cut[0] : cut[0] + height, cut[1] : cut[1] + width], 1e-5)
    # Linear in each argument: gradients are those by which products are the same.
    given = rng.normal(size=outputs.shape).astype("float32")
    for gradient, argument in zip(pull(jnp.asarray(given)), (x, kernel), strict=True):
        close((gradient * argument).sum(), (given * outputs).sum(), 1e-3)
