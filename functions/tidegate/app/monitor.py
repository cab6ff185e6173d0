"""The monitor: what became of work whose own report did not arrive, and whatever a lost call left behind.

Step Functions retries ``Complete`` until it succeeds, so in a healthy deployment there is nothing here to do. Two kinds of
events come anyway (containers that stopped, delivered durably; executions that failed, best effort), and every few minutes
the sweep compares what is overdue with the truth. It counts what it repairs: the expected number is zero.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tidegate.app.admit import admit
from tidegate.app.complete import complete
from tidegate.app.launch import advance, launch
from tidegate.app.run_claim import step_released
from tidegate.app.services import Services
from tidegate.domain.run import Run, RunStatus, StepStatus

logger = logging.getLogger(__name__)

GRACE = timedelta(seconds=60)
"""Younger than this, work is in somebody's hands and is left alone."""
OVERDUE_MARGIN = timedelta(minutes=5)
_INVOCATION = "TIDEGATE_INVOCATION"


def observe(services: Services, event: Mapping[str, Any]) -> dict[str, int]:
    """One EventBridge event; anything that is not about an execution or a container is the sweep's tick.

    Answers what was repaired, by kind.
    """
    kind = event.get("detail-type")
    if kind == "Step Functions Execution Status Change":
        execution_ended(services, event["detail"])
    elif kind == "ECS Task State Change":
        task_stopped(services, event["detail"])
    else:
        return dict(sweep(services))
    return {}


def execution_ended(services: Services, detail: Mapping[str, Any]) -> None:
    """EventBridge "Step Functions Execution Status Change": an execution failed, timed out or was aborted."""
    state = json.loads(detail["input"])
    error = {"Error": f"States.{detail['status']}", "Cause": str(detail.get("cause") or "")}
    complete(services, {**state, "error": error})


def task_stopped(services: Services, detail: Mapping[str, Any]) -> None:
    """EventBridge "ECS Task State Change", STOPPED. Its report, if it wrote one, is in the bucket."""
    overrides = detail.get("overrides", {}).get("containerOverrides", [])
    names = [
        entry["value"]
        for one in overrides
        for entry in one.get("environment", [])
        if entry["name"] == _INVOCATION
    ]
    if not names:
        return
    run_id, index, attempt = names[0].removeprefix("invocations/").removesuffix(".json").split("/")
    cause = {"StoppedReason": str(detail.get("stoppedReason") or "The container stopped.")}
    complete(
        services,
        {
            "run_id": run_id,
            "index": int(index),
            "attempt": int(attempt),
            "error": {"Error": "ECS.Stopped", "Cause": json.dumps(cause)},
        },
    )


def sweep(services: Services) -> Counter[str]:
    """Repair what a lost call left behind. Answers how many of each kind it repaired."""
    repaired: Counter[str] = Counter()
    now = services.clock.now()
    for claim in services.admission.unlaunched(now - GRACE):
        logger.warning("sweep_launches", extra={"claim": claim.claim_id})
        launch(services, [claim])
        repaired["unlaunched"] += 1
    for status in (RunStatus.QUEUED, RunStatus.STARTING, RunStatus.STARTED):
        for run in _all(services, status):
            if now - run.created_at >= GRACE:
                repaired.update(_repair(services, run, now))
    return repaired


def _all(services: Services, status: RunStatus) -> list[Run]:
    found: list[Run] = []
    cursor: str | None = None
    while True:
        page = services.store.runs.find(statuses=frozenset({status}), limit=100, cursor=cursor)
        found += page.items
        cursor = page.cursor
        if cursor is None:
            return found


def _repair(services: Services, run: Run, now: datetime) -> Counter[str]:
    if run.status is RunStatus.QUEUED:
        if services.admission.claim(f"run/{run.run_id}") is not None:
            return Counter()
        logger.warning("sweep_admits", extra={"run_id": run.run_id})
        admit(services, run.run_id)
        return Counter(unadmitted=1)
    return _overdue(services, run, now) + _stalled(services, run, now)


def _overdue(services: Services, run: Run, now: datetime) -> Counter[str]:
    """Steps past their time-out, whose execution must have ended without a word."""
    plan = services.manifests.get(run.manifest).plan(run.job, run.assets)
    repaired: Counter[str] = Counter()
    for row in services.store.runs.steps(run.run_id):
        if row.status is not StepStatus.STARTED or row.started_at is None:
            continue
        seconds = plan.steps[row.index].timeout_seconds or services.settings.step_timeout_seconds
        if now >= row.started_at + timedelta(seconds=seconds) + OVERDUE_MARGIN:
            logger.warning("sweep_times_out", extra={"run_id": run.run_id, "index": row.index})
            cause = f"No report came within {seconds} seconds."
            complete(
                services,
                {
                    "run_id": run.run_id,
                    "index": row.index,
                    "attempt": row.attempt,
                    "error": {"Error": "States.Timeout", "Cause": cause},
                },
            )
            repaired["overdue"] += 1
    return repaired


def _stalled(services: Services, run: Run, now: datetime) -> Counter[str]:
    """A live run none of whose steps is running or waiting: an arrival was lost. Let all its resolved steps arrive again."""
    rows = services.store.runs.steps(run.run_id)
    latest = max((row.finished_at or row.started_at or now for row in rows), default=run.created_at)
    if any(not row.status.is_resolved for row in rows) or now - latest < GRACE:
        return Counter()
    if run.status is RunStatus.STARTING or not rows:
        return Counter()
    plan = services.manifests.get(run.manifest).plan(run.job, run.assets)
    logger.warning("sweep_advances", extra={"run_id": run.run_id})
    for row in rows:
        launch(services, step_released(services, run, plan, row.index, row.attempt))
        launch(services, advance(services, run, plan, row))
    return Counter(stalled=1)
