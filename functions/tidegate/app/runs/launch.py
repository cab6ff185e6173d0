"""Launch: carry out what admission granted, and walk a run forward from each step that is resolved.

Everything here is a work list, not a recursion: a granted run asks for its first steps, a skipped step resolves the steps
below it, an ended run frees slots that admit others. Each item is idempotent, so the caller (a Lambda that Step Functions
retries until it succeeds) may die anywhere and be repeated from the start.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from tidegate.app.runs.claim import (
    FIRST,
    first_steps_meanwhile,
    run_released,
)
from tidegate.app.runs.deadlines import watch
from tidegate.app.runs.finish import finish, publish
from tidegate.app.runs.holding import TURN
from tidegate.app.runs.late import give_back, take_late
from tidegate.app.runs.planning import declared_plan, plan_if_known, plan_of
from tidegate.app.runs.reuse import left_out
from tidegate.app.runs.stop import stop_late_step
from tidegate.app.services import Services
from tidegate.app.steps.advance import advance
from tidegate.app.steps.begin import begin_step, start_step
from tidegate.app.steps.task import gathered_for
from tidegate.domain.arrival import Gathered
from tidegate.domain.claim import Claim
from tidegate.domain.event import EventKind
from tidegate.domain.plan import RunPlan
from tidegate.domain.run import (
    LIVE,
    RUN_LEAVES,
    Run,
    RunStatus,
    StopCause,
)
from tidegate.errors import DeploymentError, NotFoundError
from tidegate.ports import Event


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
    refused = take_late(services, claim)
    if refused is not None:
        return refused
    run_id, turn = claim.launch["run_id"], claim.launch.get(TURN)
    runs = services.store.runs
    moved = runs.move(
        run_id,
        leaves=RUN_LEAVES[RunStatus.STARTING],
        to=RunStatus.STARTING,
        at=services.clock.now(),
        turn=turn,
    )
    run = moved or runs.get(run_id)
    if run is not None and turn not in (None, run.turn):
        return give_back(services, run, claim)
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
        granted += _begin_first(services, run, plan, index, has_pools=index == first)
    _started(services, run)
    return granted


def _begin_first(
    services: Services, run: Run, plan: RunPlan, index: int, *, has_pools: bool
) -> list[Claim]:
    row = left_out(services, run, plan, index)
    if row is None:
        return begin_step(services, run, plan, index, Gathered(), has_pools=has_pools)
    return advance(services, run, plan_of(services, run), row)


def _not_started(services: Services, run: Run | None, claim: Claim) -> list[Claim]:
    """Cancelled while it was being granted or launched, or over: do what a call that ended it and died has not done."""
    if run is None:
        return list(services.admission.release(claim.claim_id))
    if run.status.is_finished:
        return finish(services, run, run.status, reason=run.reason)
    return run_released(services, run, plan_if_known(services, run))


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


def _start_claimed_step(services: Services, claim: Claim) -> list[Claim]:
    run_id, index, attempt = (claim.launch[name] for name in ("run_id", "index", "attempt"))
    run = services.store.runs.get(run_id)
    if run is None or run.status not in LIVE:
        released = services.admission.release(claim.claim_id)
        known = None if run is None else plan_if_known(services, run)
        late = [] if run is None or known is None else stop_late_step(services, run, known, index)
        return [*released, *late]
    plan = plan_of(services, run)
    return start_step(services, run, plan, index, attempt, gathered_for(services, run, plan, index))
