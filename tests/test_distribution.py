"""Meshes and layouts of arrays."""

import jax
import numpy as np
import pytest

import jkeras as keras
from jkeras.distribution import DeviceMesh, LayoutMap, TensorLayout


@pytest.fixture
def mesh():
    return DeviceMesh((1, 1), ["batch", "model"], ["cpu:0"])


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
