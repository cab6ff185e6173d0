"""A run that failed is promised its retry: an alarm, set with the end of the run."""

from __future__ import annotations

from tidegate.app.services import Services
from tidegate.domain.event import EventKind
from tidegate.domain.run import Run, StepStatus
from tidegate.domain.run_retry import RunRetry, is_retried_on_step_failure, retry_id, retry_of
from tidegate.ports import Event


def promise_retry(services: Services, run: Run) -> None:
    """See to it that a run is submitted in place of one that failed, if it shall be. Twice is once."""
    retry = retry_of(run, services.settings)
    if retry is None:
        return
    if not is_retried_on_step_failure(run.tags, services.settings):
        rows = services.store.runs.steps(run.run_id)
        if any(row.status is StepStatus.FAILURE for row in rows):
            return
    _promise(services, run, retry)


def _promise(services: Services, run: Run, retry: RunRetry) -> None:
    ended = run.finished_at or services.clock.now()
    at = ended + retry.delay
    event = Event(
        run_id=run.run_id,
        at=ended,
        kind=EventKind.RUN_UP_FOR_RETRY,
        message=f"Retry {retry.number} of {retry.most} follows as run {retry_id(run)}.",
        level="WARNING",
        data={"retry_at": at.isoformat(), "run_id": retry_id(run)},
    )
    services.store.events.append(run.run_id, "retry", [event])
    task = {"kind": "retry_run", "run_id": run.run_id, "strategy": retry.strategy.value}
    services.alarms.set(at, task)
