"""Supersede: a run takes the place of the oldest in a full line, which is cancelled.

Its claim is parked, and takes over in the one write that ends the old one, so the line is never longer than it may be, and
nobody gets in between. Of all that are in the line and the one that comes, the oldest goes: if that is the one that comes,
because it was created before the others and asks after them, it is the one that is cancelled.

The old run is told afterwards. Whoever dies in between is found: by the repeat of the same call, which knows whose place it
was about to take, by the old run's own next step into the queue, or by the sweep. A place that was handed on says to whom.
"""

from __future__ import annotations

import time
from dataclasses import replace

from tidegate.app.admission.patience import Patience
from tidegate.app.admission.release import RETENTION
from tidegate.app.runs.cancel import request_cancel
from tidegate.app.runs.launch import launch
from tidegate.app.services import Services
from tidegate.domain.claim import Claim, ClaimState
from tidegate.domain.conflict import gives_way, superseded
from tidegate.domain.run import Run, line_claim_id, subject_of_claim
from tidegate.errors import UnavailableError

MOST_COMPARED = 1000
"""Holders among which the oldest is looked for."""
OVER = "over"
"""In ``Claim.launch``: the claim whose place it was about to take when it asked."""

_PATIENCE = Patience(time.sleep)


def oldest_of(services: Services, line: str) -> Claim | None:
    """Of those that have a place, the one that came first."""
    return min(_places(services, line), key=lambda one: one.order_key, default=None)


def newest_of(services: Services, line: str) -> Claim | None:
    return max(_places(services, line), key=lambda one: one.order_key, default=None)


def _places(services: Services, line: str) -> list[Claim]:
    held = services.admission.holders(line, MOST_COMPARED)
    return _PATIENCE.read(services.store.admission.claims, held) if held else []


def take_over(services: Services, run: Run, claim: Claim) -> Claim:
    """Have a parked claim take the place of the oldest. Answers it: HELD, or DONE if it gave way itself."""
    for _ in _PATIENCE.rounds(f"The lines of run {run.run_id}"):
        if claim.state is not ClaimState.WAITING:
            return claim
        oldest, must_go = _in_its_way(services, run)
        if must_go or (oldest is not None and oldest.order_key > claim.order_key):
            launch(services, services.admission.cancel(claim.claim_id))
        elif oldest is None:
            launch(services, (one for line in run.lines for one in services.admission.pump(line)))
        else:
            _hand_over(services, oldest, claim, run)
            cancel_superseded(services, oldest.claim_id)
        claim = services.admission.claim(claim.claim_id) or claim
    raise AssertionError  # rounds() has raised


def cancel_superseded(services: Services, claim_id: str) -> Run | None:
    """Cancel the run whose place another has taken, if that is so. Twice is once. Answers the run that was superseded."""
    claim, subject = services.admission.claim(claim_id), subject_of_claim(claim_id)
    heir = None if claim is None else heir_of(claim)
    if subject is None or heir is None:
        return None
    return request_cancel(services, subject[0], reason=superseded(heir))


def heir_of(claim: Claim) -> str | None:
    """The run that has taken over a place; None: nobody has."""
    if claim.state is not ClaimState.DONE or not any(gives_way(one.limit) for one in claim.wants):
        return None
    for one in claim.handed_to:
        subject = subject_of_claim(one)
        if subject is not None and one == line_claim_id(subject[0]):
            return subject[0]
    return None


def _in_its_way(services: Services, run: Run) -> tuple[Claim | None, bool]:
    """The oldest of the first line that is full; and whether one is full from which nobody goes."""
    full = []
    for line in run.lines:
        limit = services.admission.limit(line)
        if limit is not None and limit.room < 1:
            full.append(line)
    if not all(map(gives_way, full)):
        return None, True
    return (oldest_of(services, full[0]) if full else None), False


def _hand_over(services: Services, oldest: Claim, claim: Claim, run: Run) -> None:
    """Try to; the caller looks what has come of it."""
    now = services.clock.now()
    heir = replace(claim, state=ClaimState.HELD, granted_at=now)
    left = [want.limit for want in oldest.wants if not heir.units_of(want.limit)]
    try:
        refusal = _PATIENCE.write(
            services.store.admission.release,
            oldest,
            to=heir,
            closing=left,
            expires_at=now + RETENTION,
        )
    except UnavailableError:
        return
    if refusal is None:
        launch(services, (one for line in left for one in services.admission.pump(line)))
    elif not refusal.claims and all(map(gives_way, refusal.limits)):
        # It lacks a place of another line too, which has an oldest of its own. The run first: its place names no heir.
        old = subject_of_claim(oldest.claim_id)
        if old is not None:
            request_cancel(services, old[0], reason=superseded(run.run_id))
        launch(services, services.admission.release(oldest.claim_id))
