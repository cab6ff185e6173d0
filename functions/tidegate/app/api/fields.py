"""The fields of a request to the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.errors import RequestError

MAX_PAGE = 500
_SHOWN = 200


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


class Fields:
    """The fields of a request, checked by type as they are asked for."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self._request = request

    def text(self, name: str) -> str:
        value = self._request.get(name)
        if not isinstance(value, str) or not value:
            raise RequestError(f"The field {name!r} must be a text, and is {_shown(value)}.")
        return value

    def optional_text(self, name: str) -> str | None:
        return None if self._request.get(name) is None else self.text(name)

    def integer(self, name: str, default: int | None = None) -> int:
        value = self._request.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise RequestError(f"The field {name!r} must be an integer, and is {_shown(value)}.")
        return value

    def optional_integer(self, name: str) -> int | None:
        return None if self._request.get(name) is None else self.integer(name)

    def optional_flag(self, name: str) -> bool | None:
        return None if self._request.get(name) is None else self.flag(name)

    def page_size(self) -> int:
        value = self.integer("limit", 50)
        if not 1 <= value <= MAX_PAGE:
            raise RequestError(f"The field 'limit' must be 1 to {MAX_PAGE}, and is {value}.")
        return value

    def texts(self, name: str) -> tuple[str, ...] | None:
        value = self._request.get(name)
        if value is None:
            return None
        if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
            raise RequestError(
                f"The field {name!r} must be a list of texts, and is {_shown(value)}."
            )
        return tuple(value)

    def mapping(self, name: str) -> dict[str, Any] | None:
        value = self._request.get(name)
        if value is not None and not isinstance(value, Mapping):
            raise RequestError(f"The field {name!r} must be a mapping, and is {_shown(value)}.")
        return None if value is None else dict(value)

    def tags(self) -> dict[str, str]:
        tags = self.mapping("tags") or {}
        for key, value in tags.items():
            if not isinstance(value, str):
                raise RequestError(f"Tag {key!r} must be a text, and is {_shown(value)}.")
        return tags

    def flag(self, name: str) -> bool:
        value = self._request.get(name, False)
        if not isinstance(value, bool):
            raise RequestError(f"The field {name!r} must be true or false, and is {_shown(value)}.")
        return value
