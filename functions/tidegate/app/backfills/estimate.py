"""What a backfill would come to: partitions, runs, how long, at what price. Nothing is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from tidegate.app.backfills.query import backfill_document
from tidegate.app.runs.planning import plan_of
from tidegate.app.services import Services
from tidegate.domain.backfills.backfill import Backfill
from tidegate.domain.backfills.graph import Nodes
from tidegate.domain.backfills.plan import runs_needed
from tidegate.domain.limit import RUNS

DOLLARS_PER_RUN = 0.000_25
"""Control plane of a run of one step on Lambda, us-east-1: see docs/performance.md."""
DOLLARS_PER_STEP = 0.000_15


def estimate(services: Services, backfill: Backfill, nodes: Nodes) -> dict[str, Any]:
    """Runs and steps are exact, unless something fails. Time is what the last materialization of each asset took, under
    the limits of today; null where an asset was never made."""
    runs = steps = 0
    seconds: float | None = 0.0
    for group in backfill.groups:
        count = runs_needed(backfill, nodes, group)
        runs += count
        steps += count * len({nodes[key].step for key in group})
        lasts = [_lasted(services, key) for key in group]
        if None in lasts or seconds is None:
            seconds = None
        else:
            seconds += count * max((one or timedelta(0)).total_seconds() for one in lasts)
    at_once = _at_once(services, backfill)
    return backfill_document(replace(backfill, runs=runs)) | {
        "dry_run": True,
        "steps": steps,
        "runs_at_once": at_once,
        "seconds": None if seconds is None else round(seconds / at_once, 1),
        "dollars": round(runs * DOLLARS_PER_RUN + steps * DOLLARS_PER_STEP, 2),
    }


def _lasted(services: Services, asset: str) -> timedelta | None:
    """How long the step took that made the asset last."""
    made = services.store.assets.latest(asset)
    run = None if made is None else services.store.runs.get(made.run_id)
    if run is None:
        return None
    plan = plan_of(services, run)
    index = next((step.index for step in plan.all_steps() if asset in step.assets), None)
    row = None if index is None else services.store.runs.step(run.run_id, index)
    if row is None or row.started_at is None or row.finished_at is None:
        return None
    return row.finished_at - row.started_at


def _at_once(services: Services, backfill: Backfill) -> int:
    limit = services.admission.limit(RUNS)
    capacity = services.settings.max_concurrent_runs if limit is None else limit.capacity
    if capacity < 1:
        return backfill.max_outstanding
    return min(backfill.max_outstanding, capacity)
