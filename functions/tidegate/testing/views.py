"""What a test sees of a deployment: plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """One event of a run."""

    at: datetime
    kind: str
    step: str | None
    attempt: int | None
    level: str
    message: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A run and its steps at one moment."""

    run_id: str
    job: str
    status: str
    tags: dict[str, str]
    steps: dict[str, str]
    """Step key -> status, in plan order."""
    reasons: dict[str, str]
    """Step key -> why it failed or was skipped."""
    reason: str | None
    """Why the run failed or was cancelled."""
    partition_key: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    lost_to: tuple[str, ...]
    """Runs it gave way to, by its conflict policy."""
    events: tuple[EventView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillView:
    """A backfill at one moment."""

    backfill_id: str
    status: str
    title: str
    runs: int
    """How many were asked for."""
    outstanding: int
    """How many of them have not ended."""
    assets: dict[str, dict[str, int]]
    """Asset -> how many of its partitions are ``target``, ``requested``, ``done``, ``failed``, ``skipped``."""
    totals: dict[str, int]
    grid: dict[str, list[list[Any]]]
    """Asset -> [first key, last key, how many, state], in order."""
    notes: list[str]
    tags: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitView:
    key: str
    capacity: int
    rate: dict[str, Any] | None
    """{"limit": 100, "per": 60.0, "burst": 20}, ``per`` in seconds."""
    next_start: str | None
    """When the rate lets the next one start, if it is not now."""
    in_use: int
    waiting: int
    source: str
    paused: bool
