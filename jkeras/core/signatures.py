"""Signatures written out: of constructors that take arguments together, as `**options`."""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

Init = TypeVar("Init", bound=Callable[..., None])
Function = TypeVar("Function", bound=Callable[..., Any])


def written_out(
    init: Init,
    parameters: Iterable[inspect.Parameter],
    prepare: Callable[[Any, dict[str, Any]], None] | None = None,
) -> Init:
    """Gives a constructor another signature; it is called with all arguments by name.

    Type checkers see the constructor as it is written; `inspect.signature`, `help`, configs and
    calls see the parameters.

    Args:
        init: The constructor, which takes `**options` for what it does not name.
        parameters: All parameters. Those that are keyword-only may be given by position, too.
        prepare: Called before with the object and the arguments, some of which it may take out.
    """
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature(
        [
            p.replace(kind=positional) if p.kind is p.KEYWORD_ONLY else p
            for p in (*parameters, inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD))
        ]
    )

    @functools.wraps(init)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        try:
            bound = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{type(args[0]).__name__}.__init__(): {error}") from None
        given = {**bound.pop("kwargs", {}), **bound}
        if prepare is not None:
            prepare(args[0], given)
        init(**given)

    wrapper.__signature__ = signature  # type: ignore[attr-defined]
    return wrapper  # type: ignore[return-value]


def takes_arguments_of(base: Callable, without: Iterable[str] = ()) -> Callable[[Init], Init]:
    """Writes the arguments of another constructor out, to which `**options` are handed on.

    They come after the constructor's own positional arguments, and before those that are
    keyword-only.

    Args:
        base: The other constructor.
        without: Arguments of the other constructor to leave out.

    Example:
        >>> import inspect
        >>> from jkeras.core.signatures import takes_arguments_of
        >>> class Shape:
        ...     def __init__(self, color="red", **kwargs):
        ...         self.color = color
        >>> class Circle(Shape):
        ...     @takes_arguments_of(Shape.__init__)
        ...     def __init__(self, radius, **options):
        ...         super().__init__(**options)
        >>> str(inspect.signature(Circle)), Circle(2.0, "blue").color
        ("(radius, color='red', **kwargs)", 'blue')
    """

    hidden = set(without)

    def decorator(init: Init) -> Init:
        own = inspect.signature(init).parameters
        inherited = _parameters(base)
        return written_out(
            init,
            [
                *(p for p in own.values() if p.kind is p.POSITIONAL_OR_KEYWORD),
                *(p for p in inherited if p.name not in {*own, *hidden} and _is_named(p)),
                *(p for p in own.values() if p.kind is p.KEYWORD_ONLY),
            ],
        )

    return decorator


def without_others(function: Function) -> Function:
    """Hides `**kwargs` from `inspect.signature`, of a function that refuses what it does not know.

    Programs read off a signature which of their own arguments they may hand on.

    Example:
        >>> import inspect
        >>> from jkeras.core.signatures import without_others
        >>> @without_others
        ... def train(epochs=1, **kwargs):
        ...     return sorted(kwargs)
        >>> str(inspect.signature(train)), train(workers=2)
        ('(epochs=1)', ['workers'])
    """
    signature = inspect.signature(function)
    kept = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    function.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    return function


@functools.cache
def _parameters(function: Callable) -> tuple[inspect.Parameter, ...]:
    # The constructors of a few base classes are asked many times while the library is imported.
    return tuple(inspect.signature(function).parameters.values())


def _is_named(parameter: inspect.Parameter) -> bool:
    return parameter.kind is parameter.POSITIONAL_OR_KEYWORD
