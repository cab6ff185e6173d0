"""Runs all steps of a run in this process, one after the other, and decides of each as the control plane does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from tidegate.domain.arrival import (
    Decision,
    Gathered,
    Verdict,
    arrival_of,
    decide,
    decide_unopened,
)
from tidegate.domain.mapping import mapped_step_key
from tidegate.domain.plan import PlanInput, PlanOutput, PlanStep, RunPlan
from tidegate.domain.task import Invocation
from tidegate.execution.attempts import run_attempts
from tidegate.execution.result import StepResult
from tidegate.execution.step import Surroundings
from tidegate.sdk.step import StepDefinition


def plan_of(steps: Sequence[StepDefinition]) -> RunPlan:
    """The plan of a run of these steps, as the control plane would make it."""
    numbers = {step.key: index for index, step in enumerate(steps)}
    return RunPlan(tuple(_planned(step, numbers) for step in steps))


def _planned(step: StepDefinition, numbers: Mapping[str, int]) -> PlanStep:
    over = step.mapped_over
    return PlanStep(
        index=numbers[step.key],
        key=step.key if over is None else mapped_step_key(step.key, None),
        inputs=tuple(
            PlanInput(
                name=one.name,
                sources=tuple((numbers[key], output) for key, output in one.sources),
                fan_in=one.fan_in,
                collects=one.collects,
            )
            for one in step.inputs
            if one.sources
        ),
        outputs=tuple(
            PlanOutput(name=one.name, required=one.required, is_dynamic=one.is_dynamic)
            for one in step.outputs
        ),
        mapped_over=None if over is None else (numbers[over[0]], over[1]),
    )


class Walk:
    """A run of steps, upstream before downstream."""

    def __init__(
        self,
        steps: Sequence[StepDefinition],
        base: Invocation,
        around: Surroundings,
        *,
        retries: bool = True,
        first: int = 0,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        """``first``: number of the first step, as reports have it. ``ended`` is called after each attempt of a step."""
        self._steps, self._base, self._around, self._retries = steps, base, around, retries
        self._first, self._ended = first, ended
        self._results: dict[int, StepResult] = {}
        self.plan = plan_of(steps)

    def run(self) -> Iterator[StepResult]:
        """Run what is to be run; answers each step as it is over."""
        for declared in range(len(self._steps)):
            for number in self.plan.opened(declared):
                result = self._results[number] = self._step(number)
                yield result
                self._open(number, result)

    @property
    def results(self) -> dict[int, StepResult]:
        """Steps that are over, by number, in the order in which they were."""
        return {number + self._first: result for number, result in self._results.items()}

    def _open(self, number: int, result: StepResult) -> None:
        report = result.report
        if report is not None and report.failure is None and report.mapping_keys:
            made = {(number, name): keys for name, keys in report.mapping_keys.items()}
            self.plan = self.plan.with_keys({**self.plan.keys, **made})

    def _step(self, number: int) -> StepResult:
        plan, planned = self.plan, self.plan.step(number)
        step = self._steps[plan.declared(number)]
        gathered = self._gathered(planned)
        decision = self._decide(planned, gathered)
        if decision.verdict is not Verdict.RUN:
            because = tuple(plan.step(one).key for one in decision.because)
            return StepResult.left_out(
                step, planned.key, decision.verdict is Verdict.ABANDON, because
            )
        invocation = replace(
            self._base,
            step=step.key,
            index=number + self._first,
            missing=tuple(sorted(gathered.missing)),
            mapping_key=planned.mapping_key,
            collected=dict(self._collected(planned)),
        )
        outcomes = run_attempts(
            step, invocation, self._around, retries=self._retries, ended=self._ended
        )
        return StepResult.of(step, planned.key, outcomes)

    def _decide(self, planned: PlanStep, gathered: Gathered) -> Decision:
        if planned.mapped_over is not None and planned.mapping_key is None:
            return decide_unopened(planned, gathered)
        return decide(planned, gathered)

    def _gathered(self, planned: PlanStep) -> Gathered:
        """What the steps upstream bring to a step."""
        failed: set[int] = set()
        missing: set[int] = set()
        plan, number = self.plan, planned.index
        above = {*plan.upstream[plan.declared(number)], *planned.sources}
        for source in above - set(plan.mapped_upstream[plan.declared(number)]):
            arrival = arrival_of(
                plan,
                source=source,
                node=str(number),
                failed=any(one.is_bad for one in self._of(source)),
                produced=self._produced(source),
            )
            failed |= arrival.failed
            missing |= arrival.missing
        return Gathered(failed=frozenset(failed), missing=frozenset(missing))

    def _of(self, number: int) -> list[StepResult]:
        """What the step of this number came to, or all steps that are declared by it."""
        if number >= len(self._steps):
            return [self._results[number]]
        return [self._results[one] for one in self.plan.opened(number)]

    def _produced(self, number: int) -> frozenset[str]:
        """Outputs there is a value of; with no values at all to be mapped over, there is an empty list of each."""
        results = self._of(number)
        if not results:
            return frozenset(one.name for one in self.plan.steps[number].outputs)
        return frozenset(name for one in results for name in one.produced)

    def _collected(self, planned: PlanStep) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Place of each source that is collected -> the mapping keys there are values of."""
        place = 0
        for one in planned.inputs:
            if one.collects:
                ((source, output),) = one.sources
                yield place, self._keys(source, output)
            place += len(one.sources)

    def _keys(self, source: int, output: str) -> tuple[str, ...]:
        declared = self.plan.steps[source]
        keys = self.plan.keys_of(declared)
        if keys is None:
            return self.plan.keys.get((source, output), ())
        made = zip(keys, self._of(source), strict=True)
        return tuple(key for key, result in made if output in result.produced)
