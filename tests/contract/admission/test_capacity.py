"""How many a limit admits, on every engine: capacities that change, and claims of several units."""

from __future__ import annotations

import pytest

from tests.contract.admission.claims import ClaimFactory, ids, in_use
from tidegate.app.admission.engine import Admission
from tidegate.domain.claim import ClaimState, Want
from tidegate.errors import InvocationError


def test_a_raised_limit_wakes_as_many_as_it_has_room_for(
    admission: Admission, claim: ClaimFactory
) -> None:
    for name in ("a", "b", "c", "d"):
        admission.acquire(claim(name, "pool/db"))

    assert ids(admission.set_limit("pool/db", 3)) == ["b", "c"]
    assert in_use(admission, "pool/db") == 3


def test_a_lowered_limit_grants_nothing_until_it_is_below(
    admission: Admission, claim: ClaimFactory
) -> None:
    for number in range(11):
        admission.acquire(claim(f"c{number:02}", "pool/db", capacity=10))

    admission.set_limit("pool/db", 2)
    granted = [ids(admission.release(f"c{number:02}")) for number in range(10)]

    assert granted == [[]] * 8 + [["c10"], []]


def test_a_limit_of_zero_admits_nothing(admission: Admission, claim: ClaimFactory) -> None:
    grant = admission.acquire(claim("a", "pool/db", capacity=0))

    assert grant.claim.state is ClaimState.WAITING
    assert ids(admission.set_limit("pool/db", 1)) == ["a"]


def test_a_limit_of_minus_one_admits_all_and_counts(
    admission: Admission, claim: ClaimFactory
) -> None:
    for number in range(7):
        admission.acquire(claim(f"c{number}", "pool/db", capacity=-1))

    assert in_use(admission, "pool/db") == 7


def test_a_limit_set_while_claims_hold_it_counts_them(
    admission: Admission, claim: ClaimFactory
) -> None:
    admission.acquire(claim("a", "pool/db", capacity=None))
    admission.acquire(claim("b", "pool/db", capacity=None))

    admission.set_limit("pool/db", 2)
    grant = admission.acquire(claim("c", "pool/db", capacity=None))

    assert grant.claim.state is ClaimState.WAITING
    assert ids(admission.release("a")) == ["c"]


def test_a_limit_below_minus_one_is_refused(admission: Admission) -> None:
    with pytest.raises(InvocationError, match="-1 for no limit"):
        admission.set_limit("pool/db", -2)

    assert admission.limit("pool/db") is None


def test_a_claim_of_several_units_waits_until_all_are_free(
    admission: Admission, claim: ClaimFactory
) -> None:
    for name in ("a", "b", "c"):
        admission.acquire(claim(name, "pool/db", capacity=3))

    wide = admission.acquire(claim("wide", wants=(Want(limit="pool/db", units=2, capacity=3),)))

    assert wide.claim.state is ClaimState.WAITING
    assert admission.release("a") == ()
    assert ids(admission.release("b")) == ["wide"]
    assert in_use(admission, "pool/db") == 3


def test_a_claim_of_several_units_is_not_passed_by_later_ones(
    admission: Admission, claim: ClaimFactory
) -> None:
    for name in ("a", "b", "c"):
        admission.acquire(claim(name, "pool/db", capacity=3))
    admission.acquire(claim("wide", wants=(Want(limit="pool/db", units=3, capacity=3),)))
    admission.release("a")

    late = admission.acquire(claim("late", "pool/db", capacity=3))
    urgent = admission.acquire(claim("urgent", "pool/db", capacity=3, priority=9))

    assert late.claim.state is ClaimState.WAITING
    assert urgent.claim.state is ClaimState.HELD
    assert [ids(admission.release(one)) for one in ("b", "c", "urgent", "wide")] == [
        [],
        [],
        ["wide"],
        ["late"],
    ]


def test_when_the_wide_claim_at_the_head_is_cancelled_those_behind_it_go(
    admission: Admission, claim: ClaimFactory
) -> None:
    for name in ("a", "b"):
        admission.acquire(claim(name, "pool/db", capacity=2))
    admission.acquire(claim("wide", wants=(Want(limit="pool/db", units=2, capacity=2),)))
    admission.acquire(claim("late", "pool/db", capacity=2))
    admission.release("a")

    assert ids(admission.cancel("wide")) == ["late"]


def test_less_than_one_unit_is_refused(admission: Admission, claim: ClaimFactory) -> None:
    with pytest.raises(InvocationError, match="one or more"):
        admission.acquire(claim("a", wants=(Want(limit="pool/db", units=0),)))


def test_a_limit_named_twice_is_one_want(admission: Admission, claim: ClaimFactory) -> None:
    admission.acquire(claim("a", "pool/db", "pool/db", capacity=5))

    assert in_use(admission, "pool/db") == 2
