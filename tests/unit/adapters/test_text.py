"""Text as stores keep it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.adapters.text import moment_of, stamp, storable

MOMENTS = st.datetimes(
    min_value=datetime(1000, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)
)


@given(MOMENTS, MOMENTS)
def test_stamps_sort_as_their_moments(one: datetime, other: datetime) -> None:
    assert (stamp(one) < stamp(other)) == (one < other)


@given(MOMENTS)
def test_a_stamp_has_a_fixed_width_and_reads_back(moment: datetime) -> None:
    assert len(stamp(moment)) == 27
    assert moment_of(stamp(moment)) == moment


def test_a_stamp_is_in_utc() -> None:
    assert (
        stamp(datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))))
        == "2025-12-31T23:00:00.000000Z"
    )


@pytest.mark.parametrize("reason", [None, "", "Step clean failed.", "x" * 2000])
def test_an_ordinary_reason_is_stored_as_it_is(reason: str | None) -> None:
    assert storable(reason) == reason
