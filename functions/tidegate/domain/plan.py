"""The plan of a run: its steps, numbered, and what each waits for. Pure values, no I/O.

A plan is a function of the manifest, the job and the selection, so it is recomputed where it is needed and never
stored. Steps are numbered in topological order; numbers, not names, are what state rows hold.

A step is *decided* when all steps upstream of it are resolved. Each resolved step *arrives* at its dependents. The
end of a run is one more node: it waits for the sinks, and because every step is decided only after all of its
upstream, the run is over exactly when all sinks have arrived. A node that waits for more than ``JOIN_WIDTH`` steps
gathers them through a tree of joins, so that no row grows with the width of a fan-in and no row is hot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

JOIN_WIDTH = 64
"""Arrivals one row gathers. 64 numbers are about 0.4 KB: one write unit each."""

END = "end"
"""The node at which the sinks of a run arrive."""

FAILED = "failed"
"""The node at which every step that fails arrives, before its dependents do; read at the end of the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanInput:
    """One input of a step. ``sources`` are (step number, output name); more than one only in a fan-in."""

    name: str
    sources: tuple[tuple[int, str], ...]
    fan_in: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOutput:
    name: str
    required: bool = True
    asset: str | None = None
    """The asset key, parts joined with ``/``, when this output materializes one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """One step, as the control plane sees it."""

    index: int
    key: str
    inputs: tuple[PlanInput, ...] = ()
    outputs: tuple[PlanOutput, ...] = ()
    pools: tuple[tuple[str, int], ...] = ()
    """(pool name, slots) the step needs while it runs."""
    priority: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    compute: dict[str, Any] = field(default_factory=lambda: {"kind": "lambda"})
    timeout_seconds: int | None = None
    retry: dict[str, Any] | None = None

    @property
    def upstream(self) -> tuple[int, ...]:
        """Numbers of the steps this one waits for, ascending, each once."""
        return tuple(sorted({number for one in self.inputs for number, _ in one.sources}))


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


@dataclass(frozen=True)
class RunPlan:
    """All steps of a run, ``steps[i].index == i``, upstream before downstream."""

    steps: tuple[PlanStep, ...]

    @cached_property
    def numbers(self) -> dict[str, int]:
        return {step.key: step.index for step in self.steps}

    @cached_property
    def upstream(self) -> tuple[tuple[int, ...], ...]:
        """For each step, the steps it waits for, ascending, each once."""
        return tuple(step.upstream for step in self.steps)

    @cached_property
    def dependents(self) -> tuple[tuple[int, ...], ...]:
        """For each step, the steps that wait for it."""
        below: list[list[int]] = [[] for _ in self.steps]
        for index, waits in enumerate(self.upstream):
            for number in waits:
                below[number].append(index)
        return tuple(tuple(one) for one in below)

    @cached_property
    def roots(self) -> tuple[int, ...]:
        return tuple(index for index, waits in enumerate(self.upstream) if not waits)

    @cached_property
    def sinks(self) -> tuple[int, ...]:
        return tuple(i for i, below in enumerate(self.dependents) if not below)

    @cached_property
    def _places(self) -> dict[str, dict[int, int]]:
        return {}

    @cached_property
    def _sources(self) -> dict[int, dict[int, list[tuple[int, str]]]]:
        return {}

    def places_of(self, index: int, source: int) -> list[tuple[int, str]]:
        """Where the outputs of ``source`` stand among all sources of step ``index``: (place, output name)."""
        found = self._sources.get(index)
        if found is None:
            found = self._sources[index] = {}
            flat = (one for given in self.steps[index].inputs for one in given.sources)
            for place, (number, output) in enumerate(flat):
                found.setdefault(number, []).append((place, output))
        return found.get(source, [])

    def waits_for(self, node: str) -> tuple[int, ...]:
        """The steps a node waits for: the upstream of a step, or the sinks of the run."""
        return self.sinks if node == END else self.upstream[int(node)]

    def join_path(self, node: str, source: int) -> Iterator[tuple[str, int, int]]:
        """Rows a step passes on its way to ``node``, leaf first: (row, number to add, how many make it full).

        The last row is the node itself. The caller goes on to the next row only while rows become full.
        """
        waits = self.waits_for(node)
        places = self._places.get(node)
        if places is None:
            places = self._places[node] = {number: place for place, number in enumerate(waits)}
        number, place, width, level = source, places[source], len(waits), 0
        while width > JOIN_WIDTH:
            join, full = (
                place // JOIN_WIDTH,
                min(JOIN_WIDTH, width - place // JOIN_WIDTH * JOIN_WIDTH),
            )
            yield f"{node}.{level}.{join}", number, full
            number, place, width, level = join, join, -(-width // JOIN_WIDTH), level + 1
        yield node, number, width


def arrival_of(
    plan: RunPlan, *, source: int, node: str, failed: bool, produced: frozenset[str]
) -> Arrival:
    """What the resolved step ``source`` brings to ``node``. ``produced`` are the outputs it stored."""
    if node == END:
        return Arrival(arrived=source)
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
