"""Table ``automation`` in memory: which run makes which partitions now."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from threading import RLock

from tidegate.domain.partitions.hold import Hold, HoldRow


class MemoryPartitionHolds:
    """``tidegate.ports.automation.PartitionHolds`` in memory."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._rows: dict[tuple[str, str], HoldRow] = {}
        self._waits: dict[str, dict[str, str]] = {}

    def take(
        self, asset: str, row: str, hold: Hold, *, version: int | None = None
    ) -> HoldRow | None:
        with self._lock:
            was = self.row(asset, row)
            is_free = (
                hold.members.isdisjoint(was.taken) if version is None else version == was.version
            )
            if hold.text not in was.holds and not is_free:
                return was
            self._rows[asset, row] = replace(
                was,
                taken=was.taken | hold.members,
                holds=was.holds | {hold.text},
                version=was.version + 1,
            )
            return None

    def row(self, asset: str, row: str) -> HoldRow:
        return self._rows.get((asset, row), HoldRow(asset=asset, row=row))

    def rows(self, asset: str) -> list[HoldRow]:
        with self._lock:
            return [row for (owner, _), row in sorted(self._rows.items()) if owner == asset]

    def give_up(self, asset: str, row: str, hold: Hold) -> bool:
        with self._lock:
            was = self.row(asset, row)
            if hold.text in was.holds:
                self._rows[asset, row] = replace(
                    was, taken=was.taken - hold.members, holds=was.holds - {hold.text}
                )
            return hold.holder in was.awaited

    def wait(self, holder: str, order: str, run_id: str, *, expires_at: datetime) -> None:
        with self._lock:
            self._waits.setdefault(holder, {})[order] = run_id

    def announce(self, asset: str, row: str, hold: Hold) -> bool:
        with self._lock:
            was = self.row(asset, row)
            if hold.text not in was.holds:
                return False
            self._rows[asset, row] = replace(was, awaited=was.awaited | {hold.holder})
            return True

    def waits(self, holder: str, count: int) -> list[tuple[str, str]]:
        with self._lock:
            return sorted(self._waits.get(holder, {}).items())[:count]

    def is_waiting(self, holder: str, order: str) -> bool:
        return order in self._waits.get(holder, {})

    def waits_no_more(self, holder: str, order: str) -> None:
        with self._lock:
            self._waits.get(holder, {}).pop(order, None)

    def all_told(self, asset: str, row: str, holder: str) -> None:
        with self._lock:
            was = self.row(asset, row)
            if (asset, row) in self._rows:
                self._rows[asset, row] = replace(was, awaited=was.awaited - {holder})
