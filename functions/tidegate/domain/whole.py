"""The plan of a run that is one execution: to the control plane it is one step, within which user code runs all others.

That one step has the number 0. The steps within it are numbered as ever, plus one; they have rows once the execution has
reported, and nothing waits for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tidegate.domain.plan import PlanStep, RunPlan

WHOLE = 0
"""Number of the step that is the whole run."""
FIRST_WITHIN = 1
"""What is added to the number of a step within it."""
IN_PROCESS_STEP = "in_process"
"""Its key."""


@dataclass(frozen=True)
class WholePlan(RunPlan):
    """``steps`` holds the one step; ``within`` is the plan that user code follows."""

    within: RunPlan = field(default_factory=lambda: RunPlan(()))

    def with_keys(self, keys: Mapping[tuple[int, str], tuple[str, ...]]) -> WholePlan:
        """``keys``: by numbers within."""
        return replace(self, within=self.within.with_keys(keys))

    def step(self, number: int) -> PlanStep:
        if number == WHOLE:
            return self.steps[WHOLE]
        return _numbered(self.within.step(number - FIRST_WITHIN))

    def has(self, number: int) -> bool:
        """No step within is completed by itself."""
        return number == WHOLE

    def has_within(self, number: int) -> bool:
        inner = number - FIRST_WITHIN
        every = len(self.within.steps)
        return self.within.has(inner) and (inner >= every or inner in self.within.opened(inner))

    def all_steps(self) -> Iterator[PlanStep]:
        return (_numbered(one) for one in self.within.all_steps())

    def assets_of(self, number: int) -> list[str]:
        steps = self.all_steps() if number == WHOLE else [self.step(number)]
        return [asset for one in steps for asset in one.assets]

    def is_shown(self, number: int) -> bool:
        return number != WHOLE

    @property
    def count(self) -> int:
        return self.within.count

    def upstream_of(self, number: int) -> tuple[int, ...]:
        return ()

    def name_of(self, number: int) -> str:
        if number == WHOLE:
            return self.steps[WHOLE].key
        return self.within.name_of(number - FIRST_WITHIN)

    def number_if_failed(self, number: int) -> int:
        if number == WHOLE:
            return WHOLE
        return self.within.number_if_failed(number - FIRST_WITHIN) + FIRST_WITHIN


def whole_plan(plan: RunPlan) -> WholePlan:
    """The plan of a run of these steps in one execution.

    It takes the slots that its steps take, of each pool as many as the one that takes most. It runs on Lambda, or, if
    steps name containers, in the largest of those; its time-out is that of all its steps together, if each has one.
    """
    pools: dict[str, int] = {}
    for step in plan.steps:
        for name, slots in step.pools:
            pools[name] = max(slots, pools.get(name, 0))
    seconds = [step.timeout_seconds for step in plan.steps]
    known = [one for one in seconds if one is not None]
    one = PlanStep(
        index=WHOLE,
        key=IN_PROCESS_STEP,
        pools=tuple(sorted(pools.items())),
        priority=max((step.priority for step in plan.steps), default=0),
        compute=_largest(plan),
        timeout_seconds=sum(known) if known and len(known) == len(seconds) else None,
    )
    return WholePlan((one,), within=plan)


def _largest(plan: RunPlan) -> dict[str, Any]:
    containers = [one.compute for one in plan.steps if one.compute.get("kind") == "ecs"]
    if not containers:
        return {"kind": "lambda"}
    largest = max(containers, key=lambda one: (one.get("memory", 0), one.get("cpu", 0)))
    return {**largest, "spot": all(one.get("spot", False) for one in containers)}


def _numbered(step: PlanStep) -> PlanStep:
    """A step within, by the numbers of rows."""
    return replace(
        step,
        index=step.index + FIRST_WITHIN,
        inputs=tuple(
            replace(one, sources=tuple((n + FIRST_WITHIN, output) for n, output in one.sources))
            for one in step.inputs
        ),
    )
