"""What the protocol relies on, of every store."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.contract.admission.claims import NOW, ClaimFactory, held, ids, reset
from tidegate.domain.claim import CLOSED, Claim, Limit, Line, Offer, Refusal, Standing
from tidegate.ports.admission import AdmissionStore

LATER = NOW + timedelta(days=14)


def parked(claim: Claim, on: str) -> Claim:
    return replace(claim, waiting_on=on, waiting_since=NOW)


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
    store.set_gate(limit_of(store), None)
    first = Standing(queue=one.queue, limit="runs", rank=one.order_key)
    moved = replace(first, limit="pool/db", version=1)

    stands = store.stand(None, first)
    with_room = store.stand(first, moved, refused=one)
    reset(store, "pool/db", 0)
    store.set_gate(limit_of(store), None)
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
    store.set_gate(limit_of(store), kept.order_key)
    answers = [store.admit(one, spend={}) for one in (after, before, kept)]
    was = limit_of(store)
    lifted, stale = store.set_gate(was, None), store.set_gate(was, "x")

    assert closed is not None
    assert closed.seen[0].gate == CLOSED
    assert [one and one.limits for one in answers] == [("pool/db",), None, None]
    assert (lifted, stale) == (True, False)
    assert store.admit(after, spend={}) is None


def test_a_gate_is_opened_only_by_who_saw_it_closed_the_last_time(store: AdmissionStore) -> None:
    """Whoever closed it again meanwhile has made room for somebody who waits, and has not looked yet for whom."""
    reset(store, "pool/db", 9)
    was = limit_of(store)
    store.set_gate(was, None)
    reset(store, "pool/db", 8)

    late, last = store.set_gate(was, None), store.set_gate(limit_of(store), None)

    assert (late, last) == (False, True)


def test_what_is_offered_is_read_with_the_line_and_before_it(
    store: AdmissionStore, claim: ClaimFactory
) -> None:
    reset(store, "pool/db", 2)
    one, other = offer_of("b#1", 1), offer_of("a", 2)
    waits = parked(claim("w", "pool/db"), "pool/db")
    store.park(waits)

    for offer in (other, one, one):
        store.offer("pool/db", offer)

    assert store.line("pool/db", 0) == Line(limit=limit_of(store), is_whole=False)
    part, whole = store.line("pool/db", 2), store.line("pool/db", 3)
    assert (part.offers, part.entries, part.is_whole) == ((one, other), (), False)
    assert (whole.offers, ids(whole.entries), whole.is_whole) == ((one, other), ["w"], True)


def test_an_offer_that_is_renewed_keeps_its_place(store: AdmissionStore) -> None:
    first, second = offer_of("a", 1), offer_of("b", 2)
    renewed = replace(first, until=NOW + timedelta(minutes=1))

    for offer in (first, second, renewed):
        store.offer("pool/db", offer)

    assert store.line("pool/db", 5).offers == (renewed, second)


def test_an_offer_is_gone_with_the_release_or_when_it_is_retracted(
    store: AdmissionStore, claim: ClaimFactory
) -> None:
    a, b = held(claim("a", "pool/db", capacity=2)), held(claim("b", "pool/db", capacity=2))
    for one in (a, b):
        store.admit(one)
    first, second = offer_of("a", 1), offer_of("b", 2)
    for offer in (first, second):
        store.offer("pool/db", offer)

    store.release(a, to=None, closing={"pool/db"}, expires_at=LATER, offer=first)

    assert store.line("pool/db", 5).offers == (second,)
    store.retract("pool/db", second)
    store.retract("pool/db", second)
    assert store.line("pool/db", 5).offers == ()


def limit_of(store: AdmissionStore) -> Limit:
    limit = store.line("pool/db", 0).limit
    assert limit is not None
    return limit


def offer_of(claim_id: str, second: int) -> Offer:
    since = NOW + timedelta(seconds=second)
    return Offer(claim_id=claim_id, since=since, until=since + timedelta(seconds=2))
