"""Meshes and layouts of arrays."""

import jax
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

import jkeras as keras
from jkeras.distribution import DeviceMesh, LayoutMap, TensorLayout


@pytest.fixture
def mesh():
    return DeviceMesh((1, 1), ["batch", "model"], ["cpu:0"])


@pytest.fixture(autouse=True)
def no_distribution():
    yield
    keras.distribution.set_distribution(None)


def test_devices():
    assert keras.distribution.list_devices("cpu")[0] == "cpu:0"
    assert keras.distribution.get_device_count("CPU") == len(jax.devices("cpu"))


def test_distributing_an_array(mesh):
    layout = TensorLayout((None, "model"), mesh)
    x = np.ones((2, 3))
    placed = keras.distribution.distribute_tensor(x, layout)
    assert tuple(placed.sharding.spec) == (None, "model")
    inside = jax.jit(lambda x: keras.distribution.distribute_tensor(2 * x, layout))(x)
    np.testing.assert_array_equal(inside, 2 * x)


def test_layout_map(mesh):
    layouts = LayoutMap(mesh)
    layouts["dense/.*"] = ("batch",)
    layouts["d.*/bias"] = TensorLayout(("model",))
    assert layouts["dense/kernel"].axes == ("batch",)
    assert layouts["conv/kernel"] is None
    assert layouts["d.*/bias"].device_mesh is mesh
    with pytest.raises(ValueError, match="multiple layout specification keys"):
        _ = layouts["dense/bias"]
    with pytest.raises(ValueError, match="already exist"):
        layouts["dense/.*"] = ("batch",)
    with pytest.raises(ValueError, match="should be a TensorLayout"):
        layouts["a"] = "batch"
    del layouts["dense/.*"]
    assert list(layouts) == ["d.*/bias"] and len(layouts) == 1


def test_what_does_not_fit(mesh):
    with pytest.raises(ValueError, match="should have the same size"):
        DeviceMesh((1, 1), ["batch"])
    with pytest.raises(ValueError, match="does not match the number of devices"):
        DeviceMesh((7,), ["batch"], ["cpu:0"])
    with pytest.raises(ValueError, match="Invalid axis names for Layout"):
        TensorLayout(("nope",), mesh)
    with pytest.raises(ValueError, match="device mesh is not set"):
        TensorLayout((None,)).to_jax()


def test_setting_a_distribution(mesh):
    parallel = keras.distribution.DataParallel(devices=["cpu:0"])
    assert keras.distribution.distribution() is None
    with parallel.scope():
        assert keras.distribution.distribution() is parallel
    keras.distribution.set_distribution(None)
    assert keras.distribution.distribution() is None
    with pytest.raises(ValueError, match=r"DataParallel\(mesh\)"):
        keras.distribution.set_distribution(mesh)


def test_layouts_of_variables(mesh):
    layouts = {
        "dense_1/kernel": (None, "model"),  # as the model has it: what was made before counts not
        ".*/head/.*": PartitionSpec("batch"),
    }
    parallel = keras.distribution.ModelParallel(layout_map=layouts, device_mesh=mesh)
    with parallel.scope():
        keras.layers.Dense(1)
        dense = [keras.layers.Dense(4), keras.layers.Dense(4)]
        model = keras.Sequential([keras.Input((4,)), *dense, keras.layers.Dense(4, name="head")])
        model.compile("sgd", "mse")
        model.fit(np.ones((4, 4)), np.ones((4, 4)), verbose=0)
    found = {
        path: parallel.get_variable_layout(v).axes
        for path, v in zip(model.variables.params, model.variables, strict=True)
    }
    assert found == {
        "dense/kernel": (None, None),
        "dense/bias": (None,),
        "dense_1/kernel": (None, "model"),
        "dense_1/bias": (None,),
        "head/kernel": ("batch", None),
        "head/bias": ("batch",),
    }
    assert parallel.get_data_layout((8, 2)).axes == ("batch", None)


def test_a_variable_with_a_layout_of_its_own(mesh):
    with keras.distribution.DataParallel(jax.make_mesh((1,), ("batch",))).scope() as parallel:
        variable = keras.Variable(np.ones((2, 3)), layout=(None, "batch"))
        assert parallel.get_variable_layout(variable).axes == (None, "batch")
        layout = NamedSharding(parallel.mesh, PartitionSpec(None, "batch"))
        assert variable.value.sharding == layout  # as soon as it is made
        wrong = keras.Variable("ones", shape=(2,), layout=(None, "batch"), name="wrong")
        with pytest.raises(ValueError, match="'wrong', which has fewer axes"):
            parallel.get_variable_layout(wrong)
        unknown = keras.Variable("ones", shape=(2,), layout=("model",))
        with pytest.raises(ValueError, match="no axis 'model'"):
            parallel.get_variable_layout(unknown)
        with pytest.raises(ValueError, match="no axis 'model'"):
            keras.Variable(np.ones(2), layout=("model",))


def test_wrong_arguments(mesh):
    distribution = keras.distribution
    with pytest.raises(ValueError, match="must specify a layout_map"):
        distribution.ModelParallel()
    with pytest.raises(ValueError, match="'replicated' or 'fsdp'"):
        distribution.ModelParallel(layout_map=LayoutMap(mesh), rest="all")
    with pytest.raises(ValueError, match="'nope' is not one"):
        distribution.ModelParallel(layout_map=LayoutMap(mesh), batch_dim_name="nope")
    with pytest.raises(ValueError, match="and not both"):
        distribution.DataParallel(mesh, ["cpu:0"])
    with pytest.raises(ValueError, match="instance of `DeviceMesh`"):
        distribution.DataParallel("cpu:0")
    with pytest.warns(UserWarning, match="first axis"):
        distribution.DataParallel(mesh)
    with pytest.raises(ValueError, match="`num_processes` and `process_id` are needed"):
        distribution.initialize("localhost:1234")
    with pytest.raises(ValueError, match="at least one device"):
        distribution.DataParallel(devices=[])
    with pytest.raises(ValueError, match="'cpu:0' twice"):
        distribution.DataParallel(devices=["cpu:0", "cpu:0"])
    with pytest.raises(ValueError, match="'a' twice"):
        DeviceMesh((1, 1), ["a", "a"], ["cpu:0"])
    with pytest.raises(ValueError, match="'model' twice"):
        LayoutMap(mesh)["kernel"] = ("model", "model")
    with pytest.raises(ValueError, match="'\\*kernel' is not a regular expression"):
        LayoutMap(mesh)["*kernel"] = (None, "model")
    with pytest.raises(ValueError, match="no mesh"):
        distribution.distribute_tensor(np.ones(2), ("batch",))


def test_no_cluster(monkeypatch):
    def initialize(*args, **kwargs):
        raise ValueError("coordinator_address should be defined.")  # as JAX does without one

    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    with pytest.raises(ValueError, match='Give `job_addresses="host:port"`'):
        keras.distribution.initialize()


def test_a_model_that_is_moved(capsys):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    model.compile("sgd", "mse")
    x = np.ones((4, 4))
    before = model.evaluate(x, x, verbose=0)
    model.distribute(keras.distribution.FullyShardedDataParallel(min_size=1))
    model.summary(expand_shardings=True)
    assert "kernel ('batch'" in capsys.readouterr().out
    assert model.evaluate(x, x, verbose=0) == pytest.approx(before)
    model.distribute(None)
    assert keras.distribution.distribution() is None
    assert model.evaluate(x, x, verbose=0) == pytest.approx(before)
