"""Claims, limits and waits: the values of admission. Every limit is the same thing: a claim wants units of a set of
limits, all or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class ClaimState(StrEnum):
    WAITING = "WAITING"
    HELD = "HELD"
    DONE = "DONE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """So many units of one limit. ``capacity`` is what the limit starts with if no row for it exists yet."""

    limit: str
    units: int = 1
    capacity: int | None = None
    """None: the limit must exist; a limit that does not exist is no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A run or a step that wants slots.

    The order of waiting is ``order_key``: higher priority first, then first come; see ``order_key_of``.
    """

    claim_id: str
    wants: tuple[Want, ...]
    priority: int = 0
    enqueued_at: datetime
    launch: dict[str, Any] = field(default_factory=dict)
    """What to launch when it is granted: {"kind": "run", "run_id": ...} or {"kind": "step", "run_id", "index", "attempt"}."""
    state: ClaimState = ClaimState.WAITING
    waiting_on: str | None = None
    """The one limit that refused it."""
    waiting_since: datetime | None = None
    granted_at: datetime | None = None
    launched: bool = False
    """False while HELD: a caller died between grant and launch; the sweep launches it."""
    handed_to: tuple[str, ...] = ()
    """Claims this one's release granted, so that a retried release launches them again."""

    @property
    def order_key(self) -> str:
        return order_key_of(self.priority, self.enqueued_at, self.claim_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit: ``in_use`` is the sum of the units of its holds, always. ``capacity`` -1 is no limit."""

    key: str
    capacity: int
    in_use: int = 0
    source: str = "default"
    """Who set the capacity: ``settings``, ``default`` or ``override``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A claim that waits on a limit."""

    limit: str
    claim_id: str
    order_key: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a claim waits: values, so that CLI, API and page say it in the same words."""

    claim_id: str
    state: ClaimState
    blocked_by: str | None = None
    capacity: int | None = None
    in_use: int | None = None
    holders: tuple[str, ...] = ()
    """Claim ids, at most 20."""
    ahead: int | None = None
    """Claims that come before it on that limit; counted up to 1,000."""
    since: datetime | None = None


MAX_PRIORITY = 2**31 - 1


def order_key_of(priority: int, enqueued_at: datetime, claim_id: str) -> str:
    """Sorts as text: higher priority first, then first come, then by id. The priority is inverted and zero-padded."""
    bounded = max(-MAX_PRIORITY, min(MAX_PRIORITY, priority))
    micros = int(enqueued_at.timestamp() * 1_000_000)
    return f"{MAX_PRIORITY - bounded:010d}#{micros:017d}#{claim_id}"
