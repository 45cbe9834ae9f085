"""Layers as pure functions: every JAX transformation works over apply, and nothing leaks."""

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jkeras as keras
from jkeras import layers, pure, training

KEY = jax.random.key(0)
X = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)


class Count(layers.Layer):
    """A weight that is state: how many rows were seen."""

    def build(self, input_shape):
        self.rows = self.add_weight(shape=(), initializer="zeros", trainable=False, name="rows")

    def call(self, inputs, training=None):
        if training:
            self.rows.assign_add(inputs.shape[0])
        return inputs


def network():
    return keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(4, activation="tanh", name="hidden"),
            Count(name="count"),
            layers.Dropout(0.5, name="drop"),
            layers.Dense(2, name="out"),
        ]
    )


def forward(variables, x):
    """The same network written by hand."""
    params, _ = variables
    x = jnp.tanh(x @ params["hidden/kernel"] + params["hidden/bias"])
    return x @ params["out/kernel"] + params["out/bias"]


@pytest.fixture
def model():
    return network()


@pytest.fixture
def variables(model):
    return pure.init(model, KEY)


# ------------------------------------------------------------------ variables
def test_variables_are_flat_dicts_in_order_of_definition(variables):
    assert list(variables.params) == ["hidden/kernel", "hidden/bias", "out/kernel", "out/bias"]
    assert "count/rows" in variables.state
    assert variables.params["hidden/kernel"].shape == (3, 4)


def test_init_leaves_the_layers_own_weights_alone(model):
    before = pure.read(model)
    pure.init(model, jax.random.key(5))
    for name, array in pure.read(model).params.items():
        np.testing.assert_array_equal(array, before.params[name])


def test_init_follows_from_the_key(model):
    first, again, other = (pure.init(model, jax.random.key(n)) for n in (1, 1, 2))
    np.testing.assert_array_equal(first.params["out/kernel"], again.params["out/kernel"])
    assert not np.allclose(first.params["out/kernel"], other.params["out/kernel"])


def test_init_builds_from_specs():
    dense = layers.Dense(2)
    variables = pure.init(dense, KEY, jax.ShapeDtypeStruct((5, 3), "float32"))
    assert variables.params["kernel"].shape == (3, 2)
    with pytest.raises(ValueError, match="not built: say what it is called on"):
        pure.init(layers.Dense(2), KEY)


def test_init_works_abstractly(model):
    shapes = jax.eval_shape(lambda key: pure.init(model, key), KEY)
    assert shapes.params["hidden/kernel"].shape == (3, 4)


def test_read_and_write_are_inverse(model, variables):
    pure.write(model, variables)
    for mine, theirs in zip(jax.tree.leaves(pure.read(model)), jax.tree.leaves(variables)):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(model.get_weights()[0], variables.params["hidden/kernel"])


def test_variables_that_do_not_fit(model, variables):
    params, state = variables
    misspelt = {name.replace("kernel", "kernal"): value for name, value in params.items()}
    with pytest.raises(ValueError, match="did you mean 'hidden/kernel'"):
        pure.apply(model, (misspelt, state), X)
    wrong = {**params, "hidden/bias": jnp.zeros(9)}
    with pytest.raises(ValueError, match=r"'hidden/bias' has shape \(4,\).*\(9,\)"):
        pure.apply(model, (wrong, state), X)
    with pytest.raises(ValueError, match=r"Missing: \['out/bias'\]"):
        pure.write(model, ({k: v for k, v in params.items() if k != "out/bias"}, state))


def test_a_frozen_layers_weights_are_state(model):
    model.get_layer("hidden").trainable = False
    params, state = pure.read(model)
    assert list(params) == ["out/kernel", "out/bias"]
    assert {"hidden/kernel", "hidden/bias"} < set(state)


def test_a_shared_layers_weights_come_once():
    class Twice(layers.Layer):
        def __init__(self):
            super().__init__()
            self.first = layers.Dense(3, name="shared")
            self.second = self.first

        def call(self, inputs):
            return self.second(self.first(inputs))

    assert list(pure.init(Twice(), KEY, (None, 3)).params) == ["shared/kernel", "shared/bias"]


