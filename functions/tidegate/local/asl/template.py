"""Payload templates (``Parameters``, ``ResultSelector``): objects in which a key that ends in ``.$`` takes its value from a path
or an intrinsic call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tidegate.local.asl import intrinsics, paths
from tidegate.local.asl.errors import RUNTIME, InvalidDefinition, StateError


def check(template: Any) -> None:
    """Refuse a template that could not be filled in.

    Raises:
        InvalidDefinition: a ``.$`` value is neither a path nor an intrinsic call.
    """
    if isinstance(template, list):
        for one in template:
            check(one)
    elif isinstance(template, dict):
        for key, value in template.items():
            if not key.endswith(".$"):
                check(value)
            elif isinstance(value, str) and value.startswith("$"):
                paths.parse(value)
            elif isinstance(value, str) and value.startswith("States."):
                intrinsics.parse(value)
            else:
                raise InvalidDefinition(
                    f"The value of {key!r} is {value!r}.",
                    mend="It must be a path or an intrinsic call.",
                )


def fill(template: Any, document: Any, context: Mapping[str, Any]) -> Any:
    """The template with its paths replaced.

    Raises:
        StateError: a path leads nowhere, or an intrinsic call failed.
    """
    if isinstance(template, list):
        return [fill(one, document, context) for one in template]
    if not isinstance(template, dict):
        return template
    filled = {}
    for key, value in template.items():
        if key.endswith(".$"):
            filled[key[:-2]] = _value(key, value, _reader(document, context))
        else:
            filled[key] = fill(value, document, context)
    return filled


def _value(key: str, value: str, look_up: Callable[[str], Any]) -> Any:
    try:
        if value.startswith("$"):
            return look_up(value)
        return intrinsics.evaluate(value, look_up)
    except paths.MissingPathError as error:
        raise StateError(
            RUNTIME,
            f"The JSONPath '{error.path}' specified for the field '{key}' could not be found in the input",
        ) from error


def _reader(document: Any, context: Mapping[str, Any]) -> Callable[[str], Any]:
    return lambda path: paths.read(path, context if path.startswith("$$") else document)
