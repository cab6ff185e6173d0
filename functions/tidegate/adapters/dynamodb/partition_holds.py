"""Table ``automation``: which run makes which partitions now, as sets to which members are added and from which they are taken."""

from __future__ import annotations

from datetime import datetime

from pynamodb.expressions.condition import Condition

from tidegate.adapters.dynamodb import write
from tidegate.adapters.dynamodb.models_automation import HoldsRow, HoldWaitRow
from tidegate.adapters.dynamodb.table import translated
from tidegate.domain.partitions.hold import Hold, HoldRow

HOLDS = "holds#"
AWAITS = "awaits#"


class DynamoPartitionHolds:
    """``tidegate.ports.automation.PartitionHolds`` on DynamoDB.

    Rows are small: a row has what is held now. The 1,000 write units a second of the partition of an asset are its bound.
    """

    def take(
        self, asset: str, row: str, hold: Hold, *, version: int | None = None
    ) -> HoldRow | None:
        """Key: pk ``holds#<asset>``, sk row. 1 write unit for each KB of the row, whether or not the condition holds.

        Of one member the condition is about that member alone, so runs of other partitions do not disturb each other.
        """
        found, is_taken = write.update(
            "holds.take",
            HoldsRow,
            f"{HOLDS}{asset}",
            row,
            [
                HoldsRow.taken.add(set(hold.members)),
                HoldsRow.holds.add({hold.text}),
                HoldsRow.version.add(1),
            ],
            HoldsRow.holds.contains(hold.text) | _free(hold, version),
        )
        return None if is_taken else _row(asset, row, found)

    def row(self, asset: str, row: str) -> HoldRow:
        """1 read unit for each 4 KB."""
        return _row(asset, row, write.get("holds.row", HoldsRow, f"{HOLDS}{asset}", row))

    def rows(self, asset: str) -> list[HoldRow]:
        """1 read unit for each 4 KB."""
        with translated("holds.rows"):
            found = HoldsRow.query(f"{HOLDS}{asset}", consistent_read=True)
            return [_row(asset, one.sk, one) for one in found]

    def give_up(self, asset: str, row: str, hold: Hold) -> bool:
        """1 write unit for each KB of the row."""
        found, _ = write.update(
            "holds.give_up",
            HoldsRow,
            f"{HOLDS}{asset}",
            row,
            [HoldsRow.taken.delete(set(hold.members)), HoldsRow.holds.delete({hold.text})],
            HoldsRow.holds.contains(hold.text),
        )
        return hold.holder in _row(asset, row, found).awaited

    def wait(self, holder: str, order: str, run_id: str, *, expires_at: datetime) -> None:
        """1 write unit."""
        write.put(
            "holds.wait",
            HoldWaitRow(f"{AWAITS}{holder}", order, run_id=run_id, expires_at=expires_at),
        )

    def announce(self, asset: str, row: str, hold: Hold) -> bool:
        """1 write unit for each KB of the row."""
        _, is_held = write.update(
            "holds.announce",
            HoldsRow,
            f"{HOLDS}{asset}",
            row,
            [HoldsRow.awaited.add({hold.holder})],
            HoldsRow.holds.contains(hold.text),
        )
        return is_held

    def waits(self, holder: str, count: int) -> list[tuple[str, str]]:
        """1 read unit."""
        with translated("holds.waits"):
            found = HoldWaitRow.query(f"{AWAITS}{holder}", consistent_read=True, limit=count)
            return [(one.sk, one.run_id) for one in found]

    def is_waiting(self, holder: str, order: str) -> bool:
        """1 read unit."""
        return write.get("holds.is_waiting", HoldWaitRow, f"{AWAITS}{holder}", order) is not None

    def waits_no_more(self, holder: str, order: str) -> None:
        """1 write unit."""
        with translated("holds.waits_no_more"):
            HoldWaitRow(f"{AWAITS}{holder}", order).delete()

    def all_told(self, asset: str, row: str, holder: str) -> None:
        """1 write unit for each KB of the row."""
        write.update(
            "holds.all_told",
            HoldsRow,
            f"{HOLDS}{asset}",
            row,
            [HoldsRow.awaited.delete({holder})],
            HoldsRow.pk.exists(),
        )


def _free(hold: Hold, version: int | None) -> Condition:
    free: Condition
    if version is not None:
        free = HoldsRow.version == version if version else HoldsRow.version.does_not_exist()
    else:
        (member,) = hold.members
        free = ~HoldsRow.taken.contains(member)
    return free


def _row(asset: str, row: str, found: HoldsRow | None) -> HoldRow:
    if found is None:
        return HoldRow(asset=asset, row=row)
    return HoldRow(
        asset=asset,
        row=row,
        taken=frozenset(found.taken or ()),
        holds=frozenset(found.holds or ()),
        awaited=frozenset(found.awaited or ()),
        version=int(found.version or 0),
    )
