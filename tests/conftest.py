"""What every test starts from: fresh names, a fixed seed, float32."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import pytest


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
