"""Slots that are offered by what is believed to be held, on every engine: none is that is not there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contract.admission.claims import NOW, ClaimFactory, FixedClock, held, ids
from tests.contract.admission.counted import Counted
from tidegate.app.admission.engine import Admission
from tidegate.domain.claim import Claim, ClaimState, Limit, Offer, Want
from tidegate.errors import ConflictError
from tidegate.ports.admission import AdmissionStore

LATER = NOW + timedelta(days=14)
DB, GPU = Want(limit="pool/db"), Want(limit="pool/gpu")


@pytest.fixture
def counted(store: AdmissionStore) -> Counted:
    return Counted(store)


@pytest.fixture
def admission(counted: Counted, clock: FixedClock) -> Admission:
    return Admission(counted, clock, pause=lambda seconds: None)


@pytest.fixture
def line(admission: Admission, claim: ClaimFactory, counted: Counted) -> None:
    """``a`` holds the one slot of a pool; ``b`` and ``c`` wait for it."""
    for name in "abc":
        admission.acquire(claim(name, "pool/db"))
    counted.calls.clear()


@pytest.mark.usefixtures("line")
def test_no_slot_is_offered_that_is_only_believed_to_be_there(
    admission: Admission, counted: Counted, store: AdmissionStore
) -> None:
    counted.before_release = [ConflictError("met"), ConflictError("met")]

    assert admission.release("c", wants=[DB]) == ()
    assert admission.release("nobody", wants=[DB]) == ()

    assert store.line("pool/db", 9).offers == ()


@pytest.mark.usefixtures("line")
def test_a_slot_is_offered_in_one_call_with_the_look_whether_it_is_there(
    admission: Admission, counted: Counted
) -> None:
    counted.before_release = [ConflictError("met")]

    granted = admission.release("a", wants=[DB])

    assert ids(granted) == ["b"]
    assert counted.calls == {"line": 2, "release": 2, "offer": 1}


def offered(claim_id: str) -> Offer:
    return Offer(claim_id=claim_id, since=NOW, until=NOW + timedelta(seconds=2))


def believed(claim_id: str, *wants: Want) -> Claim:
    return Claim(claim_id=claim_id, wants=wants, enqueued_at=LATER, state=ClaimState.HELD)


@pytest.mark.usefixtures("line")
@pytest.mark.parametrize(
    "wrong",
    [believed("c", DB), believed("nobody", DB), believed("a", GPU), believed("a", DB, GPU)],
    ids=["it waits", "there is none", "another limit", "a limit too many"],
)
def test_a_slot_is_not_offered_by_a_wrong_belief(store: AdmissionStore, wrong: Claim) -> None:
    assert not store.offer("pool/db", offered(wrong.claim_id), believed=wrong)

    assert store.line("pool/db", 9).offers == ()


@pytest.mark.usefixtures("line")
def test_nor_is_that_of_a_claim_which_is_done_or_has_granted_others(
    admission: Admission, store: AdmissionStore, claim: ClaimFactory
) -> None:
    admission.release("a", wants=[DB])
    giver = claim("giver", "pool/gpu", "runs")
    admission.acquire(giver)
    admission.acquire(claim("taker", "pool/gpu"))
    taker = store.claim("taker")
    assert taker is not None
    store.set_limit(Limit(key="pool/gpu", capacity=2), was=admission.limit("pool/gpu"))
    store.grant(held(taker), served="pool/gpu", by="giver")

    assert not store.offer("pool/db", offered("a"), believed=believed("a", DB))
    assert not store.offer("runs", offered("giver"), believed=believed("giver", *giver.wants))


@pytest.mark.usefixtures("line")
def test_an_offer_by_a_right_belief_may_be_repeated_and_renewed(store: AdmissionStore) -> None:
    first, belief = offered("a"), believed("a", DB)
    renewed = replace(first, until=first.until + timedelta(seconds=1))

    answers = [store.offer("pool/db", one, believed=belief) for one in (first, first, renewed)]

    assert answers == [True, True, True]
    assert store.line("pool/db", 9).offers == (renewed,)


@pytest.mark.usefixtures("line")
def test_an_offer_whose_answer_was_lost_goes_when_the_claim_has_gone_meanwhile(
    admission: Admission, counted: Counted, store: AdmissionStore, clock: FixedClock
) -> None:
    other = Admission(store, clock, pause=lambda seconds: None)
    counted.before_release = [ConflictError("met")]
    counted.after_offer = [lambda: other.release("a")]

    granted = admission.release("a", wants=[DB])

    assert ids(granted) == ["b"]
    assert store.line("pool/db", 9).offers == ()
    assert admission.holders("pool/db") == ["b"]


@pytest.mark.usefixtures("line")
def test_an_offer_of_a_call_that_died_goes_with_a_release_by_belief(
    admission: Admission, store: AdmissionStore
) -> None:
    store.offer("pool/db", offered("a"))

    granted = admission.release("a", wants=[DB])

    assert ids(granted) == ["b"]
    assert store.line("pool/db", 9).offers == ()
