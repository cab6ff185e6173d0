"""The runs of a backfill: asked for under ids that follow from their chunk, and what came of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tidegate.app.runs.cancel import request_cancel
from tidegate.app.runs.planning import plan_of
from tidegate.app.runs.retry import retry_run
from tidegate.app.runs.retry_later import is_up_for_retry
from tidegate.app.runs.submit import Kind, RunRequest, kind_of, new_run, submit_all
from tidegate.app.services import Services
from tidegate.domain.backfills.backfill import BACKFILL_RUN_TAG, Backfill, BackfillRun, Chunk
from tidegate.domain.backfills.graph import Nodes
from tidegate.domain.partitions.definition import PARTITION_TAG, RANGE_END_TAG, RANGE_START_TAG
from tidegate.domain.run import BACKFILL_TAG, Run, RunStatus, StepStatus, run_id_of_key
from tidegate.domain.run_retry import Strategy, retry_id
from tidegate.errors import (
    ConfigError,
    DefinitionError,
    InvocationError,
    NotFoundError,
    RequestError,
    UnknownRunError,
)

logger = logging.getLogger(__name__)

REFUSALS = (ConfigError, DefinitionError, InvocationError, NotFoundError, RequestError)
"""What the code that is deployed now, or the partitions there are now, may say against a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a run: places of assets in the backfill's target."""

    chunk: int
    run: int
    done: tuple[int, ...] = ()
    failed: tuple[int, ...] = ()
    skipped: tuple[int, ...] = ()
    note: str | None = None
    """Why something was skipped."""


def submit_chunk(services: Services, backfill: Backfill, nodes: Nodes, chunk: Chunk) -> list[str]:
    """Ask for all runs of a chunk, on the code that is deployed now. Twice is once. Answers why some cannot be."""
    notes = []
    runs, kinds = [], dict[tuple[str, ...] | None, Kind]()
    for place, one in enumerate(chunk.runs):
        try:
            request = _request(services, backfill, nodes, chunk, place)
            kind = kinds.get(request.assets)
            if kind is None:
                kind = kinds[request.assets] = kind_of(services, request)
            runs.append(new_run(services, request, kind))
        except REFUSALS as error:
            notes.append(str(error))
            services.store.automation.run_ended(
                backfill.backfill_id, chunk.number, place, done=(), failed=one.assets, skipped=()
            )
    submit_all(services, runs)
    return notes


def _request(
    services: Services, backfill: Backfill, nodes: Nodes, chunk: Chunk, place: int
) -> RunRequest:
    run = chunk.runs[place]
    keys = tuple(list(backfill.target)[one] for one in run.assets)
    manifest = services.manifests.current
    job = manifest.job(backfill.job)
    assets = keys if job["assets"] is not None else None
    config = backfill.run_config or job["run_config"]
    if config is not None:
        steps = {step["key"] for step in manifest.steps_of(backfill.job, assets)}
        config = _config_for(config, steps)
    return RunRequest(
        job=backfill.job,
        assets=assets,
        run_config=config,
        tags={
            **backfill.tags,
            BACKFILL_TAG: backfill.backfill_id,
            BACKFILL_RUN_TAG: f"{chunk.number}/{place}",
            **_partition_tags(nodes, keys[0], run),
        },
        run_key=f"{chunk.number}/{place}",
        origin=_origin(backfill),
    )


def _origin(backfill: Backfill) -> str:
    return f"backfill/{backfill.backfill_id}"


def run_id_of(backfill: Backfill, chunk: int, place: int) -> str:
    return run_id_of_key(f"{_origin(backfill)}/{backfill.job}", f"{chunk}/{place}")


def _config_for(config: Mapping[str, Any], steps: set[str]) -> dict[str, Any]:
    """Run config without that of ops which are not in this run."""
    ops = {
        name: one
        for name, one in (config.get("ops") or {}).items()
        if name in steps or any(step.startswith(f"{name}.") for step in steps)
    }
    return {**config, "ops": ops}


