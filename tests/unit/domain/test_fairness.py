"""Places in line by fairness: shares of starts, and nothing saved up."""

from __future__ import annotations

import heapq
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.domain.fairness import (
    UNIT,
    Fairness,
    Pace,
    Share,
    Turn,
    at_nanos,
    nanos,
    turn_of,
    virtual_time,
)
from tidegate.errors import InvocationError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = 10**9
WEIGHTS = st.sampled_from([0.5, 1, 2, 3, 7])


class ALine:
    """One limit of one slot, whose claims of each value wait; a second passes with each call."""

    def __init__(self, weights: dict[str, float]) -> None:
        self.shares = {
            value: Share(limit="L", value=value, weight=weight) for value, weight in weights.items()
        }
        self.used: dict[str, int] = {}
        self.reached: int | None = None
        self.clock = nanos(NOW)
        self.line: list[tuple[int, int, str]] = []
        self.calls = 0

    def wait(self, value: str) -> Turn:
        self.clock += SECOND
        pace = Pace(reached=self.reached, used_until=self.used.get(value))
        virtual = virtual_time(pace, self.line[0][0] if self.line else None, self.clock)
        turn = turn_of(self.shares[value], pace, virtual)
        self.reached, self.used[value] = virtual, turn.now
        self.calls += 1
        heapq.heappush(self.line, (turn.place, self.calls, value))
        return turn

    def start(self) -> str | None:
        self.clock += SECOND
        return heapq.heappop(self.line)[2] if self.line else None

    def waiting(self) -> set[str]:
        return {value for _, _, value in self.line}


def test_values_that_wait_are_started_by_their_weights() -> None:
    line = ALine({"a": 2, "b": 1})
    for _ in range(30):
        line.wait("a")
    for _ in range(30):
        line.wait("b")

    first = Counter(line.start() for _ in range(30))

    assert first == {"a": 20, "b": 10}


def test_a_value_that_waits_alone_has_everything() -> None:
    line = ALine({"a": 1, "b": 100})
    for _ in range(5):
        line.wait("a")

    assert [line.start() for _ in range(5)] == ["a"] * 5


def test_a_value_that_was_idle_has_saved_up_nothing() -> None:
    line = ALine({"a": 1, "b": 1})
    for _ in range(40):
        line.wait("a")
    for _ in range(20):
        line.start()

    for _ in range(10):
        line.wait("b")

    assert Counter(line.start() for _ in range(20)) == {"a": 10, "b": 10}


def test_a_claim_that_comes_back_with_an_early_place_takes_nobody_back_with_it() -> None:
    """It waited for another limit meanwhile, and stands first; who comes new begins where the line had been."""
    pace = Pace(reached=nanos(NOW), used_until=None)

    virtual = virtual_time(pace, nanos(NOW - timedelta(hours=1)), nanos(NOW + timedelta(hours=1)))

    assert virtual == nanos(NOW)


@given(
    st.lists(WEIGHTS, min_size=2, max_size=3),
    st.lists(st.sampled_from(["a", "b", "c", "start", "start"]), max_size=120),
)
def test_two_values_that_both_wait_never_drift_apart(
    weights: list[float], calls: list[str]
) -> None:
    """In any stretch in which both wait all the time their starts, each by its weight, differ by at most one start of each."""
    line = ALine(dict(zip("abc", [*weights, 1.0], strict=False)))
    starts: list[tuple[str | None, frozenset[str]]] = []

    for call in calls:
        before = frozenset(line.waiting())
        value = line.start() if call == "start" else None
        if call != "start":
            line.wait(call)
        starts.append((value, before & frozenset(line.waiting())))

    for one, other in ("ab", "ac", "bc"):
        cost = [1 / line.shares[value].weight for value in (one, other)]
        drift = low = high = 0.0
        for value, both in starts:
            if not {one, other} <= both:
                drift = low = high = 0.0
                continue
            drift += cost[0] * (value == one) - cost[1] * (value == other)
            low, high = min(low, drift), max(high, drift)
            assert high - low <= sum(cost) + 0.001


@given(st.lists(st.sampled_from("ab"), min_size=2, max_size=30), WEIGHTS, WEIGHTS)
def test_the_places_of_one_value_lie_apart_by_its_weight(
    values: list[str], first: float, second: float
) -> None:
    line = ALine({"a": first, "b": second})

    turns = [(value, line.wait(value)) for value in values]

    for value, share in line.shares.items():
        places = [turn.place for one, turn in turns if one == value]
        assert all(after - before == share.cost for before, after in pairwise(places))


def test_places_do_not_overtake_the_clock() -> None:
    line = ALine({"a": 1})

    turns = [line.wait("a") for _ in range(1000)]

    assert all(turn.place <= line.clock for turn in turns)


@pytest.mark.parametrize(
    ("weight", "cost"), [(1, UNIT), (2, UNIT // 2), (100, 1000), (0.01, 10**7)]
)
def test_a_turn_costs_its_part_of_the_unit(weight: float, cost: int) -> None:
    assert Share(limit="L", value="a", weight=weight).cost == cost


@pytest.mark.parametrize("weight", [0, -1, 0.001, 101])
def test_a_weight_out_of_bounds_is_refused(weight: float) -> None:
    with pytest.raises(InvocationError, match=r"The weight of team=a is"):
        Fairness(key="team", weights={"a": weight})


def test_a_value_without_a_weight_has_one() -> None:
    fairness = Fairness(key="team", weights={"a": 3})

    assert [fairness.weight_of(value) for value in ("a", "b", "")] == [3, 1, 1]


def test_long_values_are_told_apart_by_their_digests() -> None:
    shares = [Share(limit="L", value="x" * 300 + end) for end in "ab"]

    assert len({share.name for share in shares}) == 2
    assert all(len(share.name) < 80 for share in shares)


def test_a_moment_and_its_nanoseconds_are_the_same() -> None:
    assert at_nanos(nanos(NOW + timedelta(microseconds=7)) + 999) == NOW + timedelta(microseconds=7)
