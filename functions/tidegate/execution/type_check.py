"""Whether a value fits the annotation of an input or output."""

from __future__ import annotations

import numbers
import types
import typing
from itertools import islice
from typing import Any

from tidegate.errors import InvocationError

_LOOKED_AT = 1000
"""Members of a container that are checked; a long one is taken on trust after that."""


def check_type(value: Any, annotation: Any, where: str) -> None:
    """Raise unless the value fits.

    Raises:
        InvocationError: it does not; ``where`` names the input or output.
    """
    if not fits(value, annotation):
        wanted = getattr(annotation, "__name__", None)
        if wanted is None or typing.get_args(annotation):
            wanted = str(annotation).replace("typing.", "")
        raise InvocationError(
            f"{where} is annotated {wanted}, and its value is of type {type(value).__name__}.",
            mend="Change the annotation or the value.",
        )


def fits(value: Any, annotation: Any) -> bool:
    """True also for annotations that cannot be checked: protocols, type variables, names not defined at run time."""
    if annotation is Any or isinstance(annotation, (str, typing.TypeVar)):
        return True
    if annotation is None:
        return value is None
    origin = typing.get_origin(annotation)
    if origin is None:
        return _fits_class(value, annotation)
    arguments = typing.get_args(annotation)
    if origin is typing.Annotated:
        return fits(value, arguments[0])
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, one) for one in arguments)
    if origin is typing.Literal:
        return value in arguments
    if not _fits_class(value, origin):
        return False
    return _members_fit(value, origin, arguments)


def _fits_class(value: Any, kind: Any) -> bool:
    if not isinstance(kind, type):
        return True
    if kind is float:
        return isinstance(value, numbers.Real)
    if kind is int:
        return isinstance(value, numbers.Integral)
    if getattr(kind, "_is_protocol", False) or typing.is_typeddict(kind):
        return True
    try:
        return isinstance(value, kind)
    except TypeError:
        return True


def _members_fit(value: Any, origin: Any, arguments: tuple[Any, ...]) -> bool:
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is ...:
            return all(fits(one, arguments[0]) for one in islice(value, _LOOKED_AT))
        return len(value) == len(arguments) and all(map(fits, value, arguments))
    if isinstance(value, dict) and len(arguments) == 2:
        key, member = arguments
        return all(
            fits(name, key) and fits(one, member) for name, one in islice(value.items(), _LOOKED_AT)
        )
    if isinstance(value, (list, set, frozenset)) and len(arguments) == 1:
        return all(fits(one, arguments[0]) for one in islice(value, _LOOKED_AT))
    return True
