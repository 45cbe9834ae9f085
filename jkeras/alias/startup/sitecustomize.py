"""Found by way of PYTHONPATH in processes that were started under the alias; see jkeras.alias.

It imports nothing until a program imports keras: most child processes never do.
"""

import os
import sys
import warnings
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import Any


class Waiting:
    """Installs the alias when keras, or what else is answered, is first looked for."""

    def __init__(self, asked: str):
        self.tensorflow = "tensorflow" in asked
        self.roots = {"keras", "tf_keras", "tensorflow"} if self.tensorflow else {"keras"}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Returns what the alias finds, or None for other modules."""
        if name.partition(".")[0] not in self.roots or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        try:
            from jkeras import alias
        except ModuleNotFoundError as error:
            if error.name != "jkeras":
                raise
            warnings.warn(  # as in the Python of another environment
                f"JKERAS_ALIAS is set, but there is no jkeras here: {name} is what is installed.",
                stacklevel=2,
            )
            return None

        alias.install(self.tensorflow)
        return sys.meta_path[0].find_spec(name, path, target)

    def find_distributions(self, context: Any = None) -> Any:
        """Yields nothing until the alias is installed, which answers for `keras`."""
        asked = getattr(context, "name", None) in self.roots
        if asked and self.find_spec("keras") is not None:
            finder: Any = sys.meta_path[0]
            return finder.find_distributions(context)
        return iter(())


if os.environ.get("JKERAS_ALIAS"):
    sys.meta_path.insert(0, Waiting(os.environ["JKERAS_ALIAS"]))
# What this file hides is still to be run.
_here = os.path.realpath(os.path.dirname(__file__))
_hidden = PathFinder.find_spec(
    "sitecustomize", [p for p in sys.path if os.path.realpath(p or ".") != _here]
)
if _hidden is not None and _hidden.loader is not None:
    _hidden.loader.exec_module(module_from_spec(_hidden))
