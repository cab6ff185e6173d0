from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tidegate.domain.claim import (
    CLOSED,
    ENDLESS,
    LAST,
    MAX_PRIORITY,
    Claim,
    Limit,
    Want,
    admissible,
    new_limit,
    order_key_of,
)
from tidegate.errors import InvocationError

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def claim(*wants: Want) -> Claim:
    return Claim(claim_id="a", wants=wants, enqueued_at=NOW)


def test_order_is_priority_then_first_come_then_id() -> None:
    later = NOW + timedelta(microseconds=1)
    in_order = [
        order_key_of(MAX_PRIORITY, later, "z"),
        order_key_of(10, NOW, "a"),
        order_key_of(9, NOW, "a"),
        order_key_of(0, NOW, "a"),
        order_key_of(0, NOW, "b"),
        order_key_of(0, later, "a"),
        order_key_of(-1, NOW, "a"),
        order_key_of(-MAX_PRIORITY, NOW, "a"),
    ]

    assert sorted(in_order) == in_order
    assert CLOSED < in_order[0]
    assert in_order[-1] < LAST


@pytest.mark.parametrize("priority", [MAX_PRIORITY + 1, 10**12])
def test_a_priority_beyond_the_range_counts_as_its_end(priority: int) -> None:
    assert order_key_of(priority, NOW, "a") == order_key_of(MAX_PRIORITY, NOW, "a")
    assert order_key_of(-priority, NOW, "a") == order_key_of(-MAX_PRIORITY, NOW, "a")


def test_a_claim_of_one_limit_waits_in_the_queue_of_that_limit() -> None:
    assert claim(Want(limit="pool/db")).queue == "pool/db"


def test_claims_that_want_the_same_share_a_queue_in_whatever_order_they_name_the_limits() -> None:
    one = claim(Want(limit="runs"), Want(limit="pool/db", units=2))
    other = claim(Want(limit="pool/db", units=2), Want(limit="runs", capacity=7))
    fewer = claim(Want(limit="pool/db"), Want(limit="runs"))
    third = claim(Want(limit="pool/db"), Want(limit="runs"), Want(limit="job/x"))

    assert one.queue == other.queue
    assert len({one.queue, fewer.queue, third.queue}) == 3


def test_wants_of_one_limit_are_added_up() -> None:
    merged = admissible(
        claim(Want(limit="a", units=1, capacity=5), Want(limit="b"), Want(limit="a", units=2))
    )

    assert merged.wants == (Want(limit="a", units=3, capacity=5), Want(limit="b"))


@pytest.mark.parametrize("units", [0, -1])
def test_less_than_one_unit_is_an_error_that_names_the_limit(units: int) -> None:
    with pytest.raises(InvocationError, match="pool/db"):
        admissible(claim(Want(limit="pool/db", units=units)))


def test_a_limit_nobody_set_starts_without_bound_and_says_so() -> None:
    limit = new_limit(Want(limit="pool/db"))

    assert (limit.capacity, limit.source, limit.room) == (-1, "unset", ENDLESS)


def test_room_is_negative_when_more_is_in_use_than_the_capacity_allows() -> None:
    limit = Limit(key="pool/db", capacity=10, in_use=10)

    assert replace(limit, capacity=2).room == -8
