"""Reuse: what a retry does not do again, because a run before it has done it.

Which steps these are is fixed at submit (``Run.done_in``). When the turn of one comes, its row is written as SKIPPED with the
outputs that the earlier run stored, and the run goes on from there as from any step. Steps below read those outputs
where that run has put them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tidegate.app.runs.planning import take_over_mapping_keys
from tidegate.app.runs.stop import tell_skipped
from tidegate.app.services import Services
from tidegate.app.steps.hooks import call_step_hooks
from tidegate.domain.plan import PlanStep, RunPlan
from tidegate.domain.run import Run, StepRow, StepStatus

_NOT_BEGUN: frozenset[StepStatus | None] = frozenset({None, StepStatus.WAITING})


def left_out(services: Services, run: Run, plan: RunPlan, number: int) -> StepRow | None:
    """The row, now written, of a step that a retry does not run, although its turn has come; None: it runs."""
    step = plan.step(number)
    row = _instead(services, run, step)
    if row is None:
        return None
    row, _ = services.store.runs.resolve_step(row, leaves=_NOT_BEGUN)
    if row.status is not StepStatus.CANCELED:
        tell_skipped(services, run, step, row)
        call_step_hooks(services, run, plan, row)  # it fails if what it made is forgotten
    return row


def _instead(services: Services, run: Run, step: PlanStep) -> StepRow | None:
    if run.only is not None and step.declared_key in run.only:
        return None
    for run_id, steps in run.done_in.items():
        if step.key in steps:
            made = services.store.runs.step(run_id, steps[step.key])
            return _taken_over(services, run, step, run_id, made)
    return None if run.only is None else _row(services, run, step, "not among those to retry")


def _taken_over(
    services: Services, run: Run, step: PlanStep, run_id: str, made: StepRow | None
) -> StepRow:
    if made is None:
        return _forgotten(services, run, step, run_id)
    row = _row(services, run, step, f"done in run {run_id}", made)
    is_open = any(one.is_dynamic and one.name in made.produced for one in step.outputs)
    if is_open and not take_over_mapping_keys(services, made, row):
        return _forgotten(services, run, step, run_id)
    return row


def done_upstream(run: Run, plan: RunPlan, step: PlanStep) -> dict[str, tuple[str, ...]]:
    """Of the steps whose outputs the step reads, those that an earlier run has done, by that run."""
    if not run.done_in:
        return {}
    sources = (plan.step(one) for number in step.upstream for one in _opened(plan, number))
    wanted = [one.key for one in sources if run.only is None or one.declared_key not in run.only]
    found = {
        run_id: tuple(key for key in wanted if key in steps)
        for run_id, steps in run.done_in.items()
    }
    return {run_id: steps for run_id, steps in found.items() if steps}


def _opened(plan: RunPlan, number: int) -> Iterable[int]:
    return plan.opened(number) if plan.declared(number) == number else (number,)


def done_steps(services: Services, run: Run, plan: RunPlan) -> dict[str, dict[str, int]]:
    """What a retry of this run need not do: by run, the steps that succeeded there, each with its number."""
    earlier = {
        key: (run_id, number)
        for run_id, steps in run.done_in.items()
        for key, number in steps.items()
    }
    done: dict[str, dict[str, int]] = {}
    for row in services.store.runs.steps(run.run_id):
        key = plan.step(row.index).key
        if row.status is StepStatus.SUCCESS:
            done.setdefault(run.run_id, {})[key] = row.index
        elif row.status is StepStatus.SKIPPED and not row.failed and key in earlier:
            run_id, number = earlier[key]
            done.setdefault(run_id, {})[key] = number
    return done


def materialized(services: Services, run: Run, plan: RunPlan) -> set[str]:
    """Assets that this run, or one before it whose work it took over, has made."""
    made: set[str] = set()
    for row in services.store.runs.steps(run.run_id):
        outputs = plan.step(row.index).outputs
        made |= {one.asset for one in outputs if one.asset and one.name in row.produced}
    return made


def _forgotten(services: Services, run: Run, step: PlanStep, run_id: str) -> StepRow:
    reason = f"run {run_id}, which had done it, is not known any more; retry all steps"
    row = _row(services, run, step, reason)
    return replace(row, status=StepStatus.FAILURE, failed=True)


def _row(
    services: Services, run: Run, step: PlanStep, reason: str, made: StepRow | None = None
) -> StepRow:
    return StepRow(
        run_id=run.run_id,
        index=step.index,
        status=StepStatus.SKIPPED,
        reason=reason,
        produced=frozenset() if made is None else made.produced,
        fingerprint=None if made is None else made.fingerprint,
        finished_at=services.clock.now(),
    )
