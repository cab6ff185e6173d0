"""What can be said of claims that wait: why, since when, and behind how many."""

from __future__ import annotations

from tidegate.app.admission.patience import Patience
from tidegate.domain.claim import Claim, ClaimState, Explanation, Standing, Wait
from tidegate.ports.admission import AdmissionStore

MOST_HOLDERS = 20
MOST_AHEAD = 1000
MOST_QUEUES = 50
"""Queues of several limits in one line that are looked into when claims ahead are counted."""


def explain(store: AdmissionStore, patience: Patience, claim_id: str) -> Explanation:
    """A claim that is not known is DONE: it ended so long ago that it was forgotten, or never was."""
    claim = patience.read(store.claim, claim_id)
    if claim is None:
        return Explanation(claim_id=claim_id, state=ClaimState.DONE)
    if claim.state is not ClaimState.WAITING:
        return Explanation(claim_id=claim_id, state=claim.state)
    key = _waits_for(store, patience, claim)
    limit = patience.read(store.line, key, 0).limit
    return Explanation(
        claim_id=claim_id,
        state=claim.state,
        blocked_by=key,
        capacity=None if limit is None else limit.capacity,
        in_use=None if limit is None else limit.in_use,
        holders=tuple(patience.read(store.holders, key, MOST_HOLDERS)),
        ahead=_ahead(store, patience, key, claim),
        since=claim.waiting_since,
    )


def in_line(store: AdmissionStore, patience: Patience, key: str, limit: int) -> list[Wait]:
    found: list[Wait] = []
    for entry in patience.read(store.line, key, limit).entries:
        if isinstance(entry, Standing):
            waiting = patience.read(store.queue, entry.queue, limit).claims
        else:
            waiting = (entry,)
        found += [_wait(key, claim) for claim in waiting]
    return sorted(found, key=lambda wait: wait.order_key)[:limit]


def _wait(key: str, claim: Claim) -> Wait:
    return Wait(
        limit=key,
        claim_id=claim.claim_id,
        order_key=claim.order_key,
        since=claim.waiting_since or claim.enqueued_at,
    )


def _waits_for(store: AdmissionStore, patience: Patience, claim: Claim) -> str:
    """The limit in whose line the claim's queue stands now."""
    if not claim.wants_several:
        return claim.queue
    standing = patience.read(store.queue, claim.queue, 0).standing
    return (standing.limit if standing else claim.waiting_on) or claim.wants[-1].limit


def _ahead(store: AdmissionStore, patience: Patience, key: str, claim: Claim) -> int:
    """Claims that come before this one: in the line itself, and in the queues that stand in it."""
    order = claim.order_key
    found = patience.read(store.ahead, key, order, MOST_AHEAD)
    for entry in patience.read(store.line, key, MOST_QUEUES).entries:
        if isinstance(entry, Standing) and entry.rank < order and found <= MOST_AHEAD:
            found += patience.read(store.ahead, entry.queue, order, MOST_AHEAD) - 1
    return min(found, MOST_AHEAD)
