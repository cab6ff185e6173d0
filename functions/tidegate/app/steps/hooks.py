"""Hooks: user code that is called after a step or a run has succeeded or failed, in an execution of its own.

It is at least once, like everything that follows from a resolved row; the execution's name makes it once while nothing goes
wrong. What a hook does changes nothing of its run: its outcome is an event.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tidegate.app.services import Services
from tidegate.domain.event import EventKind
from tidegate.domain.execution import StepTask
from tidegate.domain.hook import HookCall, hook_execution_of
from tidegate.domain.plan import RunPlan
from tidegate.domain.run import Run, RunStatus, StepRow, StepStatus
from tidegate.domain.task import Invocation, Report
from tidegate.errors import DeploymentError, NotFoundError, ReportError
from tidegate.ports import Event

logger = logging.getLogger(__name__)

HOOK_SECONDS = 300
_STEP_ENDS = {StepStatus.SUCCESS: "success", StepStatus.FAILURE: "failure"}
_RUN_ENDS = {RunStatus.SUCCESS: "success", RunStatus.FAILURE: "failure"}
_SHOWN = 2_000


def call_step_hooks(services: Services, run: Run, plan: RunPlan, row: StepRow) -> None:
    """Have the hooks of a step called that has succeeded or failed. Twice is once."""
    on = _STEP_ENDS.get(row.status)
    step = plan.step(row.index)
    for number, (name, when) in enumerate(step.hooks):
        if when == on:
            call = HookCall(
                run_id=run.run_id, index=row.index, number=number, name=name, on=on, step=step.key
            )
            services.launcher.start(_task(run, call, row.reason))


def call_run_hooks(services: Services, run: Run) -> None:
    """Have the hooks of a run called that has succeeded or failed. Twice is once."""
    on = _RUN_ENDS.get(run.status)
    if on is None:
        return
    for number, (name, when) in enumerate(_run_hooks(services, run)):
        if when == on:
            call = HookCall(run_id=run.run_id, number=number, name=name, on=on)
            services.launcher.start(_task(run, call, run.reason))


def hook_ended(services: Services, outcome: Mapping[str, Any]) -> None:
    """Record what came of a hook: the outcome of its execution, as ``complete`` gets it."""
    call = HookCall.from_json(outcome["hook"])
    run = services.store.runs.get(call.run_id)
    if run is None:
        logger.warning("hook_without_run", extra={"run_id": call.run_id})
        return
    events = list(_events(services, call, outcome))
    services.store.events.append(call.run_id, f"hook/{call.at}/{call.number}", events)


def hook_lost(services: Services, name: str, error: str) -> None:
    """The execution of a hook came to an end that did not report."""
    call = hook_execution_of(name)
    hook_ended(services, {"hook": call.to_json(), "error": {"Error": error, "Cause": ""}})


def _run_hooks(services: Services, run: Run) -> list[tuple[str, str]]:
    try:
        job = services.manifests.get(run.manifest).job(run.job)
    except (DeploymentError, NotFoundError):
        return []
    return [(one["name"], one["on"]) for one in job.get("hooks", ()) if one["of"] == "run"]


def _task(run: Run, call: HookCall, reason: str | None) -> StepTask:
    invocation = Invocation(
        run_id=run.run_id,
        job=run.job,
        step=call.step or "",
        index=call.index or 0,
        manifest=run.manifest,
        assets=run.assets,
        partition_key=run.partition_key,
        run_config=run.run_config,
        tags=run.tags,
    )
    said = {"kind": "hook", "hook": call.to_json(), "reason": reason}
    return StepTask(
        run_id=run.run_id,
        index=call.index or 0,
        attempt=1,
        function=run.function,
        task_definition=run.task_definition,
        compute={"kind": "lambda"},
        timeout_seconds=HOOK_SECONDS,
        invocation=invocation.to_json() | said,
        hook=call,
    )


def _events(services: Services, call: HookCall, outcome: Mapping[str, Any]) -> Iterator[Event]:
    now = services.clock.now()
    done = Event(
        run_id=call.run_id,
        at=now,
        kind=EventKind.HOOK_COMPLETED,
        step=call.step,
        message=call.name,
        data={"hook": call.name},
    )
    report, trouble = _report(outcome)
    if report is not None:
        for line in report.logs:
            at = min(line.at, now)
            yield replace(done, at=at, kind=EventKind.LOG, level=line.level, message=line.message)
        failure = report.failure
        trouble = None if failure is None else f"{failure.error}: {failure.message}"
    if trouble is not None:
        said = f"{call.name}: {trouble}"[:_SHOWN]
        done = replace(done, kind=EventKind.HOOK_ERRORED, level="ERROR", message=said)
    yield done


def _report(outcome: Mapping[str, Any]) -> tuple[Report | None, str | None]:
    """What user code answered, or what became of it instead."""
    error = outcome.get("error")
    if isinstance(error, Mapping):
        return None, f"{error.get('Error', '')} {_message(error.get('Cause'))}".strip()
    result = outcome.get("result")
    try:
        return Report.from_json(result.get("report") if isinstance(result, Mapping) else None), None
    except ReportError as bad:
        return None, str(bad)


def _message(cause: object) -> str:
    try:
        parsed = json.loads(str(cause))
    except ValueError:
        return str(cause or "")
    return str(parsed.get("errorMessage", "")) if isinstance(parsed, Mapping) else str(cause)
