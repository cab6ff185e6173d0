"""The plan of a run: its steps, numbered, and what each waits for. Pure values, no I/O.

A plan is a function of the manifest, the job and the selection, so it is recomputed where it is needed and never
stored. Steps are numbered in topological order; numbers, not names, are what state rows hold.

A step is *decided* when all steps upstream of it are resolved. Each resolved step *arrives* at its dependents. The
end of a run is one more node: it waits for the sinks, and because every step is decided only after all of its
upstream, the run is over exactly when all sinks have arrived. A node that waits for more than ``JOIN_WIDTH`` steps
gathers them through a tree of joins, so that no row grows with the width of a fan-in and no row is hot.

A step that is *mapped* over a dynamic output is declared once. When the output has been made it *opens*: there is a step of it
for each value, with a number of its own (``domain/mapping.py``). Until then, and for good if the output is never made, it
is one step. What it waits for from outside of the mapping arrives at its declaration, which hands that on; what is
mapped over the same output waits value by value; what collects it waits for its declaration, which is resolved when
the steps for all values have arrived at the node ``all/<number>``. See ``docs/adr/0011-mapped-steps.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from tidegate.domain.mapping import (
    declared_number,
    mapped_number,
    mapped_step_key,
    place_of,
)

JOIN_WIDTH = 64
"""Arrivals one row gathers. 64 numbers are about 0.4 KB: one write unit each."""

END = "end"
"""The node at which the sinks of a run arrive."""

ALL = "all/"
"""With the number of a mapped step: the node at which its steps for all values arrive."""

FAILED = "failed"
"""The node at which every step that fails arrives, before its dependents do; read at the end of the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanInput:
    """One input of a step. ``sources`` are (step number, output name); more than one only in a fan-in."""

    name: str
    sources: tuple[tuple[int, str], ...]
    fan_in: bool = False
    collects: bool = False
    """It gets all values of its one source, which is dynamic or mapped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOutput:
    name: str
    required: bool = True
    is_dynamic: bool = False
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
    hooks: tuple[tuple[str, str], ...] = ()
    """(name, ``success`` or ``failure``) of what is called after it."""
    mapped_over: tuple[int, str] | None = None
    """(step number, output name) of the dynamic output for each of whose values there is a step."""
    mapping_key: str | None = None
    """Of the value that this step is for."""

    @property
    def declared_key(self) -> str:
        """What user code knows the step by: ``op`` of ``op[a]``."""
        return self.key if self.mapped_over is None else self.key.partition("[")[0]

    @property
    def assets(self) -> list[str]:
        """Those it makes."""
        return [one.asset for one in self.outputs if one.asset is not None]

    @property
    def sources(self) -> frozenset[int]:
        """Numbers of the steps whose outputs are its inputs."""
        return frozenset(number for one in self.inputs for number, _ in one.sources)

    @property
    def upstream(self) -> tuple[int, ...]:
        """The same, ascending."""
        return tuple(sorted(self.sources))


@dataclass(frozen=True)
class RunPlan:
    """The steps of a run as declared, ``steps[i].index == i``, upstream before downstream, and the mapping keys known so far.

    ``step`` finds any step of the run by its number; ``steps`` holds declarations only.
    """

    steps: tuple[PlanStep, ...]
    keys: Mapping[tuple[int, str], tuple[str, ...]] = field(default_factory=dict)
    """(step number, dynamic output) -> the mapping keys of its values. Of those that have been made."""

    def with_keys(self, keys: Mapping[tuple[int, str], tuple[str, ...]]) -> RunPlan:
        return RunPlan(self.steps, keys)

    # All steps ------------------------------------------------------------------------------------------------

    def step(self, number: int) -> PlanStep:
        """The step of this number; one that is mapped has the number of its declaration until it opens."""
        place = place_of(number, len(self.steps))
        if place is None:
            return self.steps[number]
        found = self._mapped.get(number)
        if found is None:
            declared = self.steps[self.declared(number)]
            mapping_key = (self.keys_of(declared) or ())[place]
            found = self._mapped[number] = replace(
                declared,
                index=number,
                key=mapped_step_key(declared.declared_key, mapping_key),
                mapping_key=mapping_key,
                inputs=tuple(self._input_at(one, declared, place) for one in declared.inputs),
            )
        return found

    @cached_property
    def _mapped(self) -> dict[int, PlanStep]:
        return {}

    def _input_at(self, one: PlanInput, declared: PlanStep, place: int) -> PlanInput:
        """The input of the step for one value: it reads from the steps for the same value."""
        sources = tuple(
            (mapped_number(number, place, len(self.steps)), output)
            if self.steps[number].mapped_over == declared.mapped_over
            else (number, output)
            for number, output in one.sources
        )
        return replace(one, sources=sources)

    def has(self, number: int) -> bool:
        """Whether there is a step of this number."""
        place = place_of(number, len(self.steps))
        if number < 0 or place is None:
            return 0 <= number
        keys = self.keys_of(self.steps[declared_number(number, len(self.steps))])
        return keys is not None and place < len(keys)

    def all_steps(self) -> Iterator[PlanStep]:
        """Every step of the run as far as is known, in the order of declaration."""
        for declared in self.steps:
            for number in self.opened(declared.index):
                yield self.step(number)

    def assets_of(self, number: int) -> list[str]:
        """What is made while this step runs."""
        return self.step(number).assets

    def is_shown(self, number: int) -> bool:
        """Whether people are shown this step."""
        return True

    @property
    def count(self) -> int:
        return sum(len(self.opened(index)) for index in range(len(self.steps)))

    def keys_of(self, declared: PlanStep) -> tuple[str, ...] | None:
        """The mapping keys of a mapped step; None before it opens, and of any other step."""
        return None if declared.mapped_over is None else self.keys.get(declared.mapped_over)

    def opened(self, declared: int) -> Sequence[int]:
        """Numbers of the steps that a declared step is."""
        keys = self.keys_of(self.steps[declared])
        if keys is None:
            return (declared,)
        every = len(self.steps)
        return range(mapped_number(declared, 0, every), declared + every * (len(keys) + 1), every)

    def resolving(self, declared: int) -> Sequence[int]:
        """Numbers of the steps with whose end a declared step is resolved: one that opens to nothing is with its values."""
        over = self.steps[declared].mapped_over
        return self.opened(declared) or (() if over is None else (over[0],))

    def upstream_of(self, number: int) -> tuple[int, ...]:
        """Numbers of the steps that must be resolved before this one is decided."""
        declared, place = self.declared(number), place_of(number, len(self.steps))
        waits = {one for above in self.upstream[declared] for one in self.resolving(above)}
        if place is not None:
            every = len(self.steps)
            waits |= {mapped_number(one, place, every) for one in self.mapped_upstream[declared]}
        return tuple(sorted(waits))

    def declared(self, number: int) -> int:
        """Number of the declaration of a step."""
        return declared_number(number, len(self.steps))

    def for_same_value(self, declared: int, number: int) -> int:
        """Number of the step, mapped like that of this number, for the same value."""
        place = place_of(number, len(self.steps))
        return declared if place is None else mapped_number(declared, place, len(self.steps))

    def name_of(self, number: int) -> str:
        """The step in a sentence: of one that has opened, the name for all of its values."""
        step = self.step(number)
        return step.declared_key if number not in self.opened(self.declared(number)) else step.key

    def number_if_failed(self, number: int) -> int:
        """What a step is remembered by when it has failed: of many values, that of all, so that what is remembered has an end."""
        place = place_of(number, len(self.steps))
        return number if place is None or place < JOIN_WIDTH else self.declared(number)

    @property
    def last(self) -> tuple[int, ...]:
        """Numbers of the steps with whose end the run is over."""
        return tuple(sorted({one for sink in self.sinks for one in self.resolving(sink)}))

    # Declared steps -------------------------------------------------------------------------------------------

    @cached_property
    def generators(self) -> tuple[int, ...]:
        """The steps with a dynamic output that is mapped over or collected."""
        found = {one.mapped_over[0] for one in self.steps if one.mapped_over is not None}
        for one in self.steps:
            for given in one.inputs:
                if given.collects and self.steps[given.sources[0][0]].mapped_over is None:
                    found.add(given.sources[0][0])
        return tuple(sorted(found))

    @cached_property
    def mapped_upstream(self) -> tuple[tuple[int, ...], ...]:
        """For each mapped step, those of its sources that are mapped over the same."""
        return tuple(
            tuple(n for n in one.upstream if self.steps[n].mapped_over == one.mapped_over)
            if one.mapped_over is not None
            else ()
            for one in self.steps
        )

    @cached_property
    def mapped_below(self) -> tuple[tuple[int, ...], ...]:
        """For each step, the mapped steps that wait for it value by value."""
        return _reversed(self.mapped_upstream)

    @cached_property
    def upstream(self) -> tuple[tuple[int, ...], ...]:
        """For each step, the steps that arrive at its declaration, ascending, each once."""
        return tuple(
            one.upstream
            if one.mapped_over is None
            else tuple(sorted({one.mapped_over[0], *one.upstream} - set(within)))
            for one, within in zip(self.steps, self.mapped_upstream, strict=True)
        )

    @cached_property
    def dependents(self) -> tuple[tuple[int, ...], ...]:
        """For each step, the steps at whose declaration it arrives."""
        return _reversed(self.upstream)

    @cached_property
    def roots(self) -> tuple[int, ...]:
        return tuple(index for index, waits in enumerate(self.upstream) if not waits)

    @cached_property
    def sinks(self) -> tuple[int, ...]:
        return tuple(
            index
            for index, below in enumerate(self.dependents)
            if not below and not self.mapped_below[index]
        )

    def has_gate(self, declared: int) -> bool:
        """Whether what arrived at the declaration of a mapped step is handed on to the step for each value.

        It is not when all that is waited for comes value by value.
        """
        return not self.mapped_upstream[declared] or len(self.upstream[declared]) > 1

    # Nodes ----------------------------------------------------------------------------------------------------

    @cached_property
    def _places(self) -> dict[str, dict[int, int]]:
        return {}

    @cached_property
    def _sources(self) -> dict[int, dict[int, list[tuple[int, str]]]]:
        return {}

    def places_of(self, number: int, source: int) -> list[tuple[int, str]]:
        """Where the outputs of ``source`` stand among all sources of a step: (place, output name)."""
        index = self.declared(number)
        found = self._sources.get(index)
        if found is None:
            found = self._sources[index] = {}
            flat = (one for given in self.steps[index].inputs for one in given.sources)
            for place, (above, output) in enumerate(flat):
                found.setdefault(above, []).append((place, output))
        return found.get(self.declared(source), [])

    def waits_for(self, node: str) -> Sequence[int]:
        """The numbers that arrive at a node."""
        if node == END:
            return self.sinks
        if node.startswith(ALL):
            return self.opened(int(node[len(ALL) :]))
        number = int(node)
        declared, place = self.declared(number), place_of(number, len(self.steps))
        if place is None:
            return self.upstream[declared]
        within = [
            mapped_number(one, place, len(self.steps)) for one in self.mapped_upstream[declared]
        ]
        return [declared, *within] if self.has_gate(declared) else within

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


def _reversed(above: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    below: list[list[int]] = [[] for _ in above]
    for index, waits in enumerate(above):
        for number in waits:
            below[number].append(index)
    return tuple(tuple(one) for one in below)
