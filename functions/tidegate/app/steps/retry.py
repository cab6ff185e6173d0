"""Retry: the next attempt of a failed step begins when its time has come. Until then it is a row, and an alarm.

The slots of the failed attempt were released with its end, so the next one asks for its own, and waits in line like any
step.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tidegate.app.runs.launch import launch
from tidegate.app.runs.planning import plan_if_known, plan_of
from tidegate.app.runs.stop import stop_late_step
from tidegate.app.services import Services
from tidegate.app.steps.begin import begin_step
from tidegate.app.steps.task import gathered_for
from tidegate.domain.escalation import ESCALATE, escalates, retries_used
from tidegate.domain.plan import RunPlan
from tidegate.domain.retry import Retry, next_attempt
from tidegate.domain.run import LIVE, Run, StepRow, execution_name
from tidegate.domain.task import StepFailure


def retry_of(
    services: Services, run: Run, plan: RunPlan, index: int, attempt: int, failure: StepFailure
) -> tuple[Retry, bool] | None:
    """What follows the failure of an attempt, and whether it goes on on ECS; None: the step has failed, or its run is being ended."""
    if run.status not in LIVE:
        return None
    step, ecs_from = plan.step(index), None
    if ESCALATE in step.compute:
        row = services.store.runs.step(run.run_id, index)
        ecs_from = None if row is None else row.ecs_from
        if escalates(step.compute, failure, ecs_from, attempt):
            return Retry(attempt=attempt + 1, delay=timedelta(0)), True
    if not services.executor_of(run).retries:
        return None
    name = execution_name(run.run_id, index, attempt)
    retry = next_attempt(step.retry, failure, retries_used(ecs_from, attempt), name=name)
    return None if retry is None else (retry, False)


def await_retry(services: Services, row: StepRow) -> None:
    """See to it that the attempt after this row's begins at its time. Twice is once."""
    attempt = row.attempt + 1
    if row.retry_at is not None and row.retry_at > services.clock.now():
        services.alarms.set(row.retry_at, _task(row, attempt))
    else:
        begin_retry(services, row, attempt)


def begin_retry(services: Services, row: StepRow, attempt: int) -> None:
    """Begin that attempt of the row's step now. Twice is once."""
    retry_step(services, _task(row, attempt))


def retry_step(services: Services, task: Mapping[str, Any]) -> None:
    """Begin an attempt, unless its run or the step is over, or past it. A repeat goes on where the first call stopped."""
    run_id, index, attempt = task["run_id"], task["index"], task["attempt"]
    run, row = services.store.runs.get(run_id), services.store.runs.step(run_id, index)
    if run is not None and run.was_stopped:
        # A call that died here may have begun the attempt when the run was being stopped already.
        stopped = plan_if_known(services, run)
        launch(services, [] if stopped is None else stop_late_step(services, run, stopped, index))
    if run is None or run.status not in LIVE:
        return
    if row is None or row.status.is_resolved or row.attempt not in (attempt - 1, attempt):
        return
    plan = plan_of(services, run)
    gathered = gathered_for(services, run, plan, index)
    launch(services, begin_step(services, run, plan, index, gathered, attempt=attempt))


def _task(row: StepRow, attempt: int) -> dict[str, Any]:
    return {"kind": "retry_step", "run_id": row.run_id, "index": row.index, "attempt": attempt}
