"""Backfills on memory, and the same with a function that dies at every single call it makes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.app.backfills.days import (
    PIPELINE,
    SETTINGS,
    SHORT,
    MakeWorld,
    clean,
    launch,
    manifest,
    raw,
    status,
)
from tidegate import (
    DailyPartitionsDefinition,
    StaticPartitionsDefinition,
    asset,
)
from tidegate.app.backfills import backfill as backfills
from tidegate.app.backfills.drive import drive
from tidegate.app.backfills.target import BackfillRequest
from tidegate.app.upkeep.sweep import sweep
from tidegate.manifest.document import Manifest


def _ending(tg: Any) -> Any:
    one = status(tg)
    return (
        one.status,
        one.counts(),
        one.runs,
        {limit.key: limit.in_use for limit in tg.store.admission.limits()},
        tg.store.automation.chunks("one"),
        Counter(tg.ran_partitions),
    )


@pytest.mark.parametrize("failing", [set(), {"raw@2025-02-01"}])
@pytest.mark.parametrize("after", [False, True])
def test_a_function_that_dies_at_any_call_asks_for_no_partition_twice_and_loses_none(
    world_of: MakeWorld, after: bool, failing: set[str]
) -> None:
    calm = world_of(SHORT, SETTINGS)
    calm.failing |= failing
    launch(calm)
    calm.settle()
    expected, most = _ending(calm), calm.trouble.calls
    assert set(expected[-1].values()) == {1}

    for number in range(most):
        tg = world_of(SHORT, SETTINGS)
        tg.failing |= failing
        tg.trouble.at, tg.trouble.after = number, after
        launch(tg)
        tg.settle()

        assert _ending(tg) == expected, f"died {'after' if after else 'before'} call {number}"
    assert most > 120


def test_events_that_come_twice_and_in_any_order_change_nothing(world_of: MakeWorld) -> None:
    tg = world_of(PIPELINE, SETTINGS)
    launch(tg)
    tg.settle()
    expected = _ending(tg)

    runs = [run.run_id for run in tg.store.runs.find(limit=50).items]
    for run_id in [*runs, *reversed(runs)]:
        drive(tg.services, {"backfill_id": "one", "run_id": run_id})
        drive(tg.services, {"backfill_id": "one", "cause": "launch"})
    tg.settle()

    assert _ending(tg) == expected


def test_the_same_request_again_is_the_same_backfill(world_of: MakeWorld) -> None:
    tg = world_of(PIPELINE, SETTINGS)

    launch(tg)
    launch(tg)
    tg.settle()

    assert set(Counter(tg.ran_partitions).values()) == {1}
    assert len(tg.store.automation.backfills().items) == 1


def test_an_asset_removed_by_a_deploy_meanwhile_is_recorded_and_nothing_hangs(
    world_of: MakeWorld,
) -> None:
    tg = world_of(manifest(raw, clean), SETTINGS)
    launch(tg)
    _deploy_after_first_chunk(tg, manifest(raw, version="2"))

    tg.settle()

    one = status(tg)
    assert one.status == "COMPLETED_FAILED"
    assert one.counts()["raw"]["done"] + one.counts()["raw"]["failed"] == 5
    assert one.counts()["raw"]["failed"] > 0
    assert "There is no asset 'clean'." in one.notes[0]


def test_a_start_that_moved_meanwhile_is_recorded_and_the_rest_is_made(
    world_of: MakeWorld,
) -> None:
    def declared(start: str) -> Any:
        def raw() -> int:
            return 1

        days = DailyPartitionsDefinition(start, end_date="2025-02-04")
        return asset(partitions_def=days)(raw)

    tg = world_of(manifest(declared("2025-01-30")), SETTINGS)
    launch(
        tg, BackfillRequest(selection="*", all_partitions=True, backfill_id="one", descending=True)
    )
    _deploy_after_first_chunk(tg, manifest(declared("2025-01-31"), version="2"))

    tg.settle()

    one = status(tg)
    assert one.status == "COMPLETED_FAILED"
    assert one.counts()["raw"] == {
        "target": 5,
        "requested": 5,
        "done": 4,
        "failed": 1,
        "skipped": 0,
    }
    assert "2025-01-30" in one.notes[0]


def _deploy_after_first_chunk(tg: Any, deployed: Manifest) -> None:
    """The backfill function has asked for its first chunk, when other code is deployed."""
    tg.again(lambda: drive(tg.services, tg.backfill_events.waiting.pop(0)))
    manifests = tg.services.manifests
    manifests.publish()
    manifests._known[deployed.hash] = deployed
    manifests.current = deployed


def test_code_that_is_gone_ends_it_with_the_reason(world_of: MakeWorld) -> None:
    tg = world_of(PIPELINE, SETTINGS)
    launch(tg)
    one = status(tg)
    assert tg.store.automation.change_backfill(one, replace(one, manifest="gone"))

    tg.settle()

    assert status(tg).status == "FAILED"
    assert "is not in the bucket" in status(tg).notes[0]


def test_cancelling_twice_while_its_runs_wait_is_cancelling_once(world_of: MakeWorld) -> None:
    tg = world_of(PIPELINE, SETTINGS)
    launch(tg)
    tg.again(lambda: drive(tg.services, tg.backfill_events.waiting.pop(0)))

    for _ in range(2):
        backfills.cancel(tg.services, "one")
    tg.settle()

    assert status(tg).status == "CANCELED"
    assert status(tg).counts()["raw"]["done"] == 0
    assert {run.status.value for run in tg.store.runs.find(limit=50).items} == {"CANCELED"}
    assert {limit.key: limit.in_use for limit in tg.store.admission.limits()}["runs"] == 0


def test_the_sweep_finds_a_backfill_whose_events_were_lost(world_of: MakeWorld) -> None:
    tg = world_of(PIPELINE, SETTINGS)
    launch(tg)
    tg.backfill_events.waiting.clear()
    tg.settle()
    assert status(tg).runs == 0

    tg.clock.advance(timedelta(minutes=10))
    counted = sweep(tg.services)
    tg.settle()

    assert counted["backfills"] == 1
    assert status(tg).status == "COMPLETED_SUCCESS"


def test_the_sweep_counts_runs_whose_end_was_not_told(world_of: MakeWorld) -> None:
    tg = world_of(PIPELINE, SETTINGS)
    tell, lost = tg.backfill_events.wake, []
    tg.backfill_events.wake = lambda event: lost.append(event) if "run_id" in event else tell(event)
    launch(tg)
    tg.settle()
    assert len(lost) == SETTINGS.max_outstanding_runs
    tg.backfill_events.wake = tell

    tg.clock.advance(timedelta(minutes=10))
    counted = sweep(tg.services)
    tg.settle()

    assert counted["backfills"] == 1
    assert status(tg).status == "COMPLETED_SUCCESS"
    assert set(Counter(tg.ran_partitions).values()) == {1}


def test_partitions_of_a_list_may_be_reordered_by_a_deploy(world_of: MakeWorld) -> None:
    def declared(*keys: str) -> Any:
        def account() -> int:
            return 1

        return asset(partitions_def=StaticPartitionsDefinition([*keys]))(account)

    tg = world_of(manifest(declared("a", "b", "c", "d")), SETTINGS)
    launch(tg)
    _deploy_after_first_chunk(tg, manifest(declared("d", "c", "b", "a", "e"), version="2"))

    tg.settle()

    assert status(tg).status == "COMPLETED_SUCCESS"
    assert Counter(key for _, key in tg.ran_partitions) == Counter("abcd")
