"""Releases by what is believed to be held, on every engine: one call less if that is right, and no harm if it is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.contract.admission.claims import NOW, ClaimFactory, FixedClock, held, ids, in_use, reset
from tests.contract.admission.counted import Counted
from tidegate.adapters.dynamodb.admission_rows import CLAIM, claim_pk
from tidegate.adapters.dynamodb.models_admission import AdmissionTable
from tidegate.app.admission.engine import Admission
from tidegate.domain.claim import Claim, ClaimState, Refusal, Want
from tidegate.errors import InvocationError, UnavailableError
from tidegate.ports.admission import AdmissionStore

LATER = NOW + timedelta(days=14)
DB, GPU = Want(limit="pool/db"), Want(limit="pool/gpu")
WRONG = {
    "another limit": (GPU,),
    "other units": (Want(limit="pool/db", units=2), GPU),
    "a limit too few": (DB,),
    "a limit too many": (DB, GPU, Want(limit="runs")),
}


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


@pytest.fixture
def wide(admission: Admission, claim: ClaimFactory, counted: Counted) -> Claim:
    """``a`` holds the one slot of each of two pools; ``b`` waits for both, ``c`` and ``d`` for one of them."""
    first = claim("a", "pool/db", "pool/gpu")
    admission.acquire(first)
    admission.acquire(claim("b", "pool/db", "pool/gpu"))
    admission.acquire(claim("c", "pool/db"))
    admission.acquire(claim("d", "pool/gpu"))
    counted.calls.clear()
    return first


def state(admission: Admission, claim_id: str) -> ClaimState | None:
    claim = admission.claim(claim_id)
    return None if claim is None else claim.state


def stored(store: AdmissionStore) -> list[object]:
    keys = ("pool/db", "pool/gpu", "runs")
    return [
        *(store.claim(one) for one in "abcd"),
        *(store.line(key, 9) for key in keys),
        *(store.holders(key, 9) for key in keys),
    ]


@pytest.mark.usefixtures("line")
def test_a_hand_off_by_a_right_belief_is_two_calls(admission: Admission, counted: Counted) -> None:
    granted = admission.release("a", wants=[DB])

    assert ids(granted) == ["b"]
    assert counted.calls == {"line": 1, "release": 1}
    assert (state(admission, "a"), in_use(admission, "pool/db")) == (ClaimState.DONE, 1)


def test_a_belief_names_limits_and_units_in_any_order_and_nothing_else_of_the_wants(
    admission: Admission, claim: ClaimFactory, counted: Counted
) -> None:
    wants = (Want(limit="pool/db", units=2, capacity=3), Want(limit="runs", capacity=9))
    for name in "ab":
        admission.acquire(claim(name, wants=wants))
    counted.calls.clear()

    believed = [Want(limit="runs"), DB, DB]
    granted = admission.release("a", wants=believed)

    assert ids(granted) == ["b"]
    assert counted.calls["claim"] == 0
    assert (in_use(admission, "pool/db"), in_use(admission, "runs")) == (2, 1)


def test_a_belief_is_right_of_a_claim_that_has_waited_too(
    admission: Admission, counted: Counted, line: None
) -> None:
    admission.release("a", wants=[DB])
    counted.calls.clear()

    granted = admission.release("b", wants=[DB])

    assert ids(granted) == ["c"]
    assert counted.calls == {"line": 1, "release": 1}


def test_a_slot_nobody_waits_for_is_free_after_a_release_by_belief(
    admission: Admission, claim: ClaimFactory, counted: Counted
) -> None:
    admission.acquire(claim("a", "pool/db", capacity=5))
    counted.calls.clear()

    assert admission.release("a", wants=[DB]) == ()

    assert counted.calls == {"line": 2, "release": 1}
    assert in_use(admission, "pool/db") == 0


@pytest.mark.parametrize("belief", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("to", [None, "b", "c", "d"])
def test_a_write_by_a_wrong_belief_changes_nothing(
    store: AdmissionStore, wide: Claim, belief: tuple[Want, ...], to: str | None
) -> None:
    heir = None if to is None else store.claim(to)
    before = stored(store)

    refusal = store.release(
        replace(held(wide), wants=belief),
        to=None if heir is None else held(heir),
        closing={want.limit for want in belief},
        expires_at=LATER,
        believed=True,
    )

    assert refusal is not None
    assert "a" in refusal.claims
    assert stored(store) == before


@pytest.mark.parametrize("belief", WRONG.values(), ids=WRONG)
def test_a_release_by_a_wrong_belief_ends_as_one_without(
    admission: Admission, wide: Claim, belief: tuple[Want, ...]
) -> None:
    granted = admission.release("a", wants=belief)

    assert ids(granted) == ["b"]
    assert state(admission, "a") is ClaimState.DONE
    assert (in_use(admission, "pool/db"), in_use(admission, "pool/gpu")) == (1, 1)
    assert (admission.holders("pool/db"), admission.holders("pool/gpu")) == (["b"], ["b"])
    assert admission.limit("runs") is None


@pytest.mark.usefixtures("line")
@pytest.mark.parametrize("belief", [(DB,), (GPU,), (DB, GPU), (Want(limit="pool/db", units=2),)])
def test_one_that_waits_and_is_believed_to_hold_is_cancelled(
    admission: Admission, belief: tuple[Want, ...]
) -> None:
    """Also the first in line, which is who its own slot would go to."""
    first, last = admission.release("b", wants=belief), admission.release("c", wants=belief)

    assert (first, last) == ((), ())
    assert (state(admission, "b"), state(admission, "c")) == (ClaimState.DONE, ClaimState.DONE)
    assert admission.holders("pool/db") == ["a"]
    assert admission.waiting("pool/db") == []


def test_one_that_waits_for_several_limits_and_is_believed_to_hold_is_cancelled(
    admission: Admission, wide: Claim
) -> None:
    assert admission.release("b", wants=(DB, GPU)) == ()

    assert state(admission, "b") is ClaimState.DONE
    assert ids(admission.release("a", wants=(DB, GPU))) == ["c", "d"]


def test_one_that_is_granted_while_it_is_given_up_by_belief_is_not_answered_as_granted(
    admission: Admission, claim: ClaimFactory, counted: Counted
) -> None:
    """Its release moves the queue in which the claim itself waits, and looks at a limit that is raised just then."""
    admission.acquire(claim("x", wants=(Want(limit="pool/gpu", units=2, capacity=2),)))
    reset(counted.store, "pool/db", 0)
    admission.acquire(claim("w", wants=(Want(limit="pool/gpu", units=2),), priority=1))
    admission.acquire(claim("a", "pool/gpu", "pool/db"))
    open_anew(counted.store, "pool/db", 2)
    counted.after_stand = [lambda: open_anew(counted.store, "pool/gpu", 9)]

    granted = admission.release("a", wants=(GPU, DB))

    assert ids(granted) == ["w"]
    claim_a = admission.claim("a")
    assert claim_a is not None
    assert (claim_a.state, claim_a.granted_at) == (ClaimState.DONE, NOW)
    assert (admission.holders("pool/gpu"), in_use(admission, "pool/gpu")) == (["w", "x"], 4)


def open_anew(store: AdmissionStore, key: str, capacity: int) -> None:
    reset(store, key, capacity)
    limit = store.line(key, 0).limit
    assert limit is not None
    store.set_gate(limit, None)


@pytest.mark.usefixtures("line")
def test_a_repeated_release_by_belief_answers_again_what_is_not_launched(
    admission: Admission,
) -> None:
    admission.release("a", wants=[DB])

    again = admission.release("a", wants=[DB])
    admission.launched("b")
    once_more = admission.release("a", wants=[DB])

    assert (ids(again), once_more) == (["b"], ())
    assert admission.holders("pool/db") == ["b"]


@pytest.mark.usefixtures("line")
def test_one_that_never_was_gives_nothing_up(
    admission: Admission, counted: Counted, store: AdmissionStore
) -> None:
    before = stored(store)

    assert admission.release("nobody", wants=[DB]) == ()

    assert counted.calls == {"line": 1, "release": 1, "claim": 1}
    assert stored(store) == before


@pytest.mark.usefixtures("line")
def test_what_calls_about_it_have_granted_is_answered_too(
    admission: Admission, claim: ClaimFactory, store: AdmissionStore, counted: Counted
) -> None:
    """A call about ``a`` granted ``d`` and died: who believes ``a`` holds its slot still has ``d`` launched."""
    admission.acquire(claim("other", "pool/gpu"))
    admission.acquire(claim("d", "pool/gpu"))
    waits = store.claim("d")
    assert waits is not None
    store.release(held(claim("other", "pool/gpu")), to=None, closing={"pool/gpu"}, expires_at=LATER)
    assert store.grant(held(waits), served="pool/gpu", by="a") is None

    granted = admission.release("a", wants=[DB])

    assert sorted(ids(granted)) == ["b", "d"]
    assert state(admission, "a") is ClaimState.DONE
    assert (in_use(admission, "pool/db"), in_use(admission, "pool/gpu")) == (1, 1)


@pytest.mark.usefixtures("line")
def test_a_write_by_belief_about_one_whose_calls_have_granted_another_changes_nothing(
    claim: ClaimFactory, store: AdmissionStore
) -> None:
    first, waits = store.claim("a"), store.claim("b")
    assert first is not None
    assert waits is not None
    other = claim("d", "pool/gpu")
    store.park(replace(other, waiting_on="pool/gpu", waiting_since=NOW))
    store.grant(held(other), served="pool/gpu", by="a")
    before = stored(store)

    refusal = store.release(first, to=held(waits), closing=(), expires_at=LATER, believed=True)

    assert refusal == Refusal(claims=("a",))
    assert stored(store) == before


@pytest.mark.usefixtures("line")
def test_of_a_row_that_does_not_say_what_it_wants_nothing_is_believed(
    admission: Admission, engine: str, store: AdmissionStore, counted: Counted
) -> None:
    """Rows of an older deployment are read, and ended like any other."""
    if engine != "memory":
        AdmissionTable(claim_pk("a"), CLAIM).update(actions=[AdmissionTable.queue.remove()])
    before = stored(store)
    first, waits = store.claim("a"), store.claim("b")
    assert first is not None
    assert waits is not None

    if engine != "memory":
        refusal = store.release(first, to=held(waits), closing=(), expires_at=LATER, believed=True)
        assert refusal == Refusal(claims=("a",))
        assert stored(store) == before
    granted = admission.release("a", wants=[DB])

    assert ids(granted) == ["b"]
    assert state(admission, "a") is ClaimState.DONE
    assert in_use(admission, "pool/db") == 1


@pytest.mark.usefixtures("line")
def test_a_release_by_belief_whose_answer_is_lost_is_looked_up(
    admission: Admission, counted: Counted
) -> None:
    counted.after_release = [UnavailableError("lost")]

    granted = admission.release("a", wants=[DB])

    assert ids(granted) == ["b"]
    assert counted.calls["release"] == 1
    assert admission.holders("pool/db") == ["b"]


@pytest.mark.usefixtures("line")
def test_two_releases_by_belief_at_once_hand_one_slot_on(
    admission: Admission, counted: Counted, store: AdmissionStore, clock: FixedClock
) -> None:
    other = Admission(store, clock, pause=lambda seconds: None)
    seen: list[Any] = []
    counted.before_release = [lambda: seen.append(other.release("a", wants=[DB]))]

    granted = admission.release("a", wants=[DB])

    assert (ids(granted), ids(seen[0])) == (["b"], ["b"])
    assert admission.holders("pool/db") == ["b"]


@pytest.mark.usefixtures("line")
def test_to_hold_less_than_one_unit_is_nothing_to_believe(admission: Admission) -> None:
    with pytest.raises(InvocationError, match="0 units"):
        admission.release("a", wants=[Want(limit="pool/db", units=0)])

    assert admission.holders("pool/db") == ["a"]
