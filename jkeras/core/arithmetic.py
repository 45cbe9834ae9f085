"""Python's operators, given to classes that stand for arrays."""

import operator
from collections.abc import Callable
from typing import Any

# fmt: off
_BINARY = (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor",
    "lshift", "rshift",
)
# fmt: on
_COMPARE = ("lt", "le", "gt", "ge")
_UNARY = ("neg", "pos", "abs", "invert")


def add_operators(cls: type, lift: Callable[[Callable, str], Callable]) -> None:
    """Gives `cls` the arithmetic and comparison operators that it does not write itself.

    Args:
        cls: The class.
        lift: Makes a function of instances, of a function of arrays and its name. Instances may
            stand at any place among its arguments.
    """
    for name in (*_BINARY, *_COMPARE, *_UNARY):
        python_name = {"and": "and_", "or": "or_"}.get(name, name)
        method = lift(getattr(operator, python_name), name)
        if f"__{name}__" not in cls.__dict__:
            setattr(cls, f"__{name}__", method)
        if name in _BINARY:
            setattr(cls, f"__r{name}__", _reflected(method))


def _reflected(method: Callable) -> Callable:
    def reflected(self: Any, other: Any) -> Any:
        return method(other, self)

    return reflected
