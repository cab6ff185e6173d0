"""The three calls on one row that all stores are made of. Each is one request.

PynamoDB's own ``save`` and ``update`` throw away the row that stood in the way of a condition. These answer it, which spares
the read that every caller would make next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from botocore.exceptions import ClientError
from pynamodb.constants import ITEM, PUT_ITEM, UPDATE_ITEM
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from tidegate.adapters.dynamodb.table import (
    CONDITION_FAILED_ALONE,
    ControlTable,
    connection,
    translated,
)

Row = TypeVar("Row", bound=ControlTable)

ALL_OLD = "ALL_OLD"
ALL_NEW = "ALL_NEW"


def get(access: str, kind: type[Row], pk: str, sk: str) -> Row | None:
    """The row as it is now. Strongly consistent: 1 read unit for each 4 KB."""
    with translated(access):
        try:
            return kind.get(pk, sk, consistent_read=True)
        except kind.DoesNotExist:
            return None


def put(access: str, row: Row, condition: Condition | None = None) -> tuple[Row, bool]:
    """Put the row if the condition holds for the one stored. Answers the row stored now, and whether this wrote it.

    1 write unit for each KB, whether or not the condition holds.
    """
    with translated(access):
        arguments = row.get_save_kwargs_from_instance(
            condition=condition,
            return_values_on_condition_failure=None if condition is None else ALL_OLD,
        )
        refused, item = _send(PUT_ITEM, arguments)
        if refused:
            return type(row).from_raw_data(item), False
    return row, True


def update(
    access: str,
    kind: type[Row],
    pk: str,
    sk: str,
    actions: Sequence[Action],
    condition: Condition | None = None,
) -> tuple[Row | None, bool]:
    """Update the row if the condition holds. Answers the row stored now (None: there is none), and whether this wrote it.

    1 write unit for each KB of the whole row, whether or not the condition holds.
    """
    with translated(access):
        arguments = kind._get_connection().get_operation_kwargs(
            pk,
            sk,
            actions=actions,
            condition=condition,
            return_values=ALL_NEW,
            return_values_on_condition_failure=None if condition is None else ALL_OLD,
        )
        refused, item = _send(UPDATE_ITEM, arguments)
        return (kind.from_raw_data(item) if item else None), not refused


def updated(
    access: str, kind: type[ControlTable], pk: str, sk: str, actions: Sequence[Action]
) -> dict[str, Any]:
    """Update the row. Answers it as DynamoDB has it, with attributes that the model does not name.

    1 write unit for each KB of the whole row.
    """
    with translated(access):
        arguments = kind._get_connection().get_operation_kwargs(
            pk, sk, actions=actions, return_values=ALL_NEW
        )
        return _send(UPDATE_ITEM, arguments)[1]


def _send(operation: str, arguments: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
    """Whether the condition failed; and the item that stood in its way, or that is stored now."""
    try:
        answer = connection().dispatch(operation, arguments)
    except ClientError as error:
        if error.response["Error"].get("Code") != CONDITION_FAILED_ALONE:
            raise
        # PynamoDB raises a copy of the error that has lost the item; its cause is the original.
        original = error.__cause__ if isinstance(error.__cause__, ClientError) else error
        return True, dict(original.response).get(ITEM) or {}  # type: ignore[return-value]
    return False, answer.get("Attributes") or {}
