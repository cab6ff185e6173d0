"""Retry a run: submit another in its place, by itself after a failure, or when somebody asks.

A retry is a run of its own, with the config and the tags of its parent, on what is deployed when it is submitted: so a failure
can be mended, deployed and retried. It is named after its parent, so however often a failure is seen, one retry
follows it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from tidegate.app.runs.cancel import request_cancel
from tidegate.app.runs.finish import tell_backfill
from tidegate.app.runs.planning import deployed_plan, plan_if_known
from tidegate.app.runs.retry_later import REFUSED
from tidegate.app.runs.reuse import done_steps, materialized
from tidegate.app.runs.submit import RunRequest, submit
from tidegate.app.services import Services
from tidegate.domain.backfills.backfill import BackfillStatus
from tidegate.domain.event import EventKind
from tidegate.domain.executor import executor_of
from tidegate.domain.limit import trigger_key
from tidegate.domain.plan import RunPlan
from tidegate.domain.run import BACKFILL_TAG, Run, RunStatus
from tidegate.domain.run_retry import (
    BY_ITSELF,
    Strategy,
    check_inputs,
    chosen_steps,
    lineage_tags,
    origin_of_retry,
)
from tidegate.errors import (
    RequestError,
    StoreError,
    TidegateError,
    UnknownRunError,
)
from tidegate.ports import Event

logger = logging.getLogger(__name__)


def retry_run(services: Services, task: Mapping[str, Any]) -> None:
    """{"kind": "retry_run", "run_id": ..., "strategy": ...}: submit the retry that a failed run was promised. Twice is once.

    One that cannot be submitted is given up, and the failed run says why.
    """
    parent = services.store.runs.get(task["run_id"])
    if parent is None or parent.status is not RunStatus.FAILURE:
        return
    try:
        _check_backfill(services, parent)
        child = submit(services, _request(services, parent, Strategy(task["strategy"])))
    except StoreError:
        raise
    except TidegateError as error:
        logger.warning("run_not_retried", extra={"run_id": parent.run_id, "reason": str(error)})
        _tell(services, parent, "refused", f"It is not retried: {error}", level="ERROR")
        tell_backfill(services, parent)
        return
    _tell(services, parent, child.run_id, f"Retried as run {child.run_id}.")
    try:
        _check_backfill(services, parent)  # cancelled meanwhile, it may not have seen this run
    except RequestError as error:
        request_cancel(services, child.run_id, reason=str(error))


def _check_backfill(services: Services, parent: Run) -> None:
    """
    Raises:
        RequestError: the run is of a backfill that is being cancelled, or was.
    """
    backfill_id = parent.tags.get(BACKFILL_TAG)
    found = None if backfill_id is None else services.store.automation.backfill(backfill_id)
    if found is not None and found.status in (BackfillStatus.CANCELING, BackfillStatus.CANCELED):
        raise RequestError(f"Backfill {backfill_id} is {found.status}.")


def retry_by_hand(
    services: Services,
    run_id: str,
    *,
    strategy: Strategy = Strategy.FROM_FAILURE,
    steps: Iterable[str] | None = None,
    run_key: str | None = None,
) -> Run:
    """Submit another run in place of one that is over. With the same run key, one run however often it is asked for.

    ``steps``: these alone, each the name of a step, or ``name+`` with all that depends on it.

    Raises:
        UnknownRunError: no run has this id.
        RequestError: it is not over, or there is nothing to retry, or no such step.
        NotFoundError, ConfigError: what is deployed now does not fit the run.
    """
    parent = services.store.runs.get(run_id)
    if parent is None:
        raise UnknownRunError(
            f"There is no run {run_id!r}.", mend="`tidegate runs list` shows the latest."
        )
    if not parent.status.is_finished:
        raise RequestError(
            f"Run {run_id} is {parent.status}; only a run that is over can be retried.",
            mend="Wait for its end, or cancel it.",
        )
    request = _request(services, parent, strategy, steps)
    by_hand = replace(request, origin=f"{request.origin}/by-hand", run_key=run_key)
    child = submit(services, by_hand)
    _tell(services, parent, child.run_id, f"Retried by hand as run {child.run_id}.")
    return child


def _request(
    services: Services, parent: Run, strategy: Strategy, steps: Iterable[str] | None = None
) -> RunRequest:
    """Raises:
    RequestError: there is nothing to retry, or no such step.
    """
    is_whole = strategy is Strategy.ALL_STEPS and steps is None
    trigger, on_conflict = _trigger(parent)
    request = RunRequest(
        job=parent.job,
        assets=parent.assets,
        run_config=dict(parent.run_config),
        tags=lineage_tags(parent, from_failure=not is_whole),
        partition_key=parent.partition_key,
        range_keys=parent.range_keys,
        run_key=BY_ITSELF,
        origin=origin_of_retry(parent.run_id),
        trigger=trigger,
        on_conflict=on_conflict,
    )
    if is_whole:
        return request
    plan = _plan(services, parent)
    if _is_one_execution(services, request):
        if steps is not None:
            raise RequestError(
                f"Run {parent.run_id} is one execution (executor in_process): no step is retried alone.",
                mend="Retry all of it (--all).",
            )
        plan = None
    if steps is not None:
        return _of_some(services, parent, plan, request, steps)
    assets = None
    if strategy is Strategy.FROM_ASSET_FAILURE and plan is not None:
        assets = _assets_left(services, parent, plan)
    if assets is not None:
        return replace(request, assets=assets)
    if parent.status is RunStatus.SUCCESS:
        raise _nothing(parent)
    return replace(request, done_in=_done(services, parent, plan))


def _is_one_execution(services: Services, request: RunRequest) -> bool:
    """All its steps are done in one execution, so all are done again."""
    job = services.manifests.current.job(request.job)
    return executor_of(job.get("executor"), request.run_config or {}).is_in_process


def _of_some(
    services: Services,
    parent: Run,
    plan: RunPlan | None,
    request: RunRequest,
    steps: Iterable[str],
) -> RunRequest:
    now = deployed_plan(services, parent.job, parent.assets)
    chosen, done = chosen_steps(now, steps), _done(services, parent, plan)
    check_inputs(now, chosen, (key for one in done.values() for key in one))
    only = tuple(now.step(number).declared_key for number in sorted(chosen))
    return replace(request, done_in=done, only=only)


def _assets_left(services: Services, parent: Run, plan: RunPlan) -> tuple[str, ...] | None:
    """Assets that the run should have made and did not; None: it is no run of assets."""
    wanted = [one.asset for step in plan.steps for one in step.outputs if one.asset is not None]
    if not wanted:
        return None
    made = materialized(services, parent, plan)
    left = {asset for asset in wanted if asset not in made}
    if not left:
        raise _nothing(parent)
    for step in services.manifests.get(parent.manifest).document["steps"].values():
        together = {str(out["asset"]) for out in step["outputs"]}
        if not step["can_subset"] and together & left:
            left |= together
    return tuple(asset for asset in wanted if asset in left)


def _done(services: Services, parent: Run, plan: RunPlan | None) -> dict[str, dict[str, int]]:
    return {} if plan is None else done_steps(services, parent, plan)


def _plan(services: Services, parent: Run) -> RunPlan | None:
    """None: its manifest, or its job in there, is gone; nothing of it can be used again."""
    return plan_if_known(services, parent)


def _nothing(parent: Run) -> RequestError:
    return RequestError(
        f"Run {parent.run_id} has nothing to retry: nothing of it failed.",
        mend="Retry all of it (--all), or name steps (--steps).",
    )


def _trigger(parent: Run) -> tuple[str | None, str | None]:
    """A retry is counted with the runs of its parent's trigger."""
    for key, policy in parent.on_conflict.items():
        if key.startswith(trigger_key("")):
            return key.removeprefix(trigger_key("")), policy
    return None, None


def _tell(services: Services, parent: Run, what: str, message: str, *, level: str = "INFO") -> None:
    event = Event(
        run_id=parent.run_id,
        at=services.clock.now(),
        kind=EventKind.RUN_RETRIED if level == "INFO" else EventKind.ENGINE_EVENT,
        message=message,
        level=level,
        data={"run_id": what} if level == "INFO" else {REFUSED: True},
    )
    services.store.events.append(parent.run_id, f"retried/{what}", [event])
