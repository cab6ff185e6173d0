"""Fairness: whose turn it is among those who wait for one limit (start-time fair queueing: Goyal, Vin and Cheng, 1996).

Claims are told apart by a *value*, that of one tag of their run, and each value has a weight. A claim that has to wait gets
a place in line instead of the time at which it came:

    place       = the later of where the line is now, and where the turns of its value are used up to
    used up to  = place + UNIT / weight

So the places of a value that waits with many claims lie ``UNIT / weight`` apart, and values that wait side by side are
started in proportion to their weights. A value that was idle begins where the line is: it has saved up nothing. Places are
moments, in nanoseconds since 1970, that lag behind the clock, so that they sort with the times of claims that have
none; UNIT is so short that they would overtake it only if claims of one value came to wait faster than one in each UNIT.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tidegate.errors import InvocationError

UNIT = 100_000
"""Nanoseconds between the places of a value of weight 1."""
LEAST_WEIGHT, MOST_WEIGHT = 0.01, 100.0
MOST_BYTES = 256
"""Of a value in the key of a row; a longer one is known by its digest."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fairness:
    """An option of a limit: its slots are shared among the values of a run tag that wait for them.

    Raises:
        InvocationError: a weight is out of bounds.
    """

    key: str
    """The tag. Runs without it share the value ``""``."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Of values; others have 1."""

    def __post_init__(self) -> None:
        for value, weight in self.weights.items():
            if not LEAST_WEIGHT <= weight <= MOST_WEIGHT:
                raise InvocationError(
                    f"The weight of {self.key}={value} is {weight}.",
                    mend=f"Give a number from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}.",
                )

    def weight_of(self, value: str) -> float:
        return self.weights.get(value, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a claim carries of the fairness of the limit that governs it."""

    limit: str
    value: str
    weight: float = 1
    lead: timedelta = timedelta(0)
    """How much later than others it stands in line: what a backfill gives to live runs."""

    @property
    def cost(self) -> int:
        """Nanoseconds by which one claim uses up the turns of its value."""
        return round(UNIT / self.weight)

    @property
    def name(self) -> str:
        """The value, short enough for a key."""
        if len(self.value.encode(errors="surrogatepass")) <= MOST_BYTES:
            return self.value
        return "sha256:" + hashlib.sha256(self.value.encode(errors="surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What is remembered of a line's fairness, as it was read: one number for the line, one for each value."""

    reached: int | None = None
    """Where the line was, at the latest, when somebody came to wait. A claim that comes back to the line from that of
    another limit may have an earlier place; it would be unfair to begin there again."""
    used_until: int | None = None
    """Where the turns of the value are used up to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The place of one claim, and what it changes: written only if ``used_until`` is still ``was``."""

    place: int
    was: int | None
    now: int


def virtual_time(pace: Pace, first: int | None, clock: int) -> int:
    """Where the line is now: at the first who waits, or at the clock if nobody does; never before where it has been."""
    return max(clock if first is None else first, pace.reached or 0)


def turn_of(share: Share, pace: Pace, virtual: int) -> Turn:
    place = max(virtual, pace.used_until or 0)
    return Turn(place=place, was=pace.used_until, now=place + share.cost)


def at_nanos(place: int) -> datetime:
    """The moment, to the microsecond."""
    return _EPOCH + place // 1000 * _MICRO


def nanos(moment: datetime) -> int:
    """Nanoseconds since 1970, exactly."""
    return (moment - _EPOCH) // _MICRO * 1000
