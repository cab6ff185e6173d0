"""Paths: ``$``, ``$.a.b``, ``$['a b']``, ``$.a[0]``, and the same after ``$$`` for the context object."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from tidegate.local.asl.errors import RESULT_PATH, InvalidDefinition, StateError

Part = str | int

_PART = re.compile(
    r"""\.(?P<name>[^\W\d][\w\-]*)|\[(?P<index>-?\d+)\]|\[(?P<quote>['"])(?P<quoted>.+?)(?P=quote)\]"""
)


class MissingPathError(Exception):
    """The path leads nowhere in this document."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@lru_cache(maxsize=1024)
def parse(path: str) -> tuple[Part, ...]:
    """The parts of a path after its ``$``.

    Raises:
        InvalidDefinition: it is no path, or it uses filters, wildcards or recursion, which are not executed here.
    """
    at, parts = len(path) - len(path.lstrip("$")), []
    if not 1 <= at <= 2:
        raise InvalidDefinition(f"{path!r} is not a path.", mend="A path starts with $ or $$.")
    while at < len(path):
        found = _PART.match(path, at)
        if found is None:
            raise InvalidDefinition(
                f"The path {path!r} is not one the local interpreter reads.",
                mend="Use names and indices only.",
            )
        index = found["index"]
        parts.append(found["name"] or found["quoted"] if index is None else int(index))
        at = found.end()
    return tuple(parts)


def read(path: str, document: Any) -> Any:
    """What is at ``path``.

    Raises:
        MissingPathError: nothing is.
    """
    at = document
    for part in parse(path):
        if not _has(at, part):
            raise MissingPathError(path)
        at = at[part]
    return at


def _has(container: Any, part: Part) -> bool:
    if isinstance(part, str):
        return isinstance(container, dict) and part in container
    return isinstance(container, list) and -len(container) <= part < len(container)


def write(path: str, document: Any, value: Any) -> Any:
    """A copy of ``document`` with ``value`` at ``path``; objects on the way are made as needed.

    Raises:
        StateError: ``States.ResultPathMatchFailure``, something other than an object is in the way.
    """
    return _written(parse(path), document, value, path)


def _written(parts: tuple[Part, ...], document: Any, value: Any, path: str) -> Any:
    if not parts:
        return value
    part, rest = parts[0], parts[1:]
    if isinstance(part, str) and isinstance(document, dict):
        return {**document, part: _written(rest, document.get(part, {}), value, path)}
    if isinstance(part, int) and _has(document, part):
        return [*document[:part], _written(rest, document[part], value, path), *document[part:][1:]]
    raise StateError(RESULT_PATH, f"Unable to apply ReferencePath {path} to input {document!r}")
