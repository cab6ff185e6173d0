"""The claim of a run: what it wants, what it gives back early, and what is left of it at the end.

A run all of whose first steps want pools that are full would take a slot of ``runs`` and of its tags, and do nothing with
them. So its claim also wants what one of its first steps wants: the run is admitted at the moment when that step can
begin, in the order of that pool's line. The step then runs on its run's slots. When it is done, the run's claim is swapped
for one without them; all that it keeps changes hands in one write. See ``docs/adr/0005-runs-wait-for-their-first-step.md``.
"""

from __future__ import annotations

import time
from dataclasses import replace

from tidegate.app.admission.patience import Patience
from tidegate.app.admission.release import RETENTION
from tidegate.app.runs.holding import give_up_partitions, turn_of
from tidegate.app.runs.planning import declared_plan
from tidegate.app.services import Services
from tidegate.domain.admission import ready
from tidegate.domain.claim import MAX_PRIORITY, UNLIMITED, Claim, ClaimState, Limit, Want
from tidegate.domain.limit import (
    ahead_key,
    limits_of_steps,
    place_in_line,
    pool_key,
    pools_of_step,
    share_of,
    wants_of_line,
    wants_of_run,
    wants_of_step,
)
from tidegate.domain.plan import PlanStep, RunPlan
from tidegate.domain.run import Run, line_claim_id, run_claim_id, step_claim_id
from tidegate.errors import UnavailableError

MOST_CHOICES = 8
"""Different sets of pools among the first steps of a run. A run with more is admitted without regard to them."""

FIRST = "first"
"""In ``Claim.launch``: number of the step whose slots the run's claim holds."""
AHEAD = "ahead"
"""In ``Claim.launch``: the limit on runs that begin ahead of their first step, when it holds one of that."""

_PATIENCE = Patience(time.sleep)


def claim_of(services: Services, run: Run) -> Claim:
    """Raises:
    DeploymentError, NotFoundError: the run's manifest, or its job in there, is gone.
    """
    plan = declared_plan(services, run)
    more, said = _for_first_step(services, run, plan)
    wants = (*wants_of_run(run, services.settings), *more)
    return Claim(
        claim_id=run_claim_id(run.run_id, run.turn),
        wants=wants,
        priority=run.priority,
        enqueued_at=place_in_line(run, run.created_at, services.settings),
        fair=share_of(run, wants, services.settings),
        launch={"kind": "run", "run_id": run.run_id, **turn_of(run), **said},
    )


def begins_in_pools(plan: RunPlan, run: Run) -> bool:
    """None of its first steps can begin without a slot of some pool. Of a retry, which steps are first is not known."""
    is_retry = bool(run.done_in) or run.only is not None
    return bool(plan.roots and not is_retry) and all(
        any(name not in run.held_pools for name, _ in plan.steps[index].pools)
        for index in plan.roots
    )


def wants_within(
    services: Services, run: Run, plan: RunPlan, index: int, *, has_pools: bool
) -> tuple[Want, ...]:
    """What a step wants itself. ``has_pools``: the run's claim holds its pools for it."""
    step, settings = plan.step(index), services.settings
    wants = wants_of_step(step, settings, run, services.executor_of(run))
    held = pools_of_step(step, settings, run) if has_pools else ()
    return tuple(want for want in wants if want not in held)


def step_released(
    services: Services,
    run: Run,
    plan: RunPlan,
    index: int,
    attempt: int,
    *,
    goes_on: bool = False,
    is_held: bool = False,
) -> list[Claim]:
    """Release what a step held, now that this attempt of it is over. Answers claims to launch. Twice is once.

    ``goes_on``: another attempt follows. It asks for its own slots, so even a run of one step must give back what it
    held for the first: else that one would wait for its own run. ``is_held``: it ran until now, so its claim is not read.
    """
    granted: list[Claim] = []
    whole: Claim | None = None
    outlives = goes_on or len(plan.steps) > 1
    may_be_first = attempt == 1 and index in plan.roots and begins_in_pools(plan, run)
    if may_be_first and outlives:
        whole = services.admission.claim(run_claim_id(run.run_id, run.turn))
    if plan.step(index).pools or services.executor_of(run).is_limited:
        wants: tuple[Want, ...] = ()
        if is_held and (whole is not None or not may_be_first):
            has_pools = whole is not None and whole.launch.get(FIRST) == index
            wants = wants_within(services, run, plan, index, has_pools=has_pools)
        claim_id = step_claim_id(run.run_id, index, attempt)
        granted += services.admission.release(claim_id, wants=wants)
    if whole is not None:
        granted += _first_slots_free(services, run, index, whole)
    if run.status.is_finished:
        forget_limits(services, run, plan)
    return granted


