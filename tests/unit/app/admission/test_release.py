"""Releases at the same moment: each finds a waiter of its own, in few calls, and nobody is passed for good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.adapters.memory.admission import MemoryAdmissionStore
from tidegate.app.admission.engine import Admission
from tidegate.domain.claim import Claim, ClaimState, Offer, Want
from tidegate.errors import ConflictError, ThrottledError, UnavailableError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POOL = "pool/db"
HOLDERS = ("h0", "h1", "h2", "h3")
WAITERS = tuple(f"w{number}" for number in range(6))


class Clock:
    def __init__(self) -> None:
        self.moment = NOW

    def now(self) -> datetime:
        return self.moment


class Meanwhile:
    """A store whose next ``release`` calls let something happen first, or fail."""

    def __init__(self) -> None:
        self.store = MemoryAdmissionStore()
        self.calls = Counter[str]()
        self.before_release: list[Callable[[], object] | BaseException | None] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        access = getattr(self.store, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            if name == "release" and self.before_release:
                first = self.before_release.pop(0)
                if isinstance(first, BaseException):
                    raise first
                if first is not None:
                    first()
            return access(*args, **kwargs)

        return counted


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def store() -> Meanwhile:
    return Meanwhile()


@pytest.fixture
def admission(store: Meanwhile, clock: Clock, pauses: list[float]) -> Admission:
    """A pool of four, all held, for which six wait."""
    made = Admission(store, clock, pause=pauses.append)
    for number, name in enumerate((*HOLDERS, *WAITERS)):
        made.acquire(
            Claim(
                claim_id=name,
                wants=(Want(limit=POOL, capacity=len(HOLDERS)),),
                enqueued_at=NOW + timedelta(seconds=number),
            )
        )
    store.calls.clear()
    return made


@pytest.fixture
def other(store: Meanwhile, clock: Clock) -> Admission:
    """Another call at the same time, which nothing disturbs."""
    return Admission(store.store, clock, pause=lambda seconds: None)


def names(claims: tuple[Claim, ...]) -> list[str]:
    return [one.claim_id for one in claims]


def offer_of(claim_id: str, after: timedelta) -> Offer:
    since = NOW + after
    return Offer(claim_id=claim_id, since=since, until=since + timedelta(seconds=2))


def offers(store: Meanwhile) -> list[str]:
    return [one.claim_id for one in store.store.line(POOL, 99).offers]


def test_who_was_outrun_once_turns_to_the_next_in_line(
    admission: Admission, store: Meanwhile, other: Admission
) -> None:
    store.before_release = [lambda: other.release("h1")]

    granted = admission.release("h0")

    assert names(granted) == ["w1"]
    assert store.calls == {"claim": 1, "line": 1, "release": 2}


def test_who_was_outrun_twice_offers_its_slot_and_reads_again(
    admission: Admission, store: Meanwhile, other: Admission, pauses: list[float]
) -> None:
    store.before_release = [lambda: other.release("h1"), lambda: other.release("h2")]

    granted = admission.release("h0")

    assert names(granted) == ["w2"]
    assert store.calls == {"claim": 1, "line": 2, "release": 3, "offer": 1}
    assert offers(store) == []
    assert pauses == []


def test_who_met_another_at_the_same_waiter_offers_its_slot_at_once(
    admission: Admission, store: Meanwhile
) -> None:
    store.before_release = [ConflictError("both at w0")]

    granted = admission.release("h0")

    assert names(granted) == ["w0"]
    assert store.calls == {"claim": 1, "line": 2, "release": 2, "offer": 1}


def test_as_many_as_are_offered_are_left_to_those_who_offered(
    admission: Admission, store: Meanwhile, other: Admission
) -> None:
    seen = []
    store.before_release = [
        ConflictError("h0 meets h1"),
        lambda: seen.append((names(other.release("h1")), names(other.release("h2")))),
    ]

    granted = admission.release("h0")

    assert names(granted) == ["w0"]
    assert seen == [(["w1"], ["w2"])]


def test_offers_are_served_in_the_order_in_which_they_were_made(
    admission: Admission, store: Meanwhile, clock: Clock
) -> None:
    for name, milliseconds in (("h2", 1), ("h1", 2)):
        store.store.offer(POOL, offer_of(name, timedelta(milliseconds=milliseconds)))

    first = admission.release("h1")
    second = admission.release("h2")

    assert (names(first), names(second)) == (["w1"], ["w0"])
    assert offers(store) == []


def test_an_offer_whose_release_died_is_not_waited_for(
    admission: Admission, store: Meanwhile, clock: Clock
) -> None:
    store.before_release = [ConflictError("h0 meets h1"), KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        admission.release("h0")
    fresh = admission.release("h1")
    clock.moment += timedelta(seconds=2, microseconds=1)

    late = admission.release("h2")
    repeated = admission.release("h0")

    assert (names(fresh), names(late), names(repeated)) == (["w1"], ["w0"], ["w2"])
    assert offers(store) == []


def test_more_slots_than_waiters_are_freed_and_nobody_is_left_waiting(
    admission: Admission, store: Meanwhile
) -> None:
    for name in WAITERS[1:]:
        admission.cancel(name)
    for number, name in enumerate(("h1", "h2")):
        store.store.offer(POOL, offer_of(name, timedelta(microseconds=number)))

    granted = [names(admission.release(name)) for name in ("h0", "h1", "h2")]

    assert granted == [["w0"], [], []]
    limit = admission.limit(POOL)
    assert limit is not None
    assert (limit.in_use, limit.gate) == (2, None)


def test_an_offer_made_after_another_call_let_go_is_taken_back(
    admission: Admission, store: Meanwhile, other: Admission
) -> None:
    def elsewhere() -> None:
        other.release("h0")
        raise ConflictError("h0 is being released by two calls")

    store.before_release = [elsewhere]

    granted = admission.release("h0")

    assert names(granted) == ["w0"]
    assert offers(store) == []
    assert admission.claim("w1").state is ClaimState.WAITING  # type: ignore[union-attr]


def test_those_who_want_several_limits_give_way_for_a_random_time(
    admission: Admission, store: Meanwhile, pauses: list[float]
) -> None:
    wide = [
        Claim(
            claim_id=name,
            wants=(Want(limit="a", capacity=1), Want(limit="b", capacity=1)),
            enqueued_at=NOW,
        )
        for name in ("first", "second")
    ]
    for one in wide:
        admission.acquire(one)
    store.before_release = [ConflictError("x"), ConflictError("x"), ConflictError("x")]

    granted = admission.release("first")

    assert names(granted) == ["second"]
    assert len(pauses) == 3
    assert all(0 <= pause < 0.16 for pause in pauses)


def test_a_throttled_release_is_tried_again_without_an_offer(
    admission: Admission, store: Meanwhile
) -> None:
    store.before_release = [ThrottledError("x"), ThrottledError("x")]

    granted = admission.release("h0")

    assert names(granted) == ["w0"]
    assert store.calls["offer"] == 0


def test_a_lost_answer_of_an_offered_release_changes_nothing_twice(
    admission: Admission, store: Meanwhile, other: Admission
) -> None:
    """The release was written, and its answer did not come."""

    def lost() -> None:
        other.release("h0")
        raise UnavailableError("lost")

    store.before_release = [ConflictError("x"), lost]

    granted = admission.release("h0")

    assert names(granted) == ["w0"]
    assert admission.limit(POOL).in_use == len(HOLDERS)  # type: ignore[union-attr]
    assert offers(store) == []


def test_who_finds_two_others_at_it_offers_before_it_tries(
    admission: Admission, store: Meanwhile
) -> None:
    for number, name in enumerate(("h1", "h2")):
        store.store.offer(POOL, offer_of(name, timedelta(microseconds=-1 - number)))

    granted = admission.release("h0")

    assert names(granted) == ["w2"]
    assert store.calls == {"claim": 1, "line": 2, "release": 1, "offer": 1}


def met(admission: Admission, store: Meanwhile) -> None:
    """A release of this process has just seen two others offer their slots."""
    for number, name in enumerate(("h1", "h2")):
        store.store.offer(POOL, offer_of(name, timedelta(microseconds=-1 - number)))
    admission.release("h0")
    store.calls.clear()


def test_where_others_offered_a_moment_ago_it_offers_before_it_looks(
    admission: Admission, store: Meanwhile
) -> None:
    met(admission, store)

    granted = admission.release("h3", wants=[Want(limit=POOL)])

    assert names(granted) == ["w3"]
    assert store.calls == {"offer": 1, "line": 1, "release": 1}


def test_a_crowd_of_more_than_a_second_ago_is_forgotten(
    admission: Admission, store: Meanwhile, clock: Clock
) -> None:
    met(admission, store)
    clock.moment += timedelta(seconds=2.1)

    granted = admission.release("h3", wants=[Want(limit=POOL)])

    assert names(granted) == ["w0"]
    assert store.calls == {"line": 1, "release": 1}


def test_a_crowd_that_has_gone_is_noticed_at_the_next_look(
    admission: Admission, store: Meanwhile
) -> None:
    met(admission, store)
    for name in ("h1", "h2"):
        store.store.retract(
            POOL, next(o for o in store.store.line(POOL, 9).offers if o.claim_id == name)
        )

    first = admission.release("h3", wants=[Want(limit=POOL)])
    store.calls.clear()
    second = admission.release("h2", wants=[Want(limit=POOL)])

    assert names(first) + names(second) == ["w0", "w1"]
    assert store.calls == {"line": 1, "release": 1}


def test_an_offer_too_many_goes_with_its_slot_where_nobody_waits(
    admission: Admission, store: Meanwhile
) -> None:
    met(admission, store)
    for name in WAITERS:
        admission.cancel(name)

    admission.release("h3", wants=[Want(limit=POOL)])

    assert sorted(offers(store)) == ["h1", "h2"]
    assert "h3" not in admission.holders(POOL)


def test_an_offer_is_renewed_while_its_release_is_at_it(
    admission: Admission, store: Meanwhile, clock: Clock, other: Admission
) -> None:
    """However slow its store is, others leave it a waiter, and it keeps its place."""
    seen = []

    def later() -> None:
        clock.moment += timedelta(seconds=1.5)
        raise ConflictError("slow")

    def much_later() -> None:
        clock.moment += timedelta(seconds=1)
        seen.append(names(other.release("h1")))

    store.before_release = [ConflictError("h0 meets h1"), later, much_later]

    granted = admission.release("h0")

    assert (names(granted), seen) == (["w0"], [["w1"]])


def test_offers_of_calls_that_died_do_not_hide_that_a_dropped_limit_has_no_line(
    admission: Admission, store: Meanwhile
) -> None:
    for name in (*WAITERS, *HOLDERS):
        admission.release(name)
    for number in range(6):
        store.store.offer(POOL, offer_of(f"gone{number}", timedelta()))
    assert admission.drop_limit(POOL)

    assert admission.pump(POOL) == ()
    assert admission.release("h0") == ()


def test_offers_of_calls_that_died_do_not_hide_who_waits_for_a_dropped_limit(
    admission: Admission, store: Meanwhile
) -> None:
    for name in (*WAITERS, *HOLDERS):
        admission.release(name)
    for number in range(6):
        store.store.offer(POOL, offer_of(f"gone{number}", timedelta()))
    assert admission.drop_limit(POOL)
    late = Claim(
        claim_id="late", wants=(Want(limit=POOL, capacity=4),), enqueued_at=NOW, waiting_on=POOL
    )
    assert store.store.park(late)

    assert names(admission.pump(POOL)) == ["late"]
