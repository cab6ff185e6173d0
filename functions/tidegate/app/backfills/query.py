"""Backfills, as the API shows them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from tidegate.app.backfills.backfill import find
from tidegate.app.backfills.target import nodes_of
from tidegate.app.services import Services
from tidegate.domain.backfills.backfill import Backfill
from tidegate.domain.backfills.graph import Nodes
from tidegate.domain.backfills.plan import Progress, progress
from tidegate.domain.partitions.partition_set import EMPTY
from tidegate.errors import DeploymentError, NotFoundError

SHOWN = 200
"""Ranges of an asset's grid."""


def backfill_document(one: Backfill) -> dict[str, Any]:
    counts = one.counts()
    totals = {
        name: sum(count[name] for count in counts.values())
        for name in ("target", "requested", "done", "failed", "skipped")
    }
    return {
        "backfill_id": one.backfill_id,
        "status": one.status.value,
        "title": one.title,
        "job": one.job,
        "assets": counts,
        "totals": totals,
        "runs": one.runs,
        "tags": dict(one.tags),
        "order": "desc" if one.descending else "asc",
        "max_outstanding": one.max_outstanding,
        "manifest": one.manifest,
        "by": one.by,
        "notes": list(one.notes),
        "created_at": one.created_at.isoformat(),
        "finished_at": None if one.finished_at is None else one.finished_at.isoformat(),
    }


def list_backfills(services: Services, *, limit: int, cursor: str | None) -> dict[str, Any]:
    page = services.store.automation.backfills(limit=limit, cursor=cursor)
    return {"backfills": [backfill_document(one) for one in page.items], "cursor": page.cursor}


def show_backfill(services: Services, backfill_id: str) -> dict[str, Any]:
    """The backfill with what its chunks tell, and for each asset its partitions by state, in ranges.

    Raises:
        UnknownBackfillError: there is none of this id.
    """
    known = find(services, backfill_id)
    try:
        manifest = services.manifests.get(known.manifest)
        nodes = nodes_of(services, manifest, known.job, tuple(known.target), known.as_of)
    except (DeploymentError, NotFoundError):
        return backfill_document(known) | {"outstanding": 0, "grid": {}}
    now = progress(known, nodes, services.store.automation.chunks(backfill_id))
    seen = replace(known, done=now.done, failed=now.failed, skipped=now.skipped)
    return backfill_document(seen) | {
        "outstanding": now.outstanding,
        "grid": {key: _grid(seen, nodes, now, key) for key in known.target},
    }


def _grid(seen: Backfill, nodes: Nodes, now: Progress, key: str) -> list[list[Any]]:
    """[first key, last key, how many, state], in order."""
    target, done = seen.target[key], now.done.get(key, EMPTY)
    failed, skipped = now.failed.get(key, EMPTY), now.skipped.get(key, EMPTY)
    asked = seen.requested.get(key, EMPTY) - done - failed - skipped
    states = {
        "done": done & target,
        "failed": failed & target,
        "skipped": skipped & target,
        "requested": asked & target,
        "waiting": target - done - failed - skipped - asked,
    }
    ranges = sorted(
        (start, stop, name)
        for name, numbers in states.items()
        for start, stop in itertools.islice(numbers.ranges(), SHOWN)
    )
    return [
        [_key(nodes, key, start), _key(nodes, key, stop - 1), stop - start, name]
        for start, stop, name in ranges[:SHOWN]
    ]


def _key(nodes: Nodes, asset: str, number: int) -> str:
    """Empty, if it exists no more."""
    try:
        return nodes[asset].space.key(number)
    except (KeyError, NotFoundError):
        return ""
