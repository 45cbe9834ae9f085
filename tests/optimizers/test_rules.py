"""Every optimizer against its formula, written in NumPy and float64."""

import numpy as np
import pytest

from jkeras import optimizers
from jkeras.core.variable import Variable
from tests.catalog.optimizers import COMMON_OPTIONS, OPTIMIZERS, SHAPES

STEPS = 12


def sgd(w, gs, lr=0.05, momentum=0.0, nesterov=False):
    m = 0 * w
    for g in gs:
        m = momentum * m - lr * g
        w = w + (momentum * m - lr * g if nesterov else m)
        yield w


def adam(w, gs, lr=0.02, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False, decay=0.0):
    m = v = top = 0 * w
    for t, g in enumerate(gs, 1):
        w = w - lr * decay * w
        m, v = beta_1 * m + (1 - beta_1) * g, beta_2 * v + (1 - beta_2) * g**2
        top = np.maximum(top, v) if amsgrad else v
        rate = lr * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        w = w - rate * m / (np.sqrt(top) + epsilon)
        yield w


def adamw(w, gs, weight_decay=0.004, **options):
    return adam(w, gs, decay=weight_decay, **options)


def rmsprop(w, gs, lr=0.01, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False):
    v = mean = change = 0 * w
    for g in gs:
        v, mean = rho * v + (1 - rho) * g**2, rho * mean + (1 - rho) * g
        change = momentum * change + lr * g / np.sqrt(v - centered * mean**2 + epsilon)
        w = w - change
        yield w


def adagrad(w, gs, lr=0.05, initial_accumulator_value=0.1, epsilon=1e-7):
    total = initial_accumulator_value
    for g in gs:
        total = total + g**2
        w = w - lr * g / np.sqrt(total + epsilon)
        yield w


def adadelta(w, gs, lr=1.0, rho=0.95, epsilon=1e-7):
    squares = changes = 0 * w
    for g in gs:
        squares = rho * squares + (1 - rho) * g**2
        change = -np.sqrt((changes + epsilon) / (squares + epsilon)) * g
        changes = rho * changes + (1 - rho) * change**2
        w = w + lr * change
        yield w


