"""Conflict: a run asks for its place in the lines of its job and its trigger; if they are full, it is skipped or takes one.

The run is written first, then its place is asked for, then the queue is woken. Each of these is repeated safely, by the same
request or by ``admit``, which does here what a caller that died has not done.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from tidegate.app.runs.finish import tell_backfill, tell_ended
from tidegate.app.runs.launch import launch
from tidegate.app.runs.supersede import OVER, cancel_superseded, newest_of, oldest_of, take_over
from tidegate.app.services import Services
from tidegate.domain.claim import Claim, ClaimState
from tidegate.domain.conflict import gives_way, skipped
from tidegate.domain.limit import wants_of_line
from tidegate.domain.run import (
    RUN_LEAVES,
    Run,
    RunStatus,
    line_claim_id,
    subject_of_claim,
)

logger = logging.getLogger(__name__)


def take_place(services: Services, run: Run, *, is_new: bool = False) -> Run:
    """Ask for the run's place, once. Answers the run: CANCELED if it is skipped, or stopped if another has its place.

    ``is_new``: this call created the run, so nobody has asked yet.
    """
    if not run.lines:
        return run
    claim = None if is_new else services.admission.claim(line_claim_id(run.run_id))
    if claim is None or claim.state is ClaimState.WAITING:
        claim = _asked(services, run)
    if _was_refused(claim):
        return _skip(services, run, claim)
    if claim.state is ClaimState.DONE:
        return cancel_superseded(services, claim.claim_id) or run
    if not is_new and OVER in claim.launch:
        cancel_superseded(services, claim.launch[OVER])
    return run


def _asked(services: Services, run: Run) -> Claim:
    place = _place(services, run)
    waits_for = {line for line in run.lines if gives_way(line)}
    grant = services.admission.try_acquire(place, waits_for=waits_for)
    launch(services, [one for one in grant.launch if one.claim_id != place.claim_id])
    claim = take_over(services, run, grant.claim)
    if claim.state is ClaimState.HELD and not claim.launched:
        services.admission.launched(claim.claim_id)
    return claim


def give_up_place(services: Services, run: Run) -> None:
    """Release the place of a run that ended while it was asked for."""
    if run.lines:
        launch(services, services.admission.release(line_claim_id(run.run_id)))


def _place(services: Services, run: Run) -> Claim:
    """What it asks for. One that is parked is granted by another call, and then has a launch to be recorded."""
    over = next((oldest_of(services, line) for line in run.lines if gives_way(line)), None)
    return Claim(
        claim_id=line_claim_id(run.run_id),
        wants=wants_of_line(run, services.settings),
        enqueued_at=run.created_at,
        launch={"kind": "line", "run_id": run.run_id}
        | ({} if over is None else {OVER: over.claim_id}),
        launched=not any(map(gives_way, run.lines)),
    )


def _was_refused(claim: Claim) -> bool:
    return claim.state is ClaimState.DONE and claim.granted_at is None


def _skip(services: Services, run: Run, claim: Claim) -> Run:
    """End a run that holds nothing. It stays QUEUED, to be found by a repeat, until all the rest is done."""
    line, winners = _lost(services, run, claim)
    reason, now = skipped(line, winners), services.clock.now()
    canceled = RunStatus.CANCELED
    tell_ended(services, replace(run, status=canceled, reason=reason, finished_at=now))
    tell_backfill(services, run)
    runs, leaves = services.store.runs, RUN_LEAVES[canceled]
    ended = runs.move(
        run.run_id, leaves=leaves, to=canceled, at=now, reason=reason, lost_to=winners
    )
    tell_backfill(services, run)  # once more, now that it is over
    logger.info("run_skipped", extra={"run_id": run.run_id, "lost_to": winners})
    return ended or runs.get(run.run_id) or run


def _lost(services: Services, run: Run, claim: Claim) -> tuple[str, tuple[str, ...]]:
    """The line that has no place for it, and the runs that have one."""
    assert claim.waiting_on is not None
    line, names = claim.waiting_on, claim.lost_to
    if not names and any(map(gives_way, run.lines)):
        # It was parked, and gave way to runs that came later, or in another line.
        full = {
            one.key for key in run.lines if (one := services.admission.limit(key)) and one.room < 1
        }
        line = next((one for one in reversed(run.lines) if one in full), line)
        newest = newest_of(services, line) if gives_way(line) else None
        holders = services.admission.holders(line) if newest is None else [newest.claim_id]
        names = tuple(holders)
    subjects = [subject_of_claim(one) for one in names]
    return line, tuple(one[0] for one in subjects if one is not None)
