"""Claims on every engine: who holds, who waits, and in which order they go."""

from __future__ import annotations

from datetime import timedelta

from tests.contract.admission.claims import NOW, ClaimFactory, ids, in_use
from tidegate.app.admission.engine import Admission
from tidegate.domain.claim import ClaimState


def test_a_claim_with_room_is_held_and_launched(admission: Admission, claim: ClaimFactory) -> None:
    grant = admission.acquire(claim("a", "pool/db"))

    assert grant.claim.state is ClaimState.HELD
    assert ids(grant.launch) == ["a"]
    assert grant.launch[0].launch == {"kind": "run", "run_id": "a"}
    limit = admission.limit("pool/db")
    assert limit is not None
    assert (limit.capacity, limit.in_use, limit.source) == (1, 1, "default")


def test_a_claim_without_room_waits_and_is_granted_by_the_release(
    admission: Admission, claim: ClaimFactory
) -> None:
    admission.acquire(claim("a", "pool/db"))

    grant = admission.acquire(claim("b", "pool/db"))
    granted = admission.release("a")

    assert grant.claim.state is ClaimState.WAITING
    assert grant.claim.waiting_on == "pool/db"
    assert grant.launch == ()
    assert ids(granted) == ["b"]
    assert granted[0].state is ClaimState.HELD
    assert granted[0].launch == {"kind": "run", "run_id": "b"}


def test_a_claim_asked_for_twice_is_held_once(admission: Admission, claim: ClaimFactory) -> None:
    wanted = claim("a", "pool/db", capacity=5)

    first, second = admission.acquire(wanted), admission.acquire(wanted)

    assert ids(first.launch) == ids(second.launch) == ["a"]
    assert in_use(admission, "pool/db") == 1


def test_a_launched_claim_is_not_launched_again(admission: Admission, claim: ClaimFactory) -> None:
    wanted = claim("a", "pool/db")
    admission.acquire(wanted)

    admission.launched("a")
    again = admission.acquire(wanted)

    assert again.claim.state is ClaimState.HELD
    assert again.launch == ()
    assert admission.unlaunched(NOW + timedelta(hours=1)) == []


def test_a_repeated_release_answers_the_same_until_it_is_launched(
    admission: Admission, claim: ClaimFactory
) -> None:
    admission.acquire(claim("a", "pool/db"))
    admission.acquire(claim("b", "pool/db"))

    first, second = admission.release("a"), admission.release("a")
    admission.launched("b")
    third = admission.release("a")

    assert ids(first) == ids(second) == ["b"]
    assert third == ()
    assert in_use(admission, "pool/db") == 1


def test_a_claim_that_is_done_never_revives(admission: Admission, claim: ClaimFactory) -> None:
    wanted = claim("a", "pool/db")
    admission.acquire(wanted)
    admission.release("a")

    grant = admission.acquire(wanted)

    assert grant.claim.state is ClaimState.DONE
    assert grant.launch == ()
    assert in_use(admission, "pool/db") == 0


def test_a_release_of_an_unknown_claim_does_nothing(admission: Admission) -> None:
    assert admission.release("nobody") == ()


def test_a_claim_that_wants_nothing_is_held(admission: Admission, claim: ClaimFactory) -> None:
    grant = admission.acquire(claim("a"))
    released = admission.release("a")

    assert grant.claim.state is ClaimState.HELD
    assert released == ()


def test_higher_priority_first_then_first_come(admission: Admission, claim: ClaimFactory) -> None:
    admission.acquire(claim("holder", "pool/db"))
    for name, priority in [("low", -1), ("first", 0), ("second", 0), ("high", 5)]:
        admission.acquire(claim(name, "pool/db", priority=priority))

    order, released = [], "holder"
    while granted := admission.release(released):
        released = granted[0].claim_id
        order.append(released)

    assert order == ["high", "first", "second", "low"]


def test_a_claim_cancelled_while_it_waits_is_never_granted(
    admission: Admission, claim: ClaimFactory
) -> None:
    admission.acquire(claim("a", "pool/db"))
    admission.acquire(claim("b", "pool/db"))
    admission.acquire(claim("c", "pool/db"))

    cancelled = admission.cancel("b")
    granted = admission.release("a")

    assert cancelled == ()
    assert ids(granted) == ["c"]


def test_a_claim_cancelled_while_it_holds_gives_its_slot_on(
    admission: Admission, claim: ClaimFactory
) -> None:
    admission.acquire(claim("a", "pool/db"))
    admission.acquire(claim("b", "pool/db"))

    assert ids(admission.cancel("a")) == ["b"]


def test_all_limits_are_taken_or_none(admission: Admission, claim: ClaimFactory) -> None:
    admission.acquire(claim("a", "pool/db"))

    grant = admission.acquire(claim("b", "runs", "pool/db"))
    other = admission.acquire(claim("c", "runs"))

    assert grant.claim.state is ClaimState.WAITING
    assert grant.claim.waiting_on == "pool/db"
    assert other.claim.state is ClaimState.HELD


def test_a_run_blocked_by_its_pool_takes_no_slot_from_a_run_behind_it(
    admission: Admission, claim: ClaimFactory
) -> None:
    admission.acquire(claim("other", "pool/db"))

    blocked = admission.acquire(claim("a", "runs", "run-tag/team=a", "pool/db", capacity=1))
    behind = admission.acquire(claim("b", "runs", "run-tag/team=a", capacity=1))

    assert blocked.claim.state is ClaimState.WAITING
    assert behind.claim.state is ClaimState.HELD


def test_a_claim_of_several_limits_is_granted_when_the_last_of_them_is_free(
    admission: Admission, claim: ClaimFactory
) -> None:
    admission.acquire(claim("x", "runs"))
    admission.acquire(claim("y", "pool/db"))
    admission.acquire(claim("both", "runs", "pool/db"))

    first, second = admission.release("x"), admission.release("y")

    assert first == ()
    assert ids(second) == ["both"]
    assert (in_use(admission, "runs"), in_use(admission, "pool/db")) == (1, 1)


def test_claims_that_want_the_same_limits_follow_each_other(
    admission: Admission, claim: ClaimFactory
) -> None:
    for name in ("a", "b", "c", "d"):
        admission.acquire(claim(name, "runs", "run-tag/team=a"))

    order = [ids(admission.release(one)) for one in ("a", "b", "c", "d")]

    assert order == [["b"], ["c"], ["d"], []]
    assert (in_use(admission, "runs"), in_use(admission, "run-tag/team=a")) == (0, 0)


def test_first_come_holds_across_claims_that_want_different_limits(
    admission: Admission, claim: ClaimFactory
) -> None:
    admission.acquire(claim("holder", "runs", "run-tag/team=a"))
    waits = [("a1", "run-tag/team=a"), ("b1", None), ("a2", "run-tag/team=a"), ("b2", None)]
    for name, tag in waits:
        admission.acquire(claim(name, "runs", *([tag] if tag else [])))

    order, released = [], "holder"
    while granted := admission.release(released):
        released = granted[0].claim_id
        order.append(released)

    assert order == ["a1", "b1", "a2", "b2"]
