"""The finder at the front of `sys.meta_path`, and the modules it gives."""

import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import os
import pkgutil
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import jkeras
from jkeras.alias import attributes, private
from jkeras.base import old_spellings
from jkeras.saving.keras_format import KERAS_VERSION

_ROOTS = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras")
# An installed TensorFlow's keras is the one that is installed: it looks for a folder of that name.
_BESIDE_TENSORFLOW = ("keras", "tensorflow.keras")
_PREFIXES = ("_tf_keras.keras", "api", "_legacy")  # Keras's other doors to its public names
_OWN = ("__spec__", "__loader__", "__package__", "__name__", "__path__", "__file__")


class Report:
    """What the alias answered.

    Attributes:
        modules: The names that were imported.
        missing: Names that were asked for and that jkeras lacks: True where one was used.
    """

    def __init__(self) -> None:
        self.modules: set[str] = set()
        self.missing: dict[str, bool] = {}
        self.quiet = False  # while names are only tried
        self._log = os.environ.get("JKERAS_ALIAS_LOG")

    def note_missing(self, name: str, used: bool = False) -> None:
        """Notes a name, once when it is asked for and once when it is used."""
        if self.quiet and not used:
            return
        if name not in self.missing or (used and not self.missing[name]):
            self.missing[name] = used
            if self._log:
                with open(self._log, "a", encoding="utf-8") as file:
                    file.write(f"{'used' if used else 'missing'}\t{name}\n")

    def summary(self) -> str:
        """Returns a text of what was aliased and what was missing."""
        lines = [
            f"jkeras.alias: {len(self.modules)} modules answered by jkeras {jkeras.__version__}"
        ]
        lines += [
            f"  missing: {name}" + (" (used)" if used else "")
            for name, used in sorted(self.missing.items())
        ]
        return "\n".join(lines) + "\n"


class Finder(importlib.abc.MetaPathFinder):
    """Finds `keras` and what is below it in jkeras; with `tensorflow`, the stand-in as well."""

    def __init__(self) -> None:
        self.tensorflow = False
        self.report = Report()
        self.before: dict[str, str | None] = {}
        self._watched: dict[types.ModuleType, Any] = {}
        self._attributes: dict[type, Any] = {}

    def check_not_imported(self, names: Sequence[str]) -> None:
        """Raises RuntimeError if one of the modules is there already."""
        for name in names:
            if name in sys.modules:
                raise RuntimeError(
                    f"{name} was imported before the alias was installed, and stays what it is. "
                    "Call jkeras.alias.install() before anything imports it, or start the program "
                    "with `python -m jkeras`."
                )

    # -------------------------------------------------------------- finding
    def find_spec(
        self, fullname: str, path: Any = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Returns the spec of a module that jkeras answers for; None for all others."""
        for root in _ROOTS if self.tensorflow else _BESIDE_TENSORFLOW:
            if fullname == root or fullname.startswith(root + "."):
                make = self._find(fullname[len(root) + 1 :], fullname)
                return self._spec(fullname, make)
        if self.tensorflow and fullname.partition(".")[0] == "tensorflow":
            from jkeras.alias import tensorflow

            if not tensorflow.has_module(fullname):
                self._refuse(fullname)
            note = self.report.note_missing
            return self._spec(fullname, lambda: tensorflow.module(fullname, note))
        return None

    def _spec(self, fullname: str, make: Callable) -> importlib.machinery.ModuleSpec:
        self.report.modules.add(fullname)
        return importlib.machinery.ModuleSpec(fullname, _Loader(make), is_package=True)

    def _find(self, rest: str, fullname: str) -> Callable[[], types.ModuleType]:
        for prefix in _PREFIXES:
            if rest == prefix or rest == prefix.partition(".")[0]:
                return _root
            rest = rest.removeprefix(prefix + ".")
        if not rest:
            return _root if fullname != "keras" else lambda: Root(self.report)
        if rest == "src" or rest.startswith("src."):
            parts = tuple(rest.split("."))[1:]
            if parts and parts[0] not in private.AREAS:
                self._refuse(fullname)
            return lambda: Private(fullname, parts, self.report)
        if rest in old_spellings.MODULES:
            return lambda: old_spellings.module(jkeras, rest)
        try:
            value = importlib.import_module(f"jkeras.{rest}")
        except ModuleNotFoundError as error:
            if not f"jkeras.{rest}".startswith(error.name or "?"):
                raise
        else:
            return lambda: value
        try:
            value = private.resolve(rest)
        except AttributeError:
            self._refuse(fullname)
        if not isinstance(value, types.ModuleType):
            self._refuse(fullname)
        return lambda: value

    def _refuse(self, fullname: str) -> NoReturn:
        """Says that there is no such module; None would let Python look for files of that name."""
        self.report.note_missing(fullname)
        raise ModuleNotFoundError(
            f"No module named {fullname!r}: jkeras, which answers for "
            f"{fullname.partition('.')[0]} here, has none.",
            name=fullname,
        )

    # -------------------------------------------------------------- what is missing, and versions
    def watch(self) -> None:
        """Notes what is asked for in vain in public modules; adds Keras's private attributes."""
        self._attributes = attributes.attach()
        for name in private.PUBLIC:
            module = private.resolve(name)
            before = vars(module).get("__getattr__")
            self._watched[module] = before

            def find(attribute: str, before: Any = before, name: str = name) -> Any:
                if before is not None:
                    try:
                        return before(attribute)
                    except AttributeError:
                        self._note(name, attribute)
                        raise
                self._note(name, attribute)
                raise AttributeError(f"module 'keras.{name}' has no attribute {attribute!r}")

            vars(module)["__getattr__"] = find

    def _note(self, module: str, attribute: str) -> None:
        if not attribute.startswith("__"):
            self.report.note_missing(f"keras.{module}.{attribute}")

    def unwatch(self) -> None:
        """Takes back what `watch` did."""
        attributes.detach(self._attributes)
        for module, before in self._watched.items():
            if before is None:
                vars(module).pop("__getattr__", None)
            else:
                vars(module)["__getattr__"] = before

    def find_distributions(self, context: Any = None) -> Iterator[importlib.metadata.Distribution]:
        """Yields the distribution `keras`, for programs that ask for its version."""
        name = (getattr(context, "name", None) or "").lower().replace("_", "-")
        if name == "keras" or (self.tensorflow and name == "tf-keras"):
            yield Distribution(name)


def _root() -> types.ModuleType:
    return importlib.import_module("keras")


class Distribution(importlib.metadata.Distribution):
    """Says the version of Keras whose interface jkeras has."""

    def __init__(self, name: str):
        self._name = name

    def read_text(self, filename: str) -> str | None:
        if filename in ("METADATA", "PKG-INFO"):
            return f"Metadata-Version: 2.1\nName: {self._name}\nVersion: {KERAS_VERSION}\n"
        return None

    def locate_file(self, path: Any) -> Any:
        return Path(str(path))


class _Loader(importlib.abc.Loader):
    """Gives a module that exists, which stays what it is: Python overwrites its `__spec__`."""

    def __init__(self, make: Callable[[], types.ModuleType]):
        self._make = make

    def create_module(self, spec: Any) -> types.ModuleType:
        module = self._make()
        # A module that was made just now has None there, and takes what Python gives it.
        kept = {name: vars(module).get(name) for name in _OWN}
        self._kept = {name: value for name, value in kept.items() if value is not None}
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        vars(module).update(self._kept)


# ------------------------------------------------------------------ modules that are made
class Root(types.ModuleType):
    """The module `keras`: jkeras's names, and Keras's version."""

    def __init__(self, report: Report):
        super().__init__("keras", jkeras.__doc__)
        public = {k: v for k, v in vars(jkeras).items() if not k.startswith("_")}
        files = {module.name for module in pkgutil.iter_modules(jkeras.__path__)}
        self.__dict__.update(public)
        self.__dict__.update(
            # `from keras import *` imports also the namespaces that wait for their first use.
            __all__=sorted({*public, *(files & private.AREAS.keys())}),
            _report=report,
            __path__=[],
            __version__=KERAS_VERSION,
            __file__=jkeras.__file__,
            __spec__=importlib.machinery.ModuleSpec("keras", None, is_package=True),
            version=lambda: KERAS_VERSION,
        )

    def __getattr__(self, name: str) -> Any:
        try:
            return getattr(jkeras, name)
        except AttributeError:
            if name.startswith("__"):
                raise
        try:  # `import keras; keras.src.layers` and namespaces that are imported when used
            return importlib.import_module(f"keras.{name}")
        except ModuleNotFoundError:
            self._report.note_missing(f"keras.{name}")
            raise AttributeError(
                f"module 'keras' has no attribute {name!r} (jkeras answers for keras here)"
            ) from None

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in vars(jkeras) and not name.startswith("__"):  # a test that replaces a name
            setattr(jkeras, name, value)

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *dir(jkeras)} - {"_report"})


