"""Which limits a run and a step want. The keys are the names people see and set: ``runs``, ``pool/db``, ``job/nightly``.

A run wants its slots from launch to end, a step while it runs. Which of the two a pool is held by is fixed when
the run is submitted (``Run.held_pools``), so that a deploy in between makes neither both of them claim nor none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from tidegate.domain.claim import Want
from tidegate.domain.conflict import TRIGGER, OnConflict, limit_of_line, line_capacity
from tidegate.domain.executor import Executor
from tidegate.domain.fairness import Fairness, Share
from tidegate.domain.plan import PlanStep, RunPlan
from tidegate.domain.rate import Rate
from tidegate.domain.run import Run
from tidegate.domain.settings import UNLIMITED, Settings, TagLimit

T = TypeVar("T")

RUNS = "runs"


def pool_key(name: str) -> str:
    return f"pool/{name}"


def job_key(name: str) -> str:
    return f"job/{name}"


def trigger_key(name: str) -> str:
    """Runs that one schedule, sensor, webhook or caller asks for."""
    return f"trigger/{name}"


def location_key(name: str) -> str:
    return f"location/{name}"


def tag_key(key: str, value: str | None = None) -> str:
    return f"run-tag/{key}" if value is None else f"run-tag/{key}={value}"


def ahead_key(pools: Iterable[str]) -> str:
    """Runs that began although all of their first steps wait for these pools."""
    return f"ahead/{'+'.join(pools)}"


def run_key(run_id: str) -> str:
    """Steps of one run."""
    return f"run/{run_id}"


def step_tag_key(run_id: str, key: str, value: str | None = None) -> str:
    """Steps of one run that carry a tag."""
    named = key if value is None else f"{key}={value}"
    return f"run/{run_id}/tag/{named}"


def pool_capacity(settings: Settings, name: str) -> int:
    """What a pool starts with: its own setting, else the default, else no limit."""
    default = settings.default_pool_limit
    return settings.pools.get(name, UNLIMITED if default is None else default)


def held_pools(plan: RunPlan, settings: Settings) -> tuple[str, ...]:
    """The pools that a run submitted now holds itself, from launch to end: those of run granularity."""
    names = {name for step in plan.steps for name, _ in step.pools}
    return tuple(sorted(name for name in names if settings.granularity_of(name) == "run"))


def place_in_line(run: Run, at: datetime, settings: Settings) -> datetime:
    """As if from when what the run asks for at this moment waits: backfills let live runs go first, for some time.

    The lead they give has an end, so however many live runs come, a run of a backfill has its turn.
    """
    return at + timedelta(seconds=settings.backfill_yield_seconds) if run.yields else at


def share_of(run: Run, wants: Iterable[Want], settings: Settings) -> Share | None:
    """What a claim of the run, or of a step of it, takes by the first of these limits that has fairness; None: none has."""
    for want in wants:
        fairness = fairness_of(want.limit, settings)
        if fairness is not None:
            value = run.tags.get(fairness.key, "")
            lead = settings.backfill_yield_seconds if run.yields else 0
            return Share(
                limit=want.limit,
                value=value,
                weight=fairness.weight_of(value),
                lead=timedelta(seconds=lead),
            )
    return None


def fairness_of(key: str, settings: Settings) -> Fairness | None:
    """How a limit is shared among those who wait; None: first come, first served."""
    found = settings.fairness.get(key)
    return _of_each_value(settings.fairness, key, settings) if found is None else found


def rate_of(key: str, settings: Settings) -> Rate | None:
    """How often the limit lets one start; None: as often as it has room. A limit that is named outright has its own or none."""
    if key in configured_limits(settings):
        return settings.rates.get(key)
    return _of_each_value(settings.rates, key, settings)


def _of_each_value(options: Mapping[str, T], key: str, settings: Settings) -> T | None:
    """What a rule for each value of a tag says of the limit of one."""
    if key.startswith(tag_key("")):
        for rule in settings.tag_limits:
            each = tag_key(rule.key, "")
            if rule.per_unique_value and key.startswith(each):
                return options.get(each)
    return None


def wants_of_run(run: Run, settings: Settings) -> tuple[Want, ...]:
    """All limits a run needs a slot of, from launch to end."""
    return tuple(_merged(_run_wants(run, settings), settings))


def policies_of(
    job: str, trigger: str | None, on_conflict: str, settings: Settings
) -> dict[str, str]:
    """What a run submitted now does about those before it, by limit. ``on_conflict`` is about its trigger's."""
    policies = {}
    rule = settings.jobs.get(job)
    if rule is not None and rule.on_conflict != OnConflict.QUEUE:
        policies[job_key(job)] = rule.on_conflict
    if trigger is not None:
        policies[trigger_key(trigger)] = on_conflict
    return policies


def wants_of_line(run: Run, settings: Settings) -> tuple[Want, ...]:
    """A place in each line it stands in, from submit to end."""
    wants = []
    for line in run.lines:
        capacity = configured_limits(settings).get(limit_of_line(line))
        if capacity is None:
            capacity = default_capacity(limit_of_line(line), settings)
        capacity = UNLIMITED if capacity is None else line_capacity(line, capacity)
        wants.append(Want(limit=line, capacity=capacity))
    return tuple(wants)


