"""Backfills, as people launch and change them. ``drive.py`` is what makes them go on.

A backfill is a cursor: how much has been asked for, and how much of that has come.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from tidegate.app.backfills.target import (
    BackfillRequest,
    assets_of,
    job_of,
    nodes_of,
    target_of,
)
from tidegate.app.runs.submit import check_asked, publish_manifest
from tidegate.app.services import Services
from tidegate.domain.backfills.backfill import (
    PARENT_TAG,
    ROOT_TAG,
    Backfill,
    BackfillStatus,
)
from tidegate.domain.backfills.graph import Nodes, group
from tidegate.domain.partitions.partition_set import EMPTY, PartitionSet
from tidegate.domain.run import canonical_tags
from tidegate.errors import (
    ConflictError,
    RequestError,
    UnknownBackfillError,
)

logger = logging.getLogger(__name__)

ROUNDS = 32
"""How often a call reads again because another changed the backfill meanwhile. Each time somebody else got on."""


def launch_backfill(services: Services, request: BackfillRequest) -> Backfill:
    """Create the backfill, or find the one this id created before, and let it begin.

    Raises:
        RequestError, NotFoundError, InvocationError: nothing was created.
    """
    planned, _ = plan_backfill(services, request)
    return _begin(services, planned)


def plan_backfill(services: Services, request: BackfillRequest) -> tuple[Backfill, Nodes]:
    """The backfill that would be launched; nothing is written."""
    manifest, now = services.manifests.current, services.clock.now()
    job = job_of(request)
    nodes = nodes_of(services, manifest, job, assets_of(services, request), now)
    target = target_of(services, request, nodes)
    nodes = nodes_of(services, manifest, job, tuple(target), now)
    most = request.max_outstanding
    if most is not None and most < 1:
        raise RequestError(f"max_outstanding is {most}.", mend="Give 1 or more.")
    check_asked(request.run_config or {}, canonical_tags(request.tags))
    groups = group(nodes, target)
    if manifest.job(job)["assets"] is not None:
        for one in groups:
            manifest.steps_of(job, one)
    return (
        Backfill(
            backfill_id=request.backfill_id or services.ids.run_id(now),
            status=BackfillStatus.REQUESTED,
            created_at=now,
            as_of=now,
            manifest=manifest.hash,
            job=job,
            target={key: target[key] for key in nodes},
            groups=groups,
            descending=request.descending,
            max_outstanding=most or services.settings.max_outstanding_runs,
            tags=canonical_tags(request.tags),
            run_config=request.run_config,
            title=request.title,
            by=request.by,
        ),
        nodes,
    )


def _begin(services: Services, backfill: Backfill) -> Backfill:
    publish_manifest(services)
    stored, _ = services.store.automation.create_backfill(backfill)
    wake(services, stored.backfill_id, "launch")
    return stored


def retry_backfill(
    services: Services,
    backfill_id: str,
    *,
    by: str = "",
    only_failed: bool = False,
    as_id: str | None = None,
) -> Backfill:
    """A new backfill of all that this one has not made; ``only_failed``: of what failed, and what was left out for it.

    ``as_id``: its id; with the same id it is launched once.

    Raises:
        RequestError: it has not ended, or there is nothing to make.
        UnknownBackfillError: there is none of this id.
    """
    known = find(services, backfill_id)
    if not known.status.is_finished:
        raise RequestError(
            f"Backfill {backfill_id} is {known.status}.", mend="Wait for its end, or cancel it."
        )
    left = _left_of(known, only_failed)
    tags = {
        **known.tags,
        PARENT_TAG: backfill_id,
        ROOT_TAG: known.tags.get(ROOT_TAG, backfill_id),
    }
    nodes = nodes_of(
        services, services.manifests.get(known.manifest), known.job, tuple(left), known.as_of
    )
    now = services.clock.now()
    again = Backfill(
        backfill_id=as_id or services.ids.run_id(now),
        status=BackfillStatus.REQUESTED,
        created_at=now,
        as_of=known.as_of,
        manifest=known.manifest,
        job=known.job,
        target=left,
        groups=group(nodes, left),
        descending=known.descending,
        max_outstanding=known.max_outstanding,
        tags=tags,
        run_config=known.run_config,
        title=known.title,
        by=by,
    )
    return _begin(services, again)


def _left_of(known: Backfill, only_failed: bool) -> dict[str, PartitionSet]:
    """What it has not made, or what of that failed, by asset."""
    left = {}
    for key, target in known.target.items():
        failed, done = known.failed.get(key, EMPTY), known.done.get(key, EMPTY)
        if rest := target & failed if only_failed else target - done:
            left[key] = rest
    if not left:
        what = "failed nowhere" if only_failed else "made everything"
        raise RequestError(f"Backfill {known.backfill_id} has {what}.")
    return left


def find(services: Services, backfill_id: str) -> Backfill:
    found = services.store.automation.backfill(backfill_id)
    if found is None:
        raise UnknownBackfillError(
            f"There is no backfill {backfill_id!r}.", mend="`tidegate backfill list` shows them."
        )
    return found


# Changed by people


def pause(services: Services, backfill_id: str) -> Backfill:
    """Ask for no more runs until it is resumed; those that were asked for go on."""
    return _change_status(services, backfill_id, BackfillStatus.REQUESTED, BackfillStatus.PAUSED)


def resume(services: Services, backfill_id: str) -> Backfill:
    changed = _change_status(services, backfill_id, BackfillStatus.PAUSED, BackfillStatus.REQUESTED)
    wake(services, backfill_id, f"resume/{changed.version}")
    return changed


def cancel(services: Services, backfill_id: str) -> Backfill:
    """Ask for no more runs, and cancel those that have not ended. What was made stays."""
    changed = _change_status(services, backfill_id, None, BackfillStatus.CANCELING)
    wake(services, backfill_id, f"cancel/{changed.version}")
    return changed


def _change_status(
    services: Services, backfill_id: str, leaves: BackfillStatus | None, to: BackfillStatus
) -> Backfill:
    """Twice is once. ``leaves`` None: any that is not final."""
    for _ in range(ROUNDS):
        known = find(services, backfill_id)
        if known.status is to:
            return known
        if known.status.is_finished or leaves not in (None, known.status):
            raise RequestError(f"Backfill {backfill_id} is {known.status}.")
        changed = replace(known, status=to)
        if services.store.automation.change_backfill(known, changed):
            logger.info("backfill_changed", extra={"backfill_id": backfill_id, "status": to})
            return replace(changed, version=known.version + 1)
    raise ConflictError(f"Backfill {backfill_id} changed {ROUNDS} times while it was read.")


def wake(services: Services, backfill_id: str, cause: str) -> None:
    services.backfills.wake({"backfill_id": backfill_id, "cause": cause})
