"""What a backfill would come to: partitions, runs, how long, at what price. Nothing is written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from tidegate.app.backfills.query import backfill_document
from tidegate.app.backfills.target import node_of_job
from tidegate.app.runs.planning import deployed_plan, plan_of
from tidegate.app.services import Services
from tidegate.domain.backfills.backfill import Backfill
from tidegate.domain.backfills.graph import Nodes
from tidegate.domain.backfills.plan import runs_needed
from tidegate.domain.claim import UNLIMITED, Limit, Want
from tidegate.domain.limit import held_pools, pool_capacity, pool_key, wants_of_run
from tidegate.domain.plan import RunPlan
from tidegate.domain.run import BACKFILL_TAG, Run, RunStatus

DOLLARS_PER_RUN = 0.000_030
DOLLARS_PER_STEP = 0.000_088
"""Of the control plane, for steps on Lambda, US East. ``tests/integration/backfills/test_estimate.py`` counts the calls of a
backfill and prices them."""
OUTSTANDING, DEPENDENCIES = "max_outstanding", "what depends on what"

Seconds = dict[str, float | None]
"""By asset, what the step took that made it last; None: it was never made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Assets that go together in one run."""

    assets: tuple[str, ...]
    runs: int
    plan: RunPlan
    wants: tuple[Want, ...]
    one_by_one: bool
    """Each run is made of what the one before it makes."""
    upstream: frozenset[str]

    @property
    def steps(self) -> int:
        return self.plan.count


def estimate(services: Services, backfill: Backfill, nodes: Nodes) -> dict[str, Any]:
    """Runs and steps are exact, unless something fails.

    ``seconds`` is the least that it can take under the limits of now, if every step takes as long as it took last, and no
    other run wants the same; ``bound_by`` says what makes it so long. It is null where an asset was never made, or while
    ``blocked_by`` admits nothing.
    """
    groups = [_group(services, backfill, nodes, one) for one in backfill.groups]
    runs, steps = sum(one.runs for one in groups), sum(one.runs * one.steps for one in groups)
    limits = _Limits(services)
    took: Seconds = {}
    for one in groups:
        took |= _took(services, backfill, one)
    never = sorted(key for key, seconds in took.items() if seconds is None)
    blocked = next((one.key for one in limits.of(groups) if one.capacity == 0), None)
    known = {key: seconds for key, seconds in took.items() if seconds is not None}
    bounds = [] if never or blocked else _bounds(backfill, groups, limits, known)
    seconds, bound_by = max(bounds, default=(None, None), key=lambda one: one[0] or 0.0)
    return backfill_document(replace(backfill, runs=runs)) | {
        "dry_run": True,
        "steps": steps,
        "runs_at_once": min(limits.at_once(backfill, one)[0] for one in groups),
        "seconds": None if seconds is None else round(seconds, 1),
        "bound_by": bound_by,
        "blocked_by": blocked,
        "never_made": never,
        "dollars": round(runs * DOLLARS_PER_RUN + steps * DOLLARS_PER_STEP, 4),
    }


def _group(services: Services, backfill: Backfill, nodes: Nodes, assets: tuple[str, ...]) -> _Group:
    manifest = services.manifests.current
    job = manifest.job(backfill.job)
    chosen = assets if job["assets"] is not None else None
    plan = deployed_plan(services, backfill.job, chosen)
    run = Run(
        run_id=backfill.backfill_id,
        job=backfill.job,
        manifest=manifest.hash,
        location=manifest.location,
        status=RunStatus.QUEUED,
        created_at=backfill.created_at,
        tags={**job["tags"], **backfill.tags, BACKFILL_TAG: backfill.backfill_id},
        assets=chosen,
        held_pools=held_pools(plan, services.settings),
    )
    return _Group(
        assets=assets,
        runs=runs_needed(backfill, nodes, assets),
        plan=plan,
        wants=wants_of_run(run, services.settings),
        one_by_one=any(nodes[key].own is not None for key in assets),
        upstream=frozenset(up for key in assets for up in nodes[key].upstream) - {*assets},
    )


class _Limits:
    """Limits as they are set now."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._known: dict[str, Limit] = {}

    def now(self, want: Want) -> Limit:
        found = self._known.get(want.limit)
        if found is None:
            found = self._services.admission.limit(want.limit)
            if found is None:
                capacity = UNLIMITED if want.capacity is None else want.capacity
                found = Limit(key=want.limit, capacity=capacity, rate=want.rate)
            self._known[want.limit] = found
        return found

    def of(self, groups: Iterable[_Group]) -> list[Limit]:
        """All that the runs and the steps want."""
        wants = {want.limit: want for one in groups for want in one.wants}
        pools = {name for one in groups for step in one.plan.steps for name, _ in step.pools}
        return [self.now(want) for want in wants.values()] + [self.pool(name) for name in pools]

    def pool(self, name: str) -> Limit:
        capacity = pool_capacity(self._services.settings, name)
        return self.now(Want(limit=pool_key(name), capacity=capacity))

    def at_once(self, backfill: Backfill, group: _Group) -> tuple[int, str]:
        """Runs of the group at the same time, and what allows no more."""
        limits = (self.now(want) for want in group.wants)
        some = [(one.capacity, one.key) for one in limits if one.capacity != UNLIMITED]
        return min([(backfill.max_outstanding, OUTSTANDING), *some])