def _partition_tags(nodes: Nodes, key: str, run: BackfillRun) -> dict[str, str]:
    node = nodes[key]
    if node.definition is None:
        return {}
    try:
        first = node.space.key(run.first)
        last = first if run.last == run.first else node.space.key(run.last)
    except KeyError:
        raise NotFoundError(f"A partition of {key!r} has been deleted meanwhile.") from None
    if run.is_range:
        return {RANGE_START_TAG: first, RANGE_END_TAG: last}
    return {PARTITION_TAG: first}


def outcome_of(services: Services, backfill: Backfill, run: Run) -> Outcome | None:
    """What came of a run that has ended; None if it is none of the backfill's."""
    chunk, _, place = run.tags.get(BACKFILL_RUN_TAG, "").partition("/")
    if not chunk.isdecimal() or not place.isdecimal():
        return None
    made = Outcome(chunk=int(chunk), run=int(place))
    places = {key: number for number, key in enumerate(backfill.target)}
    if run.was_skipped:
        gone = (0,) if run.assets is None else tuple(places[one] for one in run.assets)
        return replace(made, skipped=gone, note=_sentence(run.reason or ""))
    if run.assets is None:
        is_made = run.status is RunStatus.SUCCESS
        return replace(made, done=(0,)) if is_made else replace(made, failed=(0,))
    plan = plan_of(services, run)
    rows = {row.index: row for row in services.store.runs.steps(run.run_id)}
    found: dict[str, list[int]] = {"done": [], "failed": [], "skipped": []}
    for step in plan.all_steps():
        row = rows.get(step.index)
        for out in step.outputs:
            if out.asset not in places:
                continue
            state = "failed"
            if row is not None and out.name in row.produced:
                state = "done"
            elif row is not None and not row.failed and row.status in _WITHOUT:
                state = "skipped"
            found[state].append(places[out.asset])
    return Outcome(
        chunk=made.chunk,
        run=made.run,
        done=tuple(found["done"]),
        failed=tuple(found["failed"]),
        skipped=tuple(found["skipped"]),
    )


def _sentence(reason: str) -> str:
    return f"{reason[:1].upper()}{reason[1:]}."


_WITHOUT = frozenset({StepStatus.SUCCESS, StepStatus.SKIPPED})


def cancel_runs(
    services: Services,
    backfill: Backfill,
    chunks: Sequence[Chunk],
    *,
    before: tuple[int, ...] | None = None,
    most: int,
) -> tuple[int, int] | None:
    """Ask for runs that have not ended to be cancelled, the latest first, so that none gets the slots of another.

    At most ``most``, of those ``before`` a chunk and a place. Answers the last, if there are more.
    """
    found = [
        (chunk.number, place)
        for chunk in reversed(chunks)
        for place in sorted(chunk.open, reverse=True)
        if before is None or (chunk.number, place) < before
    ]
    for number, place in found[:most]:
        run_id = run_id_of(backfill, number, place)
        try:
            _cancel(services, backfill, run_id)
        except UnknownRunError:
            logger.warning("run_of_backfill_missing", extra={"run_id": run_id})
    return found[most - 1] if len(found) > most else None


def _cancel(services: Services, backfill: Backfill, run_id: str) -> None:
    """Cancel a run, or what follows it as a retry; one that is to come is refused."""
    reason = f"backfill {backfill.backfill_id} is cancelled"
    run = request_cancel(services, run_id, reason=reason, is_one_of_many=True)
    while run.status is RunStatus.FAILURE and is_up_for_retry(services, run):
        if services.store.runs.get(retry_id(run)) is None:
            retry_run(services, {"run_id": run.run_id, "strategy": Strategy.FROM_FAILURE})
            return
        run = request_cancel(services, retry_id(run), reason=reason, is_one_of_many=True)
