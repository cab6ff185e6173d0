"""Rates on every engine: starts are spaced, and an alarm is set for the next."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.contract.admission.claims import NOW, ClaimFactory, FixedClock, ids, in_use
from tidegate.app.admission.engine import Admission
from tidegate.domain.claim import CLOSED, ClaimState, Want
from tidegate.domain.rate import Rate
from tidegate.ports.admission import AdmissionStore


class Alarms:
    def __init__(self) -> None:
        self.asked: list[tuple[str, datetime]] = []

    def set(self, at: datetime, task: Mapping[str, Any]) -> None:
        assert task["kind"] == "pump"
        self.asked.append((task["limit"], at))


@pytest.fixture
def alarms() -> Alarms:
    return Alarms()


@pytest.fixture
def rated(store: AdmissionStore, clock: FixedClock, alarms: Alarms) -> Admission:
    """Admission with an alarm, and two starts a second for those who want ``api``."""
    admission = Admission(store, clock, pause=lambda seconds: None, alarms=alarms)
    admission.set_rate("api", Rate(limit=2, per=timedelta(seconds=1)))
    return admission


HALF = timedelta(milliseconds=500)


def test_starts_are_spaced_and_the_alarm_is_set_for_the_next(
    rated: Admission, claim: ClaimFactory, clock: FixedClock, alarms: Alarms
) -> None:
    first = rated.acquire(claim("a", "api"))
    second = rated.acquire(claim("b", "api"))

    early = rated.pump("api")
    clock.moment += HALF
    on_time = rated.pump("api")

    assert first.claim.state is ClaimState.HELD
    assert second.claim.state is ClaimState.WAITING
    assert (early, ids(on_time)) == ((), ["b"])
    assert set(alarms.asked) == {("api", NOW + HALF)}


def test_time_that_passed_unused_is_not_saved_up_beyond_the_burst(
    rated: Admission, claim: ClaimFactory, clock: FixedClock
) -> None:
    rated.set_rate("api", Rate(limit=2, per=timedelta(seconds=1), burst=3))
    clock.moment += timedelta(hours=1)

    states = [rated.acquire(claim(name, "api")).claim.state for name in "abcd"]

    assert states == [ClaimState.HELD] * 3 + [ClaimState.WAITING]


def test_a_newcomer_does_not_pass_who_waits_for_a_rate(
    rated: Admission, claim: ClaimFactory, clock: FixedClock
) -> None:
    for name in ("a", "b"):
        rated.acquire(claim(name, "api"))
    clock.moment += HALF

    newcomer = rated.acquire(claim("c", "api"))

    assert newcomer.claim.state is ClaimState.WAITING
    assert ids(newcomer.launch) == ["b"]


def test_a_released_slot_is_handed_on_only_when_the_rate_allows_it(
    rated: Admission, claim: ClaimFactory, clock: FixedClock, alarms: Alarms
) -> None:
    rated.set_limit("api", 1)
    for name in ("a", "b"):
        rated.acquire(claim(name, "api"))

    early = rated.release("a")
    clock.moment += HALF
    on_time = rated.pump("api")

    assert (early, ids(on_time)) == ((), ["b"])
    assert alarms.asked[-1] == ("api", NOW + HALF)
    assert in_use(rated, "api") == 1


def test_a_slot_handed_on_uses_up_the_rate(
    rated: Admission, claim: ClaimFactory, clock: FixedClock
) -> None:
    rated.set_limit("api", 1)
    for name in ("a", "b"):
        rated.acquire(claim(name, "api"))
    clock.moment += HALF

    handed = rated.release("a")
    rated.set_limit("api", 5)
    third = rated.acquire(claim("c", "api"))

    assert ids(handed) == ["b"]
    assert third.claim.state is ClaimState.WAITING


def test_a_claim_that_waits_for_a_rate_holds_no_other_slot(
    rated: Admission, claim: ClaimFactory, clock: FixedClock
) -> None:
    rated.acquire(claim("a", "api"))

    blocked = rated.acquire(claim("b", "runs", "api"))
    other = rated.acquire(claim("c", "runs"))
    clock.moment += HALF
    too_early = rated.pump("api")
    released = rated.release("c")

    assert blocked.claim.waiting_on == "api"
    assert other.claim.state is ClaimState.HELD
    assert too_early == ()
    assert ids(released) == ["b"]


def test_a_limit_is_created_with_the_rate_of_the_first_who_wants_it(
    rated: Admission, claim: ClaimFactory
) -> None:
    wants = (Want(limit="mail", rate=Rate(limit=1, per=timedelta(minutes=1))),)

    states = [rated.acquire(claim(name, wants=wants)).claim.state for name in "ab"]

    assert states == [ClaimState.HELD, ClaimState.WAITING]
    limit = rated.limit("mail")
    assert limit is not None
    assert limit.rate == wants[0].rate


def test_a_rate_that_is_taken_away_lets_those_go_who_waited_for_it(
    rated: Admission, claim: ClaimFactory
) -> None:
    for name in ("a", "b", "c"):
        rated.acquire(claim(name, "api", capacity=None))

    assert ids(rated.set_rate("api", None)) == ["b", "c"]


def test_who_would_not_wait_starts_no_sooner_than_the_rate_lets_it(
    rated: Admission, store: AdmissionStore, claim: ClaimFactory, clock: FixedClock
) -> None:
    """A closed gate has it look who waits, and ask again."""
    rated.acquire(claim("a", "api"))
    limit = store.line("api", 0).limit
    assert limit is not None
    store.set_gate(limit, CLOSED)

    early = rated.try_acquire(claim("b", "api"))
    clock.moment += HALF
    on_time = rated.try_acquire(claim("c", "api"))

    assert early.claim.state is ClaimState.DONE
    assert on_time.claim.state is ClaimState.HELD


def test_a_new_capacity_leaves_the_rate_as_it_is(rated: Admission) -> None:
    rated.set_limit("api", 5)

    limit = rated.limit("api")
    assert limit is not None
    assert (limit.capacity, limit.rate) == (5, Rate(limit=2, per=timedelta(seconds=1)))


def test_a_faster_rate_lets_the_next_start_sooner_and_a_slower_one_later(
    rated: Admission, claim: ClaimFactory, clock: FixedClock, alarms: Alarms
) -> None:
    """What is used up stays used up, counted in starts."""
    rated.set_rate("api", Rate(limit=1, per=timedelta(hours=1)))
    for name in ("a", "b", "c"):
        rated.acquire(claim(name, "api"))

    rated.set_rate("api", Rate(limit=1, per=timedelta(minutes=1)))
    in_a_minute = alarms.asked[-1]
    clock.moment += timedelta(minutes=1)
    on_time = rated.pump("api")
    rated.set_rate("api", Rate(limit=1, per=timedelta(minutes=10)))

    assert in_a_minute == ("api", NOW + timedelta(minutes=1))
    assert ids(on_time) == ["b"]
    assert alarms.asked[-1] == ("api", NOW + timedelta(minutes=11))


def test_who_takes_over_what_has_started_uses_up_no_rate_and_is_not_kept_waiting_by_it(
    rated: Admission, claim: ClaimFactory, clock: FixedClock
) -> None:
    rated.acquire(claim("a", "api"))

    taking_over = rated.acquire(claim("b", "api", goes_on=True))
    clock.moment += HALF
    on_time = rated.acquire(claim("c", "api"))

    assert taking_over.claim.state is ClaimState.HELD
    assert on_time.claim.state is ClaimState.HELD


def test_that_it_takes_over_is_remembered_while_it_waits(
    rated: Admission, claim: ClaimFactory
) -> None:
    rated.set_limit("api", 1)
    rated.acquire(claim("a", "api"))
    rated.acquire(claim("b", "api", goes_on=True))

    assert ids(rated.release("a")) == ["b"]
