"""What the services that run in this process have in common: an operation takes a JSON body, answers one, or refuses."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Protocol

from tidegate.local.loop import Loop


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


class OnLoop:
    """A service whose state belongs to the loop: calls from other threads are done there, and waited for."""

    def __init__(self, loop: Loop, service: Service) -> None:
        self._loop = loop
        self._service = service

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        if self._loop.is_current:
            return self._service.call(operation, body)
        return self._loop.submit_from_thread(lambda: self._service.call(operation, body)).result()


def with_binary(document: dict[str, Any]) -> dict[str, Any]:
    """Hook of ``json.loads``: binary attribute values of DynamoDB as bytes, as botocore gives them."""
    if len(document) == 1:
        if isinstance(document.get("B"), str):
            return {"B": base64.b64decode(document["B"])}
        if isinstance(document.get("BS"), list):
            return {"BS": [base64.b64decode(one) for one in document["BS"]]}
    return document
