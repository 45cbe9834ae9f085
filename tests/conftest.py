"""What every test starts from: fresh names, a fixed seed, float32, and quick compilation.

Measuring coverage made tests of the core and of metrics a third slower. Tests marked `no_cover`
trace a lot, and run lines that others run too: they are left out of the measurement.
"""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import pytest


def pytest_configure(config):
    """Makes compiling cheap, which is most of what the tests spend their time on.

    What was compiled once, in this run or in an earlier one, by this process or by one beside it,
    is kept in pytest's cache; and programs that run once need no optimizing. Set in the
    environment, so that it holds for processes that tests start.
    """
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    if hasattr(config, "cache"):
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(config.cache.mkdir("jax")))
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"


@pytest.fixture(autouse=True)
def fresh_session():
    """Names count from zero, and the global seed is the same, at the start of each test."""
    from jkeras.core import naming, policy, random, settings

    naming.reset_names()
    policy.reset_policy()
    settings.set_floatx("float32")
    random.set_random_seed(1234)
    yield
    policy.reset_policy()
    settings.set_floatx("float32")


@pytest.fixture(scope="module")
def optimized():
    """Compiles as a user's programs are compiled: for tests of bits, and of whole runs."""
    import jax

    jax.config.update("jax_disable_most_optimizations", False)
    yield
    before = os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] == "1"
    jax.config.update("jax_disable_most_optimizations", before)
