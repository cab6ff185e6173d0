"""What the services that run in this process have in common: an operation takes a JSON body, answers one, or refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class ServiceError(Exception):
    """A call is refused, as AWS would: botocore raises it as a ``ClientError`` with this code."""

    def __init__(self, code: str, message: str, *, status: int = 400, **extra: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.extra = extra
        """Further members of the error, such as ``CancellationReasons``."""


class Service(Protocol):
    """One AWS service, or the part of it that moto does not do."""

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """Do the operation. None: moto does it.

        Raises:
            ServiceError: the call is refused.
        """


def required(body: Mapping[str, Any], name: str) -> Any:
    """The parameter, or the refusal that AWS gives without it."""
    if name not in body:
        raise ServiceError("ValidationException", f"The parameter {name} is required.")
    return body[name]