def adamax(w, gs, lr=0.02, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    m = u = 0 * w
    for t, g in enumerate(gs, 1):
        m, u = beta_1 * m + (1 - beta_1) * g, np.maximum(beta_2 * u, abs(g))
        w = w - lr / (1 - beta_1**t) * m / (u + epsilon)
        yield w


def nadam(w, gs, lr=0.02, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    m = v = 0 * w
    mu = [beta_1 * (1 - 0.5 * 0.96**t) for t in range(1, len(gs) + 2)]
    for t, g in enumerate(gs, 1):
        m, v = beta_1 * m + (1 - beta_1) * g, beta_2 * v + (1 - beta_2) * g**2
        so_far = np.prod(mu[:t])
        m_hat = mu[t] * m / (1 - so_far * mu[t]) + (1 - mu[t - 1]) * g / (1 - so_far)
        w = w - lr * m_hat / (np.sqrt(v / (1 - beta_2**t)) + epsilon)
        yield w


def ftrl(
    w,
    gs,
    lr=0.1,
    learning_rate_power=-0.5,
    initial_accumulator_value=0.1,
    l1_regularization_strength=0.0,
    l2_regularization_strength=0.0,
    l2_shrinkage_regularization_strength=0.0,
    beta=0.0,
):
    n, z, p, l1 = initial_accumulator_value, 0 * w, -learning_rate_power, l1_regularization_strength
    l2 = l2_regularization_strength + beta / (2 * lr)
    for g in gs:
        old, n = n, n + g**2
        z = z + g + 2 * l2_shrinkage_regularization_strength * w - (n**p - old**p) / lr * w
        w = np.where(abs(z) <= l1, 0.0, (np.sign(z) * l1 - z) / (n**p / lr + 2 * l2))
        yield w


def lion(w, gs, lr=0.01, beta_1=0.9, beta_2=0.99):
    m = 0 * w
    for g in gs:
        w = w - lr * np.sign(beta_1 * m + (1 - beta_1) * g)
        m = beta_2 * m + (1 - beta_2) * g
        yield w


def lamb(w, gs, lr=0.02, beta_1=0.9, beta_2=0.999, epsilon=1e-7, weight_decay=0.0):
    m = v = 0 * w
    for t, g in enumerate(gs, 1):
        w = w - lr * weight_decay * w
        m, v = beta_1 * m + (1 - beta_1) * g, beta_2 * v + (1 - beta_2) * g**2
        change = m / (1 - beta_1**t) / (np.sqrt(v / (1 - beta_2**t)) + epsilon)
        w = w - lr * np.linalg.norm(w) / np.linalg.norm(change) * change
        yield w


def adafactor(
    w,
    gs,
    lr=0.05,
    beta_2_decay=-0.8,
    epsilon_1=1e-30,
    epsilon_2=1e-3,
    clip_threshold=1.0,
    relative_step=True,
):
    def rms(x):
        return np.sqrt(np.mean(x**2))

    full, rows, columns = 0 * w, 0.0, 0.0
    for t, g in enumerate(gs, 1):
        b, square = 1 - t**beta_2_decay, g**2 + epsilon_1
        if w.ndim < 2:
            v = full = b * full + (1 - b) * square
        else:
            rows = b * rows + (1 - b) * square.mean(-1)
            columns = b * columns + (1 - b) * square.mean(-2)
            outer = np.einsum("...i,...j->...ij", rows, columns)
            v = outer / rows.mean(-1)[..., None, None]
        change = g / np.sqrt(v)
        change = change / max(1.0, rms(change) / clip_threshold)
        w = w - min(lr, 1 / np.sqrt(t)) * max(epsilon_2, rms(w)) * change
        yield w


def muon(
    w,
    gs,
    lr=0.02,
    momentum=0.95,
    nesterov=True,
    rms_rate=0.2,
    ns_steps=5,
    adam_lr_ratio=1.0,
    weight_decay=0.004,
    adam_weight_decay=0.004,
    exclude_layers=(),
):
    if w.ndim != 2 or (exclude_layers and w.shape == SHAPES["tall"]):
        decays = adam_weight_decay / adam_lr_ratio
        yield from adam(w, gs, lr=lr * adam_lr_ratio, decay=decays)
        return
    m = 0 * w
    for g in gs:
        w = w - lr * weight_decay * w
        m = momentum * m + g
        x = g + momentum * m if nesterov else m
        u, s, vt = np.linalg.svd(x, full_matrices=False)
        s = s / np.linalg.norm(s)
        for _ in range(ns_steps):  # the iteration is a polynomial of singular values
            s = 3.4445 * s - 4.775 * s**3 + 2.0315 * s**5
        size = rms_rate * np.sqrt(max(w.shape)) if rms_rate else 1.0
        w = w - lr * size * (u * s) @ vt
        yield w


def schedulefreeadamw(
    w, gs, lr=0.02, beta_1=0.9, beta_2=0.999, epsilon=1e-8, warmup_steps=0, weight_decay=0.0
):
    z, v = w, 0 * w
    for t, g in enumerate(gs, 1):
        w = w - lr * weight_decay * w
        x = (w - (1 - beta_1) * z) / beta_1
        v = beta_2 * v + (1 - beta_2) * g**2
        rate = lr * min(1.0, t / warmup_steps) if warmup_steps else lr
        z = z - rate * g / (np.sqrt(v / (1 - beta_2**t)) + epsilon)
        x = (1 - 1 / t) * x + z / t
        w = (1 - beta_1) * z + beta_1 * x
        yield w


def draw(seed=0, steps=STEPS, names=("kernel", "bias", "scale", "tall")):
    """Returns weights, and gradients for some steps."""
    rng = np.random.default_rng(seed)

    def one():
        return {k: rng.normal(size=SHAPES[k]).astype("f4") for k in names}

    return one(), [one() for _ in range(steps)]


CASES = [(case, options) for case in OPTIMIZERS for options in ({}, *case.variants)]


@pytest.mark.parametrize(("case", "options"), CASES, ids=lambda x: str(x))
def test_formula(case, options):
    weights, grads = draw(names=("kernel", "bias", "filters", "tall"))
    optimizer = case.make(optimizers, **options)
    variables = [Variable(w, name=k) for k, w in weights.items()]
    formula = globals()[case.name.lower()]
    expected = {
        k: list(formula(w.astype("f8"), [g[k].astype("f8") for g in grads], **options))
        for k, w in weights.items()
    }
    for t, g in enumerate(grads):
        optimizer.apply(list(g.values()), variables)
        for variable in variables:
            np.testing.assert_allclose(
                variable.numpy(), expected[variable.name][t], rtol=2e-5, atol=2e-5
            )


def test_adafactor_gives_keras_published_values():
    optimizer = optimizers.Adafactor(0.5, -0.65, 1e-15, 1e-4, 0.9, relative_step=False)
    weight, found = Variable(np.ones(10, "f4"), name="w"), []
    for g in [np.full(10, 0.01), *[np.arange(0.1, 1.1, 0.1)] * 4]:
        optimizer.apply([g], [weight])
        found.append(weight.numpy())
    np.testing.assert_allclose(found[0], 0.55, atol=5e-5)
    np.testing.assert_allclose(
        np.stack(found)[1:, [0, 1, 2, 9]],
        [
            [0.3031, 0.3026, 0.3025, 0.3024],
            [0.1671, 0.1665, 0.1663, 0.1663],
            [0.0923, 0.0916, 0.0915, 0.0914],
            [0.0554, 0.0548, 0.0546, 0.0545],
        ],
        atol=1e-4,
    )


def test_adafactor_moves_parameters_of_zeros():
    optimizer = optimizers.Adafactor(0.5, epsilon_2=0.01)
    weight = Variable(np.zeros((2, 3), "f4"), name="w")
    optimizer.apply([np.full((2, 3), 7.0, "f4")], [weight])
    np.testing.assert_allclose(weight.numpy(), np.full((2, 3), -0.5 * 0.01), rtol=1e-5)


def test_every_optimizer_is_in_the_catalog():
    made_of_others = {"LossScaleOptimizer", "MultiOptimizer", "OptaxOptimizer", "Optimizer"}
    classes = {n for n, x in vars(optimizers).items() if isinstance(x, type) and n[0] != "_"}
    subclasses = {n for n in classes if issubclass(getattr(optimizers, n), optimizers.Optimizer)}
    assert {case.name for case in OPTIMIZERS} == subclasses - made_of_others


# ------------------------------------------------------------------ what all have in common
def plain(lr, steps, **options):
    """Runs SGD on one weight, and returns its values after each step."""
    _, grads = draw(1, steps)
    optimizer = optimizers.SGD(lr, **options)
    weight = Variable(np.array([1.0, -2.0, 3.0], "f4"), name="bias")
    for g in grads:
        optimizer.apply([g["bias"]], [weight])
        yield g["bias"], weight.numpy()


def test_clipnorm_clips_each_gradient():
    before = np.array([1.0, -2.0, 3.0])
    for g, after in plain(1.0, 5, clipnorm=0.5):
        np.testing.assert_allclose(
            before - after, g * min(1.0, 0.5 / np.linalg.norm(g)), rtol=1e-5, atol=1e-6
        )
        before = after


def test_clipvalue_clips_elements():
    before = np.array([1.0, -2.0, 3.0])
    for g, after in plain(1.0, 5, clipvalue=0.25):
        np.testing.assert_allclose(before - after, np.clip(g, -0.25, 0.25), atol=1e-6)
        before = after


def test_global_clipnorm_clips_all_together():
    a, b = Variable(np.zeros(2, "f4"), name="a"), Variable(np.zeros(1, "f4"), name="b")
    optimizers.SGD(1.0, global_clipnorm=1.0).apply([np.array([2.0, 1.0]), np.array([2.0])], [a, b])
    np.testing.assert_allclose(a.numpy(), [-2 / 3, -1 / 3], atol=1e-6)
    np.testing.assert_allclose(b.numpy(), [-2 / 3], atol=1e-6)
    optimizers.SGD(1.0, global_clipnorm=99.0).apply([np.ones(2), np.ones(1)], [a, b])
    np.testing.assert_allclose(b.numpy(), [-5 / 3], atol=1e-6)


def test_accumulation_updates_with_the_mean_and_clips_it():
    weight = Variable(np.zeros(1, "f4"), name="w")
    optimizer = optimizers.SGD(1.0, clipvalue=1.0, gradient_accumulation_steps=2)
    seen = []
    for g in (4.0, -3.0, 2.0, 4.0):
        optimizer.apply([np.array([g])], [weight])
        seen.append((weight.numpy().item(), int(optimizer.iterations)))
    assert seen == [(0.0, 0), (-0.5, 1), (-0.5, 1), (-1.5, 2)]


def test_ema_starts_from_the_first_update_and_overwrites():
    weight = Variable(np.array([1.0], "f4"), name="w")
    optimizer = optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=3)
    seen = []
    for _ in range(4):
        optimizer.apply([np.ones(1)], [weight])
        seen.append((weight.numpy().item(), optimizer.variables[2].numpy().item()))
    assert seen == [(0.0, 0.0), (-1.0, -0.5), (-1.25, -1.25), (-2.25, -1.75)]
    optimizer.finalize_variable_values([weight])
    assert weight.numpy().item() == -1.75


def test_loss_scale_factor_is_divided_out():
    weight = Variable(np.zeros(2, "f4"), name="w")
    optimizer = optimizers.SGD(1.0, loss_scale_factor=4.0, clipvalue=0.5)
    assert optimizer.scale_loss(3.0) == 12.0
    assert optimizer.loss_scale({}) == 4.0
    optimizer.apply([np.array([8.0, 1.0])], [weight])
    assert weight.numpy().tolist() == [-0.5, -0.25]


def test_weight_decay_can_be_excluded_by_variable_name_or_path():
    def make():
        return [Variable(np.ones(1, "f4"), name=n) for n in ("kernel", "bias", "xbias")]

    def decayed(**excluded):
        optimizer, variables = optimizers.SGD(1.0, weight_decay=0.5), make()
        if "var_list" in excluded:
            excluded = {"var_list": [variables[1]]}
        variables[0].path = "block/kernel"
        optimizer.exclude_from_weight_decay(**excluded)
        optimizer.apply([np.zeros(1)] * 3, variables)
        return [v.name for v in variables if v.numpy().item() == 0.5]

    assert decayed() == ["kernel", "bias", "xbias"]
    assert decayed(var_names=["bias"]) == ["kernel"]
    assert decayed(var_names=["^bias"]) == ["kernel", "xbias"]
    assert decayed(var_names=["block/"]) == ["bias", "xbias"]
    assert decayed(var_list=True) == ["kernel", "xbias"]


def test_a_variable_may_be_replaced_by_its_gradient():
    a, b = Variable(np.zeros(2, "f4"), name="a"), Variable(np.zeros(2, "f4"), name="b")
    a.overwrite_with_gradient = True
    optimizers.SGD(1.0, weight_decay=0.1, clipvalue=0.1).apply([np.array([4.0, 8.0])] * 2, [a, b])
    assert a.numpy().tolist() == [4.0, 8.0]
    np.testing.assert_allclose(b.numpy(), [-0.1, -0.1])


def test_of_accumulated_gradients_the_largest_replaces_a_variable():
    a, b = Variable(np.zeros(2, "f4"), name="a"), Variable(np.zeros(2, "f4"), name="b")
    a.overwrite_with_gradient = True
    optimizer, seen = optimizers.SGD(1.0, gradient_accumulation_steps=2), []
    for g in ([1.0, 4.0], [3.0, 2.0], [1.0, 1.0]):
        optimizer.apply([np.array(g)] * 2, [a, b])
        seen.append((a.numpy().tolist(), b.numpy().tolist()))
    assert seen == [([0.0, 0.0], [0.0, 0.0]), *[([3.0, 4.0], [-2.0, -3.0])] * 2]


def test_the_steps_of_muon_are_public():
    optimizer = optimizers.Muon(rms_rate=0.2)
    found = optimizer.zeropower_via_newtonschulz5(
        np.array([[0.2499, 0.9105], [0.2655, 0.8824]], "f4"), 5
    )
    np.testing.assert_allclose(found, [[-0.4422, 0.6457], [0.7285, 0.2968]], atol=1e-3)
    ones = np.ones((4, 2), "f4")
    np.testing.assert_allclose(optimizer.lr_adjust(ones), 0.4 * ones, rtol=1e-6)
    assert optimizers.Muon(rms_rate=None).lr_adjust(ones) is ones


@pytest.mark.parametrize("options", COMMON_OPTIONS, ids=str)
def test_common_options_stay_finite_with_zero_gradients(options):
    optimizer = optimizers.Lamb(0.1, **options)
    weight = Variable(np.zeros((2, 2), "f4"), name="w")
    for _ in range(3):
        optimizer.apply([np.zeros((2, 2))], [weight])
    assert weight.numpy().tolist() == [[0.0, 0.0], [0.0, 0.0]]
