"""`keras` answered by jkeras: scripts, notebooks and packages run unchanged.

    python -m jkeras script.py         # a script that says `import keras`
    pytest -p jkeras.alias             # the tests of a package
    %load_ext jkeras                   # in a notebook, before the first `import keras`

or, at the top of a program, before anything imports keras:

    from jkeras import alias
    alias.install()

`keras.layers` is then the same module object as `jkeras.layers`. Nothing is changed on disk, and a
program that does not ask for this never sees it. What Keras has and jkeras lacks raises an error
that names it when it is used.
"""

import importlib
import os
import site
import sys
from collections.abc import Iterator
from typing import Any

from jkeras.alias.finder import Finder
from jkeras.alias.finder import Report as Report

_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "startup")
_VARIABLE = "JKERAS_ALIAS"


def install(tensorflow: bool = False, children: bool = True) -> None:
    """Makes `import keras` give jkeras, in this process and those that it starts.

    A second call changes nothing, but may add `tensorflow`.

    Args:
        tensorflow: Whether `import tf_keras`, `from tensorflow import keras` and a small stand-in
            for TensorFlow (`tf.constant`, `tf.random.set_seed`, `tf.data.Dataset` of arrays...)
            are answered, too. An installed TensorFlow is hidden by it.
        children: Whether Python processes that this one starts have it as well. They find it by
            the environment variables JKERAS_ALIAS and PYTHONPATH.

    Raises:
        RuntimeError: If another keras was imported already; it stays as it is.

    Example:
        >>> from jkeras import alias
        >>> alias.install(children=False)
        >>> import keras, jkeras
        >>> keras.layers is jkeras.layers
        True
        >>> alias.uninstall()
    """
    finder = _finder()
    if finder is None:
        finder = Finder()
        finder.check_not_imported(["keras", *(["tf_keras", "tensorflow"] if tensorflow else [])])
        sys.meta_path.insert(0, finder)
        # Programs ask for the backend by its variable, too.
        finder.before = {
            name: os.environ.get(name) for name in ("KERAS_BACKEND", _VARIABLE, "PYTHONPATH")
        }
        os.environ["KERAS_BACKEND"] = "jax"
        finder.watch()
    if tensorflow and not finder.tensorflow:
        finder.check_not_imported(["tf_keras", "tensorflow"])
        finder.tensorflow = True
    if children:
        os.environ[_VARIABLE] = "keras,tensorflow" if finder.tensorflow else "keras"
        path = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
        ours = os.path.dirname(os.path.dirname(os.path.dirname(_FOLDER)))
        if ours not in sys.path:  # `spawn` gives a child this list; it may hold "" instead
            sys.path.append(ours)
        if _FOLDER not in path:
            more = [] if ours in [*path, *site.getsitepackages()] else [ours]
            os.environ["PYTHONPATH"] = os.pathsep.join([_FOLDER, *path, *more])


def uninstall() -> None:
    """Takes the alias away: `import keras` finds what is installed, if anything is.

    What was imported stays with those who hold it.
    """
    finder = _finder()
    if finder is None:
        return
    sys.meta_path.remove(finder)
    finder.unwatch()
    for name in finder.report.modules:
        sys.modules.pop(name, None)
    for variable, value in finder.before.items():
        if value is None:
            os.environ.pop(variable, None)
        else:
            os.environ[variable] = value


def report() -> Report:
    """Returns what the alias answered so far: modules, and names that are missing.

    Raises:
        RuntimeError: If the alias is not installed.
    """
    finder = _finder()
    if finder is None:
        raise RuntimeError("The alias is not installed: call jkeras.alias.install().")
    return finder.report


def is_installed() -> bool:
    """Says whether `import keras` gives jkeras in this process.

    Example:
        >>> from jkeras import alias
        >>> alias.is_installed()
        False
    """
    return _finder() is not None


def _finder() -> Finder | None:
    return next((f for f in sys.meta_path if isinstance(f, Finder)), None)


def load_ipython_extension(shell: Any) -> None:
    """Installs the alias in a notebook: `%load_ext jkeras.alias`, or `%load_ext jkeras`."""
    install(tensorflow=importlib.util.find_spec("tensorflow") is None)


def pytest_addoption(parser: Any) -> None:
    """Installs the alias for `pytest -p jkeras.alias`, when the plugin is read."""
    install()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Lists what is missing at the end of the tests."""
    if is_installed():
        for line in _missing_lines():
            terminalreporter.write_line(line)


def _missing_lines() -> Iterator[str]:
    missing = report().missing
    if missing:
        yield "jkeras.alias: what Keras has and jkeras lacks, and was asked for here"
        for name in sorted(missing):
            yield f"  {name}" + (" (used)" if missing[name] else "")
