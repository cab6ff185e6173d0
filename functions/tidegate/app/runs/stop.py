"""Stop: end the steps of a run that is being cancelled, whatever state each is in.

The run is CANCELING before anybody looks at its steps. Whoever starts a step writes its row first and then looks at the run;
whoever stops a run writes its status first and then looks at the rows. So of a start and a stop at the same moment, at least
one sees the other, and the step is stopped. The execution is paired in the same way: it is started and then the run looked at,
or the row resolved and then the execution stopped.
"""

from __future__ import annotations

from tidegate.app.runs.claim import step_released
from tidegate.app.services import Services
from tidegate.domain.claim import Claim
from tidegate.domain.event import EventKind
from tidegate.domain.plan import PlanStep, RunPlan
from tidegate.domain.run import Run, StepRow, StepStatus
from tidegate.errors import TidegateError
from tidegate.ports import Event


def as_of_now(services: Services, run: Run) -> Run:
    """The run as it is stored. Asked for after a step was written down as begun, or as waiting."""
    return services.store.runs.get(run.run_id) or run


def stop_steps(
    services: Services, run: Run, plan: RunPlan
) -> tuple[list[Claim], TidegateError | None]:
    """End every step that waits, runs, or is to be tried again. Compute first, for all; then the slots.

    Answers claims to launch, and why an execution could not be stopped; all else is done then. A step that has ended
    meanwhile keeps its result. May be repeated.
    """
    trouble: TidegateError | None = None
    stopped: list[tuple[StepRow, bool]] = []
    for row in services.store.runs.steps(run.run_id):
        ended, was_running = _resolve(services, run, row)
        if ended is not None:
            stopped.append((ended, was_running))
            try:
                _stop_execution(services, ended)
            except TidegateError as error:
                trouble = trouble or error
    granted = [
        claim
        for row, was_running in stopped
        for claim in _let_go(services, run, plan, row, is_held=was_running)
    ]
    return granted, trouble


def stop_late_step(services: Services, run: Run, plan: RunPlan, index: int) -> list[Claim]:
    """A step was begun, or put in line, by a call that had not seen that its run is being stopped. Answers claims to launch.

    Does nothing in a run that is not being stopped.
    """
    row = services.store.runs.step(run.run_id, index) if run.was_stopped else None
    if row is None:
        return []
    ended, was_running = _resolve(services, run, row)
    if ended is None:
        return []
    _stop_execution(services, ended)
    return _let_go(services, run, plan, ended, is_held=was_running)


def tell_skipped(services: Services, run: Run, step: PlanStep, row: StepRow) -> None:
    event = Event(
        run_id=run.run_id,
        at=row.finished_at or services.clock.now(),
        kind=EventKind.STEP_FAILURE if row.status is StepStatus.FAILURE else EventKind.STEP_SKIPPED,
        step=step.key,
        message=row.reason or "",
    )
    services.store.events.append(run.run_id, f"skip/{step.index}", [event])


def tell_stopped(services: Services, run: Run, step: PlanStep, row: StepRow) -> None:
    """Tell of a step that was skipped or canceled. Twice is once."""
    if row.status is StepStatus.SKIPPED:
        tell_skipped(services, run, step, row)
    else:
        _tell_canceled(services, step, row)


def _resolve(services: Services, run: Run, row: StepRow) -> tuple[StepRow | None, bool]:
    """Write that the step is over. Answers its row, and whether it ran until then, and this call wrote that it is over.

    No row: it ended by itself, so whoever records that does the rest.
    """
    was_running = False
    while not row.status.is_resolved:
        has_begun = row.status is not StepStatus.WAITING or row.attempt > 1
        wanted = StepRow(
            run_id=run.run_id,
            index=row.index,
            status=StepStatus.CANCELED if has_begun else StepStatus.SKIPPED,
            attempt=row.attempt,
            reason=run.reason,
            failed=True,
            finished_at=services.clock.now(),
            retry_at=row.retry_at,
            fingerprint=row.fingerprint,
        )
        was = row.status
        row, wrote = services.store.runs.resolve_step(wanted, leaves=frozenset({was}))
        was_running = wrote and was is StepStatus.STARTED
    return (row, was_running) if _was_stopped(row) else (None, False)


def _was_stopped(row: StepRow) -> bool:
    """A step that is skipped for what is upstream never waited for a slot."""
    if row.status is StepStatus.SKIPPED:
        return row.waiting_at is not None
    return row.status is StepStatus.CANCELED


def _stop_execution(services: Services, row: StepRow) -> None:
    """Not that of an attempt which is over, to be followed by another: all it may still do is to tell of it."""
    if row.started_at is not None and row.retry_at is None:
        services.launcher.stop(row.run_id, row.index, row.attempt)


def _let_go(
    services: Services, run: Run, plan: RunPlan, row: StepRow, *, is_held: bool
) -> list[Claim]:
    """Tell of the end of a stopped step, and release what it held or waited for."""
    tell_stopped(services, run, plan.step(row.index), row)
    return step_released(services, run, plan, row.index, row.attempt, is_held=is_held)


def _tell_canceled(services: Services, step: PlanStep, row: StepRow) -> None:
    at = row.finished_at or services.clock.now()
    canceled = Event(
        run_id=row.run_id,
        at=at,
        kind=EventKind.STEP_CANCELED,
        step=step.key,
        attempt=row.attempt,
        message=row.reason or "",
        level="WARNING",
    )
    if row.started_at is not None and row.retry_at is None:
        # Else its attempt has ended, and whoever recorded that has told of its start.
        start = Event(
            run_id=row.run_id,
            at=row.started_at,
            kind=EventKind.STEP_START if row.attempt == 1 else EventKind.STEP_RESTARTED,
            step=step.key,
            attempt=row.attempt,
        )
        services.store.events.append(row.run_id, f"step/{row.index}/{row.attempt}", [start])
    services.store.events.append(row.run_id, f"step/{row.index}/{row.attempt}/canceled", [canceled])
