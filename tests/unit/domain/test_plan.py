"""The plan: who waits for whom, how arrivals gather, and what is decided."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.domain.arrival import Arrival, Gathered, Verdict, arrival_of, decide
from tidegate.domain.plan import END, JOIN_WIDTH, PlanInput, PlanOutput, PlanStep, RunPlan


def step(index: int, *sources: int, fan_in: bool = False) -> PlanStep:
    """A step with one input per source, or one fan-in of all of them."""
    inputs = tuple(
        PlanInput(name=f"in{number}", sources=((number, "result"),)) for number in sources
    )
    if fan_in:
        inputs = (
            PlanInput(
                name="all", sources=tuple((number, "result") for number in sources), fan_in=True
            ),
        )
    return PlanStep(
        index=index, key=f"s{index}", inputs=inputs, outputs=(PlanOutput(name="result"),)
    )


def diamond() -> RunPlan:
    return RunPlan((step(0), step(1, 0), step(2, 0), step(3, 1, 2)))


class Nodes:
    """Rows as a store would keep them."""

    def __init__(self) -> None:
        self.rows: dict[str, Gathered] = {}

    def gather(self, node: str, arrival: Arrival) -> Gathered:
        row = self.rows.get(node, Gathered())
        self.rows[node] = Gathered(
            arrived=row.arrived | {arrival.arrived},
            failed=row.failed | arrival.failed,
            missing=row.missing | arrival.missing,
        )
        return self.rows[node]


def arrive(plan: RunPlan, nodes: Nodes, node: str, first: Arrival) -> Gathered | None:
    arrival = first
    for place, number, full in plan.join_path(node, first.arrived):
        gathered = nodes.gather(
            place, Arrival(arrived=number, failed=arrival.failed, missing=arrival.missing)
        )
        if len(gathered.arrived) < full:
            return None
        arrival = Arrival(arrived=number, failed=gathered.failed, missing=gathered.missing)
    return gathered


def test_roots_and_sinks_of_a_diamond() -> None:
    plan = diamond()

    assert plan.roots == (0,)
    assert plan.sinks == (3,)
    assert plan.dependents == ((1, 2), (3,), (3,), ())


@given(
    width=st.integers(1, 600),
    seed=st.integers(0, 2**32),
)
def test_a_node_is_full_exactly_when_its_last_upstream_step_has_arrived(
    width: int, seed: int
) -> None:
    plan = RunPlan((*(step(i) for i in range(width)), step(width, *range(width), fan_in=True)))
    nodes, numbers = Nodes(), list(range(width))
    random.Random(seed).shuffle(numbers)

    answers = [arrive(plan, nodes, str(width), Arrival(arrived=number)) for number in numbers]

    assert [answer is not None for answer in answers] == [False] * (width - 1) + [True]


@given(width=st.integers(2, 300), data=st.data())
def test_what_failed_and_what_is_missing_reaches_the_node_through_the_joins(
    width: int, data: st.DataObject
) -> None:
    plan = RunPlan((*(step(i) for i in range(width)), step(width, *range(width), fan_in=True)))
    failed = data.draw(st.sets(st.integers(0, width - 1)))
    absent = data.draw(st.sets(st.integers(0, width - 1)))
    nodes, last = Nodes(), None

    for number in range(width):
        arrival = arrival_of(
            plan,
            source=number,
            node=str(width),
            failed=number in failed,
            produced=frozenset() if number in absent else frozenset({"result"}),
        )
        last = arrive(plan, nodes, str(width), arrival)

    assert last is not None
    assert last.failed == failed
    assert last.missing == absent - failed


def test_no_row_gathers_more_than_the_join_width() -> None:
    width = 1000
    plan = RunPlan((*(step(i) for i in range(width)), step(width, *range(width), fan_in=True)))
    nodes = Nodes()

    for number in range(width):
        arrive(plan, nodes, str(width), Arrival(arrived=number))

    assert max(len(row.arrived) for row in nodes.rows.values()) <= JOIN_WIDTH
    assert len(nodes.rows) == 1 + -(-width // JOIN_WIDTH)


def test_arriving_twice_is_arriving_once() -> None:
    plan, nodes = diamond(), Nodes()

    first = arrive(plan, nodes, "3", Arrival(arrived=1))
    again = arrive(plan, nodes, "3", Arrival(arrived=1))
    last = arrive(plan, nodes, "3", Arrival(arrived=2))

    assert (first, again) == (None, None)
    assert last == Gathered(arrived=frozenset({1, 2}))


@pytest.mark.parametrize(
    ("fan_in", "missing", "failed", "verdict", "because"),
    [
        (False, set(), set(), Verdict.RUN, ()),
        (False, {0}, set(), Verdict.SKIP, (0,)),
        (False, {1}, {0}, Verdict.SKIP, (1,)),  # skip is tested before abandon
        (False, set(), {0}, Verdict.ABANDON, (0,)),
        (False, set(), {0, 1}, Verdict.ABANDON, (0, 1)),
        (True, {0}, set(), Verdict.RUN, ()),  # a fan-in drops what is missing
        (True, {0, 1}, set(), Verdict.SKIP, (0, 1)),
        (True, {0}, {1}, Verdict.ABANDON, (1,)),
    ],
)
def test_a_step_runs_is_skipped_or_abandoned(
    fan_in: bool, missing: set[int], failed: set[int], verdict: Verdict, because: tuple[int, ...]
) -> None:
    gathered = Gathered(
        arrived=frozenset({0, 1}), failed=frozenset(failed), missing=frozenset(missing)
    )

    decision = decide(step(2, 0, 1, fan_in=fan_in), gathered)

    assert (decision.verdict, decision.because) == (verdict, because)


def test_a_failed_step_brings_its_failure_and_no_missing_outputs() -> None:
    arrival = arrival_of(diamond(), source=1, node="3", failed=True, produced=frozenset())

    assert arrival == Arrival(arrived=1, failed=frozenset({1}))


def test_a_sink_brings_nothing_but_itself_to_the_end() -> None:
    arrival = arrival_of(diamond(), source=3, node=END, failed=True, produced=frozenset())

    assert arrival == Arrival(arrived=3)
