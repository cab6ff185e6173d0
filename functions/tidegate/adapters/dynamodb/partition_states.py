"""Table ``assets``: the state of partitions, as sets to which members are added and from which they are taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pynamodb.expressions.operand import Path, Value
from pynamodb.expressions.update import Action, AddAction, DeleteAction

from tidegate.adapters.dynamodb import write
from tidegate.adapters.dynamodb.models_automation import KeyStateRow, NumberStateRow
from tidegate.adapters.dynamodb.table import connection, table_name, translated
from tidegate.domain.partitions.state import LEAVES, Place, StateRow, by_row, version_mark

STATE = "state#"
BY = "by_"
"""Then the mark of a version of code: what that has made last."""


class DynamoPartitionStates:
    """``tidegate.ports.automation.PartitionStates`` on DynamoDB."""

    def mark(
        self,
        asset: str,
        state: str,
        places: Sequence[Place],
        *,
        code_version: str | None = None,
    ) -> None:
        """Key: pk asset, sk ``state#<row>``. No condition: adding to and taking from a set is idempotent.

        1 write unit for each KB of a row: 3 for a full one of windows, 6 with code versions. Attribute ``by_<version>`` has what a
        version of the code made last; of members that another version had made, one write more takes them from that.
        """
        for row, members in by_row(places).items():
            kind: Any = KeyStateRow if isinstance(members[0], str) else NumberStateRow
            given = set(members)
            actions: list[Action] = [getattr(kind, one).delete(given) for one in LEAVES[state]]
            if state != "ended":
                actions.append(getattr(kind, state).add(given))
            by = None
            if state == "materialized" and code_version is not None:
                by = f"{BY}{version_mark(code_version)}"
                actions.append(AddAction(Path(by), _set(given)))
            found = write.updated("assets.mark", kind, asset, f"{STATE}{row}", actions)
            if state == "materialized":
                others = [
                    DeleteAction(Path(name), _set(given))
                    for name in found
                    if name.startswith(BY) and name != by and given & _members(found[name])
                ]
                if others:
                    write.updated("assets.mark", kind, asset, f"{STATE}{row}", others)

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
    return StateRow(
        row=item["sk"]["S"].removeprefix(STATE),
        materialized=_members(item.get("materialized", {})),
        failed=_members(item.get("failed", {})),
        in_progress=_members(item.get("in_progress", {})),
        made_by={
            name.removeprefix(BY): _members(item[name]) for name in item if name.startswith(BY)
        },
    )


def _members(stored: dict[str, Any]) -> frozenset[int | str]:
    if "SS" in stored:
        return frozenset(stored["SS"])
    return frozenset(int(one) for one in stored.get("NS", ()))


def _set(members: set[int | str]) -> Value:
    is_names = any(isinstance(one, str) for one in members)
    return Value({"SS" if is_names else "NS": [str(one) for one in members]})
