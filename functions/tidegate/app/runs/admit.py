"""Admit: ask admission for the slots of a queued run, and launch it when they are granted."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from tidegate.app.runs.cancel import carry_out
from tidegate.app.runs.claim import claim_of
from tidegate.app.runs.conflict import give_up_place, take_place
from tidegate.app.runs.deadlines import watch
from tidegate.app.runs.finish import finish
from tidegate.app.runs.give_way import gives_way, hold_or_give_way
from tidegate.app.runs.holding import (
    give_up_partitions,
    hold_partitions,
    takes_before,
    wait_for_partitions,
)
from tidegate.app.runs.late import end_turn
from tidegate.app.runs.launch import launch
from tidegate.app.services import Services
from tidegate.domain.claim import ClaimState
from tidegate.domain.event import EventKind
from tidegate.domain.run import Run, RunStatus, StopCause
from tidegate.errors import DeploymentError, NotFoundError
from tidegate.ports import Event

logger = logging.getLogger(__name__)


def admit(services: Services, run_id: str) -> None:
    """Put the run's claim, once; launch whatever that grants. Repeated, it goes on where it stopped.

    A run that is being cancelled is stopped.
    """
    run = services.store.runs.get(run_id)
    if run is None:
        return
    if run.was_stopped:
        carry_out(services, run)
        return
    if not run.status.is_finished:
        run = take_place(services, run)
    if run.status.is_finished:
        give_up_place(services, run)
        give_up_partitions(services, run)
        return
    services.store.events.append(
        run_id, "enqueued", [Event(run_id=run_id, at=run.created_at, kind=EventKind.RUN_ENQUEUED)]
    )
    try:
        if not _has_partitions(services, run):
            _look_again(services, run_id)
            return
        claim = claim_of(services, run)
    except (DeploymentError, NotFoundError) as error:
        launch(services, finish(services, run, RunStatus.FAILURE, reason=str(error)))
        return
    grant = services.admission.acquire(claim)
    if grant.claim.state is ClaimState.DONE:
        _claim_is_done(services, run)
        return
    launch(services, grant.launch)
    if grant.claim.claim_id not in [one.claim_id for one in grant.launch]:
        _look_again(services, run_id, is_granted=grant.claim.state is ClaimState.HELD)


def _claim_is_done(services: Services, run: Run) -> None:
    """The run is over, or this turn of it; or it has begun, and has swapped its claim for one without its first step's slots."""
    now = services.store.runs.get(run.run_id)
    if now is None or now.turn != run.turn:
        give_up_partitions(services, run)  # this call may have taken them again
    else:
        _look_again(services, run.run_id, is_granted=True)


def admit_all(services: Services, run_ids: Sequence[str]) -> None:
    """Admit each; what goes wrong with one does not keep the others.

    Raises:
        Exception: what went wrong first. Repeated, it goes on where it stopped.
    """
    wrong: Exception | None = None
    for run_id in run_ids:
        try:
            admit(services, run_id)
        except Exception as error:
            logger.exception("run_not_admitted", extra={"run_id": run_id})
            wrong = wrong or error
    if wrong is not None:
        raise wrong


def _has_partitions(services: Services, run: Run) -> bool:
    """Take what the run makes, before it asks for slots, unless it takes it late. False: it waits for another run, or has given way to one."""
    if run.status is not RunStatus.QUEUED:
        return True
    if gives_way(run):
        return not hold_or_give_way(services, run).was_stopped
    if run.turn:
        launch(services, end_turn(services, run, run.turn - 1))
    if takes_before(services, run):
        return hold_partitions(services, run) is None
    # At its first turn it asks for slots straight away: nearly always nobody is in its way.
    return run.turn == 0 or wait_for_partitions(services, run) is None


def _look_again(services: Services, run_id: str, *, is_granted: bool = False) -> None:
    """Start the clock of its queue, if it waits there.

    Whoever ends a run writes that first, and gives up what it holds then. If that was before this call took its partitions, or
    put its claim in line, the run is seen to be over here.
    """
    run = services.store.runs.get(run_id)
    if run is None:
        return
    if run.was_stopped:
        carry_out(services, run)
    elif run.status.is_finished:
        give_up_partitions(services, run)
    elif not is_granted:
        watch(services, run, StopCause.QUEUE_TIMEOUT)
