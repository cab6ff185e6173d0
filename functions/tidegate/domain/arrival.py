"""What steps bring to the nodes they arrive at, and what is decided when all have arrived. See ``domain/plan.py``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from tidegate.domain.plan import ALL, END, PlanStep, RunPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What a resolved step (or a full join) brings to a node. All sets of small numbers, so arriving twice is arriving once."""

    arrived: int
    """The number of the upstream step, or of the join below."""
    failed: frozenset[int] = frozenset()
    """Upstream steps that failed, were cancelled, or were skipped because of such a step."""
    missing: frozenset[int] = frozenset()
    """Sources of the node (their place among all its sources) that were not produced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What has arrived at a node so far."""

    arrived: frozenset[int] = frozenset()
    failed: frozenset[int] = frozenset()
    missing: frozenset[int] = frozenset()


class Verdict(StrEnum):
    RUN = "run"
    SKIP = "skip"
    """An input was not produced by a step that succeeded or was skipped."""
    ABANDON = "abandon"
    """A step upstream failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    verdict: Verdict
    because: tuple[int, ...] = ()
    """ABANDON: the upstream steps that failed. SKIP: the upstream steps whose output is missing."""


def arrival_of(
    plan: RunPlan, *, source: int, node: str, failed: bool, produced: frozenset[str]
) -> Arrival:
    """What the resolved step ``source`` brings to ``node``. ``produced`` are the outputs it stored."""
    if node == END:
        return Arrival(arrived=source)
    if node.startswith(ALL):
        return _arrival_of_value(plan, source, failed, produced)
    missing = frozenset(
        place
        for place, output in plan.places_of(int(node), source)
        if output not in produced and not failed
    )
    return Arrival(
        arrived=source,
        failed=frozenset({source}) if failed else frozenset(),
        missing=missing,
    )


def _arrival_of_value(
    plan: RunPlan, source: int, failed: bool, produced: frozenset[str]
) -> Arrival:
    """What the step for one value brings to the node of all: of each output, that a value of it is missing, or that one is there.

    So what is gathered does not grow with the number of values.
    """
    if failed:
        return Arrival(arrived=source, failed=frozenset({source}))
    outputs = plan.steps[plan.declared(source)].outputs
    said = {2 * place + (one.name in produced) for place, one in enumerate(outputs)}
    return Arrival(arrived=source, missing=frozenset(said))


def condensed(node: str, gathered: Gathered) -> Gathered:
    """What a full join hands on: of the steps for all values that failed, one will do."""
    if node.startswith(ALL) and gathered.failed:
        return replace(gathered, failed=frozenset({min(gathered.failed)}))
    return gathered


def produced_by_all(plan: RunPlan, declared: int, gathered: Gathered) -> frozenset[str]:
    """Outputs of a mapped step of which there is something to collect: with no values at all, an empty list."""
    is_empty = not plan.opened(declared)
    return frozenset(
        one.name
        for place, one in enumerate(plan.steps[declared].outputs)
        if is_empty or 2 * place + 1 in gathered.missing
    )


def decide_unopened(step: PlanStep, gathered: Gathered) -> Decision:
    """What becomes of a mapped step whose dynamic output was not made: there is nothing to run it for."""
    if gathered.failed:
        return Decision(verdict=Verdict.ABANDON, because=tuple(sorted(gathered.failed)))
    assert step.mapped_over is not None
    return Decision(verdict=Verdict.SKIP, because=(step.mapped_over[0],))


def decide(step: PlanStep, gathered: Gathered) -> Decision:
    """What becomes of a step all of whose upstream is resolved.

    The order is Dagster's (``plan/active.py``): first skip, when an ordinary input was not produced or all sources of
    a fan-in are missing; then abandon, when anything upstream failed; else run.
    """
    place = 0
    for one in step.inputs:
        lacking = [
            number for k, (number, _) in enumerate(one.sources, place) if k in gathered.missing
        ]
        place += len(one.sources)
        if lacking and (not one.fan_in or len(lacking) == len(one.sources)):
            return Decision(verdict=Verdict.SKIP, because=tuple(sorted(set(lacking))))
    if gathered.failed:
        return Decision(verdict=Verdict.ABANDON, because=tuple(sorted(gathered.failed)))
    return Decision(verdict=Verdict.RUN)
