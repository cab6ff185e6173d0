"""Fairness of limits on every engine: whose turn it is among those who wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.contract.admission.claims import NOW
from tidegate.app.admission.engine import Admission
from tidegate.domain.claim import Claim, ClaimState, Standing, Want
from tidegate.domain.fairness import UNIT, Pace, Share, Turn, nanos
from tidegate.ports.admission import AdmissionStore

LATER = NOW + timedelta(days=14)

Ask = Callable[..., Claim]


class SteadyClock:
    """A second passes each time it is asked."""

    def __init__(self) -> None:
        self.moment = NOW

    def now(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment


@pytest.fixture
def clock() -> SteadyClock:
    return SteadyClock()


@pytest.fixture
def admission(store: AdmissionStore, clock: SteadyClock) -> Admission:
    admission = Admission(store, clock, pause=lambda seconds: None)
    admission.set_limit("runs", 1)
    admission.acquire(claim_of("holder", "runs", clock))
    return admission


@pytest.fixture
def ask(admission: Admission, clock: SteadyClock) -> Ask:
    """``ask("a1", "a")``: a claim of the value a asks for a slot of the full limit ``runs``."""

    def make(
        claim_id: str, value: str | None, *more: str, weight: float = 1, **fields: Any
    ) -> Claim:
        share = None
        if value is not None:
            lead = fields.pop("lead", timedelta(0))
            share = Share(limit="runs", value=value, weight=weight, lead=lead)
        claim = replace(claim_of(claim_id, "runs", clock, *more), fair=share, **fields)
        return admission.acquire(claim).claim

    return make


def claim_of(claim_id: str, limit: str, clock: SteadyClock, *more: str) -> Claim:
    return Claim(
        claim_id=claim_id,
        wants=tuple(Want(limit=one, capacity=9) for one in (limit, *more)),
        enqueued_at=clock.now(),
    )


def order(admission: Admission, count: int, first: str = "holder") -> list[str]:
    """Release one after another; who gets the slot each time."""
    found = []
    for _ in range(count):
        granted = admission.release(first)
        first = granted[0].claim_id
        found.append(first)
    return found


def values(claim_ids: list[str]) -> str:
    return "".join(one[0] for one in claim_ids)


def test_values_that_wait_take_turns(admission: Admission, ask: Ask) -> None:
    for name in ("a1", "a2", "a3", "b1", "b2"):
        ask(name, name[0])

    assert order(admission, 5) == ["a1", "b1", "a2", "b2", "a3"]


def test_a_value_of_twice_the_weight_has_twice_as_many_turns(
    admission: Admission, ask: Ask
) -> None:
    for number in range(6):
        ask(f"a{number}", "a", weight=2)
    for number in range(3):
        ask(f"b{number}", "b")

    assert Counter(values(order(admission, 6))) == {"a": 4, "b": 2}


def test_without_fairness_claims_come_as_they_came(admission: Admission, ask: Ask) -> None:
    for name in ("a1", "a2", "b1"):
        ask(name, None)

    assert order(admission, 3) == ["a1", "a2", "b1"]


def test_a_value_that_was_idle_has_saved_up_nothing(admission: Admission, ask: Ask) -> None:
    for number in range(8):
        ask(f"a{number}", "a")
    last = order(admission, 4)[-1]

    for number in range(4):
        ask(f"b{number}", "b")

    assert sorted(values(order(admission, 4, last))) == ["a", "a", "b", "b"]


def test_priority_comes_before_fairness(admission: Admission, ask: Ask) -> None:
    for name in ("a1", "a2", "b1"):
        ask(name, name[0])
    for name in ("A1", "A2", "B1"):
        ask(name, name[0].lower(), priority=1)

    assert order(admission, 6) == ["A1", "B1", "A2", "a1", "b1", "a2"]


def test_what_a_value_has_of_one_priority_does_not_count_for_another(
    admission: Admission, ask: Ask
) -> None:
    for number in range(3):
        ask(f"a{number}", "a")
    ask("A", "a", priority=1)
    ask("b0", "b")

    last = ask("a3", "a")

    assert last.place is not None
    assert order(admission, 6) == ["A", "a0", "b0", "a1", "a2", "a3"]


def test_those_who_give_a_lead_share_among_each_other(admission: Admission, ask: Ask) -> None:
    lead = timedelta(days=1)
    for name in ("x1", "x2", "x3", "y1"):
        ask(name, name[0], lead=lead)

    for name in ("a1", "a2", "b1"):
        ask(name, name[0])

    assert order(admission, 7) == ["a1", "b1", "a2", "x1", "y1", "x2", "x3"]


def test_claims_of_one_queue_of_several_limits_take_turns(admission: Admission, ask: Ask) -> None:
    for name in ("a1", "a2", "a3", "b1", "b2"):
        ask(name, name[0], "tag/x")

    assert order(admission, 5) == ["a1", "b1", "a2", "b2", "a3"]


def test_a_queue_whose_rank_lags_behind_its_claims_takes_nobody_back(
    admission: Admission, ask: Ask
) -> None:
    """Its rank in line is that of a claim of higher priority, long gone."""
    ask("urgent", "a", "tag/x", priority=5)
    for number in range(6):
        ask(f"a{number}", "a", "tag/x")
    last = order(admission, 4)[-1]

    for number in range(3):
        ask(f"b{number}", "b", "tag/x")

    assert last == "a2"
    assert sorted(values(order(admission, 4, last))) == ["a", "a", "b", "b"]


def test_a_claim_that_waited_for_another_limit_takes_nobody_back_with_it(
    admission: Admission, ask: Ask, clock: SteadyClock
) -> None:
    admission.set_limit("tag/x", 1)
    admission.acquire(claim_of("other", "tag/x", clock))
    ask("x0", "x", "tag/x")
    standing = ask("a0", "a")
    for number in range(1, 4):
        ask(f"a{number}", "a")
    admission.release("other")

    late = [ask(f"b{number}", "b").place for number in range(3)]

    assert standing.place is not None
    assert min(place for place in late if place is not None) >= standing.place


def test_a_cancelled_claim_costs_its_value_nothing(admission: Admission, ask: Ask) -> None:
    for name in ("c1", "c2", "c3"):
        ask(name, name[0])
    for number in range(8):
        ask(f"a{number}", "a")
    for number in range(8):
        admission.cancel(f"a{number}")

    for name in ("a8", "a9"):
        ask(name, name[0])

    assert order(admission, 5) == ["a8", "c1", "a9", "c2", "c3"]


def test_a_claim_asked_for_twice_has_one_turn(
    admission: Admission, ask: Ask, store: AdmissionStore
) -> None:
    first, second = ask("a1", "a"), ask("a1", "a")

    assert first.place == second.place
    assert first.place is not None
    assert store.pace(first).used_until == first.place + UNIT


def test_explain_counts_those_ahead_by_their_places(admission: Admission, ask: Ask) -> None:
    for name in ("a1", "a2", "a3", "b1"):
        ask(name, name[0])

    ahead = {name: admission.explain(name).ahead for name in ("a1", "b1", "a2", "a3")}

    assert ahead == {"a1": 0, "b1": 1, "a2": 2, "a3": 3}
    assert [one.claim_id for one in admission.waiting("runs")] == ["a1", "b1", "a2", "a3"]


def test_a_claim_that_finds_room_takes_no_turn(
    admission: Admission, ask: Ask, store: AdmissionStore
) -> None:
    admission.set_limit("runs", 2)

    granted = ask("a1", "a")

    assert granted.state is ClaimState.HELD
    assert store.pace(granted) == Pace()


def waiting(claim_id: str, place: int, value: str = "a") -> Claim:
    return Claim(
        claim_id=claim_id,
        wants=(Want(limit="runs"),),
        enqueued_at=NOW,
        fair=Share(limit="runs", value=value, weight=2, lead=timedelta(microseconds=3)),
        place=place,
        waiting_on="runs",
        waiting_since=NOW,
    )


def test_a_claim_is_read_as_it_was_written(store: AdmissionStore) -> None:
    claim = waiting("a", nanos(NOW) + 123)

    store.park(claim, turn=Turn(place=1, was=None, now=2))

    assert store.claim("a") == claim
    assert store.line("runs", 5).entries == (claim,)


def test_a_claim_is_parked_only_with_the_turn_it_was_told(store: AdmissionStore) -> None:
    first, second = waiting("a", 10_000), waiting("b", 20_000)

    parked = store.park(first, turn=Turn(place=10_000, was=None, now=20_000))
    stale = store.park(second, turn=Turn(place=10_000, was=None, now=20_000))
    unwritten = store.claim("b")
    right = store.park(second, turn=Turn(place=20_000, was=20_000, now=30_000))

    assert (parked, stale, unwritten, right) == (True, False, None, True)
    assert store.pace(first) == Pace(used_until=30_000)


def test_a_withdrawn_claim_gives_its_turn_back_once(store: AdmissionStore) -> None:
    claim = waiting("a", 10_000)
    store.park(claim, turn=Turn(place=10_000, was=None, now=60_000))

    answers = [store.withdraw(claim, expires_at=LATER) for _ in range(2)]

    assert answers == [True, False]
    assert store.pace(claim).used_until == 60_000 - UNIT // 2


def test_a_turn_is_given_back_also_when_its_row_was_forgotten(store: AdmissionStore) -> None:
    claim = waiting("a", 10_000)
    store.park(claim)

    assert store.withdraw(claim, expires_at=LATER) is True
    assert store.pace(claim).used_until == -UNIT // 2


def test_a_line_never_goes_back(store: AdmissionStore) -> None:
    claim = waiting("a", 10_000)

    seen = []
    for place in (500, 700, 600):
        store.reached(claim, place)
        seen.append(store.pace(claim).reached)

    assert seen == [500, 700, 700]


def test_a_line_can_be_read_from_any_place(store: AdmissionStore) -> None:
    claims = [waiting(f"c{number}", number * 10_000) for number in range(5)]
    for claim in claims:
        store.park(claim)

    found = store.entries("runs", claims[2].order_key, 2)

    assert found == claims[2:4]
    assert store.entries("runs", "", 9) == claims
    assert store.entries("nothing", "", 9) == []


def test_a_queue_can_be_read_from_any_place(store: AdmissionStore) -> None:
    wants = (Want(limit="runs"), Want(limit="tag/x"))
    claims = [replace(waiting(f"c{number}", number * 10_000), wants=wants) for number in range(3)]
    for claim in claims:
        store.park(claim)
    standing = Standing(queue=claims[0].queue, limit="runs", rank=claims[0].order_key)
    store.stand(None, standing)

    assert store.entries("runs", "", 9) == [standing]
    assert store.entries(standing.queue, claims[1].order_key, 9) == claims[1:]


def test_claims_that_come_to_wait_at_once_have_places_of_their_own(
    admission: Admission, ask: Ask
) -> None:
    names = [f"a{number:02}" for number in range(24)]

    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda name: ask(name, "a"), names))

    places = sorted(claim.place for claim in claims if claim.place is not None)
    assert len(places) == 24
    assert all(later - earlier >= UNIT for earlier, later in pairwise(places))
    assert sorted(order(admission, 24)) == names
