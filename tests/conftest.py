"""What every test starts from: fresh names, a fixed seed, float32, and quick compilation.

Measuring coverage made tests of the core and of metrics a third slower. Tests marked `no_cover`
trace a lot, and run lines that others run too: they are left out of the measurement.

Tests marked `optimized`, of bits and of whole runs, are compiled as a user's programs are. Some of
the compiler's options hold for a whole process: `nox` gives these tests processes of their own.
"""

import gc
import os
from importlib.metadata import version

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import pytest

QUICK = ("--xla_cpu_use_fusion_emitters=false", "--xla_cpu_parallel_codegen_split_count=1")


def pytest_configure(config):
    """Makes compiling cheap, which is most of what the tests spend their time on.

    What was compiled once, in this run or in an earlier one, by this process or by one beside it,
    is kept in pytest's cache; and programs that run once need no optimizing, nor the newer
    generator of loops, which takes twice the time for a small program, nor to be cut into parts
    that are compiled side by side, which takes as long again. Set in the environment, so that it
    holds for processes that tests start.
    """
    gc.set_threshold(50_000, 20, 50)  # JAX's traces make many objects: 5 % of the time
    config.addinivalue_line("markers", "optimized: compiled as a user's programs are")
    if config.getoption("markexpr") != "optimized":
        os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
        if version("jaxlib").startswith("0.10."):  # an unknown flag would end the process
            os.environ.setdefault("XLA_FLAGS", " ".join(QUICK))
    if hasattr(config, "cache"):
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(config.cache.mkdir("jax")))
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"


@pytest.fixture(autouse=True)
def fresh_session():
    """Names count from zero, and the global seed is the same, at the start of each test."""
    from jkeras.base import keys, naming, settings
    from jkeras.core import policy

    naming.reset_names()
    policy.reset_policy()
    settings.set_floatx("float32")
    keys.set_random_seed(1234)
    yield
    policy.reset_policy()
    settings.set_floatx("float32")


@pytest.fixture
def own_programs():
    """Lets a test, of what is compiled, find no programs of equal models before it."""
    from jkeras.models import sharing

    sharing._kept.clear()


@pytest.fixture(params=[False, True], ids=["kept", "destroyed"])
def destroyed(request, monkeypatch):
    """Whether chunks of steps destroy the state they start from, as they do if it is not small."""
    from jkeras.models import session

    if request.param:
        monkeypatch.setattr(session, "_SMALL_STATE", 0)
    return request.param


@pytest.fixture(scope="module", autouse=True)
def optimizations(request):
    """Compiles the tests marked `optimized` with optimizations."""
    if request.node.get_closest_marker("optimized") is None:
        yield
        return
    import jax

    jax.config.update("jax_disable_most_optimizations", False)
    yield
    quick = os.environ.get("JAX_DISABLE_MOST_OPTIMIZATIONS") == "1"
    jax.config.update("jax_disable_most_optimizations", quick)
