"""What the execution of a step is given, and starting one that was lost."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidegate.app.partitions import keys_for_step
from tidegate.app.runs.planning import collected
from tidegate.app.runs.reuse import done_upstream
from tidegate.app.services import Services
from tidegate.domain.arrival import Gathered
from tidegate.domain.deadline import fails_fast
from tidegate.domain.escalation import ESCALATE, compute_of
from tidegate.domain.execution import StepTask
from tidegate.domain.plan import PlanStep, RunPlan
from tidegate.domain.run import Run, StepRow
from tidegate.domain.task import Invocation
from tidegate.domain.whole import WholePlan


def gathered_for(services: Services, run: Run, plan: RunPlan, index: int) -> Gathered:
    """What a decided step has to know of what arrived at it: which sources of a fan-in are missing."""
    if not any(one.fan_in and not one.collects for one in plan.step(index).inputs):
        return Gathered()
    missing: set[int] = set()
    for node in sorted({plan.declared(index), index}):
        missing |= services.store.runs.gathered(run.run_id, str(node)).missing
    return Gathered(missing=frozenset(missing))


def start_again(services: Services, run: Run, plan: RunPlan, row: StepRow) -> datetime | None:
    """Start the execution of a step that ought to run. Answers when it began, now or before; None: it is over."""
    gathered = gathered_for(services, run, plan, row.index)
    task = task_of(services, run, plan, plan.step(row.index), row.attempt, gathered)
    return services.launcher.start(task)


def compute_of_attempt(
    services: Services, run: Run, step: PlanStep, attempt: int
) -> dict[str, Any]:
    """Where the attempt runs. The step's row is read only if that may not be where the first one ran."""
    row = None
    if ESCALATE in step.compute and attempt > 1:
        row = services.store.runs.step(run.run_id, step.index)
    return compute_of(step.compute, None if row is None else row.ecs_from, attempt)


def task_of(
    services: Services, run: Run, plan: RunPlan, step: PlanStep, attempt: int, gathered: Gathered
) -> StepTask:
    """What the attempt's execution is given."""
    is_whole = isinstance(plan, WholePlan)
    known, own = keys_for_step(services, run, step.assets)
    return StepTask(
        run_id=run.run_id,
        index=step.index,
        attempt=attempt,
        function=run.function,
        task_definition=run.task_definition,
        compute=compute_of_attempt(services, run, step, attempt),
        timeout_seconds=step.timeout_seconds or services.settings.step_timeout_seconds,
        invocation=Invocation(
            run_id=run.run_id,
            job=run.job,
            step=step.declared_key,
            index=step.index,
            attempt=attempt,
            manifest=run.manifest,
            assets=run.assets,
            partition_key=run.partition_key,
            run_config=run.run_config,
            tags=run.tags,
            missing=tuple(sorted(gathered.missing)),
            mapping_key=step.mapping_key,
            is_whole_run=is_whole,
            fails_fast=is_whole and fails_fast(run.tags, services.settings),
            collected=collected(services, run, plan, step),
            dynamic_partitions=known,
            own_partitions=own,
            done_in=done_upstream(run, plan, step),
        ).to_json(),
    )
