"""Moments are stored as PynamoDB's own attribute stores them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st
from pynamodb.attributes import UTCDateTimeAttribute

from tidegate.adapters.dynamodb.moment import MomentAttribute

ZONES = st.none() | st.integers(-720, 720).map(lambda one: timezone(timedelta(minutes=one)))
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=ZONES)


@given(MOMENTS)
def test_a_moment_is_written_and_read_as_pynamodb_does(moment: datetime) -> None:
    theirs = UTCDateTimeAttribute()

    text = MomentAttribute().serialize(moment)

    assert text == theirs.serialize(moment)  # type: ignore[no-untyped-call]
    read = MomentAttribute().deserialize(text)
    assert read == theirs.deserialize(text)  # type: ignore[no-untyped-call]
    assert read.tzinfo is UTC
