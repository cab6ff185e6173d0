"""Launch: carry out what admission granted, and walk a run forward from each step that is resolved.

Everything here is a work list, not a recursion: a granted run asks for its first steps, a skipped step resolves the steps
below it, an ended run frees slots that admit others. Each item is idempotent, so the caller (a Lambda that Step Functions
retries until it succeeds) may die anywhere and be repeated from the start.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from datetime import datetime

from tidegate.app.deadlines import watch
from tidegate.app.hooks import call_run_hooks
from tidegate.app.partitions import mark, mark_stopped
from tidegate.app.planning import declared_plan, plan_if_known, plan_of
from tidegate.app.run_claim import (
    FIRST,
    first_step_began,
    first_steps_meanwhile,
    run_released,
)
from tidegate.app.services import Services
from tidegate.app.step_task import gathered_for, task_of
from tidegate.app.stop import as_of_now, stop_late_step, stop_steps
from tidegate.domain.arrival import Gathered
from tidegate.domain.claim import Claim, ClaimState
from tidegate.domain.event import EventKind
from tidegate.domain.limit import place_in_line, pools_of_step, share_of, wants_of_step
from tidegate.domain.plan import RunPlan
from tidegate.domain.run import (
    BACKFILL_TAG,
    LIVE,
    RUN_LEAVES,
    Run,
    RunStatus,
    StepStatus,
    StopCause,
    step_claim_id,
)
from tidegate.errors import DeploymentError, NotFoundError
from tidegate.ports import Event

logger = logging.getLogger(__name__)

BUS_DETAIL_TYPE = "tidegate.run"


def launch(services: Services, claims: Iterable[Claim]) -> None:
    """Launch granted claims, and whatever those launches grant in turn.

    That a claim is launched is recorded after all that came of it, so a call that dies is found by its repeat.
    """
    todo, done = deque(claims), list[Claim]()
    while todo:
        claim = todo.popleft()
        if claim.launch["kind"] == "run":
            todo.extend(_start_run(services, claim))
        elif claim.launch["kind"] == "step":
            todo.extend(_start_claimed_step(services, claim))
        done.append(claim)
        if not todo:
            for one in reversed(done):
                services.admission.launched(one.claim_id)
            todo.extend(more for one in done for more in first_steps_meanwhile(services, one))
            done.clear()


def _start_run(services: Services, claim: Claim) -> list[Claim]:
    run_id = claim.launch["run_id"]
    runs = services.store.runs
    moved = runs.move(
        run_id,
        leaves=RUN_LEAVES[RunStatus.STARTING],
        to=RunStatus.STARTING,
        at=services.clock.now(),
    )
    run = moved or runs.get(run_id)
    if run is None or run.status not in LIVE:
        return _not_started(services, run, claim)
    try:
        plan = declared_plan(services, run)
    except (DeploymentError, NotFoundError) as error:
        return finish(services, run, RunStatus.FAILURE, reason=str(error))
    granted: list[Claim] = []
    first = claim.launch.get(FIRST)
    watch(services, run, StopCause.RUN_TIMEOUT)
    if moved is None:
        watch(services, run, StopCause.START_TIMEOUT)  # its start is being repeated
    _tell_started(services, run)
    for index in plan.roots:
        granted += begin_step(services, run, plan, index, Gathered(), has_pools=index == first)
    _started(services, run)
    return granted


def _not_started(services: Services, run: Run | None, claim: Claim) -> list[Claim]:
    """Cancelled while it was being granted or launched, or long finished: give the slots on."""
    if run is None or not run.was_stopped:
        return list(services.admission.release(claim.claim_id))
    plan = plan_if_known(services, run)
    granted = run_released(services, run, plan)
    if plan is not None:
        # A call that died here may have begun a step when the run was being stopped already.
        claims, trouble = stop_steps(services, run, plan)
        if trouble is not None:
            raise trouble
        granted += claims
    return granted


def _tell_started(services: Services, run: Run) -> None:
    """Before the first step: steps may be over, and the run with them, before this call is, or is repeated."""
    at = run.started_at or services.clock.now()
    services.store.events.append(
        run.run_id, "start", [Event(run_id=run.run_id, at=at, kind=EventKind.RUN_START)]
    )


def _started(services: Services, run: Run) -> None:
    """All first steps are under way. A repeat finds the run STARTED and only tells the bus again."""
    services.store.runs.move(
        run.run_id,
        leaves=RUN_LEAVES[RunStatus.STARTED],
        to=RunStatus.STARTED,
        at=services.clock.now(),
    )
    publish(services, run, RunStatus.STARTED)


def begin_step(
    services: Services,
    run: Run,
    plan: RunPlan,
    index: int,
    gathered: Gathered,
    *,
    attempt: int = 1,
    has_pools: bool = False,
) -> list[Claim]:
    """A step with nothing left to wait for upstream: start it, or let it wait for its slots. Answers claims to launch.

    ``has_pools``: the run's claim holds its pools for it.
    """
    step, settings = plan.step(index), services.settings
    wants = wants_of_step(step, settings, run, services.executor_of(run))
    if has_pools:
        held = pools_of_step(step, settings, run)
        wants = tuple(want for want in wants if want not in held)
    if not wants:
        return _start_step(services, run, plan, index, attempt, gathered)
    now = services.clock.now()
    grant = services.admission.acquire(
        Claim(
            claim_id=step_claim_id(run.run_id, index, attempt),
            wants=wants,
            priority=run.priority + step.priority,
            enqueued_at=place_in_line(run, now, settings),
            fair=share_of(run, wants, settings),
            launch={"kind": "step", "run_id": run.run_id, "index": index, "attempt": attempt},
        )
    )
    if grant.claim.state is ClaimState.WAITING:
        # The claim may be granted before this line: the condition (not begun) then refuses, rightly.
        services.store.runs.wait_step(run.run_id, index, attempt=attempt, at=now)
        now_run = as_of_now(services, run)
        if now_run.status not in LIVE:
            released = services.admission.release(step_claim_id(run.run_id, index, attempt))
            return [*grant.launch, *released, *stop_late_step(services, now_run, plan, index)]
    return list(grant.launch)


def _start_claimed_step(services: Services, claim: Claim) -> list[Claim]:
    run_id, index, attempt = (claim.launch[name] for name in ("run_id", "index", "attempt"))
    run = services.store.runs.get(run_id)
    if run is None or run.status not in LIVE:
        released = services.admission.release(claim.claim_id)
        known = None if run is None else plan_if_known(services, run)
        late = [] if run is None or known is None else stop_late_step(services, run, known, index)
        return [*released, *late]
    plan = plan_of(services, run)
    return _start_step(
        services, run, plan, index, attempt, gathered_for(services, run, plan, index)
    )


def _start_step(
    services: Services, run: Run, plan: RunPlan, index: int, attempt: int, gathered: Gathered
) -> list[Claim]:
    """The row first, then the execution: whoever finds a STARTED row may start its execution again (same name, so at
    most once), but an execution without a row could not be found, cancelled or completed."""
    runs = services.store.runs
    if not runs.start_step(run.run_id, index, attempt=attempt, at=services.clock.now()):
        row = runs.step(run.run_id, index)
        if row is None or row.attempt != attempt or row.status is not StepStatus.STARTED:
            released = services.admission.release(step_claim_id(run.run_id, index, attempt))
            return [*released, *stop_late_step(services, as_of_now(services, run), plan, index)]
    # Looked at before and after, see stop.py: before, so that it does not begin; after, so that it does not go on.
    run = as_of_now(services, run)
    if run.status in LIVE:
        mark(services, run, plan.assets_of(index), "in_progress")
        services.launcher.start(task_of(services, run, plan, plan.step(index), attempt, gathered))
        run = as_of_now(services, run)
    if run.was_stopped:
        return stop_late_step(services, run, plan, index)
    if services.settings.op_granularity_run_buffer and index in plan.roots:
        return first_step_began(services, run.run_id)
    return []


_ENDINGS = {
    RunStatus.SUCCESS: EventKind.RUN_SUCCESS,
    RunStatus.FAILURE: EventKind.RUN_FAILURE,
    RunStatus.CANCELED: EventKind.RUN_CANCELED,
}


def finish(
    services: Services,
    run: Run,
    to: RunStatus,
    *,
    reason: str | None,
    leaves: frozenset[RunStatus] | None = None,
) -> list[Claim]:
    """End the run, give its slots on, and tell the bus. Answers claims to launch.

    ``leaves``: by default those of ``RUN_LEAVES``. A run that is being cancelled is ended by whoever does that.
    """
    now = services.clock.now()
    runs = services.store.runs
    ended = runs.move(run.run_id, leaves=leaves or RUN_LEAVES[to], to=to, at=now, reason=reason)
    if ended is None:
        ended = runs.get(run.run_id) or run
    if not ended.status.is_finished:
        return []
    tell_ended(services, ended)
    return run_released(services, run, plan_if_known(services, run))


def tell_ended(services: Services, run: Run) -> None:
    """The last event of a run that is over, the word to the bus, and to its backfill."""
    event = Event(
        run_id=run.run_id,
        at=run.finished_at or services.clock.now(),
        kind=_ENDINGS[run.status],
        message=run.reason or "",
        level="ERROR" if run.status is RunStatus.FAILURE else "INFO",
    )
    services.store.events.append(run.run_id, "end", [event])
    call_run_hooks(services, run)
    publish(services, run, run.status)
    if run.was_stopped:
        mark_stopped(services, run, plan_if_known(services, run))
    if BACKFILL_TAG in run.tags:
        # The backfill function has it counted, whatever becomes of this call.
        services.backfills.wake({"backfill_id": run.tags[BACKFILL_TAG], "run_id": run.run_id})


def publish(services: Services, run: Run, status: RunStatus) -> None:
    services.bus.publish(
        BUS_DETAIL_TYPE,
        {
            "run_id": run.run_id,
            "job": run.job,
            "status": status.value,
            "tags": run.tags,
            "partition_key": run.partition_key,
            "reason": run.reason,
            "at": _text(run.finished_at or run.started_at or run.created_at),
        },
    )


def _text(moment: datetime) -> str:
    return moment.isoformat()
