"""Complete: record what one attempt of a step came to, and let everything that waited for it move.

The one commit point is the conditional write that resolves the step's row. Everything after it is derived from that row
and idempotent, so a repeat of the whole call, by Step Functions' retry or by the monitor, goes on where the first stopped.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tidegate.app.runs.cancel import stop_run
from tidegate.app.runs.claim import step_released
from tidegate.app.runs.launch import launch
from tidegate.app.runs.planning import keep_mapping_keys, plan_of
from tidegate.app.runs.stop import tell_stopped
from tidegate.app.runs.whole import (
    as_written,
    check_within,
    keep_within,
    mark_rest,
    record_within,
)
from tidegate.app.services import Services
from tidegate.app.steps.advance import advance
from tidegate.app.steps.hooks import call_step_hooks, hook_ended
from tidegate.app.steps.record import failed_for_good, record, row_of
from tidegate.app.steps.retry import await_retry, begin_retry, retry_of
from tidegate.app.steps.task import compute_of_attempt
from tidegate.domain.deadline import fails_fast
from tidegate.domain.death import death_of
from tidegate.domain.escalation import NOTE
from tidegate.domain.plan import PlanStep, RunPlan
from tidegate.domain.run import Run, StepRow, StepStatus, StopCause
from tidegate.domain.task import MAX_REPORT_BYTES, Report, StepFailure
from tidegate.domain.whole import WholePlan
from tidegate.errors import ReportError, RequestError

logger = logging.getLogger(__name__)

_STARTED: frozenset[StepStatus | None] = frozenset({StepStatus.STARTED})
_SHOWN = 2_000
"""Characters of an error text that are kept."""


def complete(services: Services, outcome: Mapping[str, Any]) -> None:
    """Record the outcome of one execution of the step state machine (its state when it enters ``Complete``).

    Raises:
        RequestError: this is not such a state; nothing was changed.
    """
    if "hook" in outcome:
        hook_ended(services, outcome)
        return
    run_id, index, attempt = _identity(outcome)
    run = services.store.runs.get(run_id)
    if run is None:
        logger.warning("complete_without_run", extra={"run_id": run_id})
        return
    plan = plan_of(services, run)
    if not plan.has(index):
        raise RequestError(f"Run {run_id} has no step number {index}.")
    step = plan.step(index)
    report = _report(services, outcome, run, plan, step, attempt)
    keep_mapping_keys(services, report)
    if isinstance(plan, WholePlan) and not run.status.is_finished:
        keep_within(services, run, plan, report)
    ended = _ended(services, run, plan, step, report)
    row, wrote = services.store.runs.resolve_step(ended, leaves=_STARTED)
    if row.attempt == attempt + 1:
        # By a call for this attempt, which may have died before the next one was under way.
        begin_retry(services, row, attempt + 1)
        return
    if not row.is_attempt_over or row.attempt != attempt:
        logger.warning(
            "late_report_ignored", extra={"run_id": run_id, "step": step.key, "attempt": attempt}
        )
        return
    if wrote or row.fingerprint == report.fingerprint():
        if isinstance(plan, WholePlan):
            record_within(services, run, plan, report)
            mark_rest(services, run, plan, report)
        if report.failure is not None or not isinstance(plan, WholePlan):
            # Canceled since, it says so; what is told here is how the attempt ended.
            was = replace(ended, retry_at=row.retry_at)
            record(services, run, step, was if row.status is StepStatus.CANCELED else row, report)
    elif isinstance(plan, WholePlan):
        # Cancelled between the rows of its steps and its own: what is written is told.
        record_within(services, run, plan, as_written(services, run, report))
    _go_on(services, run, plan, row, is_held=wrote)


def resume(services: Services, run: Run, plan: RunPlan, row: StepRow, *, is_told: bool) -> None:
    """Do again what follows from an attempt that is over: whoever began it has died. Twice is once.

    ``is_told``: its events are there. Else they are made from the row; what else the report said is lost.
    """
    step = plan.step(row.index)
    if not is_told and row.status in (StepStatus.SKIPPED, StepStatus.CANCELED):
        tell_stopped(services, run, step, row)
    elif not is_told and not (isinstance(plan, WholePlan) and row.status is StepStatus.SUCCESS):
        error, _, message = (row.reason or "").partition(": ")
        failure = StepFailure(error=error, message=message)
        at = row.finished_at or services.clock.now()
        known = Report(
            run_id=run.run_id,
            index=row.index,
            attempt=row.attempt,
            started_at=row.started_at or at,
            finished_at=at,
            failure=None if row.status is StepStatus.SUCCESS else failure,
        )
        record(services, run, step, row, known)
    _go_on(services, run, plan, row)


def _go_on(
    services: Services, run: Run, plan: RunPlan, row: StepRow, *, is_held: bool = False
) -> None:
    """``is_held``: this call wrote that it is over. A repeat does not know how far that one came."""
    goes_on = row.status is StepStatus.UP_FOR_RETRY
    granted = step_released(
        services, run, plan, row.index, row.attempt, goes_on=goes_on, is_held=is_held
    )
    launch(services, granted)
    call_step_hooks(services, run, plan, row)
    if goes_on:
        await_retry(services, row)
    elif (failed := _failed_fast(services, run, plan, row)) is not None:
        reason = f"step failed: {failed}; the rest was stopped (fail-fast)"
        stop_run(services, run.run_id, reason=reason, cause=StopCause.STEP_FAILURE)
    else:
        # What the step has made may have opened steps that are mapped over it.
        launch(services, advance(services, run, plan_of(services, run), row))


def _failed_fast(services: Services, run: Run, plan: RunPlan, row: StepRow) -> str | None:
    """The step for whose sake the rest of the run is stopped now. A whole run has stopped by itself, at its first."""
    if not fails_fast(run.tags, services.settings):
        return None
    rows = [row]
    if isinstance(plan, WholePlan) and row.status is StepStatus.SUCCESS:
        plan, rows = plan_of(services, run), services.store.runs.steps(run.run_id)
    failed = [
        plan.step(one.index).key
        for one in rows
        if one.status is StepStatus.FAILURE and plan.is_shown(one.index)
    ]
    return next(iter(failed), None)


def _identity(outcome: Mapping[str, Any]) -> tuple[str, int, int]:
    run_id, index, attempt = (outcome.get(name) for name in ("run_id", "index", "attempt"))
    if not isinstance(run_id, str) or not isinstance(index, int) or not isinstance(attempt, int):
        raise RequestError("An outcome needs run_id, index and attempt.")
    return run_id, index, attempt


def _ended(services: Services, run: Run, plan: RunPlan, step: PlanStep, report: Report) -> StepRow:
    """The row to write: the step is resolved, or will be tried again."""
    row, failure = row_of(run, step, report, services.clock.now()), report.failure
    if failure is None:
        return row
    retry = retry_of(services, run, plan, step.index, report.attempt, failure)
    if retry is None:
        return failed_for_good(row)
    again, is_on_ecs = retry
    return replace(
        row,
        status=StepStatus.UP_FOR_RETRY,
        failed=False,
        retry_at=(row.finished_at or services.clock.now()) + again.delay,
        reason=f"{row.reason} {NOTE}" if is_on_ecs else row.reason,
        ecs_from=report.attempt + 1 if is_on_ecs else None,
    )


def _report(
    services: Services,
    outcome: Mapping[str, Any],
    run: Run,
    plan: RunPlan,
    step: PlanStep,
    attempt: int,
) -> Report:
    """The report, however it came: in the outcome, in the bucket, or made up for code that died without one."""
    try:
        document = _document(services, outcome, run, step, attempt)
        if document is None:
            return _failed(services, run, step, attempt, death_of(outcome))
        report = Report.from_json(document)
        _check(report, run, step, attempt)
        if isinstance(plan, WholePlan):
            check_within(report, plan, lambda one, inner, count: _check(one, run, inner, count))
        elif report.within:
            raise ReportError(f"The report of {step.key!r} speaks of other steps.")
        return report
    except ReportError as error:
        failure = StepFailure(error="BadReport", message=str(error), allow_retries=False)
        return _failed(services, run, step, attempt, failure)


def _document(
    services: Services, outcome: Mapping[str, Any], run: Run, step: PlanStep, attempt: int
) -> object:
    result = outcome.get("result")
    document = result.get("report") if isinstance(result, Mapping) else None
    if document is not None and not isinstance(document, Mapping):
        raise ReportError(f"User code answered {type(document).__name__}, not a report.")
    own_key = f"reports/{run.run_id}/{step.index}/{attempt}.json"
    if isinstance(document, Mapping) and "report_key" not in document:
        return document
    if document is None and compute_of_attempt(services, run, step, attempt)["kind"] != "ecs":
        return None
    if isinstance(document, Mapping) and document["report_key"] != own_key:
        raise ReportError(
            f"The report points at {document['report_key']!r}, which is not its place."
        )
    body = services.blobs.get(own_key, most=MAX_REPORT_BYTES + 1)
    if body is None:
        return None
    if len(body) > MAX_REPORT_BYTES:
        raise ReportError(
            f"The report is more than {MAX_REPORT_BYTES:,} bytes.",
            mend="Keep metadata small: link to what is large.",
        )
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ReportError(f"The report is not JSON: {error}.") from error


def _check(report: Report, run: Run, step: PlanStep, attempt: int) -> None:
    """A report may speak only of its own step: its attempt, its outputs, its assets."""
    if (report.run_id, report.index, report.attempt) != (run.run_id, step.index, attempt):
        raise ReportError("The report is about another step.")
    if report.logs_key not in (None, f"logs/{run.run_id}/{step.index}/{attempt}.jsonl"):
        raise ReportError(f"The report has its log at {report.logs_key!r}, which is not its place.")
    outputs = {one.name for one in step.outputs}
    unknown = sorted(set(report.produced) - outputs)
    if unknown:
        raise ReportError(
            f"The report names an output {unknown[0]!r} that {step.key!r} does not have."
        )
    assets = {one.asset for one in step.outputs}
    for one in report.materializations:
        if one.asset not in assets:
            raise ReportError(
                f"The report materializes {one.asset!r}, which {step.key!r} does not make."
            )
    _check_mapping_keys(report, step)
    if report.failure is None:
        lacking = sorted(
            one.name for one in step.outputs if one.required and one.name not in report.produced
        )
        if lacking:
            raise ReportError(
                f"The report says success but lacks the required output {lacking[0]!r}."
            )


def _check_mapping_keys(report: Report, step: PlanStep) -> None:
    """Every dynamic output that was produced, and no other, has mapping keys."""
    dynamic = {one.name for one in step.outputs if one.is_dynamic} & set(report.produced)
    odd = sorted(dynamic ^ set(report.mapping_keys)) if report.failure is None else []
    if odd:
        raise ReportError(
            f"The report says nothing of the values of {odd[0]!r}."
            if odd[0] in dynamic
            else f"The report has mapping keys of {odd[0]!r}, which {step.key!r} did not produce."
        )


def _failed(
    services: Services, run: Run, step: PlanStep, attempt: int, failure: StepFailure
) -> Report:
    """A report for code that wrote none. Its times come from the row, so that a repeated call makes the same report."""
    row = services.store.runs.step(run.run_id, step.index)
    started = (row and row.started_at) or run.created_at
    finished = services.clock.now()
    if row is not None and row.is_attempt_over and row.finished_at is not None:
        finished = row.finished_at
    return Report(
        run_id=run.run_id,
        index=step.index,
        attempt=attempt,
        started_at=started,
        finished_at=finished,
        failure=failure,
    )
