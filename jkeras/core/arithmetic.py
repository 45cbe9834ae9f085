"""Python's operators, given to classes that stand for arrays."""

import operator
from collections.abc import Callable
from typing import Any

_BINARY = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"),
    *("and", "or", "xor", "lshift", "rshift"),
)
_COMPARE = ("lt", "le", "gt", "ge")
_UNARY = ("neg", "pos", "abs", "invert")


def add_operators(cls: type, lift: Callable[[Callable, str], Callable]) -> None:
    """Gives `cls` the arithmetic and comparison operators.

    Args:
        cls: The class.
        lift: Makes, of a function of arrays and its name, one that takes objects of `cls` as well.
    """
    for name in (*_BINARY, *_COMPARE, *_UNARY):
        python_name = {"and": "and_", "or": "or_", "abs": "abs"}.get(name, name)
        function = abs if name == "abs" else getattr(operator, python_name)
        setattr(cls, f"__{name}__", lift(function, name))
    for name in _BINARY:
        setattr(cls, f"__r{name}__", _reflected(getattr(cls, f"__{name}__")))


def _reflected(method: Callable) -> Callable:
    def reflected(self: Any, other: Any) -> Any:
        return method(other, self)

    return reflected
