"""Admission on every engine: the same requests, the same answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.adapters.dynamodb.admission import DynamoAdmissionStore
from tidegate.adapters.dynamodb.audit import DynamoAuditStore
from tidegate.adapters.memory.admission import MemoryAdmissionStore
from tidegate.adapters.memory.audit import MemoryAuditStore
from tidegate.app.admission.engine import Admission
from tidegate.domain.claim import CLOSED, Claim, ClaimState, Limit, Refusal, Spend, Standing, Want
from tidegate.domain.rate import Rate
from tidegate.errors import InvocationError
from tidegate.ports import AdmissionStore, AuditStore, Change

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=14)

ClaimFactory = Callable[..., Claim]


class FixedClock:
    def __init__(self) -> None:
        self.moment = NOW

    def now(self) -> datetime:
        return self.moment


@pytest.fixture
def store(engine: str) -> AdmissionStore:
    return MemoryAdmissionStore() if engine == "memory" else DynamoAdmissionStore()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def admission(store: AdmissionStore, clock: FixedClock) -> Admission:
    return Admission(store, clock, pause=lambda seconds: None)


@pytest.fixture
def claim() -> ClaimFactory:
    """``claim("a", "pool/db", runs=2, priority=1)``: claims come one second apart, in the order they are made."""
    made = Counter[str]()

    def make(claim_id: str, *limits: str, capacity: int | None = 1, **fields: Any) -> Claim:
        made["claims"] += 1
        wants = fields.pop("wants", None) or tuple(
            Want(limit=one, capacity=capacity) for one in limits
        )
        return Claim(
            claim_id=claim_id,
            wants=wants,
            enqueued_at=NOW + timedelta(seconds=made["claims"]),
            launch={"kind": "run", "run_id": claim_id},
            **fields,
        )

    return make


def ids(claims: Any) -> list[str]:
    return [one.claim_id for one in claims]


def held(claim: Claim) -> Claim:
    return replace(claim, state=ClaimState.HELD, granted_at=NOW)


def parked(claim: Claim, on: str) -> Claim:
    return replace(claim, waiting_on=on, waiting_since=NOW)


# -- What callers of admission see


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


# -- What the protocol relies on


def test_a_refused_write_names_the_limits_that_refused(
    store: AdmissionStore, claim: ClaimFactory
) -> None:
    store.admit(held(claim("a", "runs", "pool/db")), spend={})

    refusal = store.admit(held(claim("b", "runs", "pool/gpu", "pool/db")), spend={})

    assert refusal is not None
    assert (refusal.limits, refusal.absent) == (("runs", "pool/db"), ())
    assert [(one.key, one.capacity, one.in_use) for one in refusal.seen] == [
        ("runs", 1, 1),
        ("pool/db", 1, 1),
    ]
    assert store.line("pool/gpu", 1).limit is None
    assert store.claim("b") is None


def test_a_limit_too_small_for_the_first_who_wants_it_is_reported_absent(
    store: AdmissionStore, claim: ClaimFactory
) -> None:
    refusal = store.admit(held(claim("a", "pool/db", capacity=0)), spend={})

    assert refusal == Refusal(limits=("pool/db",), absent=("pool/db",))


def test_a_released_claim_cannot_be_released_again(
    store: AdmissionStore, claim: ClaimFactory
) -> None:
    one = held(claim("a", "pool/db"))
    store.admit(one, spend={})
    store.release(one, to=None, spend={}, closing=("pool/db",), expires_at=LATER)

    refusal = store.release(one, to=None, spend={}, closing=("pool/db",), expires_at=LATER)

    assert refusal == Refusal(claims=("a",))
    limit = store.line("pool/db", 0).limit
    assert limit is not None
    assert limit.in_use == 0


def test_a_limit_that_was_full_is_not_left_open_when_it_frees(
    store: AdmissionStore, claim: ClaimFactory
) -> None:
    one = held(claim("a", "pool/db"))
    store.admit(one, spend={})

    left_open = store.release(one, to=None, spend={}, closing=(), expires_at=LATER)
    closed = store.release(one, to=None, spend={}, closing=("pool/db",), expires_at=LATER)

    limit = store.line("pool/db", 0).limit
    assert left_open is not None
    assert left_open.limits == ("pool/db",)
    assert closed is None
    assert limit is not None
    assert (limit.in_use, limit.gate) == (0, CLOSED)


def test_slots_go_to_one_who_still_waits_or_are_not_given_up(
    store: AdmissionStore, claim: ClaimFactory
) -> None:
    holder, waiter = held(claim("a", "pool/db")), parked(claim("b", "pool/db"), "pool/db")
    store.admit(holder, spend={})
    store.park(waiter)
    store.withdraw(waiter, expires_at=LATER)

    refusal = store.release(holder, to=held(waiter), spend={}, closing=(), expires_at=LATER)

    assert refusal == Refusal(claims=("b",))
    assert store.holders("pool/db", 5) == ["a"]


def test_the_line_is_read_in_order_and_says_whether_there_are_more(
    store: AdmissionStore, claim: ClaimFactory
) -> None:
    for number in range(4):
        store.park(parked(claim(f"c{number}", "pool/db"), "pool/db"))
    reset(store, "pool/db", 0)

    part, whole = store.line("pool/db", 3), store.line("pool/db", 4)

    assert (ids(part.entries), part.is_whole) == (["c0", "c1", "c2"], False)
    assert (ids(whole.entries), whole.is_whole) == (["c0", "c1", "c2", "c3"], True)
    assert part.limit is not None


def test_a_queue_moves_only_to_a_limit_that_refuses_it(
    store: AdmissionStore, claim: ClaimFactory
) -> None:
    one = parked(claim("a", "runs", "pool/db"), "runs")
    store.park(one)
    reset(store, "pool/db", 1)
    store.set_gate("pool/db", CLOSED, None)
    first = Standing(queue=one.queue, limit="runs", rank=one.order_key)
    moved = replace(first, limit="pool/db", version=1)

    stands = store.stand(None, first)
    with_room = store.stand(first, moved, refused=one)
    reset(store, "pool/db", 0)
    store.set_gate("pool/db", CLOSED, None)
    without_room = store.stand(first, moved, refused=one)

    assert (stands, with_room, without_room) == (True, False, True)
    assert store.line("runs", 5).entries == ()
    assert store.line("pool/db", 5).entries == (moved,)
    assert store.queue(one.queue, 5).standing == moved


def test_where_a_queue_stands_is_changed_only_by_who_knows_where_it_stood(
    store: AdmissionStore, claim: ClaimFactory
) -> None:
    one = parked(claim("a", "runs", "pool/db"), "runs")
    first = Standing(queue=one.queue, limit="runs", rank=one.order_key)
    second = replace(first, rank="~", version=1)
    store.stand(None, first)

    again = store.stand(None, first)
    forward, stale = store.stand(first, second), store.stand(first, second)
    gone, twice = store.stand(second, None), store.stand(second, None)

    assert (again, forward, stale, gone, twice) == (False, True, False, True, False)
    assert store.line("runs", 5).entries == ()


def test_a_gate_keeps_out_who_comes_after_it(store: AdmissionStore, claim: ClaimFactory) -> None:
    before, kept, after = (held(claim(name, "pool/db", capacity=9)) for name in "abc")
    reset(store, "pool/db", 9)

    closed = store.admit(before, spend={})
    store.set_gate("pool/db", CLOSED, kept.order_key)
    answers = [store.admit(one, spend={}) for one in (after, before, kept)]
    lifted = store.set_gate("pool/db", kept.order_key, None)
    stale = store.set_gate("pool/db", kept.order_key, "x")

    assert closed is not None
    assert closed.seen[0].gate == CLOSED
    assert [one and one.limits for one in answers] == [("pool/db",), None, None]
    assert (lifted, stale) == (True, False)
    assert store.admit(after, spend={}) is None


# -- Rates


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
    store.set_gate("api", None, CLOSED)

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


# -- Setting a limit


def test_a_limit_is_set_only_by_who_knows_what_it_is_set_to(store: AdmissionStore) -> None:
    three = Limit(key="pool/db", capacity=3, source="settings")
    four = replace(three, capacity=4)

    made = store.set_limit(three, was=None)
    again = store.set_limit(four, was=None)
    other = store.set_limit(four, was=replace(three, source="override"))
    known = store.set_limit(four, was=three)
    stale = store.set_limit(three, was=three)

    assert (made, again, other, known, stale) == (True, False, False, True, False)
    assert store.line("pool/db", 0).limit == replace(four, gate=CLOSED)


def test_setting_a_limit_leaves_what_is_in_use(store: AdmissionStore, claim: ClaimFactory) -> None:
    store.admit(held(claim("a", "pool/db", capacity=5)))

    reset(store, "pool/db", 1)

    limit = store.line("pool/db", 0).limit
    assert limit is not None
    assert (limit.capacity, limit.in_use, limit.room) == (1, 1, 0)


def test_another_rate_is_set_only_by_who_knows_how_much_of_it_is_used_up(
    store: AdmissionStore, claim: ClaimFactory
) -> None:
    rate, slower = (Rate(limit=1, per=timedelta(seconds=many)) for many in (1, 2))
    new = Limit(key="api", capacity=5, rate=rate)
    store.create_limit(new)
    store.admit(held(claim("a", "api")), spend={"api": Spend(rate=rate, was=0, now=70)})
    now = replace(new, used_until=70)

    too_late = store.set_limit(replace(new, rate=slower), was=new)
    capacity = store.set_limit(replace(new, capacity=9), was=new)
    in_time = store.set_limit(
        replace(now, capacity=9, rate=slower, used_until=90), was=replace(now, capacity=9)
    )

    assert (too_late, capacity, in_time) == (False, True, True)
    limit = store.line("api", 0).limit
    assert limit is not None
    assert (limit.rate, limit.used_until) == (slower, 90)


def test_a_limit_that_is_there_is_not_created_again(store: AdmissionStore) -> None:
    first = store.create_limit(Limit(key="pool/db", capacity=3))

    second = store.create_limit(Limit(key="pool/db", capacity=9))

    assert first == second == store.line("pool/db", 0).limit


def test_a_change_made_meanwhile_is_not_undone_by_one_that_had_looked_before(
    admission: Admission,
) -> None:
    admission.set_limit("pool/db", 3)
    seen: list[int] = []

    def rename(was: Limit | None) -> tuple[Limit, None]:
        assert was is not None
        seen.append(was.capacity)
        if len(seen) == 1:
            admission.set_limit("pool/db", 7)
        return replace(was, source="renamed"), None

    admission.change_limit("pool/db", rename)

    limit = admission.limit("pool/db")
    assert limit is not None
    assert (limit.capacity, limit.source) == (7, "renamed")
    assert seen == [3, 7]


def test_of_sixteen_changes_at_once_none_is_lost(admission: Admission, at_once: Any) -> None:
    admission.set_limit("pool/db", 0)

    def one_more() -> None:
        admission.change_limit(
            "pool/db", lambda was: was and (replace(was, capacity=was.capacity + 1), None)
        )

    at_once([one_more] * 16)

    limit = admission.limit("pool/db")
    assert limit is not None
    assert limit.capacity == 16


@pytest.fixture
def recording(engine: str) -> tuple[AdmissionStore, AuditStore]:
    if engine != "memory":
        return DynamoAdmissionStore(), DynamoAuditStore()
    audit = MemoryAuditStore()
    return MemoryAdmissionStore(audit), audit


def change_of(change_id: str) -> Change:
    return Change(
        change_id=change_id,
        subject="limit/pool/db",
        action="set",
        by="ada",
        at=NOW,
        before=None,
        after={"capacity": 3},
        is_done=True,
    )


def test_a_change_is_in_the_audit_exactly_if_it_is_made(
    recording: tuple[AdmissionStore, AuditStore],
) -> None:
    store, audit = recording
    three = Limit(key="pool/db", capacity=3)

    made = store.set_limit(three, was=None, change=change_of("first"))
    stale = store.set_limit(three, was=None, change=change_of("second"))
    twice = store.set_limit(replace(three, capacity=9), was=three, change=change_of("first"))

    assert (made, stale, twice) == (True, False, False)
    assert audit.find("first") == change_of("first")
    assert audit.find("second") is None
    assert audit.history("limit/pool/db").items == (change_of("first"),)
    limit = store.line("pool/db", 0).limit
    assert limit is not None
    assert limit.capacity == 3


def reset(store: AdmissionStore, key: str, capacity: int) -> None:
    was = store.line(key, 0).limit
    now = replace(was or Limit(key=key, capacity=capacity), capacity=capacity, source="default")
    assert store.set_limit(now, was=was)


def in_use(admission: Admission, key: str) -> int:
    limit = admission.limit(key)
    assert limit is not None
    return limit.in_use


# -- Threads


def test_sixteen_threads_never_exceed_a_limit_nor_lose_a_claim(
    admission: Admission, claim: ClaimFactory, store: AdmissionStore
) -> None:
    """Each claim is acquired, launched and released by whoever was told to launch it; all come through."""
    capacities = {"runs": 5, "pool/db": 2, "run-tag/team=a": 3}
    for key, capacity in capacities.items():
        admission.set_limit(key, capacity)
    shapes = [("runs",), ("runs", "pool/db"), ("runs", "run-tag/team=a"), ("pool/db",)]
    claims = [claim(f"c{number:03}", *shapes[number % 4], capacity=None) for number in range(64)]
    launches: list[str] = []
    over: list[str] = []

    def work(first: Claim) -> None:
        todo = list(admission.acquire(first).launch)
        while todo:
            one = todo.pop()
            launches.append(one.claim_id)
            admission.launched(one.claim_id)
            over.extend(key for key in capacities if in_use(admission, key) > capacities[key])
            todo += admission.release(one.claim_id)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, claims))

    assert over == []
    assert set(launches) == {one.claim_id for one in claims}
    assert {key: in_use(admission, key) for key in capacities} == dict.fromkeys(capacities, 0)
    assert [one for key in capacities for one in store.line(key, 9).entries] == []
    assert {one.state for one in store.claims(sorted(set(launches)))} == {ClaimState.DONE}


def test_of_sixteen_threads_that_will_not_wait_one_wins_and_the_others_name_it(
    admission: Admission, claim: ClaimFactory
) -> None:
    claims = [claim(f"c{number:02}", "job/nightly") for number in range(16)]

    with ThreadPoolExecutor(16) as pool:
        grants = list(pool.map(admission.try_acquire, claims))

    (winner,) = (one.claim.claim_id for one in grants if one.claim.state is ClaimState.HELD)
    refused = [one.claim for one in grants if one.claim.state is ClaimState.DONE]
    assert len(refused) == 15
    assert {one.lost_to for one in refused} == {(winner,)}
