"""`python -m jkeras script.py`: runs a program for which `keras` is jkeras."""

import argparse
import importlib.util
import json
import os
import runpy
import sys
import types
from typing import Any

from jkeras import alias
from jkeras.base.extras import missing

_EPILOG = """\
examples:
  python -m jkeras train.py --epochs 3     a script, with its own arguments
  python -m jkeras -m package.module       a module, as with python -m
  python -m jkeras -c "import keras"       code
  python -m jkeras notebook.ipynb          the cells of a notebook, one after the other

With the environment variable JKERAS_ALIAS_LOG=file, names that Keras has and jkeras lacks are
written to that file when they are asked for and when they are used.
"""


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m jkeras",
        description="Runs a program for which `import keras` gives jkeras.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("-m", dest="module", metavar="MODULE", nargs=argparse.REMAINDER)
    made.add_argument("-c", dest="code", metavar="CODE", nargs=argparse.REMAINDER)
    made.add_argument(
        "--summary", action="store_true", help="say at the end what was aliased and what is missing"
    )
    made.add_argument(
        "--tensorflow",
        action=argparse.BooleanOptionalAction,
        help="answer `import tensorflow` by the stand-in (default: if TensorFlow is not there)",
    )
    made.add_argument(
        "program", nargs=argparse.REMAINDER, help="a script or notebook, and its arguments"
    )
    return made


def main(arguments: list[str] | None = None) -> None:
    """Installs the alias and runs what the command line says."""
    options = parser().parse_args(arguments)
    tensorflow = options.tensorflow
    if tensorflow is None:
        tensorflow = importlib.util.find_spec("tensorflow") is None
    given = options.module or options.code or options.program
    if not given:
        parser().print_help()
        sys.exit(2)
    sys.path[0] = ""  # the place of the program's own folder: jkeras is not found by way of it
    alias.install(tensorflow=tensorflow)
    try:
        if options.module:
            sys.argv = given
            sys.path[0] = os.getcwd()
            runpy.run_module(given[0], run_name="__main__", alter_sys=True)
        elif options.code:
            sys.argv = ["-c", *given[1:]]
            sys.path[0] = ""
            exec(compile(given[0], "<string>", "exec"), vars(_as_main(None)))
        else:
            _run_file(given)
    finally:
        if options.summary:
            sys.stderr.write(alias.report().summary())


def _run_file(given: list[str]) -> None:
    path = given[0]
    if not os.path.exists(path):
        sys.exit(f"python -m jkeras: there is no file {path!r}")
    sys.argv = given
    sys.path[0] = os.path.dirname(os.path.abspath(path))
    if path.endswith(".ipynb"):
        run_notebook(path)
    elif os.path.isdir(path) or not path.endswith((".py", ".pyw")):
        runpy.run_path(path, run_name="__main__")
    else:
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec")
        exec(code, vars(_as_main(path)))


def _as_main(path: str | None) -> types.ModuleType:
    """Returns a new module `__main__`; it stays, for what runs at exit and in other processes."""
    module = types.ModuleType("__main__")
    if path is not None:
        module.__file__ = path
    module.__dict__.update(__builtins__=__builtins__, __spec__=None)
    sys.modules["__main__"] = module
    return module


def run_notebook(path: str) -> None:
    """Runs the code cells of a notebook in order, until one fails.

    Magic commands work if IPython is installed.

    Raises:
        ImportError: If the notebook has magic commands and IPython is not installed.
    """
    with open(path, encoding="utf-8") as file:
        cells = json.load(file)["cells"]
    sources = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    try:
        from IPython.core.interactiveshell import InteractiveShell
    except ImportError:
        names = vars(_as_main(path))
        for number, source in enumerate(sources, 1):
            if any(line.lstrip().startswith(("%", "!")) for line in source.splitlines()):
                need = f"Code cell {number} of {path} has magic commands (% or !): it needs IPython"
                raise missing(need, "ipython") from None
            exec(compile(source, f"{path}, code cell {number}", "exec"), names)
        return
    shell: Any = InteractiveShell.instance(user_module=_as_main(path))
    for source in sources:
        shell.run_cell(source, store_history=True).raise_error()


if __name__ == "__main__":
    main()
