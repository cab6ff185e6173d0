"""A run that failed is promised its retry: an alarm, set with the end of the run. Its events say so, and whether it came."""

from __future__ import annotations

from tidegate.app.services import Services
from tidegate.domain.event import EventKind
from tidegate.domain.run import Run, RunStatus, StepStatus
from tidegate.domain.run_retry import RunRetry, is_retried_on_step_failure, retry_id, retry_of
from tidegate.ports import Event

REFUSED = "retry_refused"
"""In the data of the event that says that the promise is not kept, and why."""


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


def last_of(services: Services, run: Run) -> Run | None:
    """The last of the retries that follow a run by themselves, once it is over; None: one is under way, or to come."""
    while run.status is RunStatus.FAILURE and is_up_for_retry(services, run):
        retried = services.store.runs.get(retry_id(run))
        if retried is None:
            return None
        run = retried
    return run if run.status.is_finished else None


def is_up_for_retry(services: Services, run: Run) -> bool:
    """Whether a failed run was promised a retry, which was not refused."""
    is_promised, cursor = False, None
    while True:
        page = services.store.events.read(run.run_id, cursor=cursor)
        if any(REFUSED in one.data for one in page.items):
            return False
        is_promised = is_promised or any(
            one.kind == EventKind.RUN_UP_FOR_RETRY for one in page.items
        )
        cursor = page.cursor
        if cursor is None:
            return is_promised


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
