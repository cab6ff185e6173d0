"""Table ``assets``: the state of partitions, as sets to which members are added and from which they are taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pynamodb.expressions.update import Action

from tidegate.adapters.dynamodb import write
from tidegate.adapters.dynamodb.models_automation import KeyStateRow, NumberStateRow
from tidegate.adapters.dynamodb.table import connection, table_name, translated
from tidegate.domain.partitions.state import LEAVES, Place, StateRow, by_row

STATE = "state#"


class DynamoPartitionStates:
    """``tidegate.automation_ports.PartitionStates`` on DynamoDB."""

    def mark(self, asset: str, state: str, places: Sequence[Place]) -> None:
        """Key: pk asset, sk ``state#<row>``. No condition: adding to and taking from a set is idempotent.

        1 write unit for each KB of a row: 3 for a full one of windows.
        """
        for row, members in by_row(places).items():
            kind: Any = KeyStateRow if isinstance(members[0], str) else NumberStateRow
            given = set(members)
            actions: list[Action] = [getattr(kind, one).delete(given) for one in LEAVES[state]]
            if state != "ended":
                actions.append(getattr(kind, state).add(given))
            write.update("assets.mark", kind, asset, f"{STATE}{row}", actions)

    def marked(self, asset: str, prefix: str) -> list[StateRow]:
        """Key: pk asset, sk from ``state#<prefix>``. Strongly consistent: 1 read unit for each 4 KB."""
        found: list[StateRow] = []
        with translated("assets.marked"):
            start: dict[str, Any] | None = None
            while True:
                page = connection().query(
                    table_name(NumberStateRow),
                    asset,
                    range_key_condition=NumberStateRow.sk.startswith(f"{STATE}{prefix}"),
                    consistent_read=True,
                    exclusive_start_key=start,
                )
                found += [_row(item) for item in page["Items"]]
                start = page.get("LastEvaluatedKey")
                if not start:
                    return found


def _row(item: dict[str, Any]) -> StateRow:
    def members(name: str) -> frozenset[int | str]:
        sets = item.get(name, {})
        if "SS" in sets:
            return frozenset(sets["SS"])
        return frozenset(int(one) for one in sets.get("NS", ()))

    return StateRow(
        row=item["sk"]["S"].removeprefix(STATE),
        materialized=members("materialized"),
        failed=members("failed"),
        in_progress=members("in_progress"),
    )
