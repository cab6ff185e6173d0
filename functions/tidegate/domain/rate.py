"""Rates: so many starts in a time, spaced, with a burst (the generic cell rate algorithm).

A limit with a rate remembers one moment, until when its starts are *used up*: each start moves it on by the spacing of the
rate. A start is allowed while that moment lies no further ahead than the burst reaches. So state is one number, whatever
the rate, and starts in any time are at most the burst and what the rate allows in that time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tidegate.errors import InvocationError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)

PERIODS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
LONGEST = timedelta(days=31)
SHORTEST = timedelta(milliseconds=1)
PERIOD = f"{', '.join(PERIODS)}, or a number of seconds, at most {LONGEST // timedelta(seconds=1)}"
"""What may be said for the time of a rate."""


def period_of(said: object) -> timedelta | None:
    """The time that a person named, or gave in seconds; None: it is none."""
    if isinstance(said, str):
        return PERIODS.get(said)
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    # Compared as numbers first: what is too large is no timedelta.
    if not 0 < said <= LONGEST / timedelta(seconds=1):
        return None
    period = timedelta(seconds=said)
    return period if period >= SHORTEST else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """``limit`` starts in each ``per``, ``burst`` of them at once.

    Raises:
        InvocationError: one of them is not positive.
    """

    limit: int
    per: timedelta
    burst: int = 1

    def __post_init__(self) -> None:
        if self.limit < 1 or self.burst < 1 or self.per <= timedelta(0):
            raise InvocationError(
                f"A rate of {self.limit} in {self.per}, burst {self.burst}, starts nothing.",
                mend="Give a limit and a burst of at least 1, and a time above zero; capacity 0 stops all starts.",
            )

    def to_json(self) -> dict[str, Any]:
        """``per`` in seconds."""
        return {"limit": self.limit, "per": self.per / timedelta(seconds=1), "burst": self.burst}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Rate:
        per = timedelta(seconds=document["per"])
        return cls(limit=document["limit"], per=per, burst=document["burst"])

    @property
    def spacing(self) -> int:
        """Microseconds from one start to the next, rounded up, so that the rate is never exceeded."""
        return -(-(self.per // _MICRO) // self.limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """When units may start, and until when the starts of the limit are used up by then."""

    at: datetime
    used_until: int


def start_of(rate: Rate, used_until: int, units: int, now: datetime) -> Start:
    """The next start of so many units. It is allowed now if ``at`` is not after ``now``.

    More units than the burst start together when the burst is whole, and use up the time after it.
    """
    moment = micros(now)
    used = max(used_until, moment) + units * rate.spacing
    ready = used - max(rate.burst, units) * rate.spacing
    return Start(at=_EPOCH + max(ready, moment) * _MICRO, used_until=used)


def used_by(was: Rate, used_until: int, rate: Rate, now: datetime) -> int:
    """Until when the starts of a new rate are used up that takes the place of ``was``: by as many as were, at most its burst."""
    moment = micros(now)
    used = max(used_until - moment, 0)
    return moment + min(-(-used * rate.spacing // was.spacing), rate.burst * rate.spacing)


def micros(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (moment - _EPOCH) // _MICRO
