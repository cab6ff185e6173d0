"""Driving a backfill on: counting what came of its runs, asking for the next chunk of them, and ending it.

One step asks for some chunks, one after the other. Each is decided in one write, conditional on the version of the backfill, and
then submitted under ids that follow from it; so whatever is repeated or happens at once, each partition is asked for once. The next
step comes when a run ends, or right after, while there is room for more runs; nothing waits for a timer.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tidegate.app.backfills.backfill import ROUNDS, wake
from tidegate.app.backfills.runs import cancel_runs, outcome_of, run_id_of, submit_chunk
from tidegate.app.backfills.target import nodes_of
from tidegate.app.runs.retry_later import last_of
from tidegate.app.services import Services
from tidegate.domain.backfills.backfill import Backfill, BackfillStatus, Chunk
from tidegate.domain.backfills.graph import Nodes
from tidegate.domain.backfills.plan import (
    Progress,
    finished,
    folded,
    next_chunk,
    noted,
    progress,
)
from tidegate.domain.run import BACKFILL_TAG
from tidegate.errors import ConflictError, DeploymentError, NotFoundError

logger = logging.getLogger(__name__)

BUS_DETAIL_TYPE = "tidegate.backfill"
TAKEN_OVER_AFTER = timedelta(seconds=30)
"""A chunk is in the hands of the call that opened it, or of its repeat, until then."""
MOST_FOLDED = 25
"""Chunks that go into the backfill's row in one write."""
CANCEL_BEFORE = "cancel-before/"
"""The name of a call that goes on with cancelling begins so; then the chunk and the place of the last run so far."""
CHUNKS_AT_ONCE = 8
"""Chunks that one call asks for, without reading the backfill again in between."""
RUN = "run/"
"""The name of a call that the end of a run has caused begins so."""


def drive(services: Services, event: dict[str, Any]) -> None:
    """What the ``backfill`` function does with an event: ``{"backfill_id": ID}``, with the ``run_id`` of a run that has
    ended, or with a word (``cause``) for what else it was. Repeated, it goes on where it stopped."""
    backfill_id, run_id = event["backfill_id"], event.get("run_id")
    if run_id is not None:
        _count(services, backfill_id, run_id)
    advance(services, backfill_id, by=f"{RUN}{run_id}" if run_id else str(event.get("cause")))


def _count(services: Services, backfill_id: str, run_id: str) -> None:
    """Not before it is known that no retry follows; then what came of the last one counts."""
    run = services.store.runs.get(run_id)
    if run is None or run.tags.get(BACKFILL_TAG) != backfill_id:
        return
    known, last = services.store.automation.backfill(backfill_id), last_of(services, run)
    outcome = None if known is None or last is None else outcome_of(services, known, last)
    if outcome is not None:
        services.store.automation.run_ended(
            backfill_id,
            outcome.chunk,
            outcome.run,
            done=outcome.done,
            failed=outcome.failed,
            skipped=outcome.skipped,
        )
        if outcome.note is not None:
            _note(services, backfill_id, outcome.note)


def repair(services: Services, backfill_id: str, grace: timedelta) -> bool:
    """For the sweep: count runs whose end was not told, and go on if nobody has. Answers whether there was anything to do."""
    store, until = services.store.automation, services.clock.now() - grace
    known = store.backfill(backfill_id)
    if known is None or known.status.is_finished or known.created_at > until:
        return False
    chunks = store.chunks(backfill_id)
    untold = [
        run.run_id
        for chunk in chunks
        for place in chunk.open
        if (run := services.store.runs.get(run_id_of(known, chunk.number, place))) is not None
        and (last := last_of(services, run)) is not None
        and last.finished_at is not None
        and last.finished_at <= until
    ]
    for run_id in untold:
        _count(services, backfill_id, run_id)
    lying = any(not one.is_submitted and one.opened_at <= until for one in chunks)
    idle = not any(one.open for one in chunks) and known.status is not BackfillStatus.PAUSED
    if not untold and not lying and not idle:
        return False
    advance(services, backfill_id, by=f"sweep/{until.isoformat()}")
    return True