def _bounds(
    backfill: Backfill, groups: list[_Group], limits: _Limits, took: dict[str, float]
) -> list[tuple[float, str]]:
    """Each a time below which it cannot be, and what makes it so."""
    lasts = {one.assets: _run_seconds(one, took) for one in groups}
    bounds: list[tuple[float, str]] = [(_longest(groups, lasts), DEPENDENCIES)]
    work, starts = defaultdict[str, float](float), defaultdict[str, int](int)
    for one in groups:
        for want in one.wants:
            work[want.limit] += one.runs * lasts[one.assets]
            starts[want.limit] += one.runs
        for step in one.plan.steps:
            for name, slots in step.pools:
                if limits.pool(name).key not in {want.limit for want in one.wants}:
                    key, seconds = limits.pool(name).key, _seconds(step.assets, one, took)
                    work[key] += one.runs * seconds * slots
                    starts[key] += one.runs * slots
    total = sum(one.runs * lasts[one.assets] for one in groups)
    bounds.append((total / backfill.max_outstanding, OUTSTANDING))
    for limit in limits.of(groups):
        if limit.capacity != UNLIMITED:
            bounds.append((work[limit.key] / limit.capacity, limit.key))
        if limit.rate is not None:
            every = limit.rate.per.total_seconds() / limit.rate.limit
            bounds.append((max(0, starts[limit.key] - 1) * every, f"rate of {limit.key}"))
    return bounds


def _longest(groups: list[_Group], lasts: dict[tuple[str, ...], float]) -> float:
    """The longest way from one asset to the next, each once, or as often as they wait for themselves."""
    until: dict[str, float] = {}
    for one in groups:
        start = max((until.get(key, 0.0) for key in one.upstream), default=0.0)
        end = start + lasts[one.assets] * (one.runs if one.one_by_one else 1)
        until |= dict.fromkeys(one.assets, end)
    return max(until.values(), default=0.0)


def _run_seconds(group: _Group, took: dict[str, float]) -> float:
    """How long one run is at it: the longest way through its steps."""
    job = next((took[key] for key in group.assets if key.startswith(node_of_job(""))), None)
    if job is not None:
        return job
    until: dict[int, float] = {}
    for step in group.plan.steps:  # upstream before downstream
        start = max((until.get(one, 0.0) for one in step.sources), default=0.0)
        until[step.index] = start + _seconds(step.assets, group, took)
    return max(until.values(), default=0.0)


def _seconds(assets: Iterable[str], group: _Group, took: dict[str, float]) -> float:
    """Of a step; one of a job of ops is not known by itself, and is taken to be all of the run."""
    known = [took[key] for key in assets if key in took]
    return max(
        known or [took[key] for key in group.assets if key.startswith(node_of_job(""))] or [0.0]
    )


def _took(services: Services, backfill: Backfill, group: _Group) -> Seconds:
    if group.assets == (node_of_job(backfill.job),):
        return {group.assets[0]: _job_lasted(services, backfill.job)}
    return {key: _lasted(services, key) for key in group.assets}


def _job_lasted(services: Services, job: str) -> float | None:
    """How long the last run of a job took that succeeded."""
    found = services.store.runs.find(job=job, statuses=frozenset({RunStatus.SUCCESS}), limit=1)
    for run in found.items:
        if run.started_at is not None and run.finished_at is not None:
            return (run.finished_at - run.started_at).total_seconds()
    return None


def _lasted(services: Services, asset: str) -> float | None:
    """How long the step took that made the asset last."""
    made = services.store.assets.latest(asset)
    run = None if made is None else services.store.runs.get(made.run_id)
    if run is None:
        return None
    plan = plan_of(services, run)
    index = next((step.index for step in plan.all_steps() if asset in step.assets), None)
    row = None if index is None else services.store.runs.step(run.run_id, index)
    if row is None or row.started_at is None or row.finished_at is None:
        return None
    return (row.finished_at - row.started_at).total_seconds()