def test_paths_do_not_depend_on_other_models():
    class Stack(layers.Layer):
        def __init__(self):
            super().__init__()
            self.parts = [layers.Dense(2), layers.Dense(2)]

        def call(self, inputs):
            return self.parts[1](self.parts[0](inputs))

    names = [list(pure.init(Stack(), KEY, (None, 2)).params) for _ in range(2)]
    assert names[0] == names[1] == ["dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias"]


# ------------------------------------------------------------------ apply
def test_apply_is_the_function_written_by_hand(model, variables):
    outputs, effects = pure.apply(model, variables, X)
    np.testing.assert_allclose(outputs, forward(variables, X), atol=1e-6)
    assert effects.losses == []


def test_state_is_returned_and_not_kept(model, variables):
    _, effects = pure.apply(model, variables, X, training=True, rng=KEY)
    assert (float(effects.state["count/rows"]), float(variables.state["count/rows"])) == (4.0, 0.0)
    assert float(model.get_layer("count").rows.numpy()) == 0.0


def test_the_layers_own_weights_do_not_matter(model, variables):
    before, _ = pure.apply(model, variables, X)
    for weight in model.weights:
        weight.assign(jnp.full(weight.shape, jnp.nan))
    after, _ = pure.apply(model, variables, X)
    np.testing.assert_array_equal(before, after)


def test_losses_that_are_added_are_returned():
    class Penalty(layers.Layer):
        def call(self, inputs):
            self.add_loss(jnp.sum(inputs))
            self.add_loss([1.0, 2.0])
            return inputs

    layer = Penalty()
    _, effects = pure.apply(layer, ({}, {}), jnp.ones(3))
    assert [float(loss) for loss in effects.losses] == [3.0, 1.0, 2.0]
    assert layer.losses == []


def test_run_gives_a_function_the_layers_weights():
    dense = layers.Dense(1, use_bias=False, kernel_regularizer=keras.regularizers.L2(0.5))
    variables = pure.init(dense, KEY, (None, 2))

    def penalty(params):
        return pure.run(dense, (params, {}), lambda: dense.kernel.regularizer(dense.kernel))[0]

    gradient = jax.grad(penalty)(variables.params)
    np.testing.assert_allclose(gradient["kernel"], variables.params["kernel"], rtol=1e-6)


# ------------------------------------------------------------------ transformations
def loss_of(model, state, x):
    def loss(params):
        return jnp.sum(jnp.square(pure.apply(model, (params, state), x)[0]))

    return loss


def hand_loss(x):
    return lambda params: jnp.sum(jnp.square(forward((params, {}), x)))


def assert_trees_close(first, second, tolerance=1e-5):
    assert jax.tree.structure(first) == jax.tree.structure(second)
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second)):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "transform",
    [jax.jit, jax.grad, lambda f: jax.jit(jax.grad(f)), jax.jacfwd, jax.checkpoint],
    ids=["jit", "grad", "jit of grad", "jacfwd", "checkpoint"],
)
def test_transformations_agree_with_hand_written_jax(model, variables, transform):
    mine = transform(loss_of(model, variables.state, X))(variables.params)
    assert_trees_close(mine, transform(hand_loss(X))(variables.params))


def test_hessian():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1, activation="tanh", name="d")])
    params, state = pure.init(model, KEY)

    def hand(params):
        return jnp.sum(jnp.square(jnp.tanh(X @ params["d/kernel"] + params["d/bias"])))

    mine = jax.jit(jax.hessian(loss_of(model, state, X)))(params)
    assert_trees_close(mine, jax.jit(jax.hessian(hand))(params))


def test_vmap_over_weights_is_an_ensemble(model, variables):
    keys = jax.random.split(KEY, 3)
    ensemble = jax.jit(jax.vmap(lambda key: pure.init(model, key)))(keys)
    outputs = jax.jit(jax.vmap(lambda v: pure.apply(model, v, X)[0]))(ensemble)
    assert outputs.shape == (3, 4, 2)
    third = jax.tree.map(lambda a: a[2], ensemble)
    np.testing.assert_allclose(outputs[2], pure.apply(model, third, X)[0], atol=1e-6)


def test_vmap_over_samples_gives_gradients_per_sample(model, variables):
    def gradient(x):
        return jax.grad(loss_of(model, variables.state, x[None]))(variables.params)

    per_sample = jax.jit(jax.vmap(gradient))(X)
    total = jax.grad(loss_of(model, variables.state, X))(variables.params)
    assert_trees_close(jax.tree.map(lambda a: a.sum(0), per_sample), total)


