"""Begin: a step for which nothing is left to wait for upstream asks for its slots, and starts when it has them."""

from __future__ import annotations

from tidegate.app.partitions import mark
from tidegate.app.runs.claim import first_step_began, wants_within
from tidegate.app.runs.stop import as_of_now, stop_late_step
from tidegate.app.services import Services
from tidegate.app.steps.task import task_of
from tidegate.domain.arrival import Gathered
from tidegate.domain.claim import Claim, ClaimState
from tidegate.domain.limit import place_in_line, share_of
from tidegate.domain.plan import RunPlan
from tidegate.domain.run import LIVE, Run, StepStatus, step_claim_id


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
    wants = wants_within(services, run, plan, index, has_pools=has_pools)
    if not wants:
        return start_step(services, run, plan, index, attempt, gathered)
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


def start_step(
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
        return first_step_began(services, run)
    return []
