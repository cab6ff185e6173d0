"""Backfills in which partitions fail, and that are retried, paused and cancelled."""

from __future__ import annotations

import pytest

from tests.integration.backfills.pipeline import FAILING, PIPELINE, QUICK, RAN, Deploy
from tidegate.errors import (
    RequestError,
)


def test_a_failed_partition_leaves_out_what_depends_on_it_and_nothing_else(deploy: Deploy) -> None:
    tg = deploy(PIPELINE, settings=QUICK)
    FAILING.add(("raw", "2025-02-03"))

    backfill = tg.backfill("*", all_partitions=True)
    tg.settle()

    done = tg.backfill_status(backfill)
    assert done.status == "COMPLETED_FAILED"
    assert done.assets["raw"] == {
        "target": 59,
        "requested": 59,
        "done": 58,
        "failed": 1,
        "skipped": 0,
    }
    assert done.assets["monthly"]["done"] == 1
    assert done.assets["monthly"]["failed"] == 1
    assert done.assets["report"]["failed"] == 1
    assert ("report", "") not in RAN
    assert tg.partition_status("raw")["2025-02-03"] == "FAILED"
    assert ["2025-02-03", "2025-02-03", 1, "failed"] in done.grid["clean"]


def test_a_retry_makes_what_was_not_made_and_nothing_else(deploy: Deploy) -> None:
    tg = deploy(PIPELINE, settings=QUICK)
    FAILING.add(("raw", "2025-02-03"))
    backfill = tg.backfill("*", all_partitions=True)
    tg.settle()
    FAILING.clear()
    RAN.clear()

    again = tg.call("backfills.retry", backfill_id=backfill)["backfill_id"]
    tg.settle()

    done = tg.backfill_status(again)
    assert done.status == "COMPLETED_SUCCESS"
    assert done.tags["tidegate/parent_backfill_id"] == backfill
    assert set(RAN) == {
        ("raw", "2025-02-03"),
        ("clean", "2025-02-03"),
        ("monthly", "2025-02-01"),
        ("report", ""),
    }


def test_only_what_failed_or_is_missing_is_asked_for(deploy: Deploy) -> None:
    tg = deploy(PIPELINE, settings=QUICK)
    FAILING.add(("raw", "2025-02-03"))
    tg.backfill("raw", range=("2025-02-01", "2025-02-10"))
    tg.settle()
    FAILING.clear()
    RAN.clear()

    failed = tg.backfill("raw", only="failed")
    tg.settle()
    missing = tg.backfill("raw", range=("2025-02-08", "2025-02-12"), only="missing")
    tg.settle()

    assert tg.backfill_status(failed).totals["done"] == 1
    assert tg.backfill_status(missing).totals["done"] == 2
    assert set(RAN) == {("raw", f"2025-02-{day}") for day in ("03", "11", "12")}


def test_pausing_asks_for_no_more_and_resuming_goes_on(deploy: Deploy) -> None:
    tg = deploy(PIPELINE, settings=QUICK, step_seconds=10)
    backfill = tg.backfill("raw", all_partitions=True, max_outstanding=4)
    tg.advance(seconds=15)

    tg.call("backfills.pause", backfill_id=backfill)
    tg.advance(minutes=10)
    paused = tg.backfill_status(backfill)
    made = len(RAN)
    tg.call("backfills.resume", backfill_id=backfill)
    tg.advance(minutes=10)

    assert paused.status == "PAUSED"
    assert paused.outstanding == 0
    assert 4 <= made < 20
    assert tg.backfill_status(backfill).status == "COMPLETED_SUCCESS"
    assert set(RAN.values()) == {1}


def test_cancelling_ends_its_runs_and_keeps_what_was_made(deploy: Deploy) -> None:
    tg = deploy(
        PIPELINE, settings={"concurrency": {"runs": {"max_concurrent_runs": 2}}}, step_seconds=10
    )
    backfill = tg.backfill("raw", all_partitions=True)
    tg.advance(seconds=25)

    tg.call("backfills.cancel", backfill_id=backfill)
    tg.advance(minutes=2)

    done = tg.backfill_status(backfill)
    assert done.status == "CANCELED"
    assert done.totals["done"] == 4
    assert set(tg.partition_status("raw").values()) == {"MATERIALIZED", "MISSING"}
    with pytest.raises(RequestError, match="is CANCELED"):
        tg.call("backfills.resume", backfill_id=backfill)
