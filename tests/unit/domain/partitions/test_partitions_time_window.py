"""Partitions that are windows of time, and clocks that are put forward and back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.domain.calendar import ScheduleType
from tidegate.domain.partitions.definition import TimeWindow
from tidegate.domain.partitions.regular import (
    DailyPartitionsDefinition,
    HourlyPartitionsDefinition,
    MonthlyPartitionsDefinition,
    WeeklyPartitionsDefinition,
)
from tidegate.domain.partitions.time_window import TimeWindowPartitionsDefinition
from tidegate.errors import DefinitionError, InvocationError, UnknownPartitionError

NOW = datetime(2024, 3, 15, 10, 30, tzinfo=UTC)
NEW_YORK = "America/New_York"


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("offset", "last"), [(0, "2024-03-14"), (1, "2024-03-15"), (-1, "2024-03-13")]
)
def test_the_last_day_is_the_last_that_has_ended_moved_by_the_end_offset(
    offset: int, last: str
) -> None:
    days = DailyPartitionsDefinition("2024-01-01", end_offset=offset)

    assert days.get_first_partition_key(NOW) == "2024-01-01"
    assert days.get_last_partition_key(NOW) == last
    assert days.get_partition_keys(NOW)[-1] == last


def test_a_window_belongs_to_the_partitions_from_the_moment_it_ends() -> None:
    days = DailyPartitionsDefinition("2024-01-01")
    midnight = utc(2024, 1, 3)

    assert days.get_last_partition_key(midnight) == "2024-01-02"
    assert days.get_last_partition_key(midnight - timedelta(microseconds=1)) == "2024-01-01"


@pytest.mark.parametrize(
    ("partitions", "keys"),
    [
        (
            HourlyPartitionsDefinition("2024-03-15-08:00"),
            ["2024-03-15-08:00", "2024-03-15-09:00"],
        ),
        (
            HourlyPartitionsDefinition("2024-03-15-08:00", minute_offset=30),
            ["2024-03-15-08:30", "2024-03-15-09:30"],
        ),
        (DailyPartitionsDefinition("2024-03-13"), ["2024-03-13", "2024-03-14"]),
        (
            DailyPartitionsDefinition("2024-03-13", hour_offset=11),
            ["2024-03-13"],
        ),
        (
            WeeklyPartitionsDefinition("2024-02-26"),
            ["2024-03-03"],
        ),
        (
            WeeklyPartitionsDefinition("2024-02-26", day_offset=1),
            ["2024-02-26", "2024-03-04"],
        ),
        (MonthlyPartitionsDefinition("2024-01-02"), ["2024-02-01"]),
        (
            MonthlyPartitionsDefinition("2023-12-01", day_offset=31),
            ["2023-12-31"],
        ),
        (
            TimeWindowPartitionsDefinition(
                start="2024-02-26", fmt="%Y-%m-%d", cron_schedule="0 0 * * 1"
            ),
            ["2024-02-26", "2024-03-04"],
        ),
        (DailyPartitionsDefinition(datetime(2024, 3, 13, 5)), ["2024-03-14"]),
        (
            DailyPartitionsDefinition("2024-03-12", end_date="2024-03-14"),
            ["2024-03-12", "2024-03-13"],
        ),
        (
            DailyPartitionsDefinition("2024-03-12", end_date="2024-03-14", end_offset=3),
            ["2024-03-12", "2024-03-13"],
        ),
        (DailyPartitionsDefinition("2025-01-01"), []),
        (DailyPartitionsDefinition("2024-03-14", end_offset=-5), []),
    ],
)
def test_keys_are_the_windows_that_have_ended(
    partitions: TimeWindowPartitionsDefinition, keys: list[str]
) -> None:
    assert partitions.get_partition_keys(NOW) == keys
    assert partitions.get_first_partition_key(NOW) == (keys[0] if keys else None)
    assert partitions.get_last_partition_key(NOW) == (keys[-1] if keys else None)
    assert all(partitions.has_partition_key(key, NOW) for key in keys)


@pytest.mark.parametrize(
    "key",
    [
        "2024-03-15",
        "2023-12-31",
        "2024-3-1",
        "2024-02-30",
        "yesterday",
        "",
        "2024-03-01-0500",
        "9999-12-31",
    ],
)
def test_other_keys_are_none(key: str) -> None:
    days = DailyPartitionsDefinition("2024-01-01")

    assert not days.has_partition_key(key, NOW)
    with pytest.raises(UnknownPartitionError, match="from '2024-01-01' to '2024-03-14'"):
        days.validate_partition_key(key, NOW)


def test_a_window_goes_from_its_point_to_the_next() -> None:
    days = DailyPartitionsDefinition("2024-01-01", hour_offset=6, timezone="Europe/Berlin")

    window = days.time_window_for_partition_key("2024-07-01")

    assert (window.start, window.end) == (utc(2024, 7, 1, 4), utc(2024, 7, 2, 4))
    assert window.start.tzinfo == ZoneInfo("Europe/Berlin")
    with pytest.raises(UnknownPartitionError):
        days.time_window_for_partition_key("2023-01-01")
    with pytest.raises(UnknownPartitionError):
        days.time_window_for_partition_key("nope")


def test_a_day_of_the_month_that_a_month_lacks_is_left_out() -> None:
    months = MonthlyPartitionsDefinition("2024-01-01", day_offset=31)

    assert months.get_partition_keys(utc(2024, 9, 1)) == [
        "2024-01-31",
        "2024-03-31",
        "2024-05-31",
        "2024-07-31",
    ]


def test_the_hour_that_comes_twice_has_two_keys() -> None:
    hours = HourlyPartitionsDefinition("2024-11-03-00:00", timezone=NEW_YORK)

    keys = hours.get_partition_keys(utc(2024, 11, 3, 8))

    assert keys == [
        "2024-11-03-00:00",
        "2024-11-03-01:00",
        "2024-11-03-01:00-0500",
        "2024-11-03-02:00",
    ]
    assert [hours.time_window_for_partition_key(key).start.astimezone(UTC) for key in keys] == [
        utc(2024, 11, 3, hour) for hour in (4, 5, 6, 7)
    ]


def test_the_hour_that_is_left_out_has_no_key() -> None:
    hours = HourlyPartitionsDefinition("2024-03-10-00:00", timezone=NEW_YORK)

    assert hours.get_partition_keys(utc(2024, 3, 10, 8)) == [
        "2024-03-10-00:00",
        "2024-03-10-01:00",
        "2024-03-10-03:00",
    ]
    assert not hours.has_partition_key("2024-03-10-02:00", utc(2024, 4, 1))


def test_a_day_that_starts_in_the_gap_starts_at_its_end() -> None:
    days = DailyPartitionsDefinition(
        "2024-03-01", hour_offset=2, minute_offset=30, timezone=NEW_YORK
    )

    assert days.time_window_for_partition_key("2024-03-09").end == utc(2024, 3, 10, 7)
    assert days.time_window_for_partition_key("2024-03-10").start == utc(2024, 3, 10, 7)
    assert days.time_window_for_partition_key("2024-03-11").start == utc(2024, 3, 11, 6, 30)


def test_a_day_that_starts_where_clocks_repeat_starts_at_the_second() -> None:
    days = DailyPartitionsDefinition(
        "2024-11-01", hour_offset=1, minute_offset=30, timezone=NEW_YORK
    )

    start = days.time_window_for_partition_key("2024-11-03").start

    assert start.astimezone(UTC) == utc(2024, 11, 3, 6, 30)


def test_zones_of_half_hours_use_minutes_of_the_wall() -> None:
    hours = HourlyPartitionsDefinition("2024-01-01-00:00", timezone="Asia/Kolkata")

    assert hours.get_partition_keys(utc(2023, 12, 31, 20, 30)) == [
        "2024-01-01-00:00",
        "2024-01-01-01:00",
    ]


def in_utc(window: TimeWindow) -> TimeWindow:
    """Times of one zone are compared by the wall, which repeats; times in UTC do not."""
    return TimeWindow(window.start.astimezone(UTC), window.end.astimezone(UTC))


ZONES = st.sampled_from(["UTC", NEW_YORK, "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"])
KINDS: st.SearchStrategy[Callable[..., TimeWindowPartitionsDefinition]] = st.sampled_from(
    [
        HourlyPartitionsDefinition,
        DailyPartitionsDefinition,
        WeeklyPartitionsDefinition,
        MonthlyPartitionsDefinition,
    ]
)


@given(
    KINDS,
    ZONES,
    st.integers(0, 59),
    st.sampled_from([0, 68, 69, 84, 300, 306, 307, 308, 434]),
    st.integers(0, 3000),
)
def test_windows_follow_each_other_without_gaps_and_keys_name_them(
    kind: Callable[..., TimeWindowPartitionsDefinition],
    zone: str,
    minute: int,
    day: int,
    hours: int,
) -> None:
    start = datetime(2023, 1, 1) + timedelta(days=day)
    one = kind(start, timezone=zone, minute_offset=minute)
    now = start.replace(tzinfo=UTC) + timedelta(hours=min(hours, 300))

    keys = one.get_partition_keys(now)
    windows = [in_utc(one.time_window_for_partition_key(key)) for key in keys]

    assert len(set(keys)) == len(keys)
    assert all(a.end == b.start for a, b in pairwise(windows))
    assert all(window.start < window.end <= now for window in windows)
    assert all(
        one.get_partition_key_for_timestamp(w.start) == k
        for w, k in zip(windows, keys, strict=True)
    )
    assert one.get_first_partition_key(now) == (keys[0] if keys else None)
    assert one.get_last_partition_key(now) == (keys[-1] if keys else None)
    assert not windows or one.get_partition_key_for_timestamp(now) not in keys


@given(st.text(max_size=25))
def test_any_text_is_a_key_or_not(text: str) -> None:
    for one in (
        DailyPartitionsDefinition("2024-01-01"),
        HourlyPartitionsDefinition("2024-03-14", timezone=NEW_YORK),
    ):
        assert one.has_partition_key(text, NOW) == (text in one.get_partition_keys(NOW))


@pytest.mark.parametrize(
    ("cron", "kind"),
    [
        ("15 * * * *", ScheduleType.HOURLY),
        ("15 3 * * *", ScheduleType.DAILY),
        ("15 3 * * 0", ScheduleType.WEEKLY),
        ("15 3 1 * *", ScheduleType.MONTHLY),
    ],
)
def test_a_cron_of_a_known_form_says_the_same_as_offsets(cron: str, kind: ScheduleType) -> None:
    one = TimeWindowPartitionsDefinition(
        start="2024-01-01-00:00", fmt="%Y-%m-%d-%H:%M", cron_schedule=cron
    )

    assert one.schedule_type is kind
    assert one.cron_schedule == cron


def test_sunday_is_zero_and_seven() -> None:
    one = TimeWindowPartitionsDefinition(
        start="2024-01-01", fmt="%Y-%m-%d", cron_schedule="0 0 * * 7"
    )

    assert one.cron_schedule == "0 0 * * 0"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"start": "soon"}, "start='soon'"),
        ({"start": 3}, "start=3"),
        ({"start": "2024-01-01", "end": "later"}, "end='later'"),
        ({"fmt": "%Y"}, "two windows have the key '2024'"),
        ({"fmt": "%d"}, "does not say when '01' is"),
        ({"fmt": "x"}, "two windows have the key"),
        ({"timezone": "Mars/Olympus"}, "timezone='Mars/Olympus'"),
        ({"timezone": "../etc"}, "timezone='../etc'"),
        ({"schedule_type": "YEARLY"}, "schedule_type='YEARLY'"),
        ({"schedule_type": None}, "either schedule_type or cron_schedule"),
        ({"cron_schedule": "0 0 * * *"}, "either schedule_type or cron_schedule"),
        ({"schedule_type": None, "cron_schedule": "0 25 * * *"}, "'25' is no hour (0 to 23)"),
        ({"schedule_type": None, "cron_schedule": "0 0 30 2 *"}, "that day never comes"),
        ({"schedule_type": None, "cron_schedule": "0 0 * * * *"}, "it has 6 fields"),
        ({"schedule_type": None, "cron_schedule": "0 0 1-x * *"}, "'x' is no day of month"),
        ({"schedule_type": None, "cron_schedule": "99 0 * * *"}, "'99' is no minute"),
        ({"schedule_type": None, "cron_schedule": "0 0 * * *", "hour_offset": 1}, "offsets beside"),
        ({"hour_offset": 24}, "hour_offset=24"),
        ({"minute_offset": -1}, "minute_offset=-1"),
        ({"day_offset": 1}, "day_offset=1"),
        ({"end_offset": 1.5}, "end_offset=1.5"),
    ],
)
def test_windows_that_make_no_sense_are_refused(arguments: dict[str, Any], said: str) -> None:
    given = {"start": "2024-01-01", "fmt": "%Y-%m-%d", "schedule_type": "DAILY", **arguments}

    with pytest.raises(DefinitionError) as refused:
        TimeWindowPartitionsDefinition(**given)

    assert said in str(refused.value)
    assert refused.value.mend


@pytest.mark.parametrize("now", [None, datetime(2024, 3, 15)])
def test_the_time_is_given_and_aware(now: datetime | None) -> None:
    with pytest.raises(InvocationError, match="Give current_time"):
        DailyPartitionsDefinition("2024-01-01").get_partition_keys(now)
