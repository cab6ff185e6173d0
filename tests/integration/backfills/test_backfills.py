"""Backfills, end to end: the real handlers, tables and state machine, on simulated time."""

from __future__ import annotations

from tests.integration.backfills.pipeline import PIPELINE, QUICK, RAN, Deploy


def test_days_then_months_then_the_report_each_partition_once(deploy: Deploy) -> None:
    tg = deploy(PIPELINE, settings=QUICK)

    backfill = tg.backfill("*", all_partitions=True)
    tg.settle()

    done = tg.backfill_status(backfill)
    assert done.status == "COMPLETED_SUCCESS"
    assert {key: count["done"] for key, count in done.assets.items()} == {
        "raw": 59,
        "clean": 59,
        "monthly": 2,
        "report": 1,
    }
    assert done.runs == 59 + 2 + 1
    assert set(RAN.values()) == {1}
    assert len(RAN) == 59 + 59 + 2 + 1
    assert tg.value("report") == {"2025-01-01": 31, "2025-02-01": 28}
    assert set(tg.partition_status("clean").values()) == {"MATERIALIZED"}
    assert done.grid["raw"] == [["2025-01-01", "2025-02-28", 59, "done"]]


def test_runs_say_which_backfill_and_partition_they_are_of(deploy: Deploy) -> None:
    tg = deploy(PIPELINE, settings=QUICK)

    backfill = tg.backfill("raw", partitions=["2025-01-05"], tags={"team": "x"})
    tg.settle()

    (run_id,) = tg.runs()
    tags = tg.run(run_id).tags
    assert tags["tidegate/backfill"] == backfill
    assert tags["tidegate/partition"] == "2025-01-05"
    assert tags["team"] == "x"


def test_a_backfill_never_has_more_runs_under_way_than_it_may(deploy: Deploy) -> None:
    tg = deploy(PIPELINE, settings=QUICK, step_seconds=10)

    backfill = tg.backfill("raw", all_partitions=True, max_outstanding=4)
    most = 0
    for _ in range(40):
        tg.advance(seconds=5)
        most = max(most, tg.backfill_status(backfill).outstanding)
    tg.advance(minutes=5)

    assert most == 4
    assert tg.backfill_status(backfill).status == "COMPLETED_SUCCESS"
    assert set(RAN.values()) == {1}


def test_the_latest_partitions_come_first_when_asked_for(deploy: Deploy) -> None:
    tg = deploy(PIPELINE, settings={"concurrency": {"runs": {"max_concurrent_runs": 1}}})

    tg.backfill("raw", range=("2025-01-01", "2025-01-05"), order="desc")
    tg.settle()

    assert [key for _, key in RAN] == [f"2025-01-0{day}" for day in (5, 4, 3, 2, 1)]
