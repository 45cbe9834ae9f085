"""What `import jkeras` loads: the core, and none of what most programs never use."""

import subprocess
import sys

import jkeras as keras

# Packages and parts of Python's library that take long, and parts of this one with a door of their
# own. JAX and optax load some of Python's: those are not listed.
UNUSED = (
    *("flax", "grain", "h5py", "IPython", "matplotlib", "onnx", "orbax", "pandas", "PIL", "rich"),
    *("safetensors", "scipy.stats", "sklearn", "tensorboardX", "torch"),
    *("concurrent.futures.process", "tarfile", "urllib.request", "wave"),
    *("jkeras.alias", "jkeras.applications.resnet", "jkeras.datasets", "jkeras.export.onnx_files"),
    *("jkeras.models.ensemble", "jkeras.models.searching", "multiprocessing"),
    *("jkeras.preprocessing", "jkeras.visualization", "jkeras.wrappers"),
)


def test_an_import_loads_nothing_that_is_rarely_used():
    code = f"""if True:
        import sys, jax, jax.numpy, optax
        before = set(sys.modules)
        import jkeras
        print(*sorted(set({UNUSED!r}) & (set(sys.modules) - before)))"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_what_is_loaded_later_is_there_all_the_same():
    assert {"datasets", "preprocessing", "visualization", "wrappers"} <= {*dir(keras)}
    assert {"Ensemble", "search", "cross_validate"} <= {*dir(keras.models)}
    names: dict = {}
    exec("from jkeras import *", names)
    assert names["datasets"] is keras.datasets is sys.modules["jkeras.datasets"]
    assert names["Sequential"] is keras.Sequential and not hasattr(keras, "no_such_area")
