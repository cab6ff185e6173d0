"""Runs one hook of user code, and reports what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidegate.domain.hook import HookCall
from tidegate.domain.task import Invocation, Report
from tidegate.errors import InvocationError
from tidegate.execution.failure import failure_of
from tidegate.execution.log_capture import LogCapture, current, json_lines
from tidegate.execution.resources import ResourceScope
from tidegate.execution.step import Surroundings
from tidegate.execution.step_config import op_config
from tidegate.sdk.asset_key import AssetKey
from tidegate.sdk.context import RunInfo
from tidegate.sdk.hook import FAILURE, SUCCESS, HookContext, HookDefinition, StepFailed

if TYPE_CHECKING:
    from tidegate.sdk.definitions import Definitions
    from tidegate.sdk.job import JobDefinition
    from tidegate.sdk.step import StepDefinition

logger = logging.getLogger(__name__)

MOST_LOG_BYTES = 32 * 1024


def run_hook(
    document: Mapping[str, Any],
    *,
    load: Callable[[], Definitions],
    resources: Mapping[str, Any],
    now: Callable[[], datetime],
) -> Report:
    """Find the hook and call it. Never raises for what user code does: it is in the report.

    ``resources`` are those beside the job's own.
    """
    call, invocation = HookCall.from_json(document["hook"]), Invocation.from_json(document)
    started_at, capture = now(), LogCapture(now)
    error: BaseException | None = None
    token = current.set(capture)
    try:
        job = load().resolve_job_def(invocation.job)
        hook = _find(job, invocation, call)
        call_hook(
            hook,
            invocation,
            {**resources, **job.resources},
            capture,
            error=_error(call, document.get("reason")),
        )
    except BaseException as raised:  # noqa: BLE001 - whatever user code raises is told in the report
        error = raised
    finally:
        current.reset(token)
    report = Report(
        run_id=invocation.run_id,
        index=invocation.index,
        attempt=1,
        started_at=started_at,
        finished_at=now(),
        failure=None if error is None else failure_of(error),
        logs=capture.lines(),
    )
    while report.logs and len(json_lines(report.logs)) > MOST_LOG_BYTES:
        report = replace(report, logs=report.logs[: len(report.logs) // 2])
    return report


def call_hook(
    hook: HookDefinition,
    invocation: Invocation,
    resources: Mapping[str, Any],
    capture: LogCapture,
    *,
    error: BaseException | None,
) -> None:
    """Call one hook, with its resources set up for it and torn down after it."""
    log = capture.logger(hook.name)
    with ResourceScope(
        resources,
        run_config=invocation.run_config,
        run_id=invocation.run_id,
        run_tags=invocation.tags,
        log=log,
    ) as scope:
        selection = invocation.assets
        hook(
            HookContext(
                hook_name=hook.name,
                run=RunInfo(
                    run_id=invocation.run_id,
                    job_name=invocation.job,
                    tags=invocation.tags,
                    run_config=invocation.run_config,
                    asset_selection=None
                    if selection is None
                    else frozenset(map(AssetKey, selection)),
                ),
                step_key=invocation.step or None,
                op_exception=error,
                op_config=op_config(invocation.run_config, invocation.step),
                log=log,
                resources=scope.several(f"Hook {hook.name!r}", hook.required_resource_keys),
            )
        )


class HooksInProcess:
    """The hooks of a run in this process. As in a deployment, one that raises changes nothing of the run."""

    def __init__(
        self,
        job: JobDefinition,
        invocation: Invocation,
        around: Surroundings,
    ) -> None:
        self._job, self._invocation, self._around = job, invocation, around

    def after_step(
        self, step: StepDefinition, key: str, error: BaseException | None
    ) -> tuple[tuple[str, str | None], ...]:
        """Call the hooks of a step that is over. Answers (name, what it raised) of each."""
        on = SUCCESS if error is None else FAILURE
        invocation = replace(self._invocation, step=key)
        called = [one for one in self._job.hooks_of(step) if one.on == on]
        return tuple((one.name, self._call(one, invocation, error)) for one in called)

    def after_run(self, error: BaseException | None) -> None:
        on = SUCCESS if error is None else FAILURE
        for one in self._job.run_hooks:
            if one.on == on:
                self._call(one, self._invocation, error)

    def _call(
        self, hook: HookDefinition, invocation: Invocation, error: BaseException | None
    ) -> str | None:
        capture = LogCapture(self._around.now)
        try:
            call_hook(hook, invocation, self._around.resources, capture, error=error)
        except Exception as raised:  # noqa: BLE001 - whatever the user's hook raises
            logger.warning("Hook %s raised %s: %s", hook.name, type(raised).__name__, raised)
            return f"{type(raised).__name__}: {raised}"
        return None


def _find(job: JobDefinition, invocation: Invocation, call: HookCall) -> HookDefinition:
    hooks: Iterable[HookDefinition] = job.run_hooks
    if call.index is not None:
        key = invocation.step.partition("[")[0]
        steps = [one for one in job.step_definitions(invocation.assets) if one.key == key]
        hooks = job.hooks_of(steps[0]) if steps else ()
    for one in hooks:
        if one.name == call.name:
            return one
    raise InvocationError(
        f"Job {job.name!r} of this code has no hook {call.name!r} there.",
        mend="The run was planned with another version of the code: deploy both together.",
    )


def _error(call: HookCall, reason: Any) -> BaseException | None:
    if call.on != "failure":
        return None
    kind, colon, message = str(reason or "").partition(": ")
    if call.index is None or not colon:
        return StepFailed("", str(reason or ""))
    return StepFailed(kind, message)