def _first_slots_free(services: Services, run: Run, index: int, claim: Claim | None) -> list[Claim]:
    """Give back what the run held for its first step, if it was that one which is over. ``claim``: as it was after that.

    Not before the run has been launched: until then its claim is what a repeated launch finds. The launch looks again.
    """
    if claim is None or not claim.launched or claim.launch.get(FIRST) != index:
        return []
    held = {pool_key(name) for name in run.held_pools}
    pools = {want.limit for want in claim.wants if want.limit.startswith(pool_key(""))}
    return _swap(services, claim, pools - held)


def first_step_began(services: Services, run: Run) -> list[Claim]:
    """Give back what the run held for beginning ahead of its first step, now that one of them has its slots."""
    claim = services.admission.claim(run_claim_id(run.run_id, run.turn))
    if claim is None or not claim.launched or AHEAD not in claim.launch:
        return []
    return _swap(services, claim, {claim.launch[AHEAD]})


def first_steps_meanwhile(services: Services, claim: Claim) -> list[Claim]:
    """What first steps did while their run was being launched, and its claim had to stay whole."""
    first = claim.launch.get(FIRST)
    if first is None and AHEAD not in claim.launch:
        return []
    run_id = claim.launch["run_id"]
    if first is None:
        began = any(row.started_at is not None for row in services.store.runs.steps(run_id))
        run = services.store.runs.get(run_id) if began else None
        return [] if run is None else first_step_began(services, run)
    row, run = services.store.runs.step(run_id, first), services.store.runs.get(run_id)
    if run is None or row is None or not (row.is_attempt_over or row.attempt > 1):
        return []
    now = services.admission.claim(run_claim_id(run_id, run.turn))
    return _first_slots_free(services, run, first, now)


def run_released(
    services: Services, run: Run, plan: RunPlan | None, *, is_held: bool = False
) -> list[Claim]:
    """Release all that an ended run holds, and forget the limits within it. Answers claims to launch. Twice is once.

    Its partitions first: the sweep finds runs that are over by the slots they hold still. ``is_held``: it was under way
    until now, so what it wanted is what it holds, and is not read.
    """
    give_up_partitions(services, run)
    release, granted = services.admission.release, list[Claim]()
    wants = wants_of_run(run, services.settings) if is_held and plan is not None else ()
    whole = run_claim_id(run.run_id, run.turn)
    if plan is None or not begins_in_pools(plan, run):
        granted += release(whole, wants=wants)
    else:
        granted += _released_in_part(services, run, whole)
    if run.lines:
        # Of a run that is stopped another may have taken the place.
        is_placed = is_held and not run.was_stopped
        places = wants_of_line(run, services.settings) if is_placed else ()
        granted += release(line_claim_id(run.run_id), wants=places)
    if plan is not None:
        forget_limits(services, run, plan)
    return granted


def _released_in_part(services: Services, run: Run, whole: str) -> list[Claim]:
    """Of a run that may have held the slots of its first step, and may have given them back since."""
    kept = services.admission.claim(_kept_id(run.run_id))
    if kept is None:
        return list(services.admission.release(whole))
    granted = list(services.admission.release(kept.claim_id, wants=_held_by(kept)))
    claim = services.admission.claim(whole)
    if claim is None or claim.state is not ClaimState.DONE:
        granted += services.admission.release(whole)
    return granted


def _held_by(claim: Claim) -> tuple[Want, ...]:
    return claim.wants if claim.state is ClaimState.HELD else ()


