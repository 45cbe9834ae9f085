"""Dicts whose entries are attributes."""

import copy

import pytest

from jkeras.utils import Config


def test_entries_are_attributes():
    config = Config(units=3)
    config.rate, config["name"] = 0.5, "mine"
    config.update({"units": 4})
    assert config.as_dict() == dict(config) == {"units": 4, "rate": 0.5, "name": "mine"}
    assert (config.rate, config["name"], config.get("other", 1), len(config)) == (0.5, "mine", 1, 3)
    del config.rate
    assert config.pop("name") == "mine" and "rate" not in config
    assert copy.deepcopy(config).as_dict() == {"units": 4}
    assert repr(config) == "<Config {'units': 4}>"


def test_frozen_configs_refuse_changes():
    config = Config(units=3)
    config.freeze()
    assert config.frozen
    for change in (
        lambda: setattr(config, "units", 4),
        lambda: config.update(units=4),
        lambda: config.pop("units"),
        lambda: delattr(config, "units"),
    ):
        with pytest.raises(ValueError, match="frozen"):
            change()
    config.unfreeze()
    config.units = 4
    assert config.units == 4


def test_unknown_names():
    with pytest.raises(AttributeError, match="'units'"):
        Config().units
    with pytest.raises(AttributeError, match="'units'"):
        del Config().units
    with pytest.raises(KeyError, match="units"):
        Config()["units"]
