"""Ten trainings that are killed; `python -m tests.resume.kills` kills more."""

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.optimized, pytest.mark.no_cover]


def test_trainings_that_are_killed_end_as_others_do():
    # In a process of its own, in which JAX has started nothing that forbids to fork.
    command = [sys.executable, "-m", "tests.resume.kills", "--count", "10", "--seed", "3"]
    command += ["--sources", "arrays,generator"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "10 kills" in result.stdout
