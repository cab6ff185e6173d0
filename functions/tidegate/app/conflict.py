"""Conflict: a run asks for its place in the lines of its job and its trigger, and is skipped if they are full.

The run is written first, then its place is asked for, then the queue is woken. Each of these is repeated safely, by the same
request or by ``admit``, which does here what a caller that died has not done.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from tidegate.app.finish import tell_backfill, tell_ended
from tidegate.app.launch import launch
from tidegate.app.services import Services
from tidegate.domain.claim import Claim, ClaimState
from tidegate.domain.conflict import skipped
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
    """Ask for the run's place, once. Answers the run: CANCELED if others came first.

    ``is_new``: this call created the run, so nobody has asked yet.
    """
    if not run.lines:
        return run
    known = None if is_new else services.admission.claim(line_claim_id(run.run_id))
    if known is not None and known.state is ClaimState.HELD:
        return run
    grant = services.admission.try_acquire(_place(services, run))
    launch(services, [one for one in grant.launch if one.claim_id != grant.claim.claim_id])
    if _was_refused(grant.claim):
        return _skip(services, run, grant.claim)
    return run


def give_up_place(services: Services, run: Run) -> None:
    """Release the place of a run that ended while it was asked for."""
    if run.lines:
        launch(services, services.admission.release(line_claim_id(run.run_id)))


def _place(services: Services, run: Run) -> Claim:
    return Claim(
        claim_id=line_claim_id(run.run_id),
        wants=wants_of_line(run, services.settings),
        enqueued_at=run.created_at,
        launch={"kind": "line", "run_id": run.run_id},
        launched=True,
    )


def _was_refused(claim: Claim) -> bool:
    return claim.state is ClaimState.DONE and claim.granted_at is None


def _skip(services: Services, run: Run, claim: Claim) -> Run:
    """End a run that holds nothing. It stays QUEUED, to be found by a repeat, until all the rest is done."""
    subjects = [subject_of_claim(one) for one in claim.lost_to]
    winners = tuple(one[0] for one in subjects if one is not None)
    assert claim.waiting_on is not None
    reason, now = skipped(claim.waiting_on, winners), services.clock.now()
    canceled = RunStatus.CANCELED
    tell_ended(services, replace(run, status=canceled, reason=reason, finished_at=now))
    runs, leaves = services.store.runs, RUN_LEAVES[canceled]
    ended = runs.move(
        run.run_id, leaves=leaves, to=canceled, at=now, reason=reason, lost_to=winners
    )
    tell_backfill(services, run)  # once more, now that it is over
    logger.info("run_skipped", extra={"run_id": run.run_id, "lost_to": winners})
    return ended or runs.get(run.run_id) or run
