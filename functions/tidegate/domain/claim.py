"""Claims, limits and waits: the values of admission.

Every limit is the same thing: a claim wants units of a set of limits, all or nothing. A claim that was refused waits in
one *queue*: that of the limit, if it wants one unit of one limit, else that of all claims which want the same units of the
same limits. A queue of the second kind *stands* in the line of one limit, the one that refuses its first claim, so
however many claims want the same things, they are one entry in that line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from tidegate.domain.fairness import Share, nanos
from tidegate.domain.rate import Rate
from tidegate.errors import InvocationError

UNLIMITED = -1
ENDLESS = 10**12
"""Units an unlimited limit has room for. It still counts what is in use, so that a capacity set later is exact."""


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
    """None: a limit that nobody has set refuses nobody. It counts all the same (capacity -1, source ``unset``), so that
    one set while claims hold it is exact from its first moment."""
    rate: Rate | None = None
    """The rate the limit starts with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A run or a step that wants slots.

    The order of waiting is ``order_key``: higher priority first, then first come (or, by fairness, its place); see
    ``order_key_of``.
    """

    claim_id: str
    wants: tuple[Want, ...]
    priority: int = 0
    enqueued_at: datetime
    goes_on: bool = False
    """It takes over what another claim has started: it is no start, and uses up no rate."""
    fair: Share | None = None
    """What it takes of the limit that governs its place in line by fairness, if one does."""
    place: int | None = None
    """Its place in line by fairness, in nanoseconds; it is given one when it has to wait."""
    launch: dict[str, Any] = field(default_factory=dict)
    """What to launch when it is granted: {"kind": "run", "run_id": ...} or {"kind": "step", "run_id", "index", "attempt"}."""
    state: ClaimState = ClaimState.WAITING
    waiting_on: str | None = None
    """The limit that refused it when it came. ``Admission.explain`` says which one it waits for now."""
    waiting_since: datetime | None = None
    granted_at: datetime | None = None
    launched: bool = False
    """False while HELD: a caller died between grant and launch; the sweep launches it. True from the beginning: there is
    nothing to launch."""
    handed_to: tuple[str, ...] = ()
    """Claims granted on the way by calls about this one, so that a retried call launches them again."""
    lost_to: tuple[str, ...] = ()
    """DONE without ever having held: it would not wait, and these held the limit ``waiting_on``."""

    @property
    def order_key(self) -> str:
        if self.place is not None:
            return f"{priority_text(self.priority)}#{self.place // 1000:017d}#{self.claim_id}"
        if self.fair is not None:
            # Its place is not known before it waits: until then it comes after all who do.
            return f"{priority_text(self.priority)}#{_NO_PLACE}#{self.claim_id}"
        return order_key_of(self.priority, self.enqueued_at, self.claim_id)

    @property
    def moment(self) -> int:
        """When it stands in line, in nanoseconds: its place, else when it came."""
        return nanos(self.enqueued_at) if self.place is None else self.place

    @property
    def fair_class(self) -> str:
        """Names those with whom it shares by fairness: of the same priority, and giving a lead or not, as it does."""
        lead = "+" if self.fair is not None and self.fair.lead else ""
        return f"{priority_text(self.priority)}{lead}"

    @property
    def queue(self) -> str:
        """The queue it waits in: the key of its one limit, or a name made of all it wants."""
        if not self.wants_several:
            return self.wants[0].limit
        return _queue_of_several(tuple((want.limit, want.units) for want in self.wants))

    @property
    def wants_several(self) -> bool:
        """Units: of several limits, or several of one."""
        return len(self.wants) > 1 or self.wants[0].units > 1

    def wants_as(self, other: Claim) -> bool:
        """The same units of the same limits."""
        mine, others = ({(want.limit, want.units) for want in one.wants} for one in (self, other))
        return mine == others

    def units_of(self, limit: str) -> int:
        """Units it wants of that limit; 0 if none."""
        units = 0
        for want in self.wants:  # twice as quick as a sum, and asked of all who are looked at
            if want.limit == limit:
                units += want.units
        return units

    def starts_of(self, limit: str) -> int:
        """Units that its grant starts."""
        return 0 if self.goes_on else self.units_of(limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit: ``in_use`` is the sum of the units of its holds, always. ``capacity`` -1 is no limit."""

    key: str
    capacity: int
    in_use: int = 0
    source: str = "default"
    """Who set the capacity: ``settings``, ``default``, ``override``, or ``unset`` when nobody did."""
    gate: str | None = None
    """Set while room may be kept for claims in line: only claims before this order key are let in past the line. CLOSED
    while it is not yet known who that is. Where nobody waits it does no harm: whoever is turned away by it joins the
    line, looks, and is granted from there."""
    closings: int = field(default=0, compare=False)
    """How often its gate was closed: who opens it must have seen the last time, not one before."""
    rate: Rate | None = None
    used_until: int = 0
    """Of a limit with a rate: see ``rate.py``."""

    @property
    def room(self) -> int:
        """Units it would grant now. Negative after the capacity was lowered below what is in use."""
        return (ENDLESS if self.capacity == UNLIMITED else self.capacity) - self.in_use

    def could_hold(self, units: int) -> bool:
        """False: not even an empty limit has room for so many."""
        return self.capacity == UNLIMITED or units <= self.capacity


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a queue of claims that want several units stands: in the line of ``limit``, at ``rank``."""

    queue: str
    limit: str
    rank: str
    """At most the order key of its first claim; ``LAST`` when it was seen empty."""
    version: int = 0
    """Counts its changes, each of which is conditional on the one before."""


LAST = "~"
"""Sorts after every order key."""

CLOSED = ""
"""A gate before every order key. (DynamoDB takes empty text in an attribute that is no key.)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The slot of a claim that is being released, and has not found yet who gets it.

    It is written by a release that was outrun by another. As many as are offered leave as many of the first in line to
    each other, in the order of their offers; so releases at the same moment turn to different waiters.
    """

    claim_id: str
    since: datetime
    until: datetime
    """Its release has given up by then, or has said that it has not. Heeded no longer."""

    @property
    def order_key(self) -> str:
        """Sorts as text: first come, then by id."""
        return f"{int(self.since.timestamp() * 1_000_000):017d}#{self.claim_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one read of a limit shows: the limit, slots of it that are offered, and the first in its line."""

    limit: Limit | None
    offers: tuple[Offer, ...] = ()
    entries: tuple[Claim | Standing, ...] = ()
    is_whole: bool = True
    """There are no more offers and entries than these."""

    @property
    def length(self) -> int:
        """Offers and entries that were read."""
        return len(self.offers) + len(self.entries)

    @property
    def is_just_full(self) -> bool:
        """A released slot of it goes to a waiter as it is: offers are of such limits only."""
        limit = self.limit
        return limit is not None and limit.room == 0 and limit.rate is None

    def left_to_others(self, claim: Claim, now: datetime) -> int:
        """How many of the first in line the release of a claim leaves to those that offered before it."""
        if claim.wants_several or not self.is_just_full:
            return 0
        count = 0
        for offer in self.offers:
            if offer.claim_id == claim.claim_id:
                break
            count += now <= offer.until
        return count

    def offered_by_others(self, claim: Claim, now: datetime) -> int:
        """How many slots other releases are offering, if it is a limit of which they are."""
        others = [one for one in self.offers if one.claim_id != claim.claim_id]
        return sum(now <= one.until for one in others) if self.is_just_full else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What one read of a queue of several units shows: where it stands, and its first claims."""

    standing: Standing | None
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """Moves on the time of a limit with a rate: written only if both are still as they were."""

    rate: Rate
    was: int
    now: int


NOTHING: Mapping[str, Spend] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a write of admission did not happen. Nothing of it was written."""

    claims: tuple[str, ...] = ()
    """Claims that are not, or no longer, in the state the write names."""
    limits: tuple[str, ...] = ()
    """Limits that have no room, or keep it for a claim that comes first."""
    absent: tuple[str, ...] = ()
    """Those of ``limits`` that have no row, and could not be created on the way: a claim wants more than they start with,
    or they start with a rate."""
    seen: tuple[Limit, ...] = ()
    """The others of ``limits``, as they were at that moment."""


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
_NO_PLACE = "9" * 17