def wants_of_step(
    step: PlanStep, settings: Settings, run: Run, executor: Executor
) -> tuple[Want, ...]:
    """All limits a step needs slots of while it runs."""
    return tuple(_merged(_step_wants(step, settings, run, executor), settings))


def pools_of_step(step: PlanStep, settings: Settings, run: Run) -> tuple[Want, ...]:
    """The pools among them; not those that its run holds."""
    return tuple(
        _rated(
            Want(limit=pool_key(name), units=slots, capacity=pool_capacity(settings, name)),
            settings,
        )
        for name, slots in step.pools
        if name not in run.held_pools
    )


def limits_of_steps(plan: RunPlan, run: Run, executor: Executor) -> tuple[str, ...]:
    """The keys of all limits within a run: what is forgotten when it ends."""
    if not executor.is_limited:
        return ()
    keys = {want.limit for step in plan.steps for want in _within_run(step, run, executor)}
    return tuple(sorted(keys))


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


def default_capacity(key: str, settings: Settings) -> int | None:
    """What a limit that settings do not name outright has by a rule of theirs; None: no rule is about it."""
    kind, _, name = key.partition("/")
    if kind == "pool":
        return pool_capacity(settings, name)
    if kind == "run-tag":
        for rule in settings.tag_limits:
            if rule.per_unique_value and name.startswith(f"{rule.key}="):
                return rule.limit
    if kind == "ahead":
        return settings.op_granularity_run_buffer or UNLIMITED
    if kind == TRIGGER:
        return 1
    return None


def is_counted(key: str, settings: Settings) -> bool:
    """Whether every run, or step, that the limit is about holds it, so that it can be set live and be exact.

    Pools always are, and triggers. By job, location and tag runs are counted where settings say so; a limit of -1 counts and
    limits nothing.
    """
    kind, _, name = key.partition("/")
    if kind in ("pool", TRIGGER):
        return bool(name) and not any(char.isspace() for char in name)
    return key in configured_limits(settings) or (
        kind == "run-tag" and default_capacity(key, settings) is not None
    )


def is_one_of_many(key: str) -> bool:
    """Of a kind of which there may be ever more: one for each value of a tag, each caller, each backfill."""
    kind, _, name = key.partition("/")
    return kind in (TRIGGER, "backfill") or (kind == "run-tag" and "=" in name)


def _run_wants(run: Run, settings: Settings) -> Iterator[Want]:
    yield Want(limit=RUNS, capacity=settings.max_concurrent_runs)
    job = settings.jobs.get(run.job)
    if job is not None:
        yield Want(limit=job_key(run.job), capacity=job.limit)
    if run.location in settings.locations:
        yield Want(limit=location_key(run.location), capacity=settings.locations[run.location])
    yield from _tag_wants(run.tags, settings.tag_limits, tag_key)
    for key in run.on_conflict:
        if key.startswith(trigger_key("")):
            yield Want(limit=key, capacity=1)
    for name in run.held_pools:
        yield Want(limit=pool_key(name), capacity=pool_capacity(settings, name))


def _step_wants(step: PlanStep, settings: Settings, run: Run, executor: Executor) -> Iterator[Want]:
    yield from pools_of_step(step, settings, run)
    yield from _within_run(step, run, executor)


def _within_run(step: PlanStep, run: Run, executor: Executor) -> Iterator[Want]:
    if executor.max_concurrent is not None:
        yield Want(limit=run_key(run.run_id), capacity=executor.max_concurrent)
    yield from _tag_wants(
        step.tags,
        executor.tag_limits,
        lambda key, value=None: step_tag_key(run.run_id, key, value),
    )


def _tag_wants(
    tags: Mapping[str, str], rules: Iterable[TagLimit], key_of: Callable[..., str]
) -> Iterator[Want]:
    """Rules of different kinds on one tag all hold; one for a value replaces the one for each value."""
    exact = {(rule.key, rule.value): rule.limit for rule in rules if rule.value}
    for rule in rules:
        if rule.key not in tags:
            continue
        value = tags[rule.key]
        if rule.per_unique_value:
            capacity = exact.get((rule.key, value), rule.limit)
            yield Want(limit=key_of(rule.key, value), capacity=capacity)
        elif rule.value is None or rule.value == value:
            yield Want(limit=key_of(rule.key, rule.value), capacity=rule.limit)


def _merged(wants: Iterator[Want], settings: Settings) -> Iterator[Want]:
    """Each limit once, with its rate: two rules about the same tag value are one slot."""
    seen: set[str] = set()
    for want in wants:
        if want.limit not in seen:
            seen.add(want.limit)
            yield _rated(want, settings)


def _rated(want: Want, settings: Settings) -> Want:
    rate = rate_of(want.limit, settings) if settings.rates else None
    return want if rate is None else replace(want, rate=rate)
