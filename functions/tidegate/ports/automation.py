"""Ports of partitions and backfills; what ``ports/__init__.py`` says of ports holds for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from tidegate.domain.backfills.backfill import Backfill, Chunk
from tidegate.domain.partitions.hold import Hold, HoldRow
from tidegate.domain.partitions.state import Place, StateRow
from tidegate.ports.records import Page


class DynamicPartitions(Protocol):
    """Table ``automation``: keys of dynamic partitions, by the name of their definition."""

    def add_partitions(self, name: str, keys: Sequence[str]) -> tuple[str, ...]:
        """Add keys after those there are, and give each the next number; answers those that were new."""

    def delete_partition(self, name: str, key: str) -> bool:
        """Forget a key. Its number is not given again. False: there is none."""

    def partition_numbers(self, name: str) -> dict[str, int]:
        """Key -> number, in the order in which they were added."""


class BackfillStore(Protocol):
    """Table ``automation``: backfills, and their chunks that are under way. Reads are strongly consistent."""

    def create_backfill(self, backfill: Backfill) -> tuple[Backfill, bool]:
        """Put it if its id is new. Answers the stored one, and whether this call created it."""

    def backfill(self, backfill_id: str) -> Backfill | None: ...

    def backfills(self, *, limit: int = 50, cursor: str | None = None) -> Page[Backfill]:
        """Newest first."""

    def active_backfills(self) -> list[str]:
        """Ids of those that have not ended."""

    def change_backfill(
        self,
        was: Backfill,
        now: Backfill,
        *,
        opens: Chunk | None = None,
        folds: Sequence[Chunk] = (),
    ) -> bool:
        """Put ``now`` in place of ``was``, with a new chunk, or without chunks that it has taken in, all in one write.

        False: it is not at the version of ``was`` any more.
        """

    def chunks(self, backfill_id: str) -> list[Chunk]:
        """Those that are under way, in order."""

    def submitted(self, chunk: Chunk) -> None:
        """Record that all runs of the chunk have been asked for."""

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
        """Record what came of a run: places of assets that were made, failed, or were skipped. The last word counts.

        False: the chunk is not there any more.
        """


class AutomationStore(DynamicPartitions, BackfillStore, Protocol):
    """Table ``automation``."""


class PartitionStates(Protocol):
    """Table ``assets``: the state of partitions, in sets. Every call may be repeated."""

    def mark(
        self,
        asset: str,
        state: str,
        places: Sequence[Place],
        *,
        code_version: str | None = None,
    ) -> None:
        """``materialized``, ``failed``, ``in_progress``, or ``ended``: no longer in progress.

        ``code_version``: by which version of the asset's code they were materialized, if it has any.
        """

    def marked(self, asset: str, prefix: str) -> list[StateRow]:
        """All rows that begin so."""


class PartitionHolds(Protocol):
    """Table ``automation``: which run makes which partitions now. See ``domain/partitions/hold.py``. Reads are strongly
    consistent, and every call may be repeated."""

    def take(
        self, asset: str, row: str, hold: Hold, *, version: int | None = None
    ) -> HoldRow | None:
        """Have the run hold the members. None: it does; else the row as it is, of which nothing was changed.

        One member is taken if no other run holds it. Several are taken if the row is at ``version``, as it was seen.
        """

    def row(self, asset: str, row: str) -> HoldRow: ...

    def rows(self, asset: str) -> list[HoldRow]:
        """All of an asset in which something is, or was, held."""

    def give_up(self, asset: str, row: str, hold: Hold) -> bool:
        """The run holds these members no longer. Answers whether somebody waits for it here, also when it is repeated."""

    def wait(self, holder: str, order: str, run_id: str, *, expires_at: datetime) -> None:
        """Write that a run waits for another to give up what it holds. ``order`` sorts those who wait."""

    def announce(self, asset: str, row: str, hold: Hold) -> bool:
        """Have ``give_up`` say that somebody waits. False: the holder does not hold this any more."""

    def waits(self, holder: str, count: int) -> list[tuple[str, str]]:
        """The first who wait for a run: (order, run id)."""

    def is_waiting(self, holder: str, order: str) -> bool: ...

    def waits_no_more(self, holder: str, order: str) -> None: ...

    def all_told(self, asset: str, row: str, holder: str) -> None:
        """All who waited for the holder have been told."""


class BackfillQueue(Protocol):
    def wake(self, event: Mapping[str, Any]) -> None:
        """See that the ``backfill`` function is given the event: soon, at least once, whatever becomes of the caller."""
