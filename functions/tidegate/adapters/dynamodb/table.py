"""What all control tables share: their key, how they are bound to a deployment, and how their errors read.

Every table has a string partition key ``pk`` and sort key ``sk``. Tables are on demand, with point-in-time recovery, and
TTL on ``ttl_attribute`` where rows are retired. ``all_tables()`` is what both CDK and the local deployment create.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Self

from botocore.exceptions import ClientError
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.connection import Connection
from pynamodb.constants import NULL
from pynamodb.exceptions import (
    AttributeNullError,
    DoesNotExist,
    PynamoDBException,
    TransactWriteError,
)
from pynamodb.models import Model

from tidegate.adapters.answers import BOTOCORE_ERRORS, kind_of
from tidegate.adapters.dynamodb.connection import DeploymentConnection

DEFAULT_PREFIX = "tidegate"
RETRIES = 3
"""Tries of botocore after its first, 25 ms apart at first (1 s when throttled), doubling. Its first comes at once after one on
the short way (``client.py``)."""

CONDITION_FAILED = "ConditionalCheckFailed"
"""Cancellation reason code of a transaction item whose condition did not hold."""
CONDITION_FAILED_ALONE = "ConditionalCheckFailedException"
"""Error code of a single write whose condition did not hold."""


class ControlTable(Model):
    """Base of the table models."""

    name: ClassVar[str]
    """Name of the table within the deployment: ``runs``, ``admission`` ..."""
    ttl_attribute: ClassVar[str | None] = None

    pk: UnicodeAttribute
    sk: UnicodeAttribute

    @classmethod
    def from_raw_data(cls, data: dict[str, Any]) -> Self:
        """A row from what DynamoDB has.

        As PynamoDB's own, which looks several times at every attribute of the model. A model here has those of all kinds of
        row in its table, and a row has few of them.
        """
        row = cls.__new__(cls)
        row.attribute_values = values = {}
        attributes, names = cls.get_attributes(), cls._dynamo_to_python_attrs  # type: ignore[attr-defined]
        for stored, value in data.items():
            name = names.get(stored, stored)
            attribute = attributes.get(name)
            if attribute is not None and NULL not in value:
                values[name] = attribute.deserialize(attribute.get_value(value))
        return row

    def serialize(self, null_check: bool = True) -> dict[str, dict[str, Any]]:
        """The row as DynamoDB is sent it. As PynamoDB's own, but it looks at what the row has.

        Raises:
            AttributeNullError: it lacks an attribute that every row has.
        """
        attributes, item = self.get_attributes(), dict[str, dict[str, Any]]()
        for name, value in self.attribute_values.items():
            kept = None if value is None else attributes[name].serialize(value)
            if kept is not None:
                item[attributes[name].attr_name] = {attributes[name].attr_type: kept}
        for name, attribute in attributes.items() if null_check else ():
            if not attribute.null and attribute.attr_name not in item:
                raise AttributeNullError(name)
        return item

    def _set_defaults(self, _user_instantiated: bool = True) -> None:
        """There are none, and PynamoDB looks for them at every attribute of every row."""


class _State:
    prefix = DEFAULT_PREFIX
    region = "us-east-1"
    connection: Connection | None = None
    place: tuple[str, str, str | None, int] | None = None


def all_tables() -> tuple[type[ControlTable], ...]:
    """The table models, by name."""
    from tidegate.adapters.dynamodb import models

    return models.TABLES


def table_name(model: type[ControlTable], prefix: str | None = None) -> str:
    return f"{prefix or _State.prefix}-{model.name}"


def bind(
    *,
    prefix: str = DEFAULT_PREFIX,
    region: str,
    host: str | None = None,
    retries: int = RETRIES,
) -> None:
    """Point all models at the tables of one deployment (``host`` for an engine other than AWS).

    A process serves one deployment at a time: models are classes, so this is process-wide. All models, and the
    transactions, go through one client: pynamodb would make one for each model, and each costs a cold start 30 ms
    and connections of its own. Binding again to the same place keeps that client.
    """
    place = (prefix, region, host, retries)
    if _State.connection is not None and _State.place == place:
        return
    shared = DeploymentConnection(region=region, host=host, max_retry_attempts=retries)
    _State.prefix, _State.region, _State.connection, _State.place = prefix, region, shared, place
    for model in all_tables():
        meta: Any = model.Meta
        meta.table_name, meta.region, meta.host = table_name(model), region, host
        meta.max_retry_attempts = retries
        _forget_connection(model)
        of_table = model._get_connection()
        shared.add_meta_table(of_table.get_meta_table())
        of_table.connection = shared


def _forget_connection(model: type[Model]) -> None:
    """Rows are subclasses of their table; one used before ``bind`` would keep a connection of its own."""
    model._connection = None
    for row in model.__subclasses__():
        _forget_connection(row)
        del row._connection


def connection() -> Connection:
    """The connection of the deployment, on which transactions run too."""
    if _State.connection is None:
        bind(prefix=_State.prefix, region=_State.region)
    assert _State.connection is not None
    return _State.connection


def refusals(error: TransactWriteError) -> list[str | None]:
    """For each item of a cancelled transaction, the reason code; None where it was fine."""
    return [
        None if one is None or one.code == "None" else one.code
        for one in error.cancellation_reasons
    ]


@contextmanager
def translated(access: str) -> Iterator[None]:
    """Turn what PynamoDB raises into the errors the ports promise.

    Failed conditions and rows that do not exist pass through: callers expect them. So do mistakes in the use of
    PynamoDB, which have no answer of DynamoDB behind them.
    """
    try:
        yield
    except DoesNotExist:
        raise
    except (PynamoDBException, *BOTOCORE_ERRORS) as error:
        cause = error.cause if isinstance(error, PynamoDBException) else error
        reasons = refusals(error) if isinstance(error, TransactWriteError) else []
        if _is_refusal(cause) or CONDITION_FAILED in reasons:
            raise
        kind = kind_of(cause, [one for one in reasons if one])
        if kind is None:
            raise
        raise kind(f"{access}: {error}") from error


def _is_refusal(cause: BaseException | None) -> bool:
    return (
        isinstance(cause, ClientError)
        and cause.response.get("Error", {}).get("Code") == CONDITION_FAILED_ALONE
    )


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
