"""A dict whose entries are attributes."""

import json
from collections.abc import MutableMapping
from typing import Any


class Config(MutableMapping):
    """A dict whose entries are attributes, and which can be frozen.

    Args:
        **kwargs: The first entries.

    Raises:
        ValueError: If an entry is changed while it is frozen.

    Example:
        >>> import jkeras as keras
        >>> config = keras.utils.Config(units=3)
        >>> config.rate = 0.5
        >>> config["units"], config.to_json()
        (3, '{"units": 3, "rate": 0.5}')
        >>> config.freeze()
        >>> config.units = 4
        Traceback (most recent call last):
        ValueError: Cannot mutate attribute(s) because the config is frozen. Call unfreeze() first.
    """

    def __init__(self, **kwargs: Any):
        vars(self).update(_entries=dict(kwargs), _frozen=False)

    @property
    def frozen(self) -> bool:
        """Whether entries cannot be changed."""
        return self._frozen

    def freeze(self) -> None:
        """Refuses changes from now on."""
        vars(self)["_frozen"] = True

    def unfreeze(self) -> None:
        """Allows changes again."""
        vars(self)["_frozen"] = False

    def as_dict(self) -> dict[str, Any]:
        """Returns a plain dict of the entries."""
        return dict(self._entries)

    def to_json(self) -> str:
        """Returns the entries as JSON."""
        return json.dumps(self._entries)

    def __getitem__(self, key: str) -> Any:
        return self._entries[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._check()
        self._entries[key] = value

    def __delitem__(self, key: str) -> None:
        self._check()
        del self._entries[key]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._entries:  # a copy is asked before it has any
            raise AttributeError(f"Unknown attribute: {name!r}.")
        return self._entries[name]

    __setattr__ = __setitem__

    def __delattr__(self, name: str) -> None:
        if name not in self._entries:
            raise AttributeError(f"Unknown attribute: {name!r}.")
        del self[name]

    def _check(self) -> None:
        if self._frozen:
            raise ValueError(
                "Cannot mutate attribute(s) because the config is frozen. Call unfreeze() first."
            )

    def __iter__(self) -> Any:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<Config {self._entries}>"
