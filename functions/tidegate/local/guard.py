"""The trust boundary, kept locally as IAM keeps it on AWS: user code has no way to the control plane."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tidegate.local.role import Role
from tidegate.local.service import ServiceError

_CLOSED = frozenset({"stepfunctions", "lambda", "ecs", "events"})
"""Services user code may not call at all, but for the functions it is allowed to invoke."""


class Guard:
    """What user code may not do."""

    def __init__(self, *, may_invoke: Iterable[str] = ()) -> None:
        self.control_tables: set[str] = set()
        self._may_invoke = frozenset(may_invoke)

    def check(self, role: Role, service: str, operation: str, body: Mapping[str, Any]) -> None:
        """Let the call pass.

        Raises:
            ServiceError: ``AccessDeniedException``.
        """
        if role is not Role.USER:
            return
        if service in _CLOSED and not self._is_allowed_invoke(service, operation, body):
            raise _denied(service, operation, "*")
        if service == "dynamodb":
            named = set(_tables(body))
            closed = named & self.control_tables
            if closed or not named:
                raise _denied(service, operation, next(iter(closed), "*"))

    def _is_allowed_invoke(self, service: str, operation: str, body: Mapping[str, Any]) -> bool:
        if (service, operation) != ("lambda", "Invoke"):
            return False
        return str(body.get("FunctionName", "")).split(":")[-1] in self._may_invoke


def _tables(body: Mapping[str, Any]) -> Iterator[str]:
    """The names of the tables a DynamoDB call is about; none when it does not say."""
    if "TableName" in body:
        yield _name(body["TableName"])
    yield from map(_name, body.get("RequestItems", {}))
    for item in body.get("TransactItems", ()):
        for action in item.values():
            yield _name(action.get("TableName", ""))


def _name(name_or_arn: str) -> str:
    return str(name_or_arn).rsplit("/", maxsplit=1)[-1]


def _denied(service: str, operation: str, resource: str) -> ServiceError:
    return ServiceError(
        "AccessDeniedException",
        f"User code is not authorized to perform {service}:{operation} on {resource}.",
    )
