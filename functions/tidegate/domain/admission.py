"""What a refusal means: pure decisions of admission."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from tidegate.domain.claim import Claim, Limit, Spend
from tidegate.domain.rate import Rate, start_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether limits, as they were seen, would let a claim in at some moment."""

    spend: dict[str, Spend] = field(default_factory=dict)
    """What it takes of those with a rate that would."""
    blocked: dict[str, Limit] = field(default_factory=dict)
    """Those that would not."""


def verdict(
    claim: Claim, limits: Iterable[Limit], now: datetime, *, ungated: Collection[str] = ()
) -> Verdict:
    """``ungated`` are limits whose gate does not apply, because the claim is first in their line."""
    spend: dict[str, Spend] = {}
    blocked: dict[str, Limit] = {}
    for limit in limits:
        units = claim.units_of(limit.key)
        starts = claim.starts_of(limit.key)
        ready_at = ready(limit, starts, now)
        is_kept = limit.gate is not None and limit.gate < claim.order_key
        if limit.room < units or (is_kept and limit.key not in ungated) or ready_at > now:
            blocked[limit.key] = limit
        elif limit.rate is not None:
            spend[limit.key] = spend_of(limit, limit.rate, starts, now)
    return Verdict(spend=spend, blocked=blocked)


def spend_of(limit: Limit, rate: Rate, units: int, now: datetime) -> Spend:
    """What so many units, started now, take of the rate of a limit. Written also if they are none, so that it is known to be so."""
    if not units:
        return Spend(rate=rate, was=limit.used_until, now=limit.used_until)
    start = start_of(rate, limit.used_until, units, now)
    return Spend(rate=rate, was=limit.used_until, now=start.used_until)


def ready(limit: Limit, units: int, now: datetime) -> datetime:
    """When the rate of a limit, if it has one, lets so many units start. Not before ``now``."""
    if limit.rate is None or not units:
        return now
    return start_of(limit.rate, limit.used_until, units, now).at
