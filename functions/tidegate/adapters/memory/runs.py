"""Table ``runs`` in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from threading import RLock

from tidegate.adapters.text import stamp, storable
from tidegate.domain.arrival import Arrival, Gathered
from tidegate.domain.run import Run, RunStatus, StepRow, StepStatus, StopCause
from tidegate.ports import Page


class MemoryRunStore:
    """``tidegate.ports.RunStore`` in memory. Calls are atomic: they may come from any thread."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._runs: dict[str, Run] = {}
        self._steps: dict[str, dict[int, StepRow]] = {}
        self._nodes: dict[tuple[str, str], Gathered] = {}

    def create(self, run: Run) -> tuple[Run, bool]:
        with self._lock:
            stored = self._runs.get(run.run_id)
            if stored is not None:
                return stored, False
            config, tags = json.loads(json.dumps([run.run_config, run.tags]))
            stored = replace(run, run_config=config, tags=tags, reason=storable(run.reason))
            self._runs[run.run_id] = stored
            return stored, True

    def create_all(self, runs: Sequence[Run]) -> list[tuple[Run, bool]]:
        return [self.create(run) for run in runs]

    def get(self, run_id: str) -> Run | None:
        return self._runs.get(run_id)

    def move(
        self,
        run_id: str,
        *,
        leaves: frozenset[RunStatus],
        to: RunStatus,
        at: datetime,
        reason: str | None = None,
        lost_to: tuple[str, ...] = (),
        stop_cause: StopCause | None = None,
        turn: int | None = None,
    ) -> Run | None:
        with self._lock:
            run = self._runs.get(run_id)
            if run is None or run.status not in leaves or turn not in (None, run.turn):
                return None
            run = replace(
                run,
                status=to,
                started_at=at if to is RunStatus.STARTING else run.started_at,
                canceling_at=at if to is RunStatus.CANCELING else run.canceling_at,
                finished_at=at if to.is_finished else run.finished_at,
                reason=run.reason if reason is None else storable(reason),
                lost_to=tuple(sorted(lost_to)) or run.lost_to,
                stop_cause=stop_cause or run.stop_cause,
            )
            self._runs[run_id] = run
            return run

    def next_turn(self, run_id: str, turn: int) -> Run | None:
        with self._lock:
            run = self._runs.get(run_id)
            if run is None or run.status is not RunStatus.QUEUED or run.turn != turn:
                return None
            run = self._runs[run_id] = replace(run, turn=turn + 1)
            return run

    def keep(self, run: Run) -> None:
        """Nothing in memory expires."""

    def find(
        self,
        *,
        job: str | None = None,
        statuses: frozenset[RunStatus] | None = None,
        limit: int = 50,
        cursor: str | None = None,
        oldest_first: bool = False,
        since: datetime | None = None,
    ) -> Page[Run]:
        with self._lock:
            wanted = [
                run
                for run in self._runs.values()
                if (statuses is None or run.status in statuses)
                and (job is None or run.job == job)
                and (since is None or run.created_at >= since)
            ]
        placed = sorted(((_order(run), run) for run in wanted), reverse=not oldest_first)
        fitting = [
            (order, run)
            for order, run in placed
            if cursor is None or (order > cursor if oldest_first else order < cursor)
        ]
        page = fitting[: max(1, limit)]
        more = len(fitting) > len(page)
        return Page(items=tuple(run for _, run in page), cursor=page[-1][0] if more else None)

    def gather(self, run_id: str, node: str, arrival: Arrival) -> Gathered:
        with self._lock:
            before = self._nodes.get((run_id, node), Gathered())
            after = Gathered(
                arrived=before.arrived | {arrival.arrived},
                failed=before.failed | arrival.failed,
                missing=before.missing | arrival.missing,
            )
            self._nodes[run_id, node] = after
            return after

    def gathered(self, run_id: str, node: str) -> Gathered:
        return self._nodes.get((run_id, node), Gathered())

    def step(self, run_id: str, index: int) -> StepRow | None:
        return self._steps.get(run_id, {}).get(index)

    def steps(self, run_id: str) -> list[StepRow]:
        with self._lock:
            return [row for _, row in sorted(self._steps.get(run_id, {}).items())]

    def wait_step(self, run_id: str, index: int, *, attempt: int, at: datetime) -> bool:
        return self._begin(
            StepRow(
                run_id=run_id,
                index=index,
                status=StepStatus.WAITING,
                attempt=attempt,
                waiting_at=at,
            ),
            leaves=frozenset({None, StepStatus.UP_FOR_RETRY}),
        )

    def start_step(self, run_id: str, index: int, *, attempt: int, at: datetime) -> bool:
        return self._begin(
            StepRow(
                run_id=run_id,
                index=index,
                status=StepStatus.STARTED,
                attempt=attempt,
                started_at=at,
            ),
            leaves=frozenset({None, StepStatus.WAITING, StepStatus.UP_FOR_RETRY}),
        )

    def resolve_step(
        self, row: StepRow, *, leaves: frozenset[StepStatus | None]
    ) -> tuple[StepRow, bool]:
        with self._lock:
            stored = self.step(row.run_id, row.index)
            if not _may_leave(stored, leaves, row.attempt):
                return stored or _pending(row), False
            if stored is not None:
                row = replace(
                    row,
                    waiting_at=row.waiting_at or stored.waiting_at,
                    started_at=row.started_at or stored.started_at,
                    ecs_from=row.ecs_from or stored.ecs_from,
                )
            return self._keep(replace(row, reason=storable(row.reason))), True

    def _begin(self, row: StepRow, *, leaves: frozenset[StepStatus | None]) -> bool:
        with self._lock:
            stored = self.step(row.run_id, row.index)
            if not _may_begin(stored, leaves, row.attempt):
                return (
                    stored is not None
                    and stored.status is row.status
                    and stored.attempt == row.attempt
                )
            if stored is not None:
                waiting_at = row.waiting_at or stored.waiting_at
                row = replace(row, waiting_at=waiting_at, ecs_from=stored.ecs_from)
            self._keep(row)
            return True

    def _keep(self, row: StepRow) -> StepRow:
        self._steps.setdefault(row.run_id, {})[row.index] = row
        return row


def _order(run: Run) -> str:
    return f"{stamp(run.created_at)}#{run.run_id}"


def _may_begin(stored: StepRow | None, leaves: frozenset[StepStatus | None], attempt: int) -> bool:
    if stored is not None and stored.status is StepStatus.UP_FOR_RETRY:
        return StepStatus.UP_FOR_RETRY in leaves and stored.attempt < attempt
    return _may_leave(stored, leaves, attempt)


def _may_leave(stored: StepRow | None, leaves: frozenset[StepStatus | None], attempt: int) -> bool:
    if stored is None:
        return bool(leaves & {None, StepStatus.PENDING})
    return stored.status in leaves and stored.attempt <= attempt


def _pending(row: StepRow) -> StepRow:
    return StepRow(run_id=row.run_id, index=row.index, status=StepStatus.PENDING)
