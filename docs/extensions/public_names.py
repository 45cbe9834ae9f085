"""What a module offers, for the pages of the API reference: the directive `public`.

````
```{public} jkeras.layers
:from: jkeras.layers.convolutional
```
````

gives a table of the public names of `jkeras.layers` that are defined in that file, and then their
documentation. Without `from` these are all names that are defined in the module or below it, but
in the files that `but` names, and that the page does not have yet. `without` names members of their
classes that stand on another page. At the end of a build, each
public name of a module with a page must be documented somewhere.
"""

import ast
import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective
from sphinx.util.inspect import stringify_signature
from sphinx.util.logging import getLogger

import jkeras
from jkeras.base.registry import Configurable

logger = getLogger(__name__)


def public_names(module: ModuleType) -> dict[str, Any]:
    """Returns the classes and functions that a module defines, or imports as `name as name`."""
    names = []
    for node in ast.parse(Path(module.__file__).read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.append(node.name)
        elif isinstance(node, ast.ImportFrom):
            names += [alias.asname for alias in node.names if alias.asname]
        elif isinstance(node, ast.If):  # `if TYPE_CHECKING`, for names that are imported when used
            names += [a.asname for n in node.body if isinstance(n, ast.ImportFrom) for a in n.names]
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
    found = {name: getattr(module, name) for name in names if name and not name.startswith("_")}
    return {
        name: value
        for name, value in found.items()
        if callable(value) and getattr(value, "__module__", "").split(".")[0] == "jkeras"
    }


class Public(SphinxDirective):
    """Documents the public names of a module."""

    required_arguments = 1
    option_spec = {"from": str, "but": str, "without": str}

    def run(self) -> list[nodes.Node]:
        """Returns a table of the names, and the documentation of each."""
        (path,) = self.arguments
        module = importlib.import_module(path)
        self.env.note_dependency(module.__file__)
        _modules(self.env).add(path)
        sources = self.options.get("from", path).split()
        others = self.options.get("but", "").split()
        shown = self.env.temp_data.setdefault("public_names", set())  # on this page
        named: dict[int, tuple[Any, list[str]]] = {}
        for name, value in public_names(module).items():
            source = value.__module__
            below = "from" not in self.options and source.startswith(path + ".")
            if id(value) not in shown and source not in others and (below or source in sources):
                named.setdefault(id(value), (value, []))[1].append(name)
                self.env.note_dependency(importlib.import_module(source).__file__)
        if not named:
            return []
        shown.update(named)
        found = sorted(named.values(), key=lambda entry: not inspect.isclass(entry[0]))
        without = self.options.get("without", "").split()
        entries = [_entry(path, value, names, without) for value, names in found]
        table = [f"   ~{path}.{names[0]}" for names in map(_sorted, found)]
        lines = ["````{eval-rst}", ".. autosummary::", "   :nosignatures:", "", *table, ""]
        lines += [line for entry in entries for line in entry] + ["````"]
        return self.parse_text_to_nodes("\n".join(lines))


def _sorted(entry: tuple[Any, list[str]]) -> list[str]:
    """Returns the names of a value, that of its definition first."""
    value, names = entry
    return sorted(names, key=lambda name: name != getattr(value, "__name__", None))


def _entry(path: str, value: Any, names: list[str], without: list[str]) -> list[str]:
    name, *others = _sorted((value, names))
    kind = "class" if inspect.isclass(value) else "function"
    lines = [f".. auto{kind}:: {path}.{name}"]
    if kind == "class" and value.__name__ == name:
        lines += ["   :members:", f"   :exclude-members: {', '.join(without)}"]
    lines.append("")
    if others:
        also = ", ".join(f"``{other}``" for other in others)
        lines += [f"   Also called {also}.", ""]
    if kind == "class" and value.__name__ == name:
        for member in _from_private_bases(value, importlib.import_module(path)):
            is_property = isinstance(inspect.getattr_static(value, member), property)
            directive = "autoproperty" if is_property else "automethod"
            if member not in without:
                lines += [f"   .. {directive}:: {path}.{name}.{member}", ""]
    return lines


def _from_private_bases(cls: type, module: ModuleType) -> list[str]:
    """Returns the members that the base of other public classes has from undocumented bases.

    Those of a base that is public stand where that is documented.
    """
    others = [c for c in public_names(module).values() if inspect.isclass(c) and c is not cls]
    if not any(cls in other.__mro__ for other in others):
        return []
    bases = [base for base in cls.__mro__[1:] if base.__module__.startswith("jkeras.")]
    public = [b for b in bases if b in (getattr(m, b.__name__, None) for m in (module, jkeras))]
    found = {}
    for base in bases:
        if base not in public and base.__module__ != "jkeras.base.old_spellings":
            for name, member in vars(base).items():
                plain = inspect.isroutine(member) or isinstance(member, property)
                if plain and not name.startswith("_") and inspect.getdoc(member):
                    found[name] = not any(hasattr(p, name) for p in public)
    return [name for name, shown in found.items() if shown and name not in vars(cls)]


def _modules(env: BuildEnvironment) -> set[str]:
    if not hasattr(env, "public_modules"):
        env.public_modules = set()
    return env.public_modules


def check_complete(app: Sphinx, env: BuildEnvironment) -> None:
    """Warns of public names that no page documents."""
    documented = {id(_find(path)) for path in env.get_domain("py").data["objects"]}
    for path in sorted(_modules(env)):
        for name, value in public_names(importlib.import_module(path)).items():
            if id(value) not in documented:
                logger.warning("%s.%s is on no page of docs/api", path, name)


def _find(path: str) -> Any:
    module, _, name = path.rpartition(".")
    while module:
        try:
            value: Any = importlib.import_module(module)
        except ImportError:
            module, _, first = module.rpartition(".")
            name = f"{first}.{name}"
            continue
        for part in name.split("."):
            value = getattr(value, part, None)
        return value
    return None


def separate_examples(app: Sphinx, doctree: nodes.document) -> None:
    """Runs the examples of each class and function in a group of their own, which starts afresh."""
    for example in doctree.findall(nodes.doctest_block):
        owner: nodes.Node | None = example
        while owner is not None and not isinstance(owner, addnodes.desc):
            owner = owner.parent
        if owner is not None:
            example["groups"] = [owner[0]["fullname"]]


def protect(app: Sphinx, kind: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Keeps Napoleon from reading `The name: unique in a model` as a type and what it is."""
    if kind == "property" and lines:
        lines[0] = lines[0].replace(":", "\0")
    for i, line in enumerate(lines[:-1]):
        if line.strip() == "Returns:":
            lines[i + 1] = lines[i + 1].replace(":", "\0")


def escape(app: Sphinx, kind: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Makes reStructuredText of docstrings, in which `(batch, *spatial)` and `Metric`s are text."""
    code = False
    for i, line in enumerate(lines):
        lines[i] = line = line.replace("\0", ":")
        code = bool(line.strip()) and (code or line.lstrip().startswith(">>>"))
        if not code:
            parts = re.split("(`+[^`]+`+)", line)
            parts[::2] = [re.sub(r"(?<![\\*\w])\*(?![*\s])", r"\\*", text) for text in parts[::2]]
            lines[i] = re.sub(r"(?<=\w`)(?=\w)", r"\\ ", "".join(parts))


def skip_foreign(app: Sphinx, kind: str, name: str, value: Any, skip: bool, options: Any) -> Any:
    """Leaves out members that another library has put into a class."""
    return True if getattr(value, "__module__", "jkeras").split(".")[0] != "jkeras" else None


def show_constructor(
    app: Sphinx, kind: str, name: str, value: Any, options: Any, signature: Any, returns: Any
) -> Any:
    """Shows the arguments of a constructor: Sphinx looks at `__new__` first, which takes any."""
    if kind != "class" or not issubclass(value, Configurable):
        return None
    return stringify_signature(inspect.signature(value), show_annotation=False), returns


def mend_links_back(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Makes a listing's link to documentation under another name lead to the page as a whole.

    Viewcode takes all names of a file to be documented under the module of one of them.
    """
    if pagename.startswith("_modules/") and "body" in context:
        known = {entry.node_id for entry in app.env.get_domain("py").data["objects"].values()}
        context["body"] = re.sub(
            r'(class="viewcode-back" href="[^"#]*)#([^"]*)"',
            lambda m: m[0] if m[2] in known else f'{m[1]}"',
            context["body"],
        )


def setup(app: Sphinx) -> dict[str, Any]:
    """Is called by Sphinx."""
    app.add_directive("public", Public)
    app.connect("autodoc-process-signature", show_constructor)
    app.connect("env-check-consistency", check_complete)
    app.connect("autodoc-skip-member", skip_foreign)
    app.connect("autodoc-process-docstring", protect, priority=400)  # before Napoleon
    app.connect("autodoc-process-docstring", escape, priority=600)  # after Napoleon
    app.connect("doctree-read", separate_examples)
    app.connect("html-page-context", mend_links_back)
    return {"version": "1", "parallel_read_safe": False}
