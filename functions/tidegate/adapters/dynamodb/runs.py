"""Table ``runs``: what is asked of it, one function for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from tidegate.adapters.dynamodb import write
from tidegate.adapters.dynamodb.models import NodeRow, RunRow, RunsTable, StepStateRow
from tidegate.adapters.dynamodb.packed import MAX_BYTES
from tidegate.adapters.dynamodb.run_listing import CALENDAR, find_runs, job_calendar
from tidegate.adapters.dynamodb.run_rows import (
    RUN,
    STEP,
    gathered_of,
    node_key,
    order_of,
    run_of,
    run_row,
    status_key,
    step_key,
    step_of,
)
from tidegate.adapters.dynamodb.table import translated
from tidegate.adapters.dynamodb.transaction import Transaction
from tidegate.adapters.text import storable
from tidegate.domain.arrival import Arrival, Gathered
from tidegate.domain.retention import calendar_expires, parts_expire, run_expires
from tidegate.domain.run import Run, RunStatus, StepRow, StepStatus, StopCause
from tidegate.errors import ConflictError
from tidegate.ports import Clock, Page

ABSENT: Condition = RunsTable.pk.does_not_exist()
PRESENT: Condition = RunsTable.pk.exists()

_CREATED_AT_ONCE = 25
"""Runs put in one transaction: at most, and no more than fit one row by their size; it may have 100 writes, and 4 MB."""
_CALENDAR_KNOWN = 4096
"""Days and months this process remembers to have entered; then it forgets them all and enters them again."""


def status_in(kind: type[RunRow | StepStateRow], statuses: frozenset[Any]) -> Condition:
    condition: Condition = kind.status.is_in(*sorted(statuses))
    return condition


def at_turn(turn: int) -> Condition:
    """The first turn is not written down."""
    condition: Condition = RunRow.turn == turn if turn else RunRow.turn.does_not_exist()
    return condition


def may_begin(leaves: frozenset[StepStatus | None], attempt: int) -> Condition:
    """As ``may_leave``; and an attempt that failed is followed by the next, never by itself."""
    condition = may_leave(leaves - {StepStatus.UP_FOR_RETRY}, attempt)
    if StepStatus.UP_FOR_RETRY not in leaves:
        return condition
    failed = status_in(StepStateRow, frozenset({StepStatus.UP_FOR_RETRY}))
    either: Condition = condition | (failed & (StepStateRow.attempt < attempt))
    return either


def may_leave(leaves: frozenset[StepStatus | None], attempt: int) -> Condition:
    """The step is in one of the states (None: it has no row), at this attempt or an earlier one."""
    stored = frozenset(one for one in leaves if one is not None and one is not StepStatus.PENDING)
    if not stored:
        return ABSENT
    condition: Condition = status_in(StepStateRow, stored) & (StepStateRow.attempt <= attempt)
    if len(stored) == len(leaves):
        return condition
    either: Condition = ABSENT | condition
    return either


def _or_remove(attribute: Any, value: Any) -> Action:
    action: Action = attribute.remove() if value is None else attribute.set(value)
    return action


_FRESH_ATTEMPT: tuple[Action, ...] = (
    StepStateRow.finished_at.remove(),
    StepStateRow.retry_at.remove(),
    StepStateRow.reason.remove(),
    StepStateRow.failed.remove(),
    StepStateRow.produced.remove(),
    StepStateRow.fingerprint.remove(),
)
"""What an attempt before this one has left."""


class DynamoRunStore:
    """``tidegate.ports.RunStore`` on DynamoDB."""

    def __init__(self, *, clock: Clock | None = None, kept_days: int = 90) -> None:
        """Runs go ``kept_days`` after their end, or a little later; without a ``clock`` nothing does."""
        self._clock = clock
        self._kept_days = kept_days
        self._calendar: set[tuple[str, str]] = set()

    def create(self, run: Run) -> tuple[Run, bool]:
        """Put ``run`` unless the id is taken.

        Key: pk run id, sk ``run``. Condition: no such row. 1 write unit for each KB and 3 for the index entries; 2 more
        for the first run of a day and of a job's month that this process sees. A run that exists already is
        answered from the refusal, without a read.

        A first try whose answer was lost may be answered "not created" when repeated: go on with the run either way.
        """
        row = run_row(run)
        self._enter(CALENDAR, row.order[:10])
        self._enter(job_calendar(run.job), row.order[:7])
        stored, created = write.put("runs.create", row, ABSENT)
        return (run_of(stored), created)

    def create_all(self, runs: Sequence[Run]) -> list[tuple[Run, bool]]:
        """As ``create``, 25 of them in a transaction: one call, and 1 write unit more for each KB.

        Where one of them exists already, or is being created at this moment, each is put by itself.
        """
        if len(runs) < 2:
            return [self.create(run) for run in runs]
        for day in {order_of(run)[:10] for run in runs}:
            self._enter(CALENDAR, day)
        for job, month in {(run.job, order_of(run)[:7]) for run in runs}:
            self._enter(job_calendar(job), month)
        found: list[tuple[Run, bool]] = []
        for some in _batches(runs):
            if _created(some):
                found += [(run, True) for run, _ in some]
            else:
                found += [self.create(run) for run, _ in some]
        return found

    def get(self, run_id: str) -> Run | None:
        """Key: pk run id, sk ``run``. 1 read unit for each 4 KB."""
        row = write.get("runs.get", RunRow, run_id, RUN)
        return None if row is None else run_of(row)

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
        """Key: pk run id, sk ``run``. Condition: status in ``leaves``, and the turn. 1 write unit for each KB, and 2 for the index.

        Index ``by_status`` loses the old entry and, unless the run succeeded, gains a new one.
        """
        if not leaves:
            return None
        actions = [RunRow.status.set(to), _or_remove(RunRow.by_status_key, status_key(to))]
        if to is RunStatus.STARTING:
            actions.append(RunRow.started_at.set(at))
        if to is RunStatus.CANCELING:
            actions.append(RunRow.canceling_at.set(at))
        if to.is_finished:
            actions.append(RunRow.finished_at.set(at))
            if self._clock is not None:
                actions.append(RunRow.expires_at.set(run_expires(at, self._kept_days)))
        if reason is not None:
            actions.append(_or_remove(RunRow.reason, storable(reason)))
        if lost_to:
            actions.append(RunRow.lost_to.set(set(lost_to)))
        if stop_cause is not None:
            actions.append(RunRow.stop_cause.set(stop_cause))
        allowed = status_in(RunRow, leaves)
        if turn is not None:
            allowed &= at_turn(turn)
        row, moved = write.update("runs.move", RunRow, run_id, RUN, actions, allowed)
        return run_of(row) if row is not None and moved else None

    def next_turn(self, run_id: str, turn: int) -> Run | None:
        """Key: pk run id, sk ``run``. Condition: QUEUED, and the turn. 1 write unit for each KB."""
        allowed = status_in(RunRow, frozenset({RunStatus.QUEUED})) & at_turn(turn)
        actions = [RunRow.turn.set(turn + 1)]
        row, moved = write.update("runs.next_turn", RunRow, run_id, RUN, actions, allowed)
        return run_of(row) if row is not None and moved else None

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
        """See ``run_listing.find_runs``."""
        with translated("runs.find"):
            return find_runs(
                job=job,
                statuses=statuses,
                limit=limit,
                cursor=cursor,
                oldest_first=oldest_first,
                since=since,
            )

    def keep(self, run: Run) -> None:
        """Key: pk run id, all rows but the run's, and the run's day and month. 1 write unit for each, and a query for keys.

        Condition: the row is there, so that none comes back that is being deleted.
        """
        order = order_of(run)
        self._enter(CALENDAR, order[:10], again=True)
        self._enter(job_calendar(run.job), order[:7], again=True)
        with translated("runs.keep"):
            keys = [row.sk for row in RunsTable.query(run.run_id, attributes_to_get=["pk", "sk"])]
        for key in keys:
            if key != RUN:
                write.update("runs.keep", RunsTable, run.run_id, key, self._later(), PRESENT)

    def gather(self, run_id: str, node: str, arrival: Arrival) -> Gathered:
        """Key: pk run id, sk ``node#<node>``. No condition: adding to a set twice is adding once. 1 write unit.

        Updates of one row follow one another, so of calls that bring different numbers exactly one is the first to be
        answered a full set.
        """
        actions: list[Action] = [NodeRow.arrived.add({arrival.arrived}), *self._later()]
        if arrival.failed:
            actions.append(NodeRow.failed.add(set(arrival.failed)))
        if arrival.missing:
            actions.append(NodeRow.missing.add(set(arrival.missing)))
        row, _ = write.update("runs.gather", NodeRow, run_id, node_key(node), actions)
        return gathered_of(row)

    def gathered(self, run_id: str, node: str) -> Gathered:
        """Key: pk run id, sk ``node#<node>``. 1 read unit."""
        return gathered_of(write.get("runs.gathered", NodeRow, run_id, node_key(node)))

    def step(self, run_id: str, index: int) -> StepRow | None:
        """Key: pk run id, sk ``step#<number>``. 1 read unit."""
        row = write.get("runs.step", StepStateRow, run_id, step_key(index))
        return None if row is None else step_of(row)

    def steps(self, run_id: str) -> list[StepRow]:
        """Key: pk run id, sk from ``step#``. Strongly consistent: 1 read unit for each 4 KB, about 20 steps."""
        with translated("runs.steps"):
            rows = StepStateRow.query(
                run_id, StepStateRow.sk.startswith(STEP), consistent_read=True
            )
            return sorted((step_of(row) for row in rows), key=lambda row: row.index)

    def wait_step(self, run_id: str, index: int, *, attempt: int, at: datetime) -> bool:
        """Key: pk run id, sk ``step#<number>``. Condition: no row, or UP_FOR_RETRY at an earlier attempt. 1 write unit.

        Repeated while the step still waits at this attempt, it changes nothing and answers True again.
        """
        return self._begin(
            run_id,
            index,
            attempt,
            to=StepStatus.WAITING,
            leaves=frozenset({None, StepStatus.UP_FOR_RETRY}),
            actions=[StepStateRow.waiting_at.set(at), StepStateRow.started_at.remove()],
        )

    def start_step(self, run_id: str, index: int, *, attempt: int, at: datetime) -> bool:
        """Key: pk run id, sk ``step#<number>``. Condition: no row, WAITING at no later attempt, or UP_FOR_RETRY
        at an earlier one. 1 write unit.

        Repeated while the step is STARTED at this attempt, it changes nothing and answers True again, so that a caller
        that died before it started the execution can come back.
        """
        return self._begin(
            run_id,
            index,
            attempt,
            to=StepStatus.STARTED,
            leaves=frozenset({None, StepStatus.WAITING, StepStatus.UP_FOR_RETRY}),
            actions=[StepStateRow.started_at.set(at)],
        )

    def resolve_step(
        self, row: StepRow, *, leaves: frozenset[StepStatus | None]
    ) -> tuple[StepRow, bool]:
        """Key: pk run id, sk ``step#<number>``. Condition: no row (if None is in ``leaves``), or the status in ``leaves``
        at no later attempt. 1 write unit for each KB. A row that stands in the way comes with the refusal.

        When the step waited and started stays as stored where ``row`` does not say.
        """
        if not leaves:
            return self.step(row.run_id, row.index) or _pending(row), False
        stored, written = write.update(
            "runs.resolve_step",
            StepStateRow,
            row.run_id,
            step_key(row.index),
            [*_resolution(row), *self._later()],
            may_leave(leaves, row.attempt),
        )
        return (_pending(row) if stored is None else step_of(stored)), written

    def _begin(
        self,
        run_id: str,
        index: int,
        attempt: int,
        *,
        to: StepStatus,
        leaves: frozenset[StepStatus | None],
        actions: list[Action],
    ) -> bool:
        row, written = write.update(
            f"runs.{to.lower()}",
            StepStateRow,
            run_id,
            step_key(index),
            [
                StepStateRow.status.set(to),
                StepStateRow.attempt.set(attempt),
                *actions,
                *self._later(),
                *_FRESH_ATTEMPT,
            ],
            may_begin(leaves, attempt),
        )
        return written or (row is not None and row.status == to and row.attempt == attempt)

    def _later(self) -> list[Action]:
        """What is written of a run now goes then."""
        if self._clock is None:
            return []
        return [RunsTable.expires_at.set(parts_expire(self._clock.now(), self._kept_days))]

    def _enter(self, calendar: str, entry: str, *, again: bool = False) -> None:
        """Enter a day or a month into a calendar, before the first run that needs it. Once per process. 1 write unit."""
        if (calendar, entry) in self._calendar and not again:
            return
        now = None if self._clock is None else self._clock.now()
        expires_at = None if now is None else calendar_expires(now, self._kept_days)
        write.put("runs.create", RunsTable(calendar, entry, expires_at=expires_at))
        if len(self._calendar) >= _CALENDAR_KNOWN:
            self._calendar.clear()
        self._calendar.add((calendar, entry))


