"""Backfills: launched, changed, and driven on by what happens to their runs.

A backfill is a cursor: how much has been asked for. One step asks for one chunk of runs, which is decided in one write,
conditional on the version of the backfill, and then submitted under ids that follow from it; so whatever is repeated or
happens at once, each partition is asked for once. The next step comes when a run ends, or right after, while there is
room for more runs; nothing waits for a timer.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tidegate.app.backfill_runs import cancel_runs, outcome_of, submit_chunk
from tidegate.app.backfill_target import (
    BackfillRequest,
    assets_of,
    job_of,
    nodes_of,
    target_of,
)
from tidegate.app.services import Services
from tidegate.app.submit import publish_manifest
from tidegate.domain.backfill import (
    PARENT_TAG,
    ROOT_TAG,
    Backfill,
    BackfillStatus,
    Chunk,
)
from tidegate.domain.backfill_graph import Nodes, group
from tidegate.domain.backfill_plan import (
    Progress,
    finished,
    folded,
    next_chunk,
    noted,
    progress,
)
from tidegate.domain.partition_set import EMPTY
from tidegate.domain.run import BACKFILL_TAG, canonical_tags
from tidegate.errors import (
    ConflictError,
    DeploymentError,
    NotFoundError,
    RequestError,
    UnknownBackfillError,
)

logger = logging.getLogger(__name__)

BUS_DETAIL_TYPE = "tidegate.backfill"
ROUNDS = 32
"""How often a call reads again because another changed the backfill meanwhile. Each time somebody else got on."""
TAKEN_OVER_AFTER = timedelta(seconds=30)
"""A chunk is in the hands of the call that opened it, or of its repeat, until then."""
MOST_FOLDED = 25
RUN = "run/"
"""The name of a call that the end of a run has caused begins so."""


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
    _wake(services, stored.backfill_id, "launch")
    return stored


def retry_backfill(services: Services, backfill_id: str, *, by: str = "") -> Backfill:
    """A new backfill of all that this one has not made.

    Raises:
        RequestError: it has not ended, or has made everything.
        UnknownBackfillError: there is none of this id.
    """
    known = find(services, backfill_id)
    if not known.status.is_finished:
        raise RequestError(
            f"Backfill {backfill_id} is {known.status}.", mend="Wait for its end, or cancel it."
        )
    left = {
        key: rest
        for key, target in known.target.items()
        if (rest := target - known.done.get(key, EMPTY))
    }
    if not left:
        raise RequestError(f"Backfill {backfill_id} has made everything.")
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
        backfill_id=services.ids.run_id(now),
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
    _wake(services, backfill_id, f"resume/{changed.version}")
    return changed


def cancel(services: Services, backfill_id: str) -> Backfill:
    """Ask for no more runs, and cancel those that have not ended. What was made stays."""
    changed = _change_status(services, backfill_id, None, BackfillStatus.CANCELING)
    _wake(services, backfill_id, f"cancel/{changed.version}")
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


# Driven on


def drive(services: Services, event: dict[str, Any]) -> None:
    """What the ``backfill`` function does with an event: ``{"backfill_id": ID}``, with the ``run_id`` of a run that has
    ended, or with a word (``cause``) for what else it was. Repeated, it goes on where it stopped."""
    backfill_id, run_id = event["backfill_id"], event.get("run_id")
    if run_id is not None:
        _count(services, backfill_id, run_id)
    advance(services, backfill_id, by=f"{RUN}{run_id}" if run_id else str(event.get("cause")))


def _count(services: Services, backfill_id: str, run_id: str) -> None:
    run = services.store.runs.get(run_id)
    if run is None or run.tags.get(BACKFILL_TAG) != backfill_id or not run.status.is_finished:
        return
    known = services.store.automation.backfill(backfill_id)
    outcome = None if known is None else outcome_of(services, known, run)
    if outcome is not None:
        services.store.automation.run_ended(
            backfill_id,
            outcome.chunk,
            outcome.run,
            done=outcome.done,
            failed=outcome.failed,
            skipped=outcome.skipped,
        )


def advance(services: Services, backfill_id: str, *, by: str) -> None:
    """One step: take up what was left lying, then ask for one chunk, or end, if it is time.

    ``by`` names the call; a repeat has the same name.
    """
    store = services.store.automation
    for _ in range(ROUNDS):
        known = store.backfill(backfill_id)
        if known is None or known.status.is_finished:
            return
        try:
            manifest = services.manifests.get(known.manifest)
            nodes = nodes_of(services, manifest, known.job, tuple(known.target), known.as_of)
        except (DeploymentError, NotFoundError) as error:
            _give_up(services, known, str(error))
            return
        step = _Step(services, known, nodes, store.chunks(backfill_id), by)
        if step.take():
            return
    raise ConflictError(f"Backfill {backfill_id} changed {ROUNDS} times while it was read.")


def _give_up(services: Services, known: Backfill, reason: str) -> None:
    now = services.clock.now()
    notes = noted(known.notes, reason)
    ended = replace(known, status=BackfillStatus.FAILED, notes=notes, finished_at=now)
    if services.store.automation.change_backfill(known, ended):
        _publish(services, ended)


class _Step:
    """One step of a backfill, on what was read of it at one moment."""

    def __init__(
        self,
        services: Services,
        known: Backfill,
        nodes: Nodes,
        chunks: Sequence[Chunk],
        by: str,
    ) -> None:
        self._services, self._known, self._nodes, self._by = services, known, nodes, by
        self._chunks = list(chunks)
        self._now = services.clock.now()

    def take(self) -> bool:
        """False: the backfill, or what was read of it, has changed; read it again."""
        known = self._known
        left = [one for one in self._chunks if not one.is_submitted and self._is_ours(one)]
        for chunk in left:
            self._submit(chunk)
        if left:
            _wake(self._services, known.backfill_id, f"after/{left[-1].number}")
            return False
        if known.status is BackfillStatus.CANCELING and not self._by.startswith(RUN):
            cancel_runs(self._services, known, self._chunks)
        changed, over = folded(known, self._nodes, self._chunks[:MOST_FOLDED])
        rest = [one for one in self._chunks if one not in over]
        now = progress(changed, self._nodes, rest)
        if known.status is BackfillStatus.REQUESTED:
            opened = self._open(changed, over, now)
            if opened is not None:
                return opened
        return self._end(changed, over, rest, now)

    def _is_ours(self, chunk: Chunk) -> bool:
        return chunk.opened_by == self._by or self._now - chunk.opened_at >= TAKEN_OVER_AFTER

    def _open(self, changed: Backfill, over: Sequence[Chunk], now: Progress) -> bool | None:
        """Ask for the next chunk. None: there is none."""
        found = next_chunk(
            changed,
            self._nodes,
            now,
            chunk_size=self._services.settings.run_chunk_size,
            at=self._now,
            by=self._by,
        )
        if found is None:
            return None
        then, chunk = found
        store = self._services.store.automation
        if not store.change_backfill(self._known, then, opens=chunk, folds=over):
            return False
        self._known = replace(then, version=self._known.version + 1)
        self._submit(chunk)
        _wake(self._services, self._known.backfill_id, f"after/{chunk.number}")
        return True

    def _submit(self, chunk: Chunk) -> None:
        notes = submit_chunk(self._services, self._known, self._nodes, chunk)
        self._services.store.automation.submitted(chunk)
        for note in notes:
            self._note(note)

    def _note(self, sentence: str) -> None:
        """Say what went wrong in the backfill itself; if others change it all the time, it is in the log only."""
        store = self._services.store.automation
        logger.warning(
            "backfill_refused",
            extra={"backfill_id": self._known.backfill_id, "reason": sentence},
        )
        for _ in range(3):
            known = store.backfill(self._known.backfill_id)
            if known is None or sentence in known.notes:
                return
            if store.change_backfill(known, replace(known, notes=noted(known.notes, sentence))):
                return

    def _end(
        self, changed: Backfill, over: Sequence[Chunk], rest: Sequence[Chunk], now: Progress
    ) -> bool:
        store = self._services.store.automation
        waits = any(not one.is_submitted or one.open for one in rest)
        ended = None if waits else finished(changed, now, self._now)
        if ended is not None:
            if len(rest) > MOST_FOLDED:
                ended = None
            elif store.change_backfill(self._known, ended, folds=[*over, *rest]):
                _publish(self._services, ended)
                return True
            else:
                return False
        if len(over) < MOST_FOLDED:
            return True
        return not store.change_backfill(self._known, changed, folds=over) or not rest


def _publish(services: Services, backfill: Backfill) -> None:
    services.bus.publish(
        BUS_DETAIL_TYPE,
        {
            "backfill_id": backfill.backfill_id,
            "status": backfill.status.value,
            "counts": backfill.counts(),
            "tags": dict(backfill.tags),
        },
    )


def _wake(services: Services, backfill_id: str, cause: str) -> None:
    services.backfills.wake({"backfill_id": backfill_id, "cause": cause})