def test_scan_over_training_steps(model, variables):
    def step(carry, key):
        params, state = carry
        _, effects = pure.apply(model, (params, state), X, training=True, rng=key)
        return (params, effects.state), None

    keys = jax.random.split(KEY, 5)
    (_, state), _ = jax.jit(lambda v: jax.lax.scan(step, tuple(v), keys))(variables)
    assert float(state["count/rows"]) == 20.0


def test_nothing_leaks_from_a_trace(model, variables):
    with jax.checking_leaks():
        jax.jit(lambda v, x: pure.apply(model, v, x, training=True, rng=KEY))(variables, X)


def test_a_layer_first_met_in_a_trace_is_built_with_concrete_weights():
    dense = layers.Dense(2)
    with jax.checking_leaks():
        outputs = jax.jit(lambda x: dense(x))(X)
    assert all(not isinstance(w.value, jax.core.Tracer) for w in dense.weights)
    np.testing.assert_allclose(outputs, dense(X), atol=1e-6)


def test_export_for_batches_of_any_size(model, variables):
    spec = jax.ShapeDtypeStruct(jax.export.symbolic_shape("batch, 3"), "float32")
    shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), tuple(variables))
    exported = jax.export.export(jax.jit(lambda v, x: pure.apply(model, v, x)[0]))(shapes, spec)
    for rows in (1, 4):
        expected, _ = pure.apply(model, variables, X[:rows])
        np.testing.assert_allclose(exported.call(tuple(variables), X[:rows]), expected, atol=1e-6)


def test_the_program_is_that_of_hand_written_jax(model, variables):
    def text(function):
        return jax.jit(function).lower(variables, X).as_text()

    mine = text(lambda v, x: pure.apply(model, v, x)[0])
    hand = text(forward)
    count = lambda program: sum(" = stablehlo." in line for line in program.splitlines())
    assert count(mine) <= count(hand)


def test_layer_names_are_in_the_program(model, variables):
    lowered = jax.jit(lambda v, x: pure.apply(model, v, x)[0]).lower(variables, X)
    text = lowered.as_text(debug_info=True)
    assert "hidden" in text and "out" in text


@settings(max_examples=5, deadline=None)
@given(st.integers(1, 4), st.integers(0, 2**31 - 1))
def test_apply_is_a_function_of_its_arguments(rows, seed):
    model = network()
    variables = pure.init(model, jax.random.key(seed))
    x = np.random.RandomState(seed % 1000).randn(rows, 3).astype("float32")
    results = [
        pure.apply(model, variables, x, training=True, rng=jax.random.key(seed))[0]
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*results)


# ------------------------------------------------------------------ variables from outside
class Scaled(keras.layers.Layer):
    """Reads and counts in variables that no layer holds."""

    def call(self, inputs):
        CALLS.assign_add(1.0)
        return inputs * SCALE


SCALE, CALLS = keras.Variable(2.0, name="scale"), keras.Variable(0.0, name="calls")


def test_variables_from_outside_are_found_wherever_they_are_read():
    weight, seen = keras.Variable(3.0, name="weight"), keras.random.SeedGenerator(1)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2), Scaled()])
    model.add(keras.layers.Lambda(lambda x: x + weight))
    model.layers[0].kernel.regularizer = lambda kernel: kernel.sum() * strength
    strength = keras.Variable(4.0, name="strength")
    metric = keras.metrics.MeanMetricWrapper(lambda y, p: p * in_metric, name="scaled")
    in_metric = keras.Variable(5.0, name="in_metric")
    metric.update_state(np.ones((1, 2)), np.ones((1, 2)))

    def step(variables, metric_state, x, others=None):
        def loss():
            return model(x).sum() * keras.random.uniform((), seed=seen) + sum(model.losses)

        value, effects = pure.run(model, variables, loss, others=others)
        _, rest = pure.run(
            model,
            variables,
            lambda: metric.update(metric_state, x, x),
            others=others,
        )
        return value, effects.others, rest

    args = pure.read(model), metric.init(), np.ones((3, 2), "float32")
    found = pure.outside_variables(step, *args)
    expected = {"calls", "scale", "weight", "strength", "in_metric"}
    assert {v.path.split("/")[-1] for v in found} == expected | {"seed_generator_state"}
    assert (CALLS.numpy(), SCALE.numpy()) == (0, 2)  # nothing was computed
    with pytest.raises(ValueError, match="others="):
        step(*args)
    run = jax.jit(lambda values, *args: step(*args, dict(zip(found, values, strict=True))))
    first, others, _ = run([v.value for v in found], *args)
    assert others[found.index(CALLS)] == 1
    second, *_ = run([v.value * 2 if v is SCALE else v.value for v in found], *args)
    assert first != second


