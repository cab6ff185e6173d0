"""Advance: walk a run forward from a step that is resolved, to all that waited for it.

A work list, not a recursion: a skipped step resolves the steps below it. Each item is idempotent: what arrives twice
arrived once, and whoever finds a node full does again what follows from it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from tidegate.app.runs.finish import finish
from tidegate.app.runs.planning import plan_of
from tidegate.app.runs.reuse import left_out
from tidegate.app.runs.stop import tell_skipped
from tidegate.app.services import Services
from tidegate.app.steps.begin import begin_step
from tidegate.domain.arrival import (
    Arrival,
    Decision,
    Gathered,
    Verdict,
    arrival_of,
    condensed,
    decide,
    decide_unopened,
    produced_by_all,
)
from tidegate.domain.claim import Claim
from tidegate.domain.plan import ALL, END, FAILED, RunPlan
from tidegate.domain.run import Run, RunStatus, StepRow, StepStatus

_NOT_BEGUN: frozenset[StepStatus | None] = frozenset({None, StepStatus.WAITING})
_NAMED = 5
"""Steps named in a reason; the others are counted."""


def advance(services: Services, run: Run, plan: RunPlan, resolved: StepRow) -> list[Claim]:
    """Let a resolved step arrive at everything that waits for it. Answers claims to launch.

    Not in a run that is being cancelled: whoever does that ends it, and nothing of it begins.
    """
    if run.was_stopped or resolved.status is StepStatus.CANCELED:
        return []
    return _Advance(services, run, plan).walk(resolved)


class _Advance:
    def __init__(self, services: Services, run: Run, plan: RunPlan) -> None:
        self._services, self._run, self._plan = services, run, plan
        self._granted: list[Claim] = []
        self._todo: deque[StepRow] = deque()

    def walk(self, resolved: StepRow) -> list[Claim]:
        self._todo.append(resolved)
        while self._todo:
            self._resolved(self._todo.popleft())
        return self._granted

    def _resolved(self, row: StepRow) -> None:
        number = row.index
        if row.status in (StepStatus.FAILURE, StepStatus.CANCELED):
            # Before its dependents arrive anywhere, so that the end of the run cannot come without it.
            self._gather(FAILED, Arrival(arrived=self._plan.number_if_failed(number)))
        failed = number if row.failed else None
        if self._plan.declared(number) == number:
            self._declared_resolved(number, failed, row.produced)
            self._opened_to_nothing(number)
        else:
            self._one_of_many_resolved(number, failed, row.produced)

    def _declared_resolved(self, number: int, failed: int | None, produced: frozenset[str]) -> None:
        """A step, or all steps that a mapped one has opened to."""
        plan = self._plan
        for dependent in plan.dependents[number]:
            gathered = self._arrive(number, str(dependent), failed, produced)
            if gathered is not None:
                self._reached(dependent, gathered)
        is_last = not plan.dependents[number] and not plan.mapped_below[number]
        if is_last and self._arrive(number, END, failed, produced) is not None:
            self._end()

    def _one_of_many_resolved(
        self, number: int, failed: int | None, produced: frozenset[str]
    ) -> None:
        """The step for one value of a dynamic output."""
        plan, declared = self._plan, self._plan.declared(number)
        for below in plan.mapped_below[declared]:
            dependent = plan.for_same_value(below, number)
            gathered = self._arrive(number, str(dependent), failed, produced)
            if gathered is not None:
                self._decide(dependent, decide(plan.step(dependent), gathered), gathered)
        if plan.dependents[declared] or not plan.mapped_below[declared]:
            everything = self._arrive(number, f"{ALL}{declared}", failed, produced)
            if everything is not None:
                self._declared_resolved(
                    declared,
                    min(everything.failed, default=None),
                    produced_by_all(plan, declared, everything),
                )

    def _opened_to_nothing(self, generator: int) -> None:
        """Steps that are mapped over no values at all are resolved with the step that made none."""
        if generator not in self._plan.generators:
            return
        for step in self._plan.steps:
            if step.mapped_over is None or step.mapped_over[0] != generator:
                continue
            if self._plan.keys_of(step) == ():
                self._declared_resolved(
                    step.index, None, produced_by_all(self._plan, step.index, Gathered())
                )

    def _reached(self, declared: int, gathered: Gathered) -> None:
        """All that arrives at a declared step has arrived."""
        # A dynamic output may have been made since this call looked.
        plan = self._plan = plan_of(self._services, self._run)
        step = plan.steps[declared]
        if step.mapped_over is None:
            self._decide(declared, decide(step, gathered), gathered)
        elif plan.keys_of(step) is None:
            self._decide(declared, decide_unopened(step, gathered), gathered)
        else:
            for number in plan.opened(declared):
                self._hand_on(declared, number, gathered)

    def _hand_on(self, declared: int, number: int, gathered: Gathered) -> None:
        """What has arrived from outside of the mapping arrives at the step for one value."""
        plan, full = self._plan, gathered
        if not plan.has_gate(declared):
            return
        if plan.mapped_upstream[declared]:
            arrival = Arrival(arrived=declared, failed=gathered.failed, missing=gathered.missing)
            reached = self._gather_all(str(number), arrival)
            if reached is None:
                return
            full = reached
        self._decide(number, decide(plan.step(number), full), full)

    def _arrive(
        self, source: int, node: str, failed: int | None, produced: frozenset[str]
    ) -> Gathered | None:
        """Add the step to the node, through its joins. The gathered set if the node is full now, else None.

        ``failed``: the step that has failed, if one has.
        """
        arrival = arrival_of(
            self._plan, source=source, node=node, failed=failed is not None, produced=produced
        )
        if failed is not None and arrival.failed:
            arrival = replace(arrival, failed=frozenset({failed}))
        return self._gather_all(node, arrival)

    def _gather_all(self, node: str, arrival: Arrival) -> Gathered | None:
        for place, number, full in self._plan.join_path(node, arrival.arrived):
            gathered = self._gather(place, replace(arrival, arrived=number))
            if len(gathered.arrived) < full:
                return None
            handed_on = condensed(node, gathered)
            arrival = replace(arrival, failed=handed_on.failed, missing=handed_on.missing)
        return gathered

    def _gather(self, node: str, arrival: Arrival) -> Gathered:
        return self._services.store.runs.gather(self._run.run_id, node, arrival)

    def _decide(self, number: int, decision: Decision, gathered: Gathered) -> None:
        services, run, plan = self._services, self._run, self._plan
        taken = left_out(services, run, plan, number)
        if taken is not None:
            self._plan = plan_of(services, run)  # it may have a dynamic output
            self._todo.append(taken)
            return
        if decision.verdict is Verdict.RUN:
            self._granted += begin_step(services, run, plan, number, gathered)
            return
        abandoned = decision.verdict is Verdict.ABANDON
        names = self._names(decision.because)
        row, _ = services.store.runs.resolve_step(
            StepRow(
                run_id=run.run_id,
                index=number,
                status=StepStatus.SKIPPED,
                reason=f"upstream failed: {names}"
                if abandoned
                else f"not produced upstream: {names}",
                failed=abandoned,
                finished_at=services.clock.now(),
            ),
            leaves=_NOT_BEGUN,
        )
        if row.status is StepStatus.SKIPPED:
            tell_skipped(services, run, plan.step(number), row)
            self._todo.append(row)

    def _names(self, numbers: tuple[int, ...]) -> str:
        names = ", ".join(self._plan.name_of(one) for one in numbers[:_NAMED])
        more = len(numbers) - _NAMED
        return f"{names} and {more} more" if more > 0 else names

    def _end(self) -> None:
        services, run = self._services, self._run
        failed = tuple(sorted(services.store.runs.gathered(run.run_id, FAILED).arrived))
        if any(not self._plan.is_shown(one) for one in failed):
            row = services.store.runs.step(run.run_id, failed[0])
            reason = "its execution failed" if row is None else row.reason
            self._granted += finish(services, run, RunStatus.FAILURE, reason=reason)
            return
        if not failed:
            self._granted += finish(services, run, RunStatus.SUCCESS, reason=None)
            return
        steps = "step" if len(failed) == 1 else "steps"
        reason = f"{steps} failed: {self._names(failed)}"
        self._granted += finish(services, run, RunStatus.FAILURE, reason=reason)
