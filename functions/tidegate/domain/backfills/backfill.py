"""Backfills: what is asked for, how far it has come, and the chunks of runs that are under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tidegate.domain.partitions.partition_set import EMPTY, PartitionSet

BACKFILL_RUN_TAG = "tidegate/backfill_run"
"""Which run of its backfill a run is: ``<chunk>/<number>``. A run that repeats it has the same."""
PARENT_TAG = "tidegate/parent_backfill_id"
ROOT_TAG = "tidegate/root_backfill_id"
MOST_NOTES = 20


class BackfillStatus(StrEnum):
    REQUESTED = "REQUESTED"
    """Runs are being asked for, or have not all ended."""
    PAUSED = "PAUSED"
    """No more runs are asked for until it is resumed."""
    CANCELING = "CANCELING"
    CANCELED = "CANCELED"
    COMPLETED_SUCCESS = "COMPLETED_SUCCESS"
    COMPLETED_FAILED = "COMPLETED_FAILED"
    """All has ended, and some partitions failed, or were left out because of one that did."""
    FAILED = "FAILED"
    """It could not go on: its code is gone, say."""

    @property
    def is_finished(self) -> bool:
        return self in FINISHED


FINISHED = frozenset(
    {
        BackfillStatus.CANCELED,
        BackfillStatus.COMPLETED_SUCCESS,
        BackfillStatus.COMPLETED_FAILED,
        BackfillStatus.FAILED,
    }
)

Sets = Mapping[str, PartitionSet]
"""By asset. One without partitions has the number 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """One backfill. Numbers of partitions are those of the definitions in its manifest."""

    backfill_id: str
    status: BackfillStatus
    created_at: datetime
    as_of: datetime
    """The partitions are those there were then."""
    manifest: str
    job: str
    target: Sets
    """Upstream first."""
    groups: tuple[tuple[str, ...], ...]
    """Assets that go together in one run, upstream first."""
    requested: Sets = field(default_factory=dict)
    done: Sets = field(default_factory=dict)
    failed: Sets = field(default_factory=dict)
    """Failed, or left out because something upstream failed."""
    skipped: Sets = field(default_factory=dict)
    """Their runs succeeded without making them; or left out because something upstream was."""
    descending: bool = False
    max_outstanding: int = 200
    tags: Mapping[str, str] = field(default_factory=dict)
    run_config: Mapping[str, Any] | None = None
    title: str = ""
    by: str = ""
    next_chunk: int = 0
    runs: int = 0
    """How many were asked for."""
    version: int = 0
    """Grows with each change."""
    notes: tuple[str, ...] = ()
    """What went wrong, in sentences: the first of them."""
    finished_at: datetime | None = None

    def counts(self) -> dict[str, dict[str, int]]:
        """Asset -> how many partitions are targeted, requested, done, failed, skipped."""
        return {
            asset: {
                "target": len(target),
                "requested": len(self.requested.get(asset, EMPTY)),
                "done": len(self.done.get(asset, EMPTY)),
                "failed": len(self.failed.get(asset, EMPTY)),
                "skipped": len(self.skipped.get(asset, EMPTY)),
            }
            for asset, target in self.target.items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillRun:
    """One run of a chunk."""

    assets: tuple[int, ...]
    """Places of its assets in the backfill's target."""
    first: int
    last: int
    """Number of its first and last partition; all that exist between them are its own."""
    is_range: bool = False
    """It is told a range, even of one partition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Runs that were decided on in one step. Its row is removed when all have ended and are counted in the backfill."""

    backfill_id: str
    number: int
    runs: tuple[BackfillRun, ...]
    opened_at: datetime
    opened_by: str
    """Which call it was: its repeat takes it up again."""
    is_submitted: bool = False
    open: frozenset[int] = frozenset()
    """Places of runs that have not ended."""
    failed: frozenset[tuple[int, int]] = frozenset()
    """(place of the run, place of the asset) that were not made because of a failure."""
    skipped: frozenset[tuple[int, int]] = frozenset()
