"""Caches of the test's own, and an address on this machine: no test uses the network."""

from dataclasses import replace

import pytest

from jkeras.datasets import _files
from tests.tools.server import serve


@pytest.fixture
def homes(tmp_path, monkeypatch):
    """Returns the folders of our cache, of Keras's, and of what is published."""
    folders = [tmp_path / name for name in ("jkeras", "keras", "published")]
    for folder in folders:
        (folder / "datasets").mkdir(parents=True)
    monkeypatch.setenv("JKERAS_HOME", str(folders[0]))
    monkeypatch.setenv("KERAS_HOME", str(folders[1]))
    return folders


@pytest.fixture
def upstream(homes, monkeypatch):
    """Serves the folder `published` in place of the real address."""
    with serve(homes[2]) as server:
        monkeypatch.setattr(_files, "UPSTREAM", server.address)
        yield server


@pytest.fixture
def offline(homes, monkeypatch):
    """Makes the real addresses unreachable."""
    with serve(homes[2]) as server:
        address = server.address
    monkeypatch.setattr(_files, "UPSTREAM", address)


@pytest.fixture
def publish(monkeypatch):
    """Returns `publish(module, contents, attribute="_FILE")`: makes these the published ones."""

    def change(module, contents, attribute="_FILE"):
        source = getattr(module, attribute)
        digest = _files.hashlib.sha256(contents).hexdigest()
        monkeypatch.setattr(module, attribute, replace(source, digest=digest, origin=None))

    return change