def forget_limits(services: Services, run: Run, plan: RunPlan) -> None:
    """Forget the limits within a run that has ended; not one that a step still holds."""
    for key in limits_of_steps(plan, run, services.executor_of(run)):
        services.admission.drop_limit(key)


def _kept_id(run_id: str) -> str:
    return f"{run_claim_id(run_id)}/kept"


def _for_first_step(
    services: Services, run: Run, plan: RunPlan
) -> tuple[tuple[Want, ...], dict[str, object]]:
    settings = services.settings
    if not settings.holds_back_blocked_runs or not begins_in_pools(plan, run):
        return (), {}
    chosen = _first_step(services, run, plan)
    if chosen is None:
        return (), {}
    step, wants = chosen
    if settings.op_granularity_run_buffer:
        key = ahead_key(want.limit.removeprefix("pool/") for want in wants)
        return (Want(limit=key, capacity=settings.op_granularity_run_buffer),), {AHEAD: key}
    return wants, {FIRST: step.index}


def _first_step(
    services: Services, run: Run, plan: RunPlan
) -> tuple[PlanStep, tuple[Want, ...]] | None:
    """The first step that could begin now, else the first of all. None: one of them wants no limited pool.

    Steps that want the same pools are alike, so one of each kind is looked at.
    """
    kinds: dict[tuple[tuple[str, int], ...], PlanStep] = {}
    roots = (plan.steps[index] for index in plan.roots)
    for step in sorted(roots, key=lambda one: (-one.priority, one.index)):
        kinds.setdefault(step.pools, step)
    if len(kinds) > MOST_CHOICES:
        return None
    known, now = dict[str, Limit](), services.clock.now()
    choices = []
    for step in kinds.values():
        wants = pools_of_step(step, services.settings, run)
        limits = [_limit(services, want, known) for want in wants]
        if all(limit.capacity == UNLIMITED and limit.rate is None for limit in limits):
            return None
        is_free = all(
            limit.room >= want.units and ready(limit, want.units, now) <= now
            for limit, want in zip(limits, wants, strict=True)
        )
        choices.append((not is_free, step.priority, step.index, step, wants))
    choices.sort(key=lambda one: (one[0], -one[1], one[2]))
    return choices[0][3:]


def _limit(services: Services, want: Want, known: dict[str, Limit]) -> Limit:
    found = known.get(want.limit)
    if found is None:
        found = services.admission.limit(want.limit)
        if found is None:
            capacity = UNLIMITED if want.capacity is None else want.capacity
            found = Limit(key=want.limit, capacity=capacity, rate=want.rate)
        known[want.limit] = found
    return found


def _swap(services: Services, whole: Claim, gives: set[str]) -> list[Claim]:
    """Swap the run's claim for one without some of its limits, which others can have. Twice is once.

    The new claim is parked, and takes over in the one write that ends the old one: the counts of all that is kept are
    not touched, and nobody gets in between. Parked it is the first of its queue, and another call may grant it
    before; then the old one is released as a whole.
    """
    store, run_id = services.store.admission, whole.launch["run_id"]
    now = services.clock.now()
    parked = Claim(
        claim_id=_kept_id(run_id),
        wants=tuple(want for want in whole.wants if want.limit not in gives),
        priority=MAX_PRIORITY,
        enqueued_at=whole.enqueued_at,
        goes_on=True,
        launch={"kind": "kept", "run_id": run_id},
        waiting_on=whole.wants[0].limit,
        waiting_since=now,
    )
    held = replace(parked, state=ClaimState.HELD, granted_at=now)
    for _ in _PATIENCE.rounds(f"Claim {whole.claim_id}"):
        known = services.admission.claim(whole.claim_id)
        if known is None or known.state is not ClaimState.HELD:
            break
        try:
            _PATIENCE.read(store.park, parked)
            refusal = _PATIENCE.write(
                store.release, known, to=held, closing=gives, expires_at=now + RETENTION
            )
        except UnavailableError:
            continue
        if refusal is None or parked.claim_id in refusal.claims:
            break
    granted = list(services.admission.release(whole.claim_id))
    run = services.store.runs.get(run_id)
    if run is None or run.status.is_finished:
        granted += services.admission.release(parked.claim_id)
    return granted
