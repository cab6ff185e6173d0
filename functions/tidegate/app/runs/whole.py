"""Whole runs: what became of the steps of a run that was one execution, from its one report.

Rows come first, before the row of the execution says that it is over, so the end of the run cannot come without them.
Materializations and events follow once that row is written, as they do for any step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise

from tidegate.app.partitions import mark
from tidegate.app.runs.planning import keep_mapping_keys
from tidegate.app.runs.stop import tell_skipped
from tidegate.app.services import Services
from tidegate.app.steps.hooks import call_step_hooks
from tidegate.app.steps.record import SHOWN, failed_for_good, record, row_of
from tidegate.domain.arrival import Arrival
from tidegate.domain.plan import FAILED, PlanStep
from tidegate.domain.run import Run, StepRow, StepStatus
from tidegate.domain.task import Report, StepWithin
from tidegate.domain.whole import FIRST_WITHIN, WholePlan
from tidegate.errors import ReportError

_NOT_BEGUN: frozenset[StepStatus | None] = frozenset({None})


def check_within(
    report: Report, plan: WholePlan, check: Callable[[Report, PlanStep, int], None]
) -> None:
    """Raise for what a report may not say of a step. ``check`` is given each attempt.

    Raises:
        ReportError: the first that does not fit.
    """
    seen: set[int] = set()
    for _, one, step in _walked(report, plan):
        if one.index in seen:
            raise ReportError(f"The report speaks twice of {step.key!r}.")
        seen.add(one.index)
        for place, attempt in enumerate(one.reports, start=1):
            check(attempt, step, place)


def keep_within(services: Services, run: Run, plan: WholePlan, report: Report) -> None:
    """Write the rows of the steps, and remember which failed. Twice is once."""
    for reached, one, step in _walked(report, plan):
        for attempt in one.reports[-1:]:
            keep_mapping_keys(services, attempt)
        row = _row(services, run, step, one)
        services.store.runs.resolve_step(row, leaves=_NOT_BEGUN)
        if row.status is StepStatus.FAILURE:
            number = reached.number_if_failed(row.index)
            services.store.runs.gather(run.run_id, FAILED, Arrival(arrived=number))


def as_written(services: Services, run: Run, report: Report) -> Report:
    """What of a report is in the rows of the steps."""
    rows = {row.index: row.fingerprint for row in services.store.runs.steps(run.run_id)}
    within = (
        one
        for one in report.within
        if one.index in rows
        and rows[one.index] == next((last.fingerprint() for last in one.reports[-1:]), None)
    )
    return replace(report, within=tuple(within))


def record_within(services: Services, run: Run, plan: WholePlan, report: Report) -> None:
    """The steps' materializations and events, attempt by attempt, and their hooks. Twice is once."""
    now = services.clock.now()
    for reached, one, step in _walked(report, plan):
        for attempt, following in pairwise(one.reports):
            row = replace(
                row_of(run, step, attempt, now),
                status=StepStatus.UP_FOR_RETRY,
                failed=False,
                retry_at=following.started_at,
            )
            record(services, run, step, row, attempt)
        if one.reports:
            row = _row(services, run, step, one)
            record(services, run, step, row, one.reports[-1])
            call_step_hooks(services, run, reached, row)
        else:
            tell_skipped(services, run, step, _row(services, run, step, one))
            mark(services, run, step.assets, "ended")


def mark_rest(services: Services, run: Run, plan: WholePlan, report: Report) -> None:
    """The partitions of steps that never began."""
    told = {one.index for one in report.within}
    for step in plan.all_steps():
        if step.index not in told:
            mark(services, run, step.assets, "failed")


def _walked(report: Report, plan: WholePlan) -> Iterator[tuple[WholePlan, StepWithin, PlanStep]]:
    """Each step, and the plan as far as it is known by then: a dynamic output opens the steps after it."""
    for one in report.within:
        if not plan.has_within(one.index):
            raise ReportError(
                f"The report speaks of a step number {one.index}, which there is not."
            )
        yield plan, one, plan.step(one.index)
        for last in one.reports[-1:]:
            made = {
                (one.index - FIRST_WITHIN, name): keys for name, keys in last.mapping_keys.items()
            }
            if made and last.failure is None:
                plan = plan.with_keys({**plan.within.keys, **made})


def _row(services: Services, run: Run, step: PlanStep, one: StepWithin) -> StepRow:
    now = services.clock.now()
    if one.reports:
        return failed_for_good(row_of(run, step, one.reports[-1], now))
    return StepRow(
        run_id=run.run_id,
        index=one.index,
        status=StepStatus.SKIPPED,
        reason=one.reason[:SHOWN],
        failed=one.is_abandoned,
        finished_at=now,
    )
