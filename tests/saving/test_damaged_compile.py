"""Damaged arguments of `compile` in files: an error that says so, or a model that is compiled."""

import copy
import io
import json
import zipfile

import h5py
import numpy as np
import pytest

import jkeras as keras

BAD = (7, [[1]], {"class_name": "Nope", "config": {}}, None)


def paths(value, path=()):
    """Yields the places in a structure."""
    yield path
    if isinstance(value, list):
        value = dict(enumerate(value))
    for key, item in value.items() if isinstance(value, dict) else ():
        yield from paths(item, (*path, key))


def damaged(config):
    """Yields configs with something else in each place."""
    for path in paths(config):
        for bad in BAD:
            holder = {"": copy.deepcopy(config)}
            inner, keys = holder, ("", *path)
            for key in keys[:-1]:
                inner = inner[key]
            inner[keys[-1]] = bad
            yield (*path, bad), holder[""]


@pytest.fixture(scope="module")
def model():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    rate = keras.optimizers.schedules.ExponentialDecay(0.01, 10, 0.9)
    metrics = ["mae", keras.metrics.MeanSquaredError()]
    model.compile(keras.optimizers.Adam(rate), keras.losses.Huber(), metrics=metrics)
    return model


def check(load, what):
    try:
        found = load()
    except ValueError as error:
        assert "compil" in f"{error} {getattr(error, '__notes__', '')}", (what, error)
        return 1
    assert found.compiled or what[:-1] == (), what
    return 0


def test_keras_files(model):
    stream = io.BytesIO()
    model.save(stream)
    with zipfile.ZipFile(stream) as members:
        parts = {name: members.read(name) for name in members.namelist()}
    config, refused = json.loads(parts["config.json"]), 0
    for what, changed in damaged(config["compile_config"]):
        # The archive is made anew, since its members cannot be replaced.
        parts["config.json"] = json.dumps({**config, "compile_config": changed}).encode()
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as members:
            for name, part in parts.items():
                members.writestr(name, part)
        refused += check(lambda: keras.models.load_model(stream), what)  # noqa: B023
    assert refused > 80


def test_h5_files(model, tmp_path):
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        config, refused = json.loads(file.attrs["training_config"]), 0
    for what, changed in damaged(config):
        with h5py.File(tmp_path / "m.h5", "a") as file:
            file.attrs["training_config"] = np.bytes_(json.dumps(changed))
        refused += check(lambda: keras.models.load_model(tmp_path / "m.h5"), what)
    assert refused > 60