def test_a_scope_inside_sees_what_the_one_around_was_given():
    inner, outer = keras.layers.Dense(1), keras.layers.Dense(1)
    inner(np.ones((1, 2))), outer(np.ones((1, 2)))

    def both():
        return pure.apply(inner, pure.read(inner), outer.kernel.value.T)[0]

    with pytest.raises(ValueError, match="does not own it"):
        pure.run(inner, pure.read(inner), lambda: outer(np.ones((1, 2))))
    outputs, _ = pure.run(outer, pure.read(outer), both)
    assert outputs.shape == (1, 1)


def test_stateless_calls_draw_without_a_key():
    """Keras's loops pass none: what is drawn follows from the variables and the inputs."""
    model = keras.Sequential([keras.Input((3,)), layers.Dense(64), layers.Dropout(0.5)])
    arrays = [v.value for v in model.trainable_variables]

    @jax.jit
    def step(arrays, x):
        def loss(arrays):
            outputs, _ = model.stateless_call(arrays, [], x, training=True)
            return (outputs**2).sum(), outputs == 0

        (_, dropped), grads = jax.value_and_grad(loss, has_aux=True)(arrays)
        return [a - 0.01 * g for a, g in zip(arrays, grads, strict=True)], dropped

    later, first = step(arrays, X)
    assert (first == step(arrays, X)[1]).all()
    assert 0.3 < first.mean() < 0.7
    assert (first != step(later, X)[1]).any() and (first != step(arrays, X + 1)[1]).any()
    with pytest.raises(ValueError, match="no key was given"):
        model.apply(pure.read(model), X, training=True)


# ------------------------------------------------------------------ as pytrees in other packages
def small_model():
    return keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.BatchNormalization()])


def test_variables_go_through_flax_and_orbax(tmp_path):
    serialization = pytest.importorskip("flax.serialization")
    checkpoint = pytest.importorskip("orbax.checkpoint")
    variables = pure.read(small_model())
    other = jax.tree.map(jnp.zeros_like, variables)
    restored = serialization.from_bytes(other, serialization.to_bytes(variables))
    assert type(restored) is pure.Variables
    jax.tree.map(np.testing.assert_array_equal, restored, variables)
    with checkpoint.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "variables", variables)
        checkpointer.wait_until_finished()
        restored = checkpointer.restore(tmp_path / "variables", variables)
    jax.tree.map(np.testing.assert_array_equal, restored, variables)


def test_a_train_state_goes_through_flax_and_orbax(tmp_path):
    serialization = pytest.importorskip("flax.serialization")
    checkpoint = pytest.importorskip("orbax.checkpoint")
    objective, tx = training.CompiledObjective("mse"), optax.adam(0.1)
    state = training.init_state(small_model(), objective, tx, jax.random.key(0))
    fields = vars(state.replace(rng=jax.random.key_data(state.rng)))
    empty = jax.tree.map(jnp.zeros_like, fields)
    restored = serialization.from_bytes(empty, serialization.to_bytes(fields))
    jax.tree.map(np.testing.assert_array_equal, restored, fields)
    with checkpoint.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "state", state)
        checkpointer.wait_until_finished()
        restored = checkpointer.restore(tmp_path / "state", state)
    assert type(restored) is training.TrainState
    again = vars(restored.replace(rng=jax.random.key_data(restored.rng)))
    jax.tree.map(np.testing.assert_array_equal, again, fields)


def test_exported_functions_of_variables_go_to_files():
    model = small_model()
    variables = pure.read(model)
    exported = jax.export.export(jax.jit(lambda v, x: model.apply(v, x)[0]))(variables, X)
    again = jax.export.deserialize(exported.serialize())
    np.testing.assert_allclose(again.call(variables, X), model(X), 1e-6)
