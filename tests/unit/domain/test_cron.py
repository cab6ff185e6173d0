"""Cron expressions, and windows that go by them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.domain.calendar import CronCalendar
from tidegate.domain.cron import parse_cron
from tidegate.domain.partitions.time_window import TimeWindowPartitionsDefinition
from tidegate.errors import DefinitionError

NEW_YORK = "America/New_York"


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("0 0 * * 1-5", [1, 2, 3, 4, 5, 8, 9]),
        ("0 0 * * mon,WED", [1, 3, 8, 10]),
        ("0 0 * * 7", [7]),
        ("0 0 1,15 * *", [1, 15]),
        ("0 0 */10 * *", [1, 11]),
        ("0 0 2 * 1", [1, 2, 8, 15]),
        ("0 0 L * *", [31]),
        ("0 0 * * L5", [26]),
        ("0 0 * * 5#3", [19]),
        ("0 0 * feb *", []),
        ("@monthly", [1]),
        ("0 0 ? 1 ?", [1, 2, 3]),
    ],
)
def test_days_of_january_2024(text: str, days: list[int]) -> None:
    cron = parse_cron(text)

    found = [day for day in range(1, 32) if cron.has_day(date(2024, 1, day))]

    assert found[: len(days)] == days
    assert bool(found) is bool(days)


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("*/20 6 * * *", [360, 380, 400]),
        ("5 6,18 * * *", [365, 1085]),
        ("0 0-2 * * *", [0, 60, 120]),
        ("50/5 0 * * *", [50, 55]),
        ("*/90 0 * * *", [0]),
    ],
)
def test_times_of_the_day(text: str, times: list[int]) -> None:
    assert list(parse_cron(text).times) == times


@pytest.mark.parametrize(
    "text",
    ["", "0 0 * *", "60 * * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "@reboot", "5-1 * * * *"]
    + ["*/0 * * * *", "0 0 30 2 *", "h * * * *", "0 0 15W * *", "0 0 L-2 * *", "1-*/2 * * * *"],
)
def test_what_is_no_cron_expression_is_refused(text: str) -> None:
    with pytest.raises(DefinitionError, match="no cron expression"):
        parse_cron(text)


def test_friday_lasts_until_monday() -> None:
    one = TimeWindowPartitionsDefinition(
        start="2024-01-01", fmt="%Y-%m-%d", cron_schedule="0 9 * * 1-5"
    )

    window = one.time_window_for_partition_key("2024-01-05")

    assert window.start == datetime(2024, 1, 5, 9, tzinfo=UTC)
    assert window.end == datetime(2024, 1, 8, 9, tzinfo=UTC)
    assert one.get_num_partitions(datetime(2024, 1, 15, 9, tzinfo=UTC)) == 10


@pytest.mark.parametrize(
    ("cron", "day", "hours"),
    [
        ("30 2 * * *", 10, [(7, 0)]),
        ("0,30 2 * * *", 10, [(7, 0)]),
        ("*/30 1-3 * * *", 10, [(6, 0), (6, 30), (7, 0), (7, 30)]),
    ],
)
def test_times_that_are_left_out_move_to_the_end_of_the_gap_once(
    cron: str, day: int, hours: list[tuple[int, int]]
) -> None:
    points = CronCalendar(cron=parse_cron(cron), zone=NEW_YORK)

    found = [
        (one.hour, one.minute)
        for one in islice(points.forward(datetime(2024, 3, day, 5, tzinfo=UTC)), len(hours))
    ]

    assert found == hours


def test_times_that_come_twice_count_once_but_hourly_ones_twice() -> None:
    start = datetime(2024, 11, 3, 4, tzinfo=UTC)
    some = CronCalendar(cron=parse_cron("*/30 1-3 * * *"), zone=NEW_YORK)
    hourly = CronCalendar(cron=parse_cron("*/30 * * * *"), zone=NEW_YORK)

    assert [one.hour * 60 + one.minute for one in islice(some.forward(start), 3)] == [360, 390, 420]
    assert [(b - a).seconds for a, b in pairwise(islice(hourly.forward(start), 9))] == [1800] * 8


CRONS = st.sampled_from(
    ["*/15 * * * *", "0 9 * * 1-5", "5,17 * * * *", "0 */6 * * *", "30 1,2 * * *", "0 0 1,15 * *"]
    + ["0 * * * 1-5", "0 0 29 2 *", "0 3 L * *", "0,30 2 * * *", "10 0 * * 2#2"]
)
ZONES = st.sampled_from(["UTC", NEW_YORK, "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"])


@given(CRONS, ZONES, st.integers(0, 366 * 24))
def test_each_point_has_a_slot_of_its_own_and_is_found_by_it(
    text: str, zone: str, hour: int
) -> None:
    points = CronCalendar(cron=parse_cron(text), zone=zone)
    start = datetime(2023, 10, 1, tzinfo=UTC) + timedelta(hours=hour)

    ahead = list(islice(points.forward(start), 12))
    slots = [points.slot(one) for one in ahead]

    assert all(a < b for a, b in pairwise(slots))
    assert [points.at(one) for one in slots] == ahead
    assert list(points.slots(slots[0], slots[-1])) == slots
    assert list(islice(points.backward(ahead[-1]), 11)) == ahead[-2::-1]


@given(
    st.sampled_from(["HOURLY", "DAILY", "WEEKLY", "MONTHLY"]), ZONES, st.integers(0, 366), st.data()
)
def test_regular_points_have_slots_too(kind: str, zone: str, day: int, data: st.DataObject) -> None:
    minute = data.draw(st.integers(0, 59))
    day_offset = {"MONTHLY": data.draw(st.integers(1, 31))}.get(kind)
    one = TimeWindowPartitionsDefinition(
        start=datetime(2023, 10, 1) + timedelta(days=day),
        fmt="%Y-%m-%d-%H:%M",
        schedule_type=kind,
        timezone=zone,
        minute_offset=minute,
        day_offset=day_offset,
    )
    points = one.calendar

    ahead = list(islice(points.forward(one.start), 30))
    slots = [points.slot(point) for point in ahead]

    assert all(a < b for a, b in pairwise(slots))
    assert [points.at(slot) for slot in slots] == ahead
    assert list(points.slots(slots[0], slots[-1])) == slots
