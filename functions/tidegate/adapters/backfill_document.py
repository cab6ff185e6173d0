"""Backfills and chunks as plain JSON documents."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from tidegate.domain.backfills.backfill import Backfill, BackfillRun, BackfillStatus, Chunk, Sets
from tidegate.domain.partitions.partition_set import PartitionSet

_SETS = ("target", "requested", "done", "failed", "skipped")


def backfill_document(one: Backfill) -> dict[str, Any]:
    document: dict[str, Any] = {
        "backfill_id": one.backfill_id,
        "status": one.status.value,
        "created_at": one.created_at.isoformat(),
        "as_of": one.as_of.isoformat(),
        "manifest": one.manifest,
        "job": one.job,
        "groups": [list(group) for group in one.groups],
        "descending": one.descending,
        "max_outstanding": one.max_outstanding,
        "tags": dict(one.tags),
        "run_config": None if one.run_config is None else dict(one.run_config),
        "title": one.title,
        "by": one.by,
        "next_chunk": one.next_chunk,
        "runs": one.runs,
        "version": one.version,
        "notes": list(one.notes),
        "finished_at": None if one.finished_at is None else one.finished_at.isoformat(),
    }
    for name in _SETS:
        sets: Sets = getattr(one, name)
        document[name] = {asset: numbers.to_json() for asset, numbers in sets.items()}
    return document


def backfill_of(document: dict[str, Any]) -> Backfill:
    finished = document["finished_at"]
    sets = {
        name: {asset: PartitionSet.from_json(one) for asset, one in document[name].items()}
        for name in _SETS
    }
    made = Backfill(
        backfill_id=document["backfill_id"],
        status=BackfillStatus(document["status"]),
        created_at=datetime.fromisoformat(document["created_at"]),
        as_of=datetime.fromisoformat(document["as_of"]),
        manifest=document["manifest"],
        job=document["job"],
        target=sets["target"],
        groups=tuple(tuple(group) for group in document["groups"]),
        descending=document["descending"],
        max_outstanding=document["max_outstanding"],
        tags=document["tags"],
        run_config=document["run_config"],
        title=document["title"],
        by=document["by"],
        next_chunk=document["next_chunk"],
        runs=document["runs"],
        version=document["version"],
        notes=tuple(document["notes"]),
        finished_at=None if finished is None else datetime.fromisoformat(finished),
    )
    return replace(
        made,
        requested=sets["requested"],
        done=sets["done"],
        failed=sets["failed"],
        skipped=sets["skipped"],
    )


def chunk_document(one: Chunk) -> dict[str, Any]:
    """What of a chunk never changes."""
    return {
        "runs": [[list(run.assets), run.first, run.last, run.is_range] for run in one.runs],
        "opened_at": one.opened_at.isoformat(),
        "opened_by": one.opened_by,
    }


def chunk_of(backfill_id: str, number: int, document: dict[str, Any]) -> Chunk:
    return Chunk(
        backfill_id=backfill_id,
        number=number,
        runs=tuple(
            BackfillRun(assets=tuple(assets), first=first, last=last, is_range=is_range)
            for assets, first, last, is_range in document["runs"]
        ),
        opened_at=datetime.fromisoformat(document["opened_at"]),
        opened_by=document["opened_by"],
    )
