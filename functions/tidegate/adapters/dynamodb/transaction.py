"""A transaction whose refusals are known by name."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from pynamodb.exceptions import CancellationReason, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

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
        self._transaction = TransactWrite(connection=connection())
        self._checks: list[Hashable] = []
        self._deletes: list[Hashable] = []
        self._puts: list[Hashable] = []
        self._updates: list[Hashable] = []

    def check(
        self, name: Hashable, kind: type[ControlTable], pk: str, sk: str, condition: Condition
    ) -> None:
        self._checks.append(name)
        self._transaction.condition_check(kind, pk, sk, condition=condition)

    def delete(
        self, row: ControlTable, *, name: Hashable = None, condition: Condition | None = None
    ) -> None:
        self._deletes.append(name)
        self._transaction.delete(row, condition=condition)

    def put(
        self, row: ControlTable, *, name: Hashable = None, condition: Condition | None = None
    ) -> None:
        self._puts.append(name)
        self._transaction.save(row, condition=condition)

    def update(
        self,
        row: ControlTable,
        actions: Sequence[Action],
        *,
        name: Hashable = None,
        condition: Condition | None = None,
    ) -> None:
        self._updates.append(name)
        self._transaction.update(
            row,
            actions=list(actions),
            condition=condition,
            return_values=None if condition is None else ALL_OLD,
        )

    def commit(self) -> dict[Hashable, dict[str, Any]]:
        """Write all. If conditions failed nothing was written: answers the rows that refused, by name (empty: no row)."""
        try:
            with translated(self._access), self._transaction:
                pass
        except TransactWriteError as error:
            return {name: row for name, row in self._refused(error)}
        return {}

    def _refused(self, error: TransactWriteError) -> list[tuple[Hashable, dict[str, Any]]]:
        # The order in which PynamoDB sends them.
        names = [*self._checks, *self._deletes, *self._puts, *self._updates]
        reasons: list[CancellationReason | None] = error.cancellation_reasons
        return [
            (name, reason.raw_item or {})
            for name, reason in zip(names, reasons, strict=True)
            if reason is not None and reason.code == CONDITION_FAILED
        ]
