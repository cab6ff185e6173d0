"""Table ``automation``, and the state of partitions, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from threading import RLock

from tidegate.adapters.text import stamp
from tidegate.domain.backfills.backfill import Backfill, Chunk
from tidegate.domain.partitions.state import LEAVES, Place, StateRow, by_row, version_mark
from tidegate.ports import Page

_SETS = ("materialized", "failed", "in_progress")


class MemoryAutomationStore:
    """``tidegate.ports.automation.AutomationStore`` in memory."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._keys: dict[str, dict[str, int]] = {}
        self._next: dict[str, int] = {}
        self._backfills: dict[str, Backfill] = {}
        self._chunks: dict[str, dict[int, Chunk]] = {}

    # Dynamic partitions

    def add_partitions(self, name: str, keys: Sequence[str]) -> tuple[str, ...]:
        with self._lock:
            known = self._keys.setdefault(name, {})
            new = tuple(one for one in dict.fromkeys(keys) if one not in known)
            for key in new:
                known[key] = self._next.get(name, 0)
                self._next[name] = known[key] + 1
        return new

    def delete_partition(self, name: str, key: str) -> bool:
        with self._lock:
            return self._keys.get(name, {}).pop(key, None) is not None

    def partition_numbers(self, name: str) -> dict[str, int]:
        return dict(self._keys.get(name, {}))

    # Backfills

    def create_backfill(self, backfill: Backfill) -> tuple[Backfill, bool]:
        with self._lock:
            stored = self._backfills.setdefault(backfill.backfill_id, backfill)
            return stored, stored is backfill

    def backfill(self, backfill_id: str) -> Backfill | None:
        return self._backfills.get(backfill_id)

    def backfills(self, *, limit: int = 50, cursor: str | None = None) -> Page[Backfill]:
        keyed = {f"{stamp(o.created_at)}#{o.backfill_id}": o for o in self._backfills.values()}
        left = [key for key in sorted(keyed, reverse=True) if cursor is None or key < cursor]
        shown = left[: max(1, limit)]
        more = len(left) > len(shown)
        return Page(items=tuple(keyed[key] for key in shown), cursor=shown[-1] if more else None)

    def active_backfills(self) -> list[str]:
        return sorted(
            one.backfill_id for one in self._backfills.values() if not one.status.is_finished
        )

    def change_backfill(
        self,
        was: Backfill,
        now: Backfill,
        *,
        opens: Chunk | None = None,
        folds: Sequence[Chunk] = (),
    ) -> bool:
        with self._lock:
            stored = self._backfills[was.backfill_id]
            if stored.version != was.version:
                return False
            self._backfills[was.backfill_id] = replace(now, version=was.version + 1)
            chunks = self._chunks.setdefault(was.backfill_id, {})
            for one in folds:
                chunks.pop(one.number, None)
            if opens is not None:
                chunks[opens.number] = opens
            return True

    def chunks(self, backfill_id: str) -> list[Chunk]:
        with self._lock:
            return [one for _, one in sorted(self._chunks.get(backfill_id, {}).items())]

    def submitted(self, chunk: Chunk) -> None:
        with self._lock:
            chunks = self._chunks.get(chunk.backfill_id, {})
            if chunk.number in chunks:
                chunks[chunk.number] = replace(chunks[chunk.number], is_submitted=True)

    def run_ended(
        self,
        backfill_id: str,
        chunk: int,
        run: int,
        *,
        done: Sequence[int],
        failed: Sequence[int],
        skipped: Sequence[int],
    ) -> bool:
        with self._lock:
            chunks = self._chunks.get(backfill_id, {})
            known = chunks.get(chunk)
            if known is None:
                return False
            own = {(run, asset) for asset in (*done, *failed, *skipped)}
            chunks[chunk] = replace(
                known,
                open=known.open - {run},
                failed=known.failed - own | {(run, asset) for asset in failed},
                skipped=known.skipped - own | {(run, asset) for asset in skipped},
            )
            return True


class MemoryPartitionStates:
    """``tidegate.ports.automation.PartitionStates`` in memory."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._rows: dict[tuple[str, str], dict[str, set[int | str]]] = {}
        self._made_by: dict[tuple[str, str], dict[str, set[int | str]]] = {}

    def mark(
        self,
        asset: str,
        state: str,
        places: Sequence[Place],
        *,
        code_version: str | None = None,
    ) -> None:
        with self._lock:
            for row, members in by_row(places).items():
                sets = self._rows.setdefault((asset, row), {name: set() for name in _SETS})
                if state in sets:
                    sets[state].update(members)
                for other in LEAVES[state]:
                    sets[other].difference_update(members)
                if state == "materialized":
                    made_by = self._made_by.setdefault((asset, row), {})
                    for made in made_by.values():
                        made.difference_update(members)
                    if code_version is not None:
                        made_by.setdefault(version_mark(code_version), set()).update(members)

    def marked(self, asset: str, prefix: str) -> list[StateRow]:
        with self._lock:
            return [
                StateRow(
                    row=row,
                    **{name: frozenset(sets[name]) for name in _SETS},
                    made_by={
                        name: frozenset(made)
                        for name, made in self._made_by.get((owner, row), {}).items()
                    },
                )
                for (owner, row), sets in sorted(self._rows.items())
                if owner == asset and row.startswith(prefix)
            ]
