"""What admission costs: calls of the store, which are calls of DynamoDB. It must not depend on who waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.adapters.memory.admission import MemoryAdmissionStore
from tidegate.app.admission.engine import Admission
from tidegate.domain.claim import Claim, ClaimState, Want
from tidegate.domain.fairness import Share
from tidegate.errors import ConflictError, ThrottledError, UnavailableError

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class FixedClock:
    def now(self) -> datetime:
        return NOW


class CountedStore:
    """Counts the calls of a store, and fails those it is told to."""

    def __init__(self) -> None:
        self.store = MemoryAdmissionStore()
        self.calls = Counter[str]()
        self.failures: dict[str, list[Exception]] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        access = getattr(self.store, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            failures = self.failures.get(name)
            if failures:
                raise failures.pop(0)
            return access(*args, **kwargs)

        return counted

    def of(self, call: Callable[[], Any]) -> dict[str, int]:
        self.calls.clear()
        call()
        return dict(self.calls)


@pytest.fixture
def store() -> CountedStore:
    return CountedStore()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def admission(store: CountedStore, pauses: list[float]) -> Admission:
    return Admission(store, FixedClock(), pause=pauses.append)


def claim(name: str, *limits: str, second: int = 0, priority: int = 0) -> Claim:
    return Claim(
        claim_id=name,
        wants=tuple(Want(limit=key, capacity=1) for key in limits),
        enqueued_at=NOW + timedelta(seconds=second),
        priority=priority,
    )


def test_a_grant_with_room_is_one_call(admission: Admission, store: CountedStore) -> None:
    assert store.of(lambda: admission.acquire(claim("a", "runs", "pool/db"))) == {"admit": 1}


def test_a_claim_that_has_to_wait_is_three_calls(admission: Admission, store: CountedStore) -> None:
    admission.acquire(claim("a", "pool/db"))

    calls = store.of(lambda: admission.acquire(claim("b", "pool/db")))

    assert calls == {"admit": 1, "park": 1, "line": 1}


def test_a_claim_of_several_limits_that_has_to_wait_behind_others_is_four_calls(
    admission: Admission, store: CountedStore
) -> None:
    for name in ("a", "b"):
        admission.acquire(claim(name, "runs", "pool/db"))

    calls = store.of(lambda: admission.acquire(claim("c", "runs", "pool/db", second=1)))

    assert calls == {"admit": 1, "park": 1, "queue": 1, "line": 1}


@pytest.mark.parametrize("waiters", [1, 10, 3000])
def test_a_hand_off_is_three_calls_however_many_wait(
    admission: Admission, store: CountedStore, waiters: int
) -> None:
    admission.acquire(claim("holder", "pool/db"))
    for number in range(waiters):
        admission.acquire(claim(f"c{number}", "pool/db", second=number))

    calls = store.of(lambda: admission.release("holder"))

    assert calls == {"claim": 1, "line": 1, "release": 1}


@pytest.mark.parametrize("waiters", [1, 10, 3000])
def test_a_hand_off_of_two_limits_is_five_calls_however_many_wait(
    admission: Admission, store: CountedStore, waiters: int
) -> None:
    admission.acquire(claim("holder", "runs", "pool/db"))
    for number in range(waiters):
        admission.acquire(claim(f"c{number}", "runs", "pool/db", second=number))

    calls = store.of(lambda: admission.release("holder"))

    assert calls == {"claim": 1, "line": 2, "queue": 1, "release": 1}


@pytest.mark.parametrize("waiters", [1, 10, 3000])
def test_a_hand_off_of_what_is_known_to_be_held_is_one_call_less(
    admission: Admission, store: CountedStore, waiters: int
) -> None:
    for name in ("pool", "both"):
        holder = claim(name, name) if name == "pool" else claim(name, "runs", "other")
        admission.acquire(holder)
        for number in range(waiters):
            admission.acquire(replace(holder, claim_id=f"{name}{number}"))

    one = store.of(lambda: admission.release("pool", wants=[Want(limit="pool")]))
    two = store.of(
        lambda: admission.release("both", wants=[Want(limit="runs"), Want(limit="other")])
    )

    assert one == {"line": 1, "release": 1}
    assert two == {"line": 2, "queue": 1, "release": 1}


def test_what_is_wrongly_believed_to_be_held_costs_two_calls(
    admission: Admission, store: CountedStore
) -> None:
    admission.acquire(claim("a", "pool/db"))
    admission.acquire(claim("b", "pool/db", second=1))

    calls = store.of(lambda: admission.release("a", wants=[Want(limit="pool/gpu")]))

    assert calls == {"claim": 1, "line": 2, "release": 2}


def test_runs_blocked_on_one_tag_cost_runs_of_another_nothing() -> None:
    """Also when both wait for the same limit, and slots of the blocked tag become free in between."""

    def calls(blocked: int) -> list[dict[str, int]]:
        store = CountedStore()
        admission = Admission(store, FixedClock())
        for name, limits in [("a", ("runs", "tag/a")), ("other", ("tag/a", "other"))]:
            admission.acquire(claim(name, *limits))
        for number in range(blocked):
            admission.acquire(claim(f"a{number}", "runs", "tag/a", second=10 + number))
        for number in range(4):
            admission.acquire(claim(f"b{number}", "runs", "tag/b", second=number))
        return [
            store.of(lambda name=name: admission.release(name))  # type: ignore[misc]
            for name in ("a", "other", "b0", "b1", "b2")
        ]

    assert calls(blocked=3000) == calls(blocked=2)


def test_a_free_slot_that_nobody_wants_is_six_calls_when_the_limit_was_full(
    admission: Admission, store: CountedStore
) -> None:
    admission.acquire(claim("a", "pool/db"))

    calls = store.of(lambda: admission.release("a"))

    assert calls == {"claim": 1, "line": 3, "release": 1, "set_gate": 1}


def test_a_free_slot_that_nobody_wants_is_four_calls_when_the_limit_had_room(
    admission: Admission, store: CountedStore
) -> None:
    admission.set_limit("pool/db", 5)
    admission.acquire(claim("a", "pool/db"))

    calls = store.of(lambda: admission.release("a"))

    assert calls == {"claim": 1, "line": 2, "release": 1}


def test_coming_to_wait_by_fairness_is_two_calls_more_where_the_line_has_not_moved(
    admission: Admission, store: CountedStore
) -> None:
    share = Share(limit="pool/db", value="a")
    admission.acquire(claim("a", "pool/db"))
    admission.acquire(replace(claim("b", "pool/db", second=1), fair=share))

    calls = store.of(
        lambda: admission.acquire(replace(claim("c", "pool/db", second=2), fair=share))
    )

    assert calls == {"admit": 1, "pace": 1, "entries": 1, "park": 1, "line": 1}


@pytest.mark.parametrize("error", [ThrottledError, ConflictError])
def test_a_write_that_was_refused_is_tried_again_at_growing_distances(
    admission: Admission,
    store: CountedStore,
    pauses: list[float],
    error: type[ThrottledError | ConflictError],
) -> None:
    store.failures["admit"] = [error("x"), error("x"), error("x")]

    grant = admission.acquire(claim("a", "pool/db"))

    assert grant.claim.state is ClaimState.HELD
    assert all(
        most / 2 <= pause <= most for pause, most in zip(pauses, (0.01, 0.02, 0.04), strict=True)
    )


def test_a_write_that_is_refused_for_good_is_reported(
    admission: Admission, store: CountedStore, pauses: list[float]
) -> None:
    store.failures["admit"] = [ThrottledError("x") for _ in range(99)]

    with pytest.raises(ThrottledError):
        admission.acquire(claim("a", "pool/db"))

    assert store.calls["admit"] == 8
    assert len(pauses) == 7


def test_a_write_whose_answer_is_lost_is_looked_up_not_repeated_blindly(
    admission: Admission, store: CountedStore
) -> None:
    admission.acquire(claim("a", "pool/db"))
    admission.acquire(claim("b", "pool/db", second=1))
    store.failures["release"] = [UnavailableError("x")]

    granted = admission.release("a")

    assert [one.claim_id for one in granted] == ["b"]
    limit = admission.limit("pool/db")
    assert limit is not None
    assert limit.in_use == 1
