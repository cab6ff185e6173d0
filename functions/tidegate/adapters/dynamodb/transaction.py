"""A transaction whose refusals are known by name.

PynamoDB's own takes a model through three layers for each row of it, for options of tables that are not used here. Conditions
and actions are PynamoDB's; what is put around them is written here.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from pynamodb.exceptions import CancellationReason, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action, Update

from tidegate.adapters.dynamodb.table import (
    CONDITION_FAILED,
    ControlTable,
    connection,
    translated,
)

ALL_OLD = "ALL_OLD"


class Transaction:
    """Writes to several rows, all or none. ``name`` is what a write is called when its condition fails."""

    def __init__(self, access: str) -> None:
        self._access = access
        self._checks: list[tuple[Hashable, dict[str, Any]]] = []
        self._deletes: list[tuple[Hashable, dict[str, Any]]] = []
        self._puts: list[tuple[Hashable, dict[str, Any]]] = []
        self._updates: list[tuple[Hashable, dict[str, Any]]] = []

    def check(
        self, name: Hashable, kind: type[ControlTable], pk: str, sk: str, condition: Condition
    ) -> None:
        self._checks.append((name, _write(kind, _key(pk, sk), condition)))

    def delete(
        self, row: ControlTable, *, name: Hashable = None, condition: Condition | None = None
    ) -> None:
        self._deletes.append((name, _write(type(row), _key_of(row), condition)))

    def put(
        self, row: ControlTable, *, name: Hashable = None, condition: Condition | None = None
    ) -> None:
        self._puts.append((name, _write(type(row), {"Item": row.serialize()}, condition)))

    def update(
        self,
        row: ControlTable,
        actions: Sequence[Action],
        *,
        name: Hashable = None,
        condition: Condition | None = None,
    ) -> None:
        write = _write(type(row), _key_of(row), condition, actions)
        if condition is not None:
            write["ReturnValuesOnConditionCheckFailure"] = ALL_OLD
        self._updates.append((name, write))

    def commit(self) -> dict[Hashable, dict[str, Any]]:
        """Write all. If conditions failed nothing was written: answers the rows that refused, by name (empty: no row)."""
        kinds = (self._checks, self._deletes, self._puts, self._updates)
        checks, deletes, puts, updates = ([write for _, write in kind] for kind in kinds)
        try:
            with translated(self._access):
                connection().transact_write_items(checks, deletes, puts, updates)
        except TransactWriteError as error:
            # Reasons come in the order in which the writes were sent.
            names = [name for kind in kinds for name, _ in kind]
            reasons: list[CancellationReason | None] = error.cancellation_reasons
            return {
                name: reason.raw_item or {}
                for name, reason in zip(names, reasons, strict=True)
                if reason is not None and reason.code == CONDITION_FAILED
            }
        return {}


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {"Key": {"pk": {"S": pk}, "sk": {"S": sk}}}


def _key_of(row: ControlTable) -> dict[str, Any]:
    return _key(row.pk, row.sk)


def _write(
    kind: type[ControlTable],
    what: dict[str, Any],
    condition: Condition | None,
    actions: Sequence[Action] = (),
) -> dict[str, Any]:
    """The parameters of one write. Names and values are shared by condition and actions."""
    places: dict[str, str] = {}
    values: dict[str, Any] = {}
    write = {"TableName": kind.Meta.table_name, **what}
    if condition is not None:
        write["ConditionExpression"] = condition.serialize(places, values)
    if actions:
        write["UpdateExpression"] = Update(*actions).serialize(places, values)
    if places:
        write["ExpressionAttributeNames"] = {place: name for name, place in places.items()}
    if values:
        write["ExpressionAttributeValues"] = values
    return write
