"""Runs as rows."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tidegate.adapters.dynamodb.run_rows import order_of, run_row, status_key, step_key
from tidegate.domain.run import Run, RunStatus
from tidegate.errors import InvocationError


def run(**changes: object) -> Run:
    return Run(
        **{  # type: ignore[arg-type]
            "run_id": "run-1",
            "job": "daily",
            "manifest": "m",
            "status": RunStatus.QUEUED,
            "created_at": datetime(2026, 1, 31, 23, tzinfo=UTC),
            **changes,
        }
    )


def test_a_run_whose_config_does_not_fit_a_row_is_refused() -> None:
    noise = random.Random(0).randbytes(300_000).hex()

    with pytest.raises(
        InvocationError, match=r"What run run-1 was asked to do .* Put large values"
    ):
        run_row(run(run_config={"noise": noise}))


def test_a_run_is_listed_on_the_day_in_utc() -> None:
    east = timezone(timedelta(hours=-5))

    row = run_row(run(created_at=datetime(2026, 1, 31, 23, tzinfo=east)))

    assert (row.day, row.job_month) == ("day#2026-02-01", "job#daily#2026-02")


def test_a_run_that_succeeded_has_no_key_in_the_status_index() -> None:
    assert {one: status_key(one) for one in RunStatus} == {
        one: None if one is RunStatus.SUCCESS else f"status#{one}" for one in RunStatus
    }


def test_order_keys_sort_as_the_runs_were_created() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    moments = [start + timedelta(microseconds=n * 333_333) for n in range(20)]

    keys = [order_of(run(created_at=one)) for one in moments]

    assert keys == sorted(keys)


def test_step_keys_sort_as_their_numbers() -> None:
    keys = [step_key(one) for one in (0, 9, 10, 99_999, 100_000)]

    assert keys == sorted(keys)
