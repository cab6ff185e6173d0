"""Runs of a backfill that are retried by themselves: the backfill waits for the last of them, and counts that one."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.app.backfills.days import launch, manifest, status
from tidegate import (
    DailyPartitionsDefinition,
    WeeklyPartitionsDefinition,
    asset,
)
from tidegate.app.backfills import backfill as backfills
from tidegate.app.backfills.backfill import retry_backfill
from tidegate.app.upkeep.sweep import sweep
from tidegate.domain.settings import Settings
from tidegate.errors import RequestError
from tidegate.manifest.document import Manifest

MakeWorld = Callable[[Manifest, Settings], Any]
DELAY = 600.0


@asset(partitions_def=DailyPartitionsDefinition("2025-02-02", end_date="2025-02-09"))
def day() -> int:
    return 1


@asset(partitions_def=WeeklyPartitionsDefinition("2025-02-02", end_date="2025-02-09"))
def week(day: dict[str, int]) -> int:
    return len(day)


@asset(
    partitions_def=DailyPartitionsDefinition("2025-02-02", end_date="2025-02-09"),
    output_required=False,
)
def after(day: int) -> int:
    return day


@asset
def other() -> int:
    return 1


CODE = manifest(day, week, after)
SETTINGS = Settings(
    run_chunk_size=2, max_outstanding_runs=3, max_run_retries=2, run_retry_delay_seconds=DELAY
)
BAD = "day@2025-02-03"


def settled(tg: Any) -> Any:
    one = status(tg)
    return one.status, {key: counts for key, counts in one.counts().items()}


def test_a_partition_whose_retry_succeeds_is_made_and_what_depends_on_it_waits_for_that(
    world_of: MakeWorld,
) -> None:
    tg = world_of(CODE, SETTINGS)
    tg.failing.add(BAD)
    launch(tg)
    tg.settle()

    one = status(tg)
    assert (one.status, one.failed, one.counts()["week"]["requested"]) == ("REQUESTED", {}, 0)
    assert "week" not in tg.ran
    tg.failing.clear()
    tg.advance(seconds=DELAY)

    now, counts = settled(tg)
    assert now == "COMPLETED_SUCCESS"
    assert {key: (one["done"], one["failed"]) for key, one in counts.items()} == {
        "day": (7, 0),
        "week": (1, 0),
        "after": (7, 0),
    }
    assert Counter(tg.ran)["week"] == 1


def test_after_the_last_retry_it_is_failed_and_leaves_out_what_depends_on_it(
    world_of: MakeWorld,
) -> None:
    tg = world_of(CODE, SETTINGS)
    tg.failing.add(BAD)
    launch(tg)

    tg.advance(seconds=DELAY)
    assert status(tg).status == "REQUESTED"
    tg.advance(seconds=DELAY)

    now, counts = settled(tg)
    assert now == "COMPLETED_FAILED"
    assert {key: (one["done"], one["failed"]) for key, one in counts.items()} == {
        "day": (6, 1),
        "week": (0, 1),
        "after": (6, 1),
    }
    assert Counter(tg.ran)["day"] == 6 + 3


def test_a_retry_that_is_refused_ends_the_wait(world_of: MakeWorld) -> None:
    tg = world_of(CODE, SETTINGS)
    tg.failing.add(BAD)
    launch(tg)
    tg.settle()
    tg.services.manifests.current = manifest(other, version="2")

    tg.advance(seconds=DELAY)

    assert status(tg).status == "COMPLETED_FAILED"
    assert status(tg).counts()["day"]["failed"] == 1


def test_a_failure_that_is_not_retried_is_counted_at_once(world_of: MakeWorld) -> None:
    tg = world_of(CODE, SETTINGS)
    tg.failing.add(BAD)
    launch_with = {"tidegate/max_retries": "0"}
    asked = backfills.BackfillRequest(
        selection="day", all_partitions=True, backfill_id="one", tags=launch_with
    )
    launch(tg, asked)
    tg.settle()

    assert settled(tg)[0] == "COMPLETED_FAILED"


@pytest.mark.parametrize("when", ["before the retry", "while it runs"])
def test_cancelling_a_backfill_ends_its_retries_and_refuses_those_to_come(
    world_of: MakeWorld, when: str
) -> None:
    tg = world_of(CODE, SETTINGS)
    tg.failing.add(BAD)
    launch(tg)
    tg.settle()
    if when == "while it runs":
        tg.clock.advance(timedelta(seconds=DELAY))
        from tidegate.app.upkeep.wake import wake

        wake(tg.services, tg.alarms.take(tg.clock.now()))
        tg.settle_wake_ups()

    backfills.cancel(tg.services, "one")
    tg.settle()

    assert status(tg).status == "CANCELED"
    ran = len(tg.ran)
    tg.advance(seconds=3 * DELAY)
    assert len(tg.ran) == ran


def test_the_sweep_repairs_nothing_while_a_retry_is_to_come(world_of: MakeWorld) -> None:
    tg = world_of(CODE, SETTINGS)
    tg.failing.add(BAD)
    launch(tg)
    tg.settle()
    tg.clock.advance(timedelta(seconds=DELAY - 1))

    assert sweep(tg.services) == {}


def test_events_that_come_twice_change_nothing(world_of: MakeWorld) -> None:
    tg = world_of(CODE, SETTINGS)
    tg.failing.add(BAD)
    launch(tg)
    tg.settle()
    tg.failing.clear()
    tg.advance(seconds=DELAY)
    expected = settled(tg)

    for run in tg.store.runs.find(limit=50).items:
        tg.backfill_events.wake({"backfill_id": "one", "run_id": run.run_id})
    tg.settle()

    assert settled(tg) == expected


def test_a_function_that_dies_at_any_call_counts_retries_all_the_same(world_of: MakeWorld) -> None:
    def ended(tg: Any) -> Any:
        tg.failures["day"] = 0
        tg.failing.add(BAD)
        launch(tg)
        tg.settle()
        tg.failing.clear()
        tg.advance(seconds=DELAY)
        return settled(tg), Counter(tg.ran_partitions)

    calm = world_of(CODE, SETTINGS)
    expected, most = ended(calm), calm.trouble.calls

    for number in random.Random(1).sample(range(most), 40):
        for is_after in (False, True):
            tg = world_of(CODE, SETTINGS)
            tg.trouble.at, tg.trouble.after = number, is_after
            assert ended(tg) == expected, f"died {'after' if is_after else 'before'} call {number}"


def test_only_what_failed_is_retried_when_asked_for(world_of: MakeWorld) -> None:
    tg = world_of(CODE, Settings(run_chunk_size=2))
    tg.failing.add(BAD)
    tg.withheld.add("after")
    launch(tg)
    tg.settle()
    first = status(tg)
    assert (len(first.failed["day"]), len(first.skipped["after"])) == (1, 6)
    tg.failing.clear()
    tg.withheld.clear()

    again = retry_backfill(tg.services, "one", only_failed=True, as_id="two")
    retry_backfill(tg.services, "one", only_failed=True, as_id="two")
    tg.settle()

    counts = {key: one["target"] for key, one in again.counts().items()}
    assert counts == {"day": 1, "week": 1, "after": 1}
    assert status(tg, "two").status == "COMPLETED_SUCCESS"
    assert len(tg.store.automation.backfills().items) == 2
    with pytest.raises(RequestError, match="failed nowhere"):
        retry_backfill(tg.services, "two", only_failed=True)
