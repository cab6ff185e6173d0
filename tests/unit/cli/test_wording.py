"""How values read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.cli import wording

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = "2026-03-01T12:00:05+00:00"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-3, "0.00 s"),
        (0.042, "0.04 s"),
        (9.99, "9.99 s"),
        (9.996, "10.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (119.6, "2 min 00 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (86_399, "23 h 59 min"),
        (90_000, "1 d 01 h"),
    ],
)
def test_a_duration_reads_in_the_unit_that_fits(seconds: float, expected: str) -> None:
    assert wording.duration(seconds) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "-"),
        ("2026-03-01T08:05:01+00:00", "08:05:01"),
        ("2026-02-28T08:05:01+00:00", "Feb 28 08:05"),
        ("2025-12-31T08:05:01+00:00", "2025-12-31 08:05"),
    ],
)
def test_a_time_has_its_date_when_it_is_not_today(text: str | None, expected: str) -> None:
    assert wording.clock(text, NOW) == expected


def test_a_holder_is_a_run_or_a_step_of_one() -> None:
    run_id = "01957f2e-5c00-7000-8000-0000a1b2c3d4"

    assert wording.holder(f"run/{run_id}") == "a1b2c3d4"
    assert wording.holder(f"step/{run_id}/12/1") == "a1b2c3d4 step 12"


def test_holders_beyond_three_are_a_number() -> None:
    waiting = {"holders": [f"run/0000000{n}" for n in range(5)], "in_use": 9}

    assert wording.holders(waiting) == "held by 00000000, 00000001, 00000002 and 6 more"


def test_nobody_holds_a_limit_of_zero() -> None:
    waiting = {"blocked_by": "pool/db", "capacity": 0, "in_use": 0, "holders": [], "ahead": 0}

    assert wording.holders(waiting) == ""
    assert wording.why(waiting, NOW) == (
        "waits for pool/db (set to 0, admits nothing), next in line, for -"
    )


def test_a_count_that_was_cut_short_says_so() -> None:
    assert wording.ahead({"ahead": 999}) == "999"
    assert wording.ahead({"ahead": 1000}) == "1,000+"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "3 of 3 in use"),
        ({"capacity": 0}, "set to 0, admits nothing"),
        ({"paused": True}, "paused, admits nothing"),
        ({"capacity": 2, "units": 3}, "set to 2, and 3 are needed"),
        ({"units": 3}, "3 of 3 in use"),
        (
            {"rate": {"limit": 2, "per": 60.0, "burst": 1}},
            "3 of 3 in use, rate 2/minute",
        ),
        ({"capacity": -1, "rate": {"limit": 1, "per": 0.5, "burst": 3}}, "rate 1/0.5 s, burst 3"),
        (
            {"capacity": -1, "rate": {"limit": 1, "per": 86400.0, "burst": 1}, "next_start": LATER},
            f"rate 1/day, next start at {wording.clock(LATER, NOW)}",
        ),
    ],
)
def test_what_a_limit_is_full_of_is_said_with_what_it_lacks(
    changes: dict[str, Any], says: str
) -> None:
    assert wording.fill({"capacity": 3, "in_use": 3} | changes, NOW) == says


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("pool/db", "pool/db"),
        ("run/0190", "its run's max_concurrent"),
        ("run/0190/tag/team=blue", "its run's limit on team=blue"),
    ],
)
def test_limits_within_a_run_are_named_as_people_know_them(key: str, says: str) -> None:
    assert wording.limit_name(key) == says


def test_a_run_that_waits_for_a_partition_says_which_run_is_making_it() -> None:
    waiting = {
        "blocked_by": "partition 2025-01-01 of sales",
        "holders": ["run/01941f29-7c00-7000-8000-00000000abcd"],
        "capacity": 1,
        "in_use": 1,
        "ahead": None,
        "since": None,
        "partition": {
            "asset": "sales",
            "partition": "2025-01-01",
            "run_id": "01941f29-7c00-7000-8000-00000000abcd",
        },
    }

    said = wording.why(waiting, wording.now())

    assert said == ("waits for partition 2025-01-01 of sales (being made by run 0000abcd), for -")
    assert wording.holders(waiting) == ""
