"""The rows of one limit in memory, and the conditions of writes on them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from tidegate.adapters.memory.sorted_rows import SortedRows
from tidegate.domain.claim import (
    CLOSED,
    Claim,
    Limit,
    Offer,
    Refusal,
    Spend,
    Standing,
    Want,
    new_limit,
    room_of,
)


@dataclass(slots=True)
class LimitRows:
    """Everything under the key of one limit."""

    limit: Limit | None = None
    holds: dict[str, int] = field(default_factory=dict)
    offers: list[Offer] = field(default_factory=list)
    """In order."""
    line: SortedRows[Claim | Standing] = field(default_factory=SortedRows)

    def change(self, *, in_use: int, close: bool) -> None:
        was = self.limit
        assert was is not None
        # Not ``replace``, which takes most of the time of a grant.
        self.limit = Limit(
            key=was.key,
            capacity=was.capacity,
            in_use=was.in_use + in_use,
            source=was.source,
            gate=CLOSED if close else was.gate,
            closings=was.closings + close,
            rate=was.rate,
            used_until=was.used_until,
        )

    def set(self, to: Limit) -> None:
        was = self.limit or Limit(key=to.key, capacity=to.capacity)
        self.limit = replace(
            was,
            capacity=to.capacity,
            source=to.source,
            gate=CLOSED,
            closings=was.closings + 1,
            rate=to.rate,
            used_until=was.used_until if to.rate == was.rate else to.used_until,
        )

    def spend(self, one: Spend) -> None:
        assert self.limit is not None
        self.limit = replace(self.limit, used_until=one.now)


@dataclass(slots=True)
class QueueRows:
    """Everything under the name of one queue of several limits."""

    standing: Standing | None = None
    claims: SortedRows[Claim] = field(default_factory=SortedRows)


def entry_key(standing: Standing) -> str:
    return f"{standing.rank}#{standing.queue}"


def refusal_of(
    limits: Mapping[str, LimitRows],
    takes: Mapping[Want, int],
    claim: Claim,
    spend: Mapping[str, Spend],
    ungated: frozenset[str] = frozenset(),
) -> Refusal | None:
    """Why so many units more cannot be taken of limits for the claim; None: they can."""
    seen: list[Limit] = []
    absent: list[str] = []
    for want, units in takes.items():
        rows = limits.get(want.limit)
        limit = None if rows is None else rows.limit
        if limit is None:
            if want.rate is not None or room_of(new_limit(want).capacity) < units:
                absent.append(want.limit)
        elif is_refused(limit, claim, units, spend, ungated):
            seen.append(limit)
    if not (seen or absent):
        return None
    refused = (*absent, *(limit.key for limit in seen))
    return Refusal(limits=refused, absent=tuple(absent), seen=tuple(seen))


def refusal_of_change(
    limits: Mapping[str, LimitRows],
    claim: Claim,
    to: Claim | None,
    changes: Mapping[str, int],
    spend: Mapping[str, Spend],
    closing: Collection[str],
) -> Refusal | None:
    """What stands in the way of a release: ``changes`` is by how many units the counts change."""
    given = frozenset(want.limit for want in claim.wants)
    refusal = None
    if to is not None:
        takes = {
            want: max(changes[want.limit], 0)
            for want in to.wants
            if changes[want.limit] > 0 or want.limit in spend
        }
        refusal = refusal_of(limits, takes, to, spend, ungated=given)
    filled = tuple(
        key
        for key in given
        if changes[key] < 0 and key not in closing and not _has_room(limits[key])
    )
    if filled:
        return Refusal(limits=filled)
    return refusal


def _has_room(rows: LimitRows) -> bool:
    return rows.limit is not None and rows.limit.room > 0


def is_set_as(limit: Limit | None, was: Limit | None, now: Limit) -> bool:
    """It is set as it was; and if its rate is to change, as much of that is used up."""
    if limit is None or was is None:
        return limit is was
    said = ((one.capacity, one.source, one.rate) for one in (limit, was))
    is_used_as_it_was = now.rate == was.rate or limit.used_until == was.used_until
    return len(set(said)) == 1 and is_used_as_it_was


def is_refused(
    limit: Limit, claim: Claim, units: int, spend: Mapping[str, Spend], ungated: frozenset[str]
) -> bool:
    """The limit refuses a write that takes so many units more of it for the claim."""
    if units > 0 and limit.room < units:
        return True
    is_kept = limit.gate is not None and limit.gate < claim.order_key
    return (is_kept and limit.key not in ungated) or not _is_spent_from(limit, spend)


def refuses(limit: Limit, claim: Claim, used_until: int | None) -> bool:
    """The limit would refuse the claim: for lack of room, for its gate, or because its rate is still where it did."""
    return (
        limit.room < claim.units_of(limit.key)
        or (limit.gate is not None and limit.gate < claim.order_key)
        or (limit.rate is not None and limit.used_until == used_until)
    )


def _is_spent_from(limit: Limit, spend: Mapping[str, Spend]) -> bool:
    """What is spent of its rate starts from where it is; nothing is, if it has none."""
    spent = spend.get(limit.key)
    if limit.rate is None or spent is None:
        return limit.rate is None and spent is None
    return (spent.rate, spent.was) == (limit.rate, limit.used_until)
