"""Variables and training states in the formats of other libraries."""

import jax
import jax.export
import numpy as np
import optax
import pytest
from flax import serialization

import jkeras as keras
from jkeras import training

layers = keras.layers


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(2),
            layers.BatchNormalization(),
            layers.Dropout(0.2, seed=1),
        ]
    )


@pytest.fixture(scope="module")
def state(model):
    objective = training.CompiledObjective("mse", metrics=["mae"])
    return training.init_state(model, objective, optax.adam(1e-2), jax.random.key(0))


def numbers(tree):
    def plain(x):
        is_key = jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)
        return np.asarray(jax.random.key_data(x) if is_key else x)

    return [plain(x) for x in jax.tree.leaves(tree)]


def equal(a, b):
    assert type(a) is type(b)
    assert jax.tree.structure(a) == jax.tree.structure(b)
    assert all(np.array_equal(p, q) for p, q in zip(numbers(a), numbers(b), strict=True))


def other(tree):
    """Returns a tree of other numbers, to be read into."""

    def changed(x):
        is_key = jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)
        return jax.random.key(7) if is_key else x + 1

    return jax.tree.map(changed, tree)


KINDS = ("model.variables", "pure.read", "TrainState")


@pytest.fixture(params=KINDS)
def tree(request, model, state):
    made = {
        "model.variables": lambda: model.variables,
        "pure.read": lambda: keras.pure.read(model),
        "TrainState": lambda: state,
    }
    return made[request.param]()


def test_flax(tree):
    data = serialization.to_bytes(tree)
    equal(serialization.from_bytes(other(tree), data), tree)


def test_orbax(tree, tmp_path):
    checkpoint = pytest.importorskip("orbax.checkpoint", reason="orbax is an extra")
    with checkpoint.StandardCheckpointer() as file:
        file.save(tmp_path / "tree", tree)
        file.wait_until_finished()
        equal(file.restore(tmp_path / "tree", other(tree)), tree)


def test_jax_export(tree):
    program = jax.export.export(jax.jit(lambda tree: tree))(tree)
    again = jax.export.deserialize(program.serialize())
    equal(again.call(tree), tree)


def test_functions_of_model_variables_give_model_variables(model):
    doubled = jax.tree.map(lambda x: 2 * x, model.variables)
    assert type(doubled) is type(model.variables) and len(doubled) == len(model.variables)
    assert np.array_equal(doubled.params["dense/kernel"], 2 * model.layers[0].kernel.value)
    x = np.ones((4, 3), "float32")
    outputs = jax.jit(lambda v, x: model.apply(v, x)[0])(doubled, x)
    before, model.variables = model.variables.replace(), doubled
    assert np.allclose(model(x), outputs, atol=1e-6)
    model.variables = before
    assert not np.allclose(model(x), outputs, atol=1e-6)


def test_paths_of_leaves_have_names(model):
    paths = [
        jax.tree_util.keystr(p) for p, _ in jax.tree_util.tree_leaves_with_path(model.variables)
    ]
    assert paths[0] == ".params['batch_normalization/beta']"


@pytest.mark.parametrize(
    ("layer", "config"),
    [
        (keras.layers.Embedding, {"input_dim": 3.7, "output_dim": 8}),
        (keras.layers.RepeatVector, {"n": "3"}),
        (keras.layers.UpSampling1D, {"size": 2.5}),
    ],
)
def test_a_wrong_argument_in_a_config_is_an_error_of_either_kind(layer, config):
    for kind in (TypeError, ValueError):
        with pytest.raises(kind, match="positive"):
            layer.from_config(config)
    for kind in (TypeError, ValueError):
        with pytest.raises(kind, match="Expected 'config' to be a dict"):
            keras.saving.deserialize_keras_object({"class_name": "Dense", "config": [1]})