@lru_cache(maxsize=4096)
def _queue_of_several(wants: tuple[tuple[str, int], ...]) -> str:
    names = sorted(key if units == 1 else f"{key}\n{units}" for key, units in wants)
    return "several/" + hashlib.sha256("\n".join(names).encode()).hexdigest()[:32]


def room_of(capacity: int) -> int:
    return ENDLESS if capacity == UNLIMITED else capacity


def new_limit(want: Want) -> Limit:
    """What a limit without a row is, when this want is the first of it."""
    if want.capacity is None:
        source = "unset" if want.rate is None else "default"
        return Limit(key=want.limit, capacity=UNLIMITED, source=source, rate=want.rate)
    return Limit(key=want.limit, capacity=want.capacity, source="default", rate=want.rate)


def rank_of(entry: Claim | Standing) -> str:
    """Place of an entry in a line."""
    return entry.rank if isinstance(entry, Standing) else entry.order_key


@lru_cache(maxsize=4096)
def order_key_of(priority: int, enqueued_at: datetime, claim_id: str) -> str:
    """Sorts as text: higher priority first, then first come, then by id. The priority is inverted and zero-padded."""
    micros = int(enqueued_at.timestamp() * 1_000_000)
    return f"{priority_text(priority)}#{micros:017d}#{claim_id}"


def priority_text(priority: int) -> str:
    """What an order key begins with."""
    return f"{MAX_PRIORITY - max(-MAX_PRIORITY, min(MAX_PRIORITY, priority)):010d}"


def admissible(claim: Claim) -> Claim:
    """The claim with each limit named once.

    Raises:
        InvocationError: it wants less than one unit of a limit.
    """
    units: dict[str, int] = {}
    for want in claim.wants:
        if want.units < 1:
            raise InvocationError(
                f"Claim {claim.claim_id} wants {want.units} units of {want.limit}.",
                mend="Ask for one or more.",
            )
        units[want.limit] = units.get(want.limit, 0) + want.units
    if len(units) == len(claim.wants):
        return claim
    first = {want.limit: want for want in reversed(claim.wants)}
    return replace(
        claim, wants=tuple(replace(first[key], units=many) for key, many in units.items())
    )
