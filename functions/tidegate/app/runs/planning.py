"""The plan of a run as it stands: what is declared, and the steps mapped over the dynamic outputs made so far.

Which values a dynamic output has is known when its step succeeds. Their mapping keys go to the bucket before the row says so,
under the fingerprint of the report that named them: whoever finds the row finds the keys that belong to it, whatever
other reports came of the same step.
"""

from __future__ import annotations

import json

from tidegate.app.services import Services
from tidegate.domain.plan import PlanStep, RunPlan
from tidegate.domain.run import Run, StepRow, StepStatus
from tidegate.domain.task import Report
from tidegate.domain.whole import FIRST_WITHIN, WholePlan, whole_plan
from tidegate.errors import DeploymentError, NotFoundError

MOST_KEPT = 256
"""Plans of runs with mapped steps that a process remembers."""

_MADE = frozenset({StepStatus.SUCCESS, StepStatus.SKIPPED})
"""A step is skipped and has outputs when an earlier run has made them; see ``reuse.py``."""

Keys = dict[tuple[int, str], tuple[str, ...]]


def declared_plan(services: Services, run: Run) -> RunPlan:
    """The plan as it was when the run was submitted.

    Raises:
        DeploymentError, NotFoundError: the run's manifest, or its job in there, is gone.
    """
    plan = services.manifests.get(run.manifest).plan(run.job, run.assets)
    return whole_plan(plan) if services.executor_of(run).is_in_process else plan


def deployed_plan(services: Services, job: str, assets: tuple[str, ...] | None) -> RunPlan:
    """The plan of a run that is submitted now.

    Raises:
        NotFoundError, InvocationError: there is no such job or asset.
    """
    return services.manifests.current.plan(job, assets)


def plan_of(services: Services, run: Run) -> RunPlan:
    """The plan, with all mapped steps there are at this moment. One read for each dynamic output still to be made.

    Raises:
        DeploymentError, NotFoundError: the run's manifest, or its job in there, is gone.
    """
    plan = services.opened.get(run.run_id)
    if plan is None:
        plan = declared_plan(services, run)
    inner, first = (plan.within, FIRST_WITHIN) if isinstance(plan, WholePlan) else (plan, 0)
    keys: Keys = {}
    for number in inner.generators:
        dynamic = {one.name for one in inner.steps[number].outputs if one.is_dynamic}
        if not any((number, name) in inner.keys for name in dynamic):
            made = _keys_made(services, run, number + first, dynamic)
            keys |= {(number, name): named for name, named in made.items()}
    if not keys:
        return plan
    if len(services.opened) >= MOST_KEPT:
        services.opened.clear()
    plan = services.opened[run.run_id] = plan.with_keys({**inner.keys, **keys})
    return plan


def plan_if_known(services: Services, run: Run) -> RunPlan | None:
    """None: the run's manifest is gone, which is why it ends; no step of it ever began."""
    try:
        return plan_of(services, run)
    except (DeploymentError, NotFoundError):
        return None


def keep_mapping_keys(services: Services, report: Report) -> None:
    """Before the row that says that the step has succeeded. Twice is once."""
    if report.failure is None and report.mapping_keys:
        place = _place(report.run_id, report.index, report.fingerprint())
        services.blobs.put(place, json.dumps(report.to_json()["mapping_keys"]).encode())


def take_over_mapping_keys(services: Services, made: StepRow, row: StepRow) -> bool:
    """Those of a step that an earlier run has done, before the row of this run says so. False: they are gone."""
    body = services.blobs.get(_place(made.run_id, made.index, made.fingerprint or ""))
    if body is not None:
        services.blobs.put(_place(row.run_id, row.index, row.fingerprint or ""), body)
    return body is not None


def collected(
    services: Services, run: Run, plan: RunPlan, step: PlanStep
) -> dict[int, tuple[str, ...]]:
    """Place of each source that the step collects -> the mapping keys of the values there are."""
    found: dict[int, tuple[str, ...]] = {}
    place = 0
    for one in step.inputs:
        if one.collects:
            ((source, output),) = one.sources
            found[place] = _keys_of_values(services, run, plan, source, output)
        place += len(one.sources)
    return found


def _keys_of_values(
    services: Services, run: Run, plan: RunPlan, source: int, output: str
) -> tuple[str, ...]:
    declared = plan.steps[source]
    if declared.mapped_over is None:
        return plan.keys[source, output]
    keys = plan.keys[declared.mapped_over]
    if any(one.name == output and one.required for one in declared.outputs):
        return keys
    rows = {row.index: row for row in services.store.runs.steps(run.run_id)}
    made = zip(keys, plan.opened(source), strict=True)
    return tuple(key for key, number in made if output in rows[number].produced)


def _keys_made(
    services: Services, run: Run, number: int, dynamic: set[str]
) -> dict[str, tuple[str, ...]]:
    row = services.store.runs.step(run.run_id, number)
    if row is None or row.status not in _MADE or not dynamic & row.produced:
        return {}
    return _mapping_keys(services, row)


def _mapping_keys(services: Services, row: StepRow) -> dict[str, tuple[str, ...]]:
    body = services.blobs.get(_place(row.run_id, row.index, row.fingerprint or ""))
    if body is None:
        raise DeploymentError(
            f"The mapping keys of step number {row.index} of run {row.run_id} are not in the bucket.",
            mend="They were deleted. Start the run again.",
        )
    return {name: tuple(keys) for name, keys in json.loads(body).items()}


def _place(run_id: str, index: int, fingerprint: str) -> str:
    return f"control/mappings/{run_id}/{index}/{fingerprint}.json"
