"""What is told of limits and claims on every engine: to those who will not wait, and to those who ask why they do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.contract.admission.claims import NOW, ClaimFactory, FixedClock, ids, in_use
from tidegate.app.admission.engine import Admission
from tidegate.domain.claim import ClaimState, Want
from tidegate.ports.admission import AdmissionStore


def test_a_claim_that_will_not_wait_is_told_who_was_first(
    admission: Admission, claim: ClaimFactory
) -> None:
    admission.try_acquire(claim("a", "job/nightly"))
    second = claim("b", "job/nightly", "runs")

    refused = admission.try_acquire(second)
    admission.release("a")
    again = admission.try_acquire(second)

    assert refused.claim.state is ClaimState.DONE
    assert (refused.claim.waiting_on, refused.claim.lost_to) == ("job/nightly", ("a",))
    assert (again.claim.state, again.claim.lost_to) == (ClaimState.DONE, ("a",))
    assert in_use(admission, "job/nightly") == 0
    assert admission.waiting("job/nightly") == []


def test_a_claim_that_will_not_wait_is_let_in_where_room_was_made_and_nobody_has_looked_yet(
    admission: Admission, claim: ClaimFactory, store: AdmissionStore
) -> None:
    first = admission.try_acquire(claim("a", "job/nightly")).claim
    store.release(first, to=None, closing={"job/nightly"}, expires_at=NOW + timedelta(days=1))

    second = admission.try_acquire(claim("b", "job/nightly"))

    assert second.claim.state is ClaimState.HELD


def test_a_claim_that_has_nothing_to_launch_is_not_among_those_to_be_launched(
    admission: Admission, claim: ClaimFactory
) -> None:
    admission.try_acquire(replace(claim("a", "job/nightly"), launched=True))

    assert admission.unlaunched(NOW + timedelta(hours=1)) == []
    held = admission.claim("a")
    assert held is not None
    assert (held.state, held.launched) == (ClaimState.HELD, True)


def test_a_claim_that_will_not_wait_does_not_pass_those_who_do(
    admission: Admission, claim: ClaimFactory
) -> None:
    for name in ("a", "b"):
        admission.acquire(claim(name, "pool/db", capacity=2))
    admission.acquire(claim("wide", wants=(Want(limit="pool/db", units=2, capacity=2),)))
    admission.release("a")

    refused = admission.try_acquire(claim("c", "pool/db", capacity=2))

    assert refused.claim.state is ClaimState.DONE
    assert ids(admission.release("b")) == ["wide"]


def test_explain_names_the_limit_its_holders_and_how_many_are_ahead(
    admission: Admission, claim: ClaimFactory
) -> None:
    for name in ("a", "b", "c"):
        admission.acquire(claim(name, "pool/db"))

    explanation = admission.explain("c")

    assert explanation.blocked_by == "pool/db"
    assert (explanation.capacity, explanation.in_use) == (1, 1)
    assert explanation.holders == ("a",)
    assert explanation.ahead == 1
    assert explanation.since == NOW


def test_explain_counts_those_ahead_in_all_queues_of_a_line(
    admission: Admission, claim: ClaimFactory
) -> None:
    admission.acquire(claim("holder", "runs"))
    for name in ("a1", "a2", "a3"):
        admission.acquire(claim(name, "runs", "run-tag/team=a", capacity=1))
    admission.acquire(claim("b1", "runs"))
    admission.acquire(claim("c1", "runs", "run-tag/team=c", capacity=1))

    explained = {name: admission.explain(name) for name in ("a1", "a3", "b1", "c1")}

    assert {one.blocked_by for one in explained.values()} == {"runs"}
    assert {name: one.ahead for name, one in explained.items()} == {
        "a1": 0,
        "a3": 2,
        "b1": 3,
        "c1": 4,
    }
    assert [wait.claim_id for wait in admission.waiting("runs")] == ["a1", "a2", "a3", "b1", "c1"]


def test_explain_of_a_claim_that_does_not_wait_says_so(
    admission: Admission, claim: ClaimFactory
) -> None:
    admission.acquire(claim("a", "pool/db"))

    assert admission.explain("a").state is ClaimState.HELD
    assert admission.explain("a").blocked_by is None
    assert admission.explain("nobody").state is ClaimState.DONE


def test_the_registry_lists_limits_but_not_those_of_single_runs(
    admission: Admission, claim: ClaimFactory
) -> None:
    admission.set_limit("runs", 10, source="settings")
    admission.acquire(claim("a", "pool/db", "run/1234", capacity=3))

    assert [(one.key, one.capacity, one.source) for one in admission.limits()] == [
        ("pool/db", 3, "default"),
        ("runs", 10, "settings"),
    ]


def test_a_limit_is_dropped_only_when_nothing_holds_it(
    admission: Admission, claim: ClaimFactory
) -> None:
    admission.acquire(claim("a", "run/1234"))

    while_held = admission.drop_limit("run/1234")
    admission.release("a")

    assert while_held is False
    assert admission.drop_limit("run/1234") is True
    assert admission.limit("run/1234") is None


def test_claims_granted_and_not_launched_are_found_by_time(
    admission: Admission, claim: ClaimFactory, clock: FixedClock
) -> None:
    admission.acquire(claim("a", "pool/db", capacity=9))
    clock.moment += timedelta(minutes=1)
    admission.acquire(claim("b", "pool/db", capacity=9))
    clock.moment += timedelta(minutes=1)
    admission.acquire(claim("c", "pool/db", capacity=9))
    admission.release("a")

    assert ids(admission.unlaunched(NOW + timedelta(minutes=1))) == []
    assert ids(admission.unlaunched(NOW + timedelta(minutes=2))) == ["b"]
    assert ids(admission.unlaunched(NOW + timedelta(hours=1))) == ["b", "c"]
    assert ids(admission.unlaunched(NOW + timedelta(hours=1), limit=1)) == ["b"]
