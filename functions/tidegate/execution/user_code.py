"""What the user-code function does with an event: runs the step it asks for, and answers the report.

It knows the user's definitions and the data bucket, and nothing of the control plane.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tidegate.domain.task import (
    MAX_INLINE_BYTES,
    MAX_REPORT_BYTES,
    Invocation,
    Report,
    StepFailure,
)
from tidegate.errors import InvocationError, OutputError
from tidegate.execution.failure import StepStopped, failure_of, shortened
from tidegate.execution.hook import run_hook
from tidegate.execution.io_s3 import BucketIOManager, DataBucket, S3Bucket
from tidegate.execution.log_capture import json_lines
from tidegate.execution.step import Surroundings, run_step, utc_now
from tidegate.execution.whole_run import run_whole
from tidegate.sdk.io import DEFAULT_IO_MANAGER
from tidegate.sdk.step import StepDefinition

if TYPE_CHECKING:
    from tidegate.sdk.definitions import Definitions
    from tidegate.sdk.job import JobDefinition

INLINE_LOG_BYTES = 32 * 1024
"""More log than this goes to the data bucket; the report then says where."""
WHOLE_LOG_BYTES = 4 * 1024 * 1024
"""So much log of all attempts together is in the report of a whole run."""
_JSON = "application/json"
_SHOWN = 300

Loads = Callable[[], "Definitions"]


def handle(
    payload: Mapping[str, Any],
    *,
    defs: Definitions | Loads,
    bucket: str | DataBucket,
    now: Callable[[], datetime] = utc_now,
) -> dict[str, Any]:
    """Answer one event: a report, or ``{"report_key": key}`` when it is too large to carry along.

    ``payload`` is an invocation (``Invocation.to_json``) or ``{"invocation_key": key}``. ``defs`` may be a function that
    loads them: when loading fails, the report says so.

    Raises:
        InvocationError: the event asks for nothing that can be run.
    """
    store = S3Bucket(bucket) if isinstance(bucket, str) else bucket
    document = _document(payload, store)
    if isinstance(document, Mapping) and document.get("kind") == "hook":
        return _hook(document, defs, store, now)
    invocation = read_invocation(document, store)
    report = execute(invocation, defs=defs, bucket=store, now=now)
    body = encoded(report)
    if len(body) <= MAX_INLINE_BYTES:
        answer: dict[str, Any] = json.loads(body)
        return answer
    return {"report_key": write_report(invocation, body, store)}


def read_invocation(payload: Mapping[str, Any], bucket: DataBucket) -> Invocation:
    """The invocation, fetched from the bucket when only its key is given.

    Raises:
        InvocationError: there is none at the key, or it is not one.
    """
    document = _document(payload, bucket)
    try:
        if document["kind"] != "step":
            raise InvocationError(
                f"The event is of the unknown kind {document['kind']!r}.",
                mend="Deploy the user code and the control plane from the same release.",
            )
        return Invocation.from_json(document)
    except (KeyError, TypeError) as error:
        raise InvocationError(
            f"The event is no invocation of a step: {type(error).__name__}: {error}.",
            mend="It is made by the control plane; do not call the function by hand.",
        ) from error


def _document(payload: Mapping[str, Any], bucket: DataBucket) -> Any:
    key = payload.get("invocation_key") if isinstance(payload, Mapping) else None
    if key is None:
        return payload
    stored = bucket.get_object(str(key))
    if stored is None:
        raise InvocationError(
            f"There is no invocation at s3://{bucket.name}/{key}.",
            mend="Check that the bucket is that of the deployment.",
        )
    return json.loads(stored.body)


def _hook(
    document: Mapping[str, Any],
    defs: Definitions | Loads,
    bucket: DataBucket,
    now: Callable[[], datetime],
) -> dict[str, Any]:
    process = os.getpid()
    report = run_hook(
        document,
        load=lambda: defs() if callable(defs) else defs,
        resources={DEFAULT_IO_MANAGER: BucketIOManager(bucket)},
        now=now,
    )
    leave_if_forked(process)
    answer: dict[str, Any] = json.loads(encoded(report))
    return answer


def execute(
    invocation: Invocation,
    *,
    defs: Definitions | Loads,
    bucket: DataBucket,
    now: Callable[[], datetime] = utc_now,
) -> Report:
    """Run the step. Definitions that cannot be loaded, or lack the step, are a failure in the report."""
    started_at, process = now(), os.getpid()
    try:
        loaded = defs() if callable(defs) else defs
        job = loaded.resolve_job_def(invocation.job)
        steps = _steps(job, invocation.assets, loaded)
        step = None if invocation.is_whole_run else _find(steps, invocation)
    except StepStopped:
        raise
    except BaseException as error:  # noqa: BLE001 - importing runs the user's code
        leave_if_forked(process)
        return failed_report(invocation, failure_of(error), started_at, now())
    resources = {DEFAULT_IO_MANAGER: BucketIOManager(bucket), **job.resources}

    def ended() -> None:
        leave_if_forked(process)

    if step is None:
        logs = _LogsApart(bucket, WHOLE_LOG_BYTES)
        return run_whole(invocation, job, steps, resources, now, ended=ended, finish=logs.finish)
    around = Surroundings(steps=steps, resources=resources, now=now)
    report = run_step(step, invocation, around).report
    ended()
    return _LogsApart(bucket, INLINE_LOG_BYTES).finish(report)


def leave_if_forked(process: int) -> None:
    """End this process, without a word, if it is not that one but a copy which user code made of it.

    The copy came back from the user's function too; of one attempt there is one report, and it is the original's to make.
    """
    if os.getpid() != process:
        os._exit(0)


class _LogsApart:
    """Puts logs that are long, or too many together, into the bucket."""

    def __init__(self, bucket: DataBucket, most: int) -> None:
        self._bucket, self._left = bucket, most

    def finish(self, report: Report) -> Report:
        """The report, its log in the bucket if need be. A log that cannot be stored does not fail the step."""
        lines = json_lines(report.logs)
        if len(lines) <= min(INLINE_LOG_BYTES, self._left):
            self._left -= len(lines)
            return report
        key = f"logs/{_name(report)}.jsonl"
        try:
            self._bucket.put_object(key, lines, content_type="application/jsonl")
        except OutputError as error:
            note = replace(
                report.logs[-1], level="WARNING", message=f"The log could not be stored: {error}"
            )
            return replace(report, logs=(note,))
        return replace(report, logs=(), logs_key=key)


def _steps(
    job: JobDefinition, assets: tuple[str, ...] | None, defs: Definitions
) -> Mapping[str, StepDefinition]:
    """Steps by key. A warm function is asked for the steps of the same few jobs again and again."""
    return _cached_steps(_Identity(defs), job.name, assets)


class _Identity:
    """An object as a key, by what it is and not by what it holds."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


