"""Runs all steps of a run in one Lambda function or container, and reports what became of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidegate.domain.executor import executor_of
from tidegate.domain.task import Invocation, Report, StepWithin
from tidegate.domain.whole import FIRST_WITHIN
from tidegate.execution.failure import StepStopped, failure_of
from tidegate.execution.resources import ResourceScope
from tidegate.execution.result import StepResult, StepState
from tidegate.execution.step import Surroundings
from tidegate.execution.walk import Walk

if TYPE_CHECKING:
    from tidegate.sdk.job import JobDefinition
    from tidegate.sdk.step import StepDefinition


def run_whole(
    invocation: Invocation,
    job: JobDefinition,
    steps: Mapping[str, StepDefinition],
    resources: Mapping[str, Any],
    now: Callable[[], datetime],
    *,
    ended: Callable[[], None],
    finish: Callable[[Report], Report],
) -> Report:
    """Run the steps one after the other, with resources set up once.

    A failed step does not stop branches that do not need it, unless the run fails fast. Told to stop, what has not begun is
    left.

    Args:
        ended: Called after each attempt of a step.
        finish: Is given each attempt's report.
    """
    started_at, error = now(), None
    scope = ResourceScope(
        resources,
        run_config=invocation.run_config,
        run_id=invocation.run_id,
        run_tags=invocation.tags,
    )
    walk = Walk(
        list(steps.values()),
        replace(invocation, attempt=1, is_whole_run=False),
        Surroundings(steps=steps, resources=resources, now=now, scope=scope),
        retries=executor_of(job.executor, invocation.run_config).retries,
        first=FIRST_WITHIN,
        ended=ended,
    )
    try:
        with scope:
            error = _run(walk, invocation.fails_fast)
    except BaseException as raised:  # noqa: BLE001 - a resource that is torn down is the user's code
        ended()
        error = raised
    return Report(
        run_id=invocation.run_id,
        index=invocation.index,
        attempt=invocation.attempt,
        started_at=started_at,
        finished_at=now(),
        failure=None if error is None else failure_of(error),
        within=tuple(_within(number, one, finish) for number, one in walk.results.items()),
    )


def _run(walk: Walk, fails_fast: bool) -> BaseException | None:
    """Answers what stopped it before its end, if it was told to."""
    for result in walk.run():
        if isinstance(result.error, StepStopped):
            return result.error
        if fails_fast and result.state is StepState.FAILURE:
            break
    return None


def _within(number: int, result: StepResult, finish: Callable[[Report], Report]) -> StepWithin:
    is_abandoned = result.state is StepState.ABANDONED
    names = ", ".join(result.because)
    if result.report is None:
        reason = f"upstream failed: {names}" if is_abandoned else f"not produced upstream: {names}"
        return StepWithin(index=number, reason=reason, is_abandoned=is_abandoned)
    reports = (*result.earlier, result.report)
    return StepWithin(index=number, reports=tuple(finish(one) for one in reports))
