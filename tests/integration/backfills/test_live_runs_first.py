"""A live run and a backfill of the same partitions: which goes first, and what both come to."""

from __future__ import annotations

from tests.integration.backfills.pipeline import PIPELINE, RAN, Deploy

ONE = {"concurrency": {"runs": {"max_concurrent_runs": 1}}}
KEY = "2025-01-02"


def test_a_live_run_does_not_wait_for_a_run_of_a_backfill_that_is_queued(deploy: Deploy) -> None:
    tg = deploy(PIPELINE, settings=ONE)
    tg.pause_limit("runs")
    backfill = tg.backfill("raw", range=("2025-01-01", "2025-01-03"))
    tg.settle()
    live = tg.materialize("raw", partition_key=KEY)
    tg.settle()
    assert {by for _, by, _, _ in tg.queue()} == {"runs"}

    tg.resume_limit("runs")
    tg.settle()

    queued = [one for one in tg.runs() if one != live]
    ended = {one: tg.run(one).finished_at for one in (live, *queued)}
    assert min(ended, key=lambda one: str(ended[one])) == live
    assert tg.backfill_status(backfill).status == "COMPLETED_SUCCESS"
    assert (RAN["raw", KEY], RAN["raw", "2025-01-01"]) == (2, 1)
    assert tg.limits["runs"].in_use == 0


def test_a_run_of_a_backfill_that_finds_its_partition_taken_gives_its_slot_to_another(
    deploy: Deploy,
) -> None:
    two = {"concurrency": {"runs": {"max_concurrent_runs": 2}}}
    tg = deploy(PIPELINE, settings=two, step_seconds=60)
    live = tg.materialize("raw", partition_key=KEY)
    tg.settle()
    backfill = tg.backfill("raw", range=(KEY, "2025-01-03"))
    tg.settle()

    first, second = sorted(
        (one for one in tg.runs() if one != live),
        key=lambda one: str(tg.run(one).tags["tidegate/partition"]),
    )
    assert [tg.run_status(one) for one in (live, first, second)] == ["STARTED", "QUEUED", "STARTED"]
    assert [(who, by) for who, by, _, _ in tg.queue()] == [(first, f"partition {KEY} of raw")]
    tg.advance(seconds=60)
    assert tg.run_status(first) == "STARTED"
    tg.advance(minutes=2)
    assert tg.backfill_status(backfill).status == "COMPLETED_SUCCESS"
    assert tg.limits["runs"].in_use == 0
