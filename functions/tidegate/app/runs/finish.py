"""Finish: end a run, give on what it held, and say so: in its last event, and to the outside world."""

from __future__ import annotations

from tidegate.app.partitions import mark_stopped
from tidegate.app.runs.claim import run_released
from tidegate.app.runs.planning import plan_if_known
from tidegate.app.runs.retry_later import promise_retry
from tidegate.app.services import Services
from tidegate.app.steps.hooks import call_run_hooks
from tidegate.domain.claim import Claim
from tidegate.domain.event import EventKind
from tidegate.domain.run import BACKFILL_TAG, RUN_LEAVES, Run, RunStatus
from tidegate.ports import Event

BUS_DETAIL_TYPE = "tidegate.run"
_ENDINGS = {
    RunStatus.SUCCESS: EventKind.RUN_SUCCESS,
    RunStatus.FAILURE: EventKind.RUN_FAILURE,
    RunStatus.CANCELED: EventKind.RUN_CANCELED,
}


def finish(
    services: Services,
    run: Run,
    to: RunStatus,
    *,
    reason: str | None,
    leaves: frozenset[RunStatus] | None = None,
) -> list[Claim]:
    """End the run, give its slots on, and tell the bus. Answers claims to launch.

    ``leaves``: by default those of ``RUN_LEAVES``. A run that is being cancelled is ended by whoever does that.
    """
    runs, now = services.store.runs, services.clock.now()
    moved = runs.move(run.run_id, leaves=leaves or RUN_LEAVES[to], to=to, at=now, reason=reason)
    ended = moved or runs.get(run.run_id) or run
    if not ended.status.is_finished:
        return []
    tell_ended(services, ended)
    if ended.status is RunStatus.FAILURE:
        promise_retry(services, ended)
    tell_backfill(services, ended)
    is_held = moved is not None and moved.started_at is not None
    return run_released(services, ended, plan_if_known(services, ended), is_held=is_held)


def tell_ended(services: Services, run: Run) -> None:
    """The last event of a run that is over, and the word to the bus."""
    event = Event(
        run_id=run.run_id,
        at=run.finished_at or services.clock.now(),
        kind=_ENDINGS[run.status],
        message=run.reason or "",
        level="ERROR" if run.status is RunStatus.FAILURE else "INFO",
    )
    services.store.events.append(run.run_id, "end", [event])
    call_run_hooks(services, run)
    publish(services, run, run.status)
    if run.was_stopped:
        mark_stopped(services, run, plan_if_known(services, run))


def tell_backfill(services: Services, run: Run) -> None:
    """The backfill function has it counted, whatever becomes of this call. After it was promised a retry, if it is."""
    if BACKFILL_TAG in run.tags:
        services.backfills.wake({"backfill_id": run.tags[BACKFILL_TAG], "run_id": run.run_id})


def publish(services: Services, run: Run, status: RunStatus) -> None:
    services.bus.publish(
        BUS_DETAIL_TYPE,
        {
            "run_id": run.run_id,
            "job": run.job,
            "status": status.value,
            "tags": run.tags,
            "partition_key": run.partition_key,
            "reason": run.reason,
            "at": (run.finished_at or run.started_at or run.created_at).isoformat(),
        },
    )
