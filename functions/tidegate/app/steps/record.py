"""What a report of user code becomes: a row, materializations, events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from tidegate.app.partitions import keys_of, mark
from tidegate.app.services import Services
from tidegate.domain.event import EventKind
from tidegate.domain.partitions.definition import from_json
from tidegate.domain.plan import PlanStep
from tidegate.domain.run import Run, StepRow, StepStatus
from tidegate.domain.task import Materialization, Report, StepFailure
from tidegate.errors import DeploymentError
from tidegate.ports import AssetRecord, Event

MOST_RECORDS = 100
"""Partitions of one run that get a record each."""
SHOWN = 2_000
"""Characters of an error text that are kept."""


def row_of(run: Run, step: PlanStep, report: Report, now: datetime) -> StepRow:
    """The row of a step that ended so. A clock in user code may be wrong: its times are kept between the run's begin and now."""
    failure = report.failure
    finished_at = max(run.created_at, min(report.finished_at, now))
    return StepRow(
        run_id=run.run_id,
        index=step.index,
        status=StepStatus.SUCCESS if failure is None else StepStatus.FAILURE,
        attempt=report.attempt,
        produced=frozenset(report.produced),
        reason=None if failure is None else f"{failure.error}: {failure.message}"[:SHOWN],
        failed=failure is not None,
        fingerprint=report.fingerprint(),
        started_at=max(run.created_at, min(report.started_at, finished_at)),
        finished_at=finished_at,
    )


def failed_for_good(row: StepRow) -> StepRow:
    """The row of an attempt that failed and has none after it."""
    if not row.failed or row.attempt == 1:
        return row
    return replace(row, reason=f"{row.reason} (attempt {row.attempt}, the last)")


def record(services: Services, run: Run, step: PlanStep, row: StepRow, report: Report) -> None:
    """Its materializations, then its events. Twice is once."""
    assets = services.manifests.get(run.manifest).assets
    services.store.assets.materialized(
        AssetRecord(
            asset=one.asset,
            partition=partition,
            run_id=run.run_id,
            at=row.finished_at or report.finished_at,
            metadata=one.metadata,
            tags=one.tags,
            data_version=one.data_version,
            code_version=assets[one.asset]["code_version"],
        )
        for one in report.materializations
        for partition in _partitions(services, run, one)
    )
    _mark(services, run, step, row)
    events = _events(services, run, step, row, report)
    services.store.events.append(run.run_id, f"step/{step.index}/{row.attempt}", events)


def _mark(services: Services, run: Run, step: PlanStep, row: StepRow) -> None:
    """How the step's partitions stand now. One that will be tried again is in progress still."""
    if row.status is StepStatus.UP_FOR_RETRY:
        return
    for out in step.outputs:
        if out.asset is not None:
            left = "failed" if row.failed else "ended"
            state = "materialized" if out.name in row.produced else left
            mark(services, run, [out.asset], state)


def _partitions(services: Services, run: Run, one: Materialization) -> list[str | None]:
    """Partitions that were made, each of which gets a record; of a long range only its state is kept."""
    partition = _partition(services, run, one)
    document = services.manifests.get(run.manifest).assets[one.asset]["partitions"]
    if partition is not None or document is None:
        return [partition]
    try:
        keys = keys_of(services, run, from_json(document))
    except DeploymentError:
        return [None]  # It is lost which they are.
    return [*keys] if 0 < len(keys) <= MOST_RECORDS else [None]


def _partition(services: Services, run: Run, one: Materialization) -> str | None:
    """The partition that was made: the run's, unless the report names one or the asset has none."""
    asset = services.manifests.get(run.manifest).assets[one.asset]
    if one.partition is not None or asset["partitions"] is None:
        return one.partition
    return run.partition_key


def _events(
    services: Services, run: Run, step: PlanStep, row: StepRow, report: Report
) -> list[Event]:
    began, ended = row.started_at or report.started_at, row.finished_at or report.finished_at
    kind = EventKind.STEP_START if row.attempt == 1 else EventKind.STEP_RESTARTED
    start = Event(run_id=run.run_id, at=began, kind=kind, step=step.key, attempt=row.attempt)
    logged = [
        replace(
            start,
            at=max(began, min(line.at, ended)),
            kind=EventKind.LOG,
            level=line.level,
            message=line.message,
        )
        for line in report.logs
    ]
    done = replace(start, at=ended)
    return [
        start,
        *logged,
        *_produced(services, run, done, report),
        *_ran_out_of_time(done, report.failure),
        _outcome(done, row, report.failure),
    ]


def _produced(services: Services, run: Run, done: Event, report: Report) -> Iterator[Event]:
    if report.logs_key:
        yield replace(done, kind=EventKind.LOGS_CAPTURED, data={"key": report.logs_key})
    for one in report.materializations:
        data = {
            "asset": one.asset,
            "partition": _partition(services, run, one),
            "metadata": one.metadata,
        }
        yield replace(done, kind=EventKind.ASSET_MATERIALIZATION, message=one.asset, data=data)
    for name, metadata in report.output_metadata.items():
        yield replace(done, kind=EventKind.STEP_OUTPUT, message=name, data={"metadata": metadata})


def _ran_out_of_time(done: Event, failure: StepFailure | None) -> Iterator[Event]:
    """What user code raises has kinds; this is how it was ended."""
    if failure is not None and failure.error == "Timeout" and not failure.kinds:
        kind = EventKind.STEP_TIMEOUT
        yield replace(done, kind=kind, level="ERROR", message=failure.message[:SHOWN])


def _outcome(done: Event, row: StepRow, failure: StepFailure | None) -> Event:
    if failure is None:
        return replace(done, kind=EventKind.STEP_SUCCESS)
    said: dict[str, Any] = {
        "error": failure.error,
        "stack": failure.stack,
        "metadata": failure.metadata,
    }
    event = replace(
        done,
        kind=EventKind.STEP_FAILURE,
        level="ERROR",
        message=row.reason or failure.message,
        data=said,
    )
    if row.retry_at is None:
        return event
    again = said | {
        "retry_at": row.retry_at.isoformat(),
        "escalated": row.ecs_from == row.attempt + 1,
    }
    return replace(event, kind=EventKind.STEP_UP_FOR_RETRY, level="WARNING", data=again)
