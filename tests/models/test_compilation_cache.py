"""The next process finds compiled programs again; where it does not, nothing goes wrong."""

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import json, logging, os, sys
import jax, numpy as np
import jkeras as keras

events = []
jax.monitoring.register_event_listener(lambda name, **_: events.append(name))
keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(1)])
model.compile("sgd", "mse")
x = np.ones((40, 3), "float32")
loss = model.fit(x, x[:, :1], verbose=0).history["loss"]
hits = sum(name.endswith("compilation_cache/cache_hits") for name in events)
misses = sum(name.endswith("compilation_cache/cache_misses") for name in events)
print(json.dumps([loss, hits, misses]))
"""


def start(home, **variables):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_PERSISTENT")}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    environment.update({"XDG_CACHE_HOME": str(home), **variables})
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process):
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return *json.loads(out), errors


def run(home, **variables):
    return end(start(home, **variables))


def programs(home):
    return sorted(home.rglob("*-cache"))


def test_the_next_process_finds_them_and_damaged_ones_are_made_again(tmp_path):
    both = [start(tmp_path), start(tmp_path)]  # two at once share the folder
    (loss, *_), (other, *_) = map(end, both)
    kept = programs(tmp_path)
    assert kept
    assert other == loss
    again, hits, misses, _ = run(tmp_path)
    assert again == loss
    assert hits > 0
    assert misses == 0
    for path in kept[::2]:
        path.write_bytes(path.read_bytes()[:50])
    mended, *_ = run(tmp_path)
    assert mended == loss


@pytest.mark.parametrize("how", ["off", "another folder", "jax's own", "no folder"])
def test_where_they_are_kept(tmp_path, how):
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir()
    variables = {
        "off": {"JKERAS_COMPILATION_CACHE": "off"},
        "another folder": {"JKERAS_COMPILATION_CACHE": str(other)},
        "jax's own": {
            "JAX_COMPILATION_CACHE_DIR": str(other),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "1000",  # which ours would not wait for
        },
        "no folder": {"XDG_CACHE_HOME": "/proc/nowhere"},
    }[how]
    _, _, _, errors = run(home, **variables)
    assert not programs(home)
    assert errors == ""
    assert bool(programs(other)) == (how == "another folder")
