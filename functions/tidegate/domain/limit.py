"""Which limits a run and a step want. The keys are the names people see and set: ``runs``, ``pool/db``, ``job/nightly``."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.domain.claim import Want
from tidegate.domain.plan import PlanStep, RunPlan
from tidegate.domain.run import Run
from tidegate.domain.settings import UNLIMITED, Settings

RUNS = "runs"


def pool_key(name: str) -> str:
    return f"pool/{name}"


def job_key(name: str) -> str:
    return f"job/{name}"


def location_key(name: str) -> str:
    return f"location/{name}"


def tag_key(key: str, value: str | None = None) -> str:
    return f"run-tag/{key}" if value is None else f"run-tag/{key}={value}"


def pool_capacity(settings: Settings, name: str) -> int:
    """What a pool starts with: its own setting, else the default, else no limit."""
    default = settings.default_pool_limit
    return settings.pools.get(name, UNLIMITED if default is None else default)


def wants_of_run(run: Run, plan: RunPlan, settings: Settings) -> tuple[Want, ...]:
    """All limits a run needs a slot of, from launch to end."""
    return tuple(_merged(_run_wants(run, plan, settings)))


def wants_of_step(step: PlanStep, settings: Settings) -> tuple[Want, ...]:
    """All limits a step needs slots of while it runs. Pools of run granularity are held by its run."""
    return tuple(
        Want(limit=pool_key(name), units=slots, capacity=pool_capacity(settings, name))
        for name, slots in step.pools
        if settings.granularity_of(name) == "op"
    )


def configured_limits(settings: Settings) -> dict[str, int]:
    """Limits that settings name outright, with their capacity; what a deploy sets."""
    limits = {RUNS: settings.max_concurrent_runs}
    for rule in settings.tag_limits:
        if not rule.per_unique_value:
            limits[tag_key(rule.key, rule.value)] = rule.limit
    limits.update({job_key(name): one.limit for name, one in settings.jobs.items()})
    limits.update({location_key(name): limit for name, limit in settings.locations.items()})
    limits.update({pool_key(name): limit for name, limit in settings.pools.items()})
    return limits


def _run_wants(run: Run, plan: RunPlan, settings: Settings) -> Iterator[Want]:
    yield Want(limit=RUNS, capacity=settings.max_concurrent_runs)
    job = settings.jobs.get(run.job)
    if job is not None:
        yield Want(limit=job_key(run.job), capacity=job.limit)
    if run.location in settings.locations:
        yield Want(limit=location_key(run.location), capacity=settings.locations[run.location])
    yield from _tag_wants(run.tags, settings)
    for step in plan.steps:
        for name, _ in step.pools:
            if settings.granularity_of(name) == "run":
                yield Want(limit=pool_key(name), capacity=pool_capacity(settings, name))


def _tag_wants(tags: dict[str, str], settings: Settings) -> Iterator[Want]:
    exact = {(rule.key, rule.value): rule.limit for rule in settings.tag_limits if rule.value}
    for rule in settings.tag_limits:
        if rule.key not in tags:
            continue
        value = tags[rule.key]
        if rule.per_unique_value:
            yield Want(
                limit=tag_key(rule.key, value), capacity=exact.get((rule.key, value), rule.limit)
            )
        elif rule.value is None or rule.value == value:
            yield Want(limit=tag_key(rule.key, rule.value), capacity=rule.limit)


def _merged(wants: Iterator[Want]) -> Iterator[Want]:
    """Each limit once: a pool that several steps of a run use is one slot of the run."""
    seen: set[str] = set()
    for want in wants:
        if want.limit not in seen:
            seen.add(want.limit)
            yield want
