"""Places in line by fairness: read where the line is, then take a turn; see ``domain/fairness.py``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from tidegate.app.admission.patience import Patience
from tidegate.domain.claim import Claim, Standing, priority_text
from tidegate.domain.fairness import Turn, nanos, turn_of, virtual_time
from tidegate.ports.admission import AdmissionStore

LOOKED_AT = 5
"""Entries of a line, and claims of a queue, that are looked at to see where the line is."""


def turn_for(store: AdmissionStore, patience: Patience, claim: Claim, now: datetime) -> Turn | None:
    """The turn of a claim that has to wait; None if no fairness governs it.

    It holds while nobody else takes one of its value: whoever parks the claim writes both or neither.
    """
    if claim.fair is None:
        return None
    pace = patience.read(store.pace, claim)
    clock = nanos(now + claim.fair.lead)
    virtual = virtual_time(pace, _first(store, patience, claim, pace.reached or 0, clock), clock)
    if pace.reached is None or virtual > pace.reached:
        patience.read(store.reached, claim, virtual)
    return turn_of(claim.fair, pace, virtual)


def _first(
    store: AdmissionStore, patience: Patience, claim: Claim, since: int, clock: int
) -> int | None:
    """Where the first of the claim's class stands in the line that is shared, not before ``since``."""
    assert claim.fair is not None
    # From the front, where a queue may stand whose rank lags behind its claims; then from where others count.
    first: int | None = None
    for start in ("", _from(claim, since)):
        page = patience.read(store.entries, claim.fair.limit, start, LOOKED_AT)
        for one in _in_class(store, patience, page, claim, since):
            place = _counts_as(one, claim, clock)
            if place is not None and (first is None or place < first):
                first = place
        if first is not None or len(page) < LOOKED_AT:
            break
    return first


def _in_class(
    store: AdmissionStore,
    patience: Patience,
    page: list[Claim | Standing],
    claim: Claim,
    since: int,
) -> Iterator[Claim]:
    """Claims of its priority among the entries, and in the queues that stand there, from ``since`` on."""
    priority = f"{priority_text(claim.priority)}#"
    for entry in page:
        found: list[Claim | Standing] = [entry]
        if isinstance(entry, Standing):
            found = patience.read(store.entries, entry.queue, _from(claim, since), LOOKED_AT)
        for one in found:
            if (
                isinstance(one, Claim)
                and one.order_key.startswith(priority)
                and one.moment >= since
            ):
                yield one


def _counts_as(one: Claim, claim: Claim, clock: int) -> int | None:
    """Where the line is for the claim if this one is first in it; None: it says nothing about it."""
    gives_lead = one.fair is not None and bool(one.fair.lead)
    if claim.fair is not None and claim.fair.lead:
        return one.moment if gives_lead else None
    # A claim that gives a lead, or has no place, may stand in the future; for others the line is not there yet.
    return min(one.moment, clock) if gives_lead or one.fair is None else one.moment


def _from(claim: Claim, since: int) -> str:
    return f"{priority_text(claim.priority)}#{since // 1000:017d}"
