from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.domain.rate import Rate, micros, start_of, used_by
from tidegate.errors import InvocationError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_starts_are_spaced() -> None:
    rate = Rate(limit=60, per=timedelta(minutes=1))

    first = start_of(rate, 0, 1, NOW)
    second = start_of(rate, first.used_until, 1, NOW)

    assert first.at == NOW
    assert second.at == NOW + SECOND


def test_a_burst_starts_at_once_and_is_restored_by_time() -> None:
    rate = Rate(limit=60, per=timedelta(minutes=1), burst=3)

    used, waits = 0, []
    for now in (NOW, NOW, NOW, NOW, NOW + 10 * SECOND, NOW + 10 * SECOND):
        start = start_of(rate, used, 1, now)
        waits.append((start.at - now).total_seconds())
        used = start.used_until if start.at <= now else used

    assert waits == [0, 0, 0, 1, 0, 0]


def test_more_units_than_the_burst_start_when_it_is_whole() -> None:
    rate = Rate(limit=1, per=SECOND, burst=2)

    first = start_of(rate, 0, 5, NOW)
    second = start_of(rate, first.used_until, 1, NOW)

    assert first.at == NOW
    assert second.at == NOW + 4 * SECOND


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": 0, "per": SECOND},
        {"limit": 1, "per": timedelta(0)},
        {"limit": 1, "per": SECOND, "burst": 0},
    ],
)
def test_a_rate_that_starts_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvocationError, match="starts nothing"):
        Rate(**wrong)  # type: ignore[arg-type]


@given(
    limit=st.integers(1, 50),
    burst=st.integers(1, 10),
    gaps=st.lists(st.integers(0, 3_000_000), max_size=40),
)
def test_no_stretch_of_time_has_more_starts_than_rate_and_burst_allow(
    limit: int, burst: int, gaps: list[int]
) -> None:
    rate = Rate(limit=limit, per=SECOND, burst=burst)
    now, used, starts = NOW, 0, []
    for gap in gaps:
        now += timedelta(microseconds=gap)
        start = start_of(rate, used, 1, now)
        if start.at <= now:
            used = start.used_until
            starts.append(micros(now))

    for i, begin in enumerate(starts):
        for j in range(i, len(starts)):
            assert j - i + 1 <= burst + (starts[j] - begin) / rate.spacing


def test_a_new_rate_is_used_up_by_as_many_starts_as_the_one_before() -> None:
    was = Rate(limit=1, per=timedelta(hours=1), burst=5)
    now = Rate(limit=1, per=timedelta(minutes=1), burst=5)
    used = micros(NOW) + 3 * was.spacing

    assert used_by(was, used, now, NOW) == micros(NOW) + 3 * now.spacing


def test_a_new_rate_is_used_up_by_no_more_than_its_burst() -> None:
    was = Rate(limit=1, per=SECOND, burst=50)
    now = Rate(limit=1, per=SECOND, burst=2)

    assert used_by(was, micros(NOW) + 50 * was.spacing, now, NOW) == micros(NOW) + 2 * now.spacing


def test_what_was_not_used_up_is_not_in_a_new_rate() -> None:
    rate = Rate(limit=1, per=SECOND)

    start = start_of(rate, used_by(rate, 0, rate, NOW), 1, NOW)

    assert start.at == NOW


@pytest.mark.parametrize("per", [timedelta(milliseconds=250), timedelta(days=2)])
def test_a_rate_survives_the_way_through_json(per: timedelta) -> None:
    rate = Rate(limit=3, per=per, burst=2)

    assert Rate.from_json(json.loads(json.dumps(rate.to_json()))) == rate
