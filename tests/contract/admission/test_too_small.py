"""Limits that were lowered below what some who wait want of them, on every engine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.contract.admission.claims import NOW
from tidegate.app.admission.engine import Admission
from tidegate.domain.claim import Claim, ClaimState, Want

Ask = Callable[..., ClaimState]


@pytest.fixture
def ask(admission: Admission) -> Ask:
    """``ask("a", db=2, api=1)``: one second after the one before."""
    made: list[str] = []

    def make(claim_id: str, priority: int = 0, **units: int) -> ClaimState:
        made.append(claim_id)
        claim = Claim(
            claim_id=claim_id,
            wants=tuple(Want(limit=key, units=many) for key, many in units.items()),
            priority=priority,
            enqueued_at=NOW + timedelta(seconds=len(made)),
        )
        return admission.acquire(claim).claim.state

    return make


def released(admission: Admission, claim_id: str) -> list[str]:
    return [one.claim_id for one in admission.release(claim_id)]


def lowered(admission: Admission, key: str, capacity: int) -> list[str]:
    return [one.claim_id for one in admission.set_limit(key, capacity)]


def test_who_wants_more_than_there_is_in_all_is_passed(admission: Admission, ask: Ask) -> None:
    admission.set_limit("db", 3)
    for name in ("a", "b"):
        ask(name, db=1)
    ask("wide", db=3)
    ask("late", db=1)

    granted = lowered(admission, "db", 2)
    handed = released(admission, "a")
    newcomer = ask("newcomer", db=1)

    assert (granted, handed, newcomer) == ([], ["late"], ClaimState.WAITING)
    assert released(admission, "b") == ["newcomer"]
    assert admission.explain("wide").blocked_by == "db"


def test_room_that_was_kept_for_it_is_given_away_when_the_limit_is_lowered(
    admission: Admission, ask: Ask
) -> None:
    admission.set_limit("db", 3)
    ask("a", db=1)
    ask("wide", db=3)
    late = ask("late", db=1)

    granted = lowered(admission, "db", 2)

    assert (late, granted) == (ClaimState.WAITING, ["late"])


def test_a_limit_raised_again_has_it_first_in_line(admission: Admission, ask: Ask) -> None:
    admission.set_limit("db", 3)
    ask("a", db=1)
    ask("wide", db=3)
    lowered(admission, "db", 2)

    raised = lowered(admission, "db", 3)
    newcomer = ask("newcomer", db=1)

    assert (raised, newcomer) == ([], ClaimState.WAITING)
    assert released(admission, "a") == ["wide"]
    assert released(admission, "wide") == ["newcomer"]


def test_however_many_want_too_much_those_behind_them_go(admission: Admission, ask: Ask) -> None:
    """More kinds of them than one read of the line shows, and many of one kind."""
    admission.set_limit("db", 99)
    ask("holder", db=98)
    for units in range(2, 12):
        for number in range(3):
            ask(f"wide{units:02}-{number}", db=units)
    lowered(admission, "db", 1)

    ask("late", db=1)

    assert released(admission, "holder") == ["late"]
    assert lowered(admission, "db", 4) == ["wide02-0"]


def test_a_closed_limit_is_not_searched_for_who_would_fit_if_it_were_open(
    admission: Admission, ask: Ask
) -> None:
    admission.set_limit("db", 1)
    ask("holder", db=1)
    for number in range(12):
        ask(f"c{number:02}", db=1)

    closed = lowered(admission, "db", 0)
    freed = released(admission, "holder")

    assert (closed, freed) == ([], [])
    assert lowered(admission, "db", 1) == ["c00"]


def test_no_room_is_kept_for_who_wants_too_much_of_another_limit(
    admission: Admission, ask: Ask
) -> None:
    admission.set_limit("db", 2)
    admission.set_limit("api", 2)
    ask("a", db=1)
    ask("wide", db=2, api=2)
    admission.set_limit("api", 1)

    late = ask("late", db=1)

    assert late is ClaimState.HELD
    assert admission.explain("wide").blocked_by == "api"
    assert released(admission, "a") == []
    assert released(admission, "late") == []
    assert lowered(admission, "api", 2) == ["wide"]


def test_a_paused_limit_keeps_no_room_of_others(admission: Admission, ask: Ask) -> None:
    admission.set_limit("db", 2)
    admission.set_limit("api", 0)
    ask("a", db=1)
    ask("wide", db=2, api=1)

    late = ask("late", db=1)

    assert late is ClaimState.HELD
    assert [released(admission, one) for one in ("a", "late")] == [[], []]
    assert lowered(admission, "api", 1) == ["wide"]


def test_a_cancelled_claim_that_wanted_too_much_leaves_nothing(
    admission: Admission, ask: Ask
) -> None:
    admission.set_limit("db", 3)
    ask("a", db=1)
    ask("wide", db=3)
    lowered(admission, "db", 2)

    cancelled = admission.cancel("wide")

    assert cancelled == ()
    assert admission.waiting("db") == []
    assert released(admission, "a") == []
    assert lowered(admission, "db", 3) == []