def _batches(runs: Sequence[Run]) -> Iterator[list[tuple[Run, RunRow]]]:
    """Runs with their rows, as many at a time as fit a transaction."""
    batch: list[tuple[Run, RunRow]] = []
    size = 0
    for run in runs:
        row = run_row(run)
        if batch and (len(batch) == _CREATED_AT_ONCE or size + len(row.asked) > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((run, row))
        size += len(row.asked)
    if batch:
        yield batch


def _created(batch: Sequence[tuple[Run, RunRow]]) -> bool:
    """Put all of them; False: none was put, because one exists, or is in the hands of another call."""
    transaction = Transaction("runs.create_all")
    for run, row in batch:
        transaction.put(row, name=run.run_id, condition=ABSENT)
    try:
        return not transaction.commit()
    except ConflictError:
        return False


def _resolution(row: StepRow) -> list[Action]:
    actions: list[Action] = [
        StepStateRow.status.set(row.status),
        StepStateRow.attempt.set(row.attempt),
        _or_remove(StepStateRow.produced, set(row.produced) or None),
        _or_remove(StepStateRow.reason, storable(row.reason)),
        _or_remove(StepStateRow.failed, row.failed or None),
        _or_remove(StepStateRow.fingerprint, row.fingerprint),
        _or_remove(StepStateRow.finished_at, row.finished_at),
        _or_remove(StepStateRow.retry_at, row.retry_at),
    ]
    if row.waiting_at is not None:
        actions.append(StepStateRow.waiting_at.set(row.waiting_at))
    if row.started_at is not None:
        actions.append(StepStateRow.started_at.set(row.started_at))
    if row.ecs_from is not None:
        actions.append(StepStateRow.ecs_from.set(row.ecs_from))
    return actions


def _pending(row: StepRow) -> StepRow:
    return StepRow(run_id=row.run_id, index=row.index, status=StepStatus.PENDING)
