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
        lift: Makes a method of a function of arrays and its name.
    """
    for name in (*_BINARY, *_COMPARE, *_UNARY):
        python_name = {"and": "and_", "or": "or_", "abs": "abs"}.get(name, name)
        function = abs if name == "abs" else getattr(operator, python_name)
        setattr(cls, f"__{name}__", lift(function, name))
    for name in _BINARY:
        python_name = {"and": "and_", "or": "or_"}.get(name, name)
        setattr(cls, f"__r{name}__", lift(_reflected(getattr(operator, python_name)), name))


def _reflected(function: Callable) -> Callable:
    def reflected(a: Any, b: Any) -> Any:
        return function(b, a)

    return reflected
