"""The sweep: compares, every few minutes, what is written down with what ought to follow from it.

Every call that changes state is repeated by Step Functions or by Lambda until it succeeds, so in a healthy deployment there
is nothing to repair: what is repaired is counted, and the expected number is zero. A repair is a call that the lost one
would have made, so one that comes too early, or twice, changes nothing.

What it costs does not depend on how many runs wait: each is looked at soon after it was created, and then once a day. It reads
every live run with its steps, every limit with its holders, and every backfill that goes on with its open runs.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import TypeVar

from tidegate.app.backfills.drive import repair
from tidegate.app.runs.admit import admit
from tidegate.app.runs.cancel import carry_out
from tidegate.app.runs.claim import FIRST
from tidegate.app.runs.expire import expire, overdue
from tidegate.app.runs.finish import finish
from tidegate.app.runs.holding import is_waiting
from tidegate.app.runs.launch import launch
from tidegate.app.runs.planning import plan_of
from tidegate.app.runs.stop import as_of_now, stop_late_step
from tidegate.app.runs.supersede import cancel_superseded, heir_of
from tidegate.app.services import Services
from tidegate.app.steps.complete import complete, resume
from tidegate.app.steps.heartbeat import give_up, last_beat
from tidegate.app.steps.task import start_again
from tidegate.domain.claim import Claim, ClaimState
from tidegate.domain.conflict import gives_way
from tidegate.domain.escalation import compute_of
from tidegate.domain.event import EventKind
from tidegate.domain.limit import limits_of_steps, pool_key
from tidegate.domain.plan import RunPlan
from tidegate.domain.run import (
    LIVE,
    Run,
    RunStatus,
    StepRow,
    StepStatus,
    line_claim_id,
    run_claim_id,
    subject_of_claim,
)

logger = logging.getLogger(__name__)

GRACE = timedelta(minutes=5)
"""Younger than this, work is in somebody's hands: of a function that is at it, or of the repeat that Lambda makes of one
that died, two minutes after the first."""
LAMBDA_SECONDS = 900
"""The longest a step can run on Lambda, whatever its time-out."""
OVERDUE_MARGIN = timedelta(minutes=30)
"""Beyond a step's time-out, which counts from when its code begins: Step Functions may try for 20 minutes to start it."""
CLOCKS_DIFFER_BY = timedelta(seconds=30)
"""Those of Step Functions and of Lambda, at most, and how long a sweep takes until it gets to a step."""
SWEPT = "control/sweep.json"
"""Where it is kept up to when all queued runs are known to have asked for their slots."""
MOST_HOLDERS = 10_000

_CANCELING = frozenset({RunStatus.CANCELING})
_QUEUED = frozenset({RunStatus.QUEUED})
_TOLD = frozenset(
    {
        EventKind.STEP_SUCCESS,
        EventKind.STEP_FAILURE,
        EventKind.STEP_UP_FOR_RETRY,
        EventKind.STEP_SKIPPED,
        EventKind.STEP_CANCELED,
    }
)

Item = TypeVar("Item")


def sweep(services: Services) -> Counter[str]:
    """Repair what a lost call left behind. Answers how much of each kind, and how much could not be repaired."""
    return _Sweep(services).run()