class Private(types.ModuleType):
    """A module below `keras.src`: its names are looked for among the public ones."""

    def __init__(self, fullname: str, parts: tuple[str, ...], report: Report):
        super().__init__(fullname)
        self.__dict__.update(_parts=parts, _report=report, __path__=[])

    @property
    def __all__(self) -> list[str]:
        """The public names of the namespace, for `from keras.src.ops import *`."""
        try:
            value = private.resolve(".".join(self._parts))
        except AttributeError:
            return []
        return [name for name in dir(value) if not name.startswith("_")]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if not self._parts and name in private.AREAS:
            return importlib.import_module(f"{self.__name__}.{name}")
        self._report.quiet = True
        try:
            return private.find(self._parts, name)
        except AttributeError:
            self._report.quiet = False
            return missing(f"{self.__name__}.{name}", self._report)
        finally:
            self._report.quiet = False

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        _raise_missing(self.__name__, self._report)


def missing(fullname: str, report: Report) -> Any:
    """Returns what stands for a name of `keras.src` that jkeras lacks: using it says so.

    Packages import helpers of Keras that most of them never call.
    """
    name = fullname.rpartition(".")[2]
    if name[:1].isupper():
        report.note_missing(fullname)

        def refuse(*args: Any, **kwargs: Any) -> NoReturn:
            _raise_missing(fullname, report)

        return type(name, (), {"__init__": refuse, "__module__": fullname.rpartition(".")[0]})
    is_area = fullname.count(".") > 2 or name in private.AREAS  # keras.src.<area>.<...>
    if name.startswith("_") or not is_area:
        report.note_missing(fullname)
        raise AttributeError(f"jkeras has no {fullname}")
    return importlib.import_module(fullname)  # a module, or a function: it can be called


def _raise_missing(fullname: str, report: Report) -> NoReturn:
    report.note_missing(fullname, used=True)
    raise NotImplementedError(
        f"jkeras has no {fullname}, a private name of Keras's that this program uses."
    )
