"""Cancel: end a run before its time, and all that it has begun.

One conditional write makes the run CANCELING; from then on nothing of it begins. Everything after that is derived from the
rows and may be repeated: steps are ended, executions stopped, slots given on, and then the run becomes CANCELED, or FAILURE
when it was stopped because it had failed. A call that dies on the way is carried on by its repeat: by the queue function,
which is told of each run that is to be stopped, or by the sweep.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tidegate.app.runs.finish import finish, publish
from tidegate.app.runs.holding import give_up_partitions
from tidegate.app.runs.launch import launch
from tidegate.app.runs.planning import plan_if_known
from tidegate.app.runs.stop import stop_steps
from tidegate.app.services import Services
from tidegate.domain.event import EventKind
from tidegate.domain.run import RUN_LEAVES, Run, RunStatus, StopCause
from tidegate.errors import StoreError, UnknownRunError
from tidegate.ports import Event

logger = logging.getLogger(__name__)

LOOK_AGAIN = timedelta(minutes=2)
"""Longer than a call that was about to start an execution takes to do so, with all its retries."""
_CANCELING = frozenset({RunStatus.CANCELING})
_CLOCKS = {
    StopCause.QUEUE_TIMEOUT: EventKind.RUN_QUEUE_TIMEOUT,
    StopCause.START_TIMEOUT: EventKind.RUN_START_TIMEOUT,
    StopCause.RUN_TIMEOUT: EventKind.RUN_TIMEOUT,
}


def cancel(services: Services, run_id: str, *, reason: str = "", by: str | None = None) -> Run:
    """Cancel the run, here and now. Answers it as it is then; one that was over before is answered unchanged.

    For calls that are repeated until they succeed. ``reason`` is half a sentence, such as ``superseded by run 17``; ``by`` is
    who asked.

    Raises:
        UnknownRunError: no run has this id.
    """
    return stop_run(services, run_id, reason=said(reason, by))


def stop_run(
    services: Services,
    run_id: str,
    *,
    reason: str,
    cause: StopCause = StopCause.CANCEL,
    leaves: frozenset[RunStatus] = RUN_LEAVES[RunStatus.CANCELING],
    lost_to: tuple[str, ...] = (),
) -> Run:
    """Stop the run if its status is one of ``leaves``, and end it as the cause says.

    Asked again, it carries on with what the first call left. Who asks first gives the reason.

    Raises:
        UnknownRunError: no run has this id.
    """
    run = _begin(services, run_id, reason=reason, cause=cause, leaves=leaves, lost_to=lost_to)
    return carry_out(services, run) if run.was_stopped else run


def request_cancel(
    services: Services,
    run_id: str,
    *,
    reason: str = "",
    by: str | None = None,
    is_one_of_many: bool = False,
) -> Run:
    """See that the run is cancelled: one that is queued at once, another soon. Answers it as it is then.

    For callers that wait for the answer. A run of a thousand steps takes longer to stop than they wait, and so do many
    that are queued.

    Raises:
        UnknownRunError: no run has this id.
    """
    run = _begin(services, run_id, reason=said(reason, by))
    if not run.was_stopped:
        return run
    if run.started_at is None and not is_one_of_many:
        return carry_out(services, run)
    try:
        services.queue.enqueue(run_id)
    except StoreError as error:
        logger.warning("queue_not_woken", extra={"run_id": run_id, "reason": str(error)})
        return carry_out(services, run)
    return run


def said(reason: str, by: str | None) -> str:
    """Why the run was cancelled, as one sentence."""
    who = f"Cancelled by {by}" if by else "Cancelled"
    return f"{who}: {reason.rstrip('.')}." if reason else f"{who}."


def carry_out(services: Services, run: Run) -> Run:
    """Do all that follows from the run being CANCELING, and end it. Twice is once.

    Also of a run that has ended: a call that died may have begun a step of it that nobody has looked at since.

    Raises:
        TidegateError: an execution could not be stopped. The run stays CANCELING; everything else is done.
    """
    if run.status is RunStatus.CANCELING:
        _tell(services, run)
    if run.started_at is not None and run.canceling_at is not None:
        task = {"kind": "look_again", "run_id": run.run_id}
        services.alarms.set(run.canceling_at + LOOK_AGAIN, task)
        _stop(services, run)
    if run.status is RunStatus.CANCELING:
        # While it is: a run that holds no slot yet is found by the sweep by its status alone.
        give_up_partitions(services, run)
    launch(services, finish(services, run, run.ends_as, reason=None, leaves=_CANCELING))
    return services.store.runs.get(run.run_id) or run


def look_again(services: Services, task: Mapping[str, Any]) -> None:
    """{"kind": "look_again", "run_id"}: stop what was started, when the run was stopped, by a call that then died.

    Such a call is not always repeated: what it had been granted was taken back by then.
    """
    run = services.store.runs.get(task["run_id"])
    if run is None or not run.was_stopped:
        return
    if run.status is RunStatus.CANCELING:
        carry_out(services, run)
    else:
        _stop(services, run)


def _stop(services: Services, run: Run) -> None:
    plan = plan_if_known(services, run)
    if plan is None:
        return
    claims, trouble = stop_steps(services, run, plan)
    launch(services, claims)
    if trouble is not None:
        raise trouble


def _begin(
    services: Services,
    run_id: str,
    *,
    reason: str,
    cause: StopCause = StopCause.CANCEL,
    leaves: frozenset[RunStatus] = RUN_LEAVES[RunStatus.CANCELING],
    lost_to: tuple[str, ...] = (),
) -> Run:
    runs = services.store.runs
    run = runs.move(
        run_id,
        leaves=leaves,
        to=RunStatus.CANCELING,
        at=services.clock.now(),
        reason=reason,
        stop_cause=cause,
        lost_to=lost_to,
    ) or runs.get(run_id)
    if run is None:
        raise UnknownRunError(
            f"There is no run {run_id!r}.", mend="`tidegate runs list` shows the latest."
        )
    return run


def _tell(services: Services, run: Run) -> None:
    canceling = Event(
        run_id=run.run_id,
        at=run.canceling_at or services.clock.now(),
        kind=EventKind.RUN_CANCELING,
        message=run.reason or "",
        level="WARNING",
    )
    clock = None if run.stop_cause is None else _CLOCKS.get(run.stop_cause)
    ran_out = [] if clock is None else [replace(canceling, kind=clock, level="ERROR")]
    services.store.events.append(run.run_id, "canceling", [*ran_out, canceling])
    publish(services, run, RunStatus.CANCELING)