def advance(services: Services, backfill_id: str, *, by: str) -> None:
    """One step: take up what was left lying, then ask for the next chunks, or end, if it is time.

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
            wake(self._services, known.backfill_id, f"after/{left[-1].number}")
            return False
        if known.status is BackfillStatus.CANCELING and not self._by.startswith(RUN):
            self._cancel()
        for turn in range(CHUNKS_AT_ONCE):
            changed, over = folded(self._known, self._nodes, self._taken_in())
            rest = [one for one in self._chunks if one not in over]
            now = progress(changed, self._nodes, rest)
            found = self._next(changed, now)
            if found is None:
                # What was submitted in the turns before may be over by now: only who reads again can tell.
                return turn == 0 and self._end(changed, over, rest, now)
            then, chunk = found
            if not self._open(then, chunk, over):
                return False
            self._chunks = [*rest, replace(chunk, is_submitted=True)]
            if self._submit(chunk):
                break
        wake(self._services, known.backfill_id, f"after/{self._chunks[-1].number}")
        return True

    def _cancel(self) -> None:
        """Cancel a batch of its runs; another call goes on."""
        _, _, where = self._by.partition(CANCEL_BEFORE)
        before = tuple(map(int, where.split("/"))) if where else None
        most = self._services.settings.cancel_batch_size
        last = cancel_runs(self._services, self._known, self._chunks, before=before, most=most)
        if last is not None:
            chunk, place = last
            wake(self._services, self._known.backfill_id, f"{CANCEL_BEFORE}{chunk}/{place}")

    def _taken_in(self) -> list[Chunk]:
        """Of the chunks that are over the first, as many as go into the backfill's row at once."""
        left, chunks = self._services.settings.materialization_chunk_size, list[Chunk]()
        for chunk in self._chunks:
            if not chunk.is_submitted or chunk.open:
                continue
            if left <= 0 or len(chunks) == MOST_FOLDED:
                break
            chunks.append(chunk)
            left -= sum((run.last - run.first + 1) * len(run.assets) for run in chunk.runs)
        return chunks

    def _is_ours(self, chunk: Chunk) -> bool:
        return chunk.opened_by == self._by or self._now - chunk.opened_at >= TAKEN_OVER_AFTER

    def _next(self, changed: Backfill, now: Progress) -> tuple[Backfill, Chunk] | None:
        if changed.status is not BackfillStatus.REQUESTED:
            return None
        return next_chunk(
            changed,
            self._nodes,
            now,
            chunk_size=self._services.settings.run_chunk_size,
            at=self._now,
            by=self._by,
        )

    def _open(self, then: Backfill, chunk: Chunk, over: Sequence[Chunk]) -> bool:
        """Decide on a chunk. False: the backfill has changed."""
        store = self._services.store.automation
        if not store.change_backfill(self._known, then, opens=chunk, folds=over):
            return False
        self._known = replace(then, version=self._known.version + 1)
        return True

    def _submit(self, chunk: Chunk) -> list[str]:
        """Ask for its runs. Answers why some were refused: those are over already."""
        notes = submit_chunk(self._services, self._known, self._nodes, chunk)
        self._services.store.automation.submitted(chunk)
        for note in notes:
            _note(self._services, self._known.backfill_id, note)
        return notes

    def _end(
        self, changed: Backfill, over: Sequence[Chunk], rest: Sequence[Chunk], now: Progress
    ) -> bool:
        store = self._services.store.automation
        waits = any(not one.is_submitted or one.open for one in rest)
        ended = None if waits else finished(changed, now, self._now)
        if ended is not None and not rest:
            if store.change_backfill(self._known, ended, folds=over):
                _publish(self._services, ended)
                return True
            return False
        if all(one.open or not one.is_submitted for one in rest):
            return True  # not more than go at once: the next chunk takes them in on its way
        return not store.change_backfill(self._known, changed, folds=over) or not rest


def _note(services: Services, backfill_id: str, sentence: str) -> None:
    """Say what went wrong in the backfill itself; if others change it all the time, it is in the log only."""
    store = services.store.automation
    logger.warning("backfill_refused", extra={"backfill_id": backfill_id, "reason": sentence})
    for _ in range(3):
        known = store.backfill(backfill_id)
        notes = () if known is None else noted(known.notes, sentence)
        if known is None or notes == known.notes:
            return
        if store.change_backfill(known, replace(known, notes=notes)):
            return


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
