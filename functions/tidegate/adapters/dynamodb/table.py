"""What all control tables share: their key, how they are bound to a deployment, and how their errors read.

Every table has a string partition key ``pk`` and sort key ``sk``. Tables are on demand, with point-in-time recovery, and
TTL on ``expires_at`` where rows are retired. ``all_tables()`` is what both CDK and the local deployment create.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.connection import Connection
from pynamodb.exceptions import (
    PynamoDBException,
    TransactWriteError,
)
from pynamodb.models import Model

from tidegate.errors import ConflictError, StoreError, ThrottledError, UnavailableError

DEFAULT_PREFIX = "tidegate"

CONDITION_FAILED = "ConditionalCheckFailed"
"""Cancellation reason code of a transaction item whose condition did not hold."""

_THROTTLED = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "ProvisionedThroughputExceeded",
        "ThrottlingException",
        "ThrottlingError",
        "Throttling",
        "RequestLimitExceeded",
    }
)
_CONFLICT = frozenset(
    {"TransactionConflictException", "TransactionConflict", "TransactionInProgressException"}
)
_UNKNOWN = frozenset({"InternalServerError", "ServiceUnavailable", "RequestTimeout"})


class ControlTable(Model):
    """Base of the table models."""

    name: ClassVar[str]
    """Name of the table within the deployment: ``runs``, ``admission`` ..."""
    ttl_attribute: ClassVar[str | None] = None

    pk: UnicodeAttribute
    sk: UnicodeAttribute


class _State:
    prefix = DEFAULT_PREFIX
    region = "us-east-1"
    host: str | None = None
    connection: Connection | None = None


def all_tables() -> tuple[type[ControlTable], ...]:
    """The table models, by name."""
    from tidegate.adapters.dynamodb import models

    return models.TABLES


def table_name(model: type[ControlTable], prefix: str | None = None) -> str:
    return f"{prefix or _State.prefix}-{model.name}"


def bind(*, prefix: str = DEFAULT_PREFIX, region: str, host: str | None = None) -> None:
    """Point all models at the tables of one deployment (``host`` for an engine other than AWS).

    A process serves one deployment at a time: models are classes, so this is process-wide.
    """
    _State.prefix, _State.region, _State.host, _State.connection = prefix, region, host, None
    for model in all_tables():
        meta: Any = model.Meta
        meta.table_name, meta.region, meta.host = table_name(model), region, host
        model._connection = None


def connection() -> Connection:
    """The connection on which transactions run."""
    if _State.connection is None:
        _State.connection = Connection(region=_State.region, host=_State.host)
    return _State.connection


def refusals(error: TransactWriteError) -> list[str | None]:
    """For each item of a cancelled transaction, the reason code; None where it was fine."""
    return [None if one is None or one.code == "None" else one.code for one in error.cancellation_reasons]


@contextmanager
def translated(access: str) -> Iterator[None]:
    """Turn what PynamoDB raises into the errors the ports promise. Failed conditions pass through: callers expect them."""
    try:
        yield
    except PynamoDBException as error:
        code = error.cause_response_code
        if isinstance(error, TransactWriteError):
            codes = {one for one in refusals(error) if one}
            if CONDITION_FAILED in codes:
                raise
            code = next(iter(codes & (_THROTTLED | _CONFLICT)), code)
        if code == "ConditionalCheckFailedException":
            raise
        kind: type[StoreError] = StoreError
        if code in _THROTTLED:
            kind = ThrottledError
        elif code in _CONFLICT:
            kind = ConflictError
        elif code in _UNKNOWN or code is None:
            kind = UnavailableError
        raise kind(f"{access}: {error}") from error


__all__ = [
    "CONDITION_FAILED",
    "ControlTable",
    "NumberAttribute",
    "all_tables",
    "bind",
    "connection",
    "refusals",
    "table_name",
    "translated",
]