class _Sweep:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._now = services.clock.now()
        self._counted: Counter[str] = Counter()
        self._live: dict[str, frozenset[tuple[int, int]] | None] = {}
        """Live runs, each with its steps (number, attempt) that are not over; None if it was not looked into."""
        self._limits_within: list[str] = []
        """Keys of the limits within live runs."""

    def run(self) -> Counter[str]:
        admission = self._services.admission
        self._each(admission.unlaunched(self._now - GRACE), self._launch_again)
        self._admit_all()
        self._each(self._all(LIVE), self._look_into)
        self._each(self._all(_CANCELING), self._cancel)
        self._each(self._orphans(), self._release)
        open_keys = [one.key for one in admission.limits() if one.room > 0]
        self._each([*open_keys, *self._limits_within], self._grant)
        self._each(self._services.store.automation.active_backfills(), self._drive)
        return self._counted

    def _drive(self, backfill_id: str) -> None:
        if repair(self._services, backfill_id, GRACE):
            self._count("backfills", backfill_id=backfill_id)

    def _each(self, items: Iterable[Item], repair: Callable[[Item], None]) -> None:
        """Repair each. One that cannot be repaired does not keep the others from it."""
        for item in items:
            try:
                repair(item)
            except Exception:
                logger.exception("sweep_failed", extra={"item": str(item)[:500]})
                self._counted["failed"] += 1

    def _count(self, kind: str, **of: object) -> None:
        logger.warning("sweep_repairs", extra={"kind": kind, **of})
        self._counted[kind] += 1

    def _is_old(self, moment: datetime | None) -> bool:
        return moment is not None and moment <= self._now - GRACE

    def _all(self, statuses: frozenset[RunStatus], since: datetime | None = None) -> Iterator[Run]:
        cursor: str | None = None
        while True:
            page = self._services.store.runs.find(
                statuses=statuses, limit=100, cursor=cursor, oldest_first=True, since=since
            )
            yield from page.items
            cursor = page.cursor
            if cursor is None:
                return

    # Granted and not launched ---------------------------------------------------------------------------------

    def _launch_again(self, claim: Claim) -> None:
        self._count("unlaunched", claim=claim.claim_id)
        launch(self._services, [claim])

    # Queued and not in any line -------------------------------------------------------------------------------

    def _admit_all(self) -> None:
        """Queued runs that came since the last sweep; once a day, all."""
        body = self._services.blobs.get(SWEPT)
        until = datetime.fromisoformat(json.loads(body)["until"]) if body else None
        since = until if until is not None and until.date() == self._now.date() else None
        failed = self._counted["failed"]
        old = (run for run in self._all(_QUEUED, since) if self._is_old(run.created_at))
        self._each(old, self._look_at_queued)
        if self._counted["failed"] == failed:
            now = (self._now - GRACE).isoformat()
            self._services.blobs.put(SWEPT, json.dumps({"until": now}).encode())

    def _look_at_queued(self, run: Run) -> None:
        claim = self._services.admission.claim(run_claim_id(run.run_id, run.turn))
        if self._is_superseded(run):
            return
        is_held_up = claim is None and is_waiting(self._services, run)
        if not is_held_up and (
            claim is None or (claim.state is ClaimState.WAITING and not self._stands(claim))
        ):
            self._count("unadmitted", run_id=run.run_id)
            admit(self._services, run.run_id)
        elif (deadline := overdue(self._services, run)) and self._is_old(deadline.at):
            self._count("unexpired", run_id=run.run_id)
            expire(self._services, run, deadline)
        elif claim is not None and claim.state is ClaimState.DONE and self._is_at(run):
            self._count("abandoned", run_id=run.run_id)
            reason = "Its place in the queue was given up before it began."
            # Only if it is queued: one that has begun meanwhile may have swapped its claim.
            ended = finish(self._services, run, RunStatus.FAILURE, reason=reason, leaves=_QUEUED)
            launch(self._services, ended)

    def _is_at(self, run: Run) -> bool:
        """It has not begun, nor come to another turn with a claim of its own, since it was read."""
        now = self._services.store.runs.get(run.run_id)
        return now is not None and now.status in _QUEUED and now.turn == run.turn

    def _is_superseded(self, run: Run) -> bool:
        """Another run has its place in a line, and nobody has told it."""
        if not any(map(gives_way, run.lines)):
            return False
        admission = self._services.admission
        place = admission.claim(line_claim_id(run.run_id))
        heir = None if place is None else heir_of(place)
        taken = None if heir is None else admission.claim(line_claim_id(heir))
        if place is None or heir is None or (taken and not self._is_old(taken.granted_at)):
            return False
        self._count("superseded", run_id=run.run_id)
        cancel_superseded(self._services, place.claim_id)
        return True

    def _stands(self, claim: Claim) -> bool:
        """Whether the queue it waits in stands in a line: parking it there is a write of its own."""
        store = self._services.store.admission
        return not claim.wants_several or store.queue(claim.queue, 0).standing is not None

    # Live runs ------------------------------------------------------------------------------------------------

    def _look_into(self, run: Run) -> None:
        self._live[run.run_id] = None
        if not self._is_old(run.created_at):
            return
        services = self._services
        deadline = overdue(services, run)
        if deadline is not None and self._is_old(deadline.at):
            self._count("unexpired", run_id=run.run_id)
            expire(services, run, deadline)
            return
        if self._is_superseded(run):
            return
        plan = plan_of(services, run)
        self._limits_within += limits_of_steps(plan, run, services.executor_of(run))
        rows = services.store.runs.steps(run.run_id)
        for row in rows:
            seconds = _seconds(services, plan, row)
            if row.status is StepStatus.STARTED and self._is_overdue(row.started_at, seconds):
                self._look_at_overdue(run, plan, row, seconds)
            elif (beat := last_beat(services, plan.step(row.index), row)) is not None:
                self._count("silent", run_id=run.run_id, index=row.index)
                give_up(services, row, beat)
            elif row.status is StepStatus.UP_FOR_RETRY and self._is_old(row.retry_at):
                self._count("unretried", run_id=run.run_id, index=row.index)
                self._resume(run, plan, [row])
        self._live[run.run_id] = frozenset(
            (row.index, row.attempt) for row in rows if not row.is_attempt_over
        )
        stalled = self._stalled(plan, rows)
        if stalled:
            self._count("stalled", run_id=run.run_id)
            self._resume(run, plan, stalled)

    def _is_overdue(self, since: datetime | None, seconds: int) -> bool:
        return (
            since is not None and self._now >= since + timedelta(seconds=seconds) + OVERDUE_MARGIN
        )

    def _look_at_overdue(self, run: Run, plan: RunPlan, row: StepRow, seconds: int) -> None:
        """No report came. If it has no execution, it gets one; else that is over, or nobody knows what it does."""
        began = start_again(self._services, run, plan, row)
        now = as_of_now(self._services, run)
        if now.status not in LIVE:
            launch(self._services, stop_late_step(self._services, now, plan, row.index))
        elif began is None or self._is_overdue(began, seconds):
            self._count("overdue", run_id=run.run_id, index=row.index)
            complete(self._services, _lost(row, seconds))
            self._services.launcher.stop(row.run_id, row.index, row.attempt)
        elif began >= self._now - CLOCKS_DIFFER_BY:
            self._count("unstarted", run_id=run.run_id, index=row.index)

    def _stalled(self, plan: RunPlan, rows: list[StepRow]) -> list[StepRow]:
        """Steps that are over and did not arrive everywhere: what waits for them alone has not begun, or not ended."""
        known = {row.index: row for row in rows}
        over = {
            row.index for row in rows if row.status.is_resolved and self._is_old(row.finished_at)
        }
        lost: set[int] = set()
        for step in plan.all_steps():
            waits = () if step.index in known else plan.upstream_of(step.index)
            if waits and over.issuperset(waits):
                lost.update(waits)
        if over.issuperset(plan.last):
            lost.update(plan.last)
        return [known[index] for index in sorted(lost)]

    def _resume(self, run: Run, plan: RunPlan, rows: list[StepRow]) -> None:
        told = self._told(run.run_id)
        for row in rows:
            key = plan.step(row.index).key
            is_told = not told.isdisjoint({(key, row.attempt), (key, None)})
            resume(self._services, run, plan, row, is_told=is_told)

    def _told(self, run_id: str) -> set[tuple[str | None, int | None]]:
        """Steps, by attempt, whose end is among the run's events."""
        told: set[tuple[str | None, int | None]] = set()
        cursor: str | None = None
        while True:
            page = self._services.store.events.read(run_id, limit=1000, cursor=cursor)
            told |= {(one.step, one.attempt) for one in page.items if one.kind in _TOLD}
            cursor = page.cursor
            if cursor is None:
                return told

    # Being cancelled ------------------------------------------------------------------------------------------

    def _cancel(self, run: Run) -> None:
        self._live[run.run_id] = None
        if self._is_old(run.canceling_at):
            self._count("uncanceled", run_id=run.run_id)
            carry_out(self._services, run)

    # Slots held for what is over ------------------------------------------------------------------------------

    def _orphans(self) -> Iterator[str]:
        """Claims that hold slots of a limit, although their run or step is over."""
        admission = self._services.admission
        keys = [one.key for one in admission.limits() if one.in_use]
        seen: set[str] = set()
        for key in [*keys, *self._limits_within]:
            for claim_id in admission.holders(key, MOST_HOLDERS):
                if claim_id not in seen and self._is_orphan(key, claim_id):
                    seen.add(claim_id)
                    yield claim_id

    def _is_orphan(self, key: str, claim_id: str) -> bool:
        subject = subject_of_claim(claim_id)
        if subject is None:
            return False
        run_id, index, attempt = subject
        under_way = self._live.get(run_id, frozenset())
        if under_way is None:
            return False
        if index is not None and attempt is not None:
            return (index, attempt) not in under_way and self._is_step_over(run_id, index, attempt)
        if run_id in self._live:
            return key.startswith(pool_key("")) and self._first_over(claim_id) is not None
        run = self._services.store.runs.get(run_id)
        return run is None or run.status.is_finished and self._is_old(run.finished_at)

    def _is_step_over(self, run_id: str, index: int, attempt: int) -> bool:
        row = self._services.store.runs.step(run_id, index)
        if row is None or row.attempt < attempt:
            return False
        return row.attempt > attempt or row.is_attempt_over and self._is_old(row.finished_at)

    def _first_over(self, claim_id: str) -> int | None:
        """The first step whose slots the claim of a live run holds still, although that step is over."""
        claim = self._services.admission.claim(claim_id)
        if claim is None or claim.state is not ClaimState.HELD:
            return None
        index: int | None = claim.launch.get(FIRST)
        if index is None or not self._is_step_over(claim.launch["run_id"], index, 1):
            return None
        return index

    def _release(self, claim_id: str) -> None:
        services = self._services
        subject = subject_of_claim(claim_id)
        assert subject is not None
        run_id, index, _ = subject
        self._count("unreleased", claim=claim_id)
        run = services.store.runs.get(run_id)
        if run is not None and run.status.is_finished and index is None:
            launch(services, finish(services, run, run.status, reason=run.reason))
        elif run is not None:
            self._resume_step(run, self._first_over(claim_id) if index is None else index)
        if index is not None or run is None or run.status.is_finished:
            launch(services, services.admission.release(claim_id))

    def _resume_step(self, run: Run, index: int | None) -> None:
        row = None if index is None else self._services.store.runs.step(run.run_id, index)
        if row is not None and row.status.is_resolved:
            plan = plan_of(self._services, run)
            self._resume(run, plan, [row])

    # Room, and somebody in line -------------------------------------------------------------------------------

    def _grant(self, key: str) -> None:
        granted = self._services.admission.pump(key)
        for claim in granted:
            self._count("ungranted", limit=key, claim=claim.claim_id)
        launch(self._services, granted)


def _seconds(services: Services, plan: RunPlan, row: StepRow) -> int:
    step = plan.step(row.index)
    seconds = step.timeout_seconds or services.settings.step_timeout_seconds
    compute = compute_of(step.compute, row.ecs_from, row.attempt)
    return seconds if compute.get("kind") == "ecs" else min(seconds, LAMBDA_SECONDS)


def _lost(row: StepRow, seconds: int) -> dict[str, object]:
    """What Step Functions would have said of an execution that ran out of time."""
    return {
        "run_id": row.run_id,
        "index": row.index,
        "attempt": row.attempt,
        "error": {
            "Error": "States.Timeout",
            "Cause": f"No report came, and it may take no longer than {seconds} seconds.",
        },
    }
