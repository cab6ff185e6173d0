"""Questions about runs, the queue and limits. Answers are JSON, the same for CLI, API and pages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidegate.app.api.logs import event_document, log_page
from tidegate.app.runs.holding import blocked_by
from tidegate.app.runs.planning import plan_of
from tidegate.app.services import Services
from tidegate.domain.admission import ready
from tidegate.domain.claim import ClaimState, Explanation, Limit
from tidegate.domain.conflict import is_line
from tidegate.domain.pause import setting_of
from tidegate.domain.retention import is_past
from tidegate.domain.run import Run, RunStatus, StepRow, StepStatus, run_claim_id, step_claim_id
from tidegate.errors import RequestError, UnknownLimitError, UnknownRunError

QUEUED = frozenset({RunStatus.QUEUED})
SHOWN = 20
"""Holders and waits of a limit that are listed."""
EXPLAINED = 20
"""Waiting steps of one run whose wait is explained; each takes a few reads, and those after them wait alike."""


def run_of(services: Services, run_id: str) -> Run:
    """Raises:
    UnknownRunError: no run has this id, or it ended too long ago.
    """
    run, kept = services.store.runs.get(run_id), services.settings.run_retention_days
    if run is None:
        raise UnknownRunError(
            f"There is no run {run_id!r}.", mend="`tidegate runs list` shows the latest."
        )
    if run.finished_at is not None and is_past(run, services.clock.now(), kept):
        raise UnknownRunError(
            f"Run {run_id!r} ended on {run.finished_at:%Y-%m-%d}, and runs are kept for {kept} days.",
            mend="Raise runs.retention_days in the settings to keep later ones for longer.",
        )
    return run


def list_runs(
    services: Services, *, job: str | None, status: str | None, limit: int, cursor: str | None
) -> dict[str, Any]:
    statuses = None if status is None else statuses_of(status)
    page = services.store.runs.find(job=job, statuses=statuses, limit=limit, cursor=cursor)
    now, kept = services.clock.now(), services.settings.run_retention_days
    shown = [one for one in page.items if not is_past(one, now, kept)]
    return {"runs": [run_document(one) for one in shown], "cursor": page.cursor}


def statuses_of(status: str) -> frozenset[RunStatus]:
    """Raises:
    RequestError: there is no such status.
    """
    if status.upper() not in RunStatus.__members__:
        raise RequestError(
            f"There is no run status {status!r}.", mend=f"Statuses: {', '.join(RunStatus)}."
        )
    return frozenset({RunStatus(status.upper())})


def show_run(services: Services, run_id: str) -> dict[str, Any]:
    """The run, each of its steps in plan order, and why what waits is waiting."""
    run = run_of(services, run_id)
    plan = plan_of(services, run)
    rows = {row.index: row for row in services.store.runs.steps(run_id)}
    document = run_document(run)
    document["waiting"] = None
    if run.status is RunStatus.QUEUED:
        document["waiting"] = why_queued(services, run)
    waiting = [row for row in rows.values() if row.status is StepStatus.WAITING]
    why = {
        row.index: explain(services, step_claim_id(run_id, row.index, row.attempt))
        for row in waiting[:EXPLAINED]
    }
    if run.status is not RunStatus.QUEUED:
        whole = [why[row.index] for row in waiting if not plan.is_shown(row.index)]
        document["waiting"] = next(iter(whole), None)
    document["steps"] = [
        _step_document(run, step.key, rows.get(step.index), step.index)
        | {
            "upstream": [plan.name_of(one) for one in step.upstream],
            "waiting": why.get(step.index),
        }
        for step in plan.all_steps()
    ]
    return document


def run_status(services: Services, run_id: str) -> dict[str, Any]:
    """The run and counts of its steps by status: what a caller that waits asks for, cheap to answer."""
    run = run_of(services, run_id)
    plan = plan_of(services, run)
    rows = services.store.runs.steps(run_id)
    counts: dict[str, int] = {}
    shown = [row for row in rows if plan.is_shown(row.index)]
    for row in shown:
        counts[row.status.value] = counts.get(row.status.value, 0) + 1
    unknown = plan.count - len(shown)
    if unknown:
        counts[StepStatus.PENDING.value] = counts.get(StepStatus.PENDING.value, 0) + unknown
    running = [plan.step(row.index).key for row in rows if row.status is StepStatus.STARTED]
    return run_document(run) | {
        "counts": counts,
        "total": plan.count,
        "running": running,
        "waiting": _why(services, run, rows),
    }


def _why(services: Services, run: Run, rows: list[StepRow]) -> dict[str, Any] | None:
    """Why the run waits, or its first waiting step when nothing of it runs."""
    if run.status is RunStatus.QUEUED:
        return why_queued(services, run)
    if any(row.status is StepStatus.STARTED for row in rows):
        return None
    for row in rows:
        if row.status is StepStatus.WAITING:
            return explain(services, step_claim_id(run.run_id, row.index, row.attempt))
    return None


def run_events(
    services: Services, run_id: str, *, cursor: str | None, limit: int
) -> dict[str, Any]:
    run_of(services, run_id)
    page = services.store.events.read(run_id, limit=limit, cursor=cursor)
    return {"events": [event_document(one) for one in page.items], "cursor": page.cursor}


def run_logs(services: Services, run_id: str, *, cursor: str | None, limit: int) -> dict[str, Any]:
    run_of(services, run_id)
    return log_page(services, run_id, cursor=cursor, limit=limit)


def queue(services: Services, *, limit: int = 100, cursor: str | None = None) -> dict[str, Any]:
    """Queued runs, the oldest first, and for each what blocks it, who holds that, how many are ahead and since when."""
    page = services.store.runs.find(statuses=QUEUED, limit=limit, cursor=cursor, oldest_first=True)
    return {
        "runs": [run_document(run) | {"waiting": why_queued(services, run)} for run in page.items],
        "cursor": page.cursor,
    }


def limits(services: Services) -> dict[str, Any]:
    """All that can be set. Lines of conflict policies follow the limits they go with, so they are left out."""
    known = [one for one in services.admission.limits() if not is_line(one.key)]
    return {"limits": [limit_document(services, one) for one in known]}


def show_limit(services: Services, key: str) -> dict[str, Any]:
    """One limit, the first that hold it and the first that wait for it.

    Raises:
        UnknownLimitError: there is none of this key.
    """
    limit = services.admission.limit(key)
    if limit is None:
        raise UnknownLimitError(
            f"There is no limit {key!r}.", mend="`tidegate limits list` shows all."
        )
    return limit_document(services, limit) | {
        "holders": services.admission.holders(key, SHOWN),
        "waits": [
            {"claim_id": one.claim_id, "since": one.since.isoformat()}
            for one in services.admission.waiting(key, limit=SHOWN)
        ],
    }


def limit_document(services: Services, limit: Limit) -> dict[str, Any]:
    said = setting_of(limit)
    return {
        "key": limit.key,
        "capacity": said.capacity,
        **_pace(limit, 1, services.clock.now()),
        "paused": said.is_paused,
        "in_use": limit.in_use,
        "source": said.source,
        "waiting": len(services.admission.waiting(limit.key, limit=1000)),
    }


def definitions(services: Services) -> dict[str, Any]:
    document = services.manifests.current.document
    return {
        "location": document["location"],
        "manifest": services.manifests.current.hash,
        "code_version": document["code_version"],
        "assets": list(document["assets"].values()),
        "jobs": [
            {"name": job["name"], "description": job["description"], "tags": job["tags"]}
            for job in document["jobs"].values()
        ],
        "resources": sorted(document["resources"]),
    }


def why_queued(services: Services, run: Run) -> dict[str, Any] | None:
    """Why a run waits: for a limit, or for another run that makes a partition which it is to make; None: it does not."""
    waiting = explain(services, run_claim_id(run.run_id, run.turn))
    blocked = blocked_by(services, run) if waiting is None else None
    if blocked is None:
        return waiting
    return {
        "blocked_by": f"partition {blocked.partition} of {blocked.asset}",
        "capacity": 1,
        "in_use": 1,
        "holders": [run_claim_id(blocked.run_id)],
        "ahead": None,
        "since": run.created_at.isoformat(),
        "units": 1,
        "paused": False,
        "rate": None,
        "next_start": None,
        "partition": {
            "asset": blocked.asset,
            "partition": blocked.partition,
            "run_id": blocked.run_id,
        },
    }


def explain(services: Services, claim_id: str) -> dict[str, Any] | None:
    """Why a claim waits; None: it does not."""
    explanation = services.admission.explain(claim_id)
    if explanation.state is not ClaimState.WAITING:
        return None
    claim, key = services.admission.claim(claim_id), explanation.blocked_by
    limit = None if key is None else services.admission.limit(key)
    said = None if limit is None else setting_of(limit)
    document = _explanation_document(explanation) | {
        "units": 1 if claim is None or key is None else claim.units_of(key),
        "paused": said is not None and said.is_paused,
    }
    if limit is None or said is None or claim is None:
        return document | {"rate": None, "next_start": None}
    starts = claim.starts_of(limit.key)
    return document | {"capacity": said.capacity} | _pace(limit, starts, services.clock.now())


def _pace(limit: Limit, starts: int, now: datetime) -> dict[str, Any]:
    """The rate of a limit, and, if it lets so many units not start now, when it does."""
    at = ready(limit, starts, now)
    return {
        "rate": None if limit.rate is None else limit.rate.to_json(),
        "next_start": at.isoformat() if at > now else None,
    }


def _explanation_document(one: Explanation) -> dict[str, Any]:
    return {
        "blocked_by": one.blocked_by,
        "capacity": one.capacity,
        "in_use": one.in_use,
        "holders": list(one.holders),
        "ahead": one.ahead,
        "since": None if one.since is None else one.since.isoformat(),
    }


def run_document(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "job": run.job,
        "status": run.status.value,
        "tags": run.tags,
        "partition_key": run.partition_key,
        "assets": None if run.assets is None else list(run.assets),
        "run_key": run.run_key,
        "reason": run.reason,
        "stop_cause": None if run.stop_cause is None else run.stop_cause.value,
        "skipped": run.was_skipped,
        "lost_to": list(run.lost_to),
        "on_conflict": dict(run.on_conflict),
        "manifest": run.manifest,
        "created_at": run.created_at.isoformat(),
        "started_at": None if run.started_at is None else run.started_at.isoformat(),
        "canceling_at": None if run.canceling_at is None else run.canceling_at.isoformat(),
        "finished_at": None if run.finished_at is None else run.finished_at.isoformat(),
    }


def _step_document(run: Run, key: str, row: StepRow | None, index: int) -> dict[str, Any]:
    if row is None:
        # A run that is over has no pending steps: what never began was skipped by its end.
        status = StepStatus.SKIPPED if run.status.is_finished else StepStatus.PENDING
        row = StepRow(run_id=run.run_id, index=index, status=status, attempt=0)
    again = row.retry_at if row.status is StepStatus.UP_FOR_RETRY else None
    return {
        "step": key,
        "index": index,
        "status": row.status.value,
        "attempt": row.attempt,
        "escalated": row.ecs_from is not None,
        "reason": row.reason,
        "waiting_at": None if row.waiting_at is None else row.waiting_at.isoformat(),
        "started_at": None if row.started_at is None else row.started_at.isoformat(),
        "finished_at": None if row.finished_at is None else row.finished_at.isoformat(),
        "retry_at": None if again is None else again.isoformat(),
    }