@lru_cache(maxsize=8)
def _cached_steps(
    defs: _Identity, job: str, assets: tuple[str, ...] | None
) -> Mapping[str, StepDefinition]:
    found = defs.value.resolve_job_def(job).step_definitions(assets)
    return {step.key: step for step in found}


def _find(steps: Mapping[str, StepDefinition], invocation: Invocation) -> StepDefinition:
    step = steps.get(invocation.step)
    if step is None:
        raise InvocationError(
            f"Job {invocation.job!r} of this code has no step {invocation.step!r}.",
            mend="The run was planned with another version of the code: deploy both together.",
        )
    return step


def failed_report(
    invocation: Invocation, failure: StepFailure, started_at: datetime, finished_at: datetime
) -> Report:
    """The report of an attempt that did not come to running the step."""
    return Report(
        run_id=invocation.run_id,
        index=invocation.index,
        attempt=invocation.attempt,
        started_at=started_at,
        finished_at=finished_at,
        failure=failure,
    )


def encoded(report: Report) -> bytes:
    """The report as JSON. One that cannot be sent is replaced by a failure that says so."""
    try:
        text = json.dumps(report.to_json(), allow_nan=False, ensure_ascii=False)
        body = text.encode("utf-8", "replace")  # a lone surrogate in metadata has no encoding
        if len(body) <= MAX_REPORT_BYTES:
            return body
        message = f"The report is {len(body):,} bytes; {MAX_REPORT_BYTES:,} is the most."
    except (TypeError, ValueError, RecursionError) as error:
        message = f"The report cannot be written as JSON: {error}."
    failure = StepFailure(
        error="BadReport",
        message=f"{shortened(message, _SHOWN)} Keep metadata small: link to what is large.",
        allow_retries=False,
    )
    instead = replace(
        report,
        failure=failure,
        produced=(),
        materializations=(),
        output_metadata={},
        mapping_keys={},
        within=(),
        logs=(),
    )
    return json.dumps(instead.to_json(), allow_nan=False).encode()


def write_report(invocation: Invocation, body: bytes, bucket: DataBucket) -> str:
    """Put the report where the control plane looks for it; answers the key."""
    key = f"reports/{_name(invocation)}.json"
    bucket.put_object(key, body, content_type=_JSON)
    return key


def _name(attempt: Invocation | Report) -> str:
    return f"{attempt.run_id}/{attempt.index}/{attempt.attempt}"
