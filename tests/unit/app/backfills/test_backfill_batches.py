"""How much of a backfill one call does: cancelling in batches, and taking in what has ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.app.backfills.days import launch, manifest, status
from tidegate import DailyPartitionsDefinition, asset
from tidegate.app.backfills import backfill as backfills
from tidegate.app.backfills.drive import drive
from tidegate.domain.settings import Settings
from tidegate.manifest.document import Manifest

MakeWorld = Callable[[Manifest, Settings], Any]


@asset(partitions_def=DailyPartitionsDefinition("2025-02-01", end_date="2025-03-01"))
def day() -> int:
    return 1


CODE = manifest(day)


def queued(tg: Any) -> int:
    return sum(run.status == "QUEUED" for run in tg.store.runs.find(limit=50).items)


def test_a_backfill_is_cancelled_batch_by_batch_the_latest_runs_first(world_of: MakeWorld) -> None:
    tg = world_of(CODE, Settings(cancel_batch_size=10, max_concurrent_runs=0))
    launch(tg)
    tg.settle()
    assert queued(tg) == 28

    backfills.cancel(tg.services, "one")
    left = []
    while tg.backfill_events.waiting:
        drive(tg.services, tg.backfill_events.waiting.pop(0))
        left.append(queued(tg))

    assert left == [18, 8, 0]
    tg.settle()
    assert status(tg).status == "CANCELED"
    assert tg.ran == []


@pytest.mark.parametrize("after", [False, True])
def test_a_function_that_dies_while_it_cancels_leaves_no_run(
    world_of: MakeWorld, after: bool
) -> None:
    number, tg = 0, None
    while tg is None or tg.trouble.calls > number:
        tg = world_of(CODE, Settings(cancel_batch_size=10, max_concurrent_runs=0))
        launch(tg)
        tg.settle()
        backfills.cancel(tg.services, "one")
        tg.trouble.calls, tg.trouble.at, tg.trouble.after = 0, number, after
        tg.settle()

        assert (status(tg).status, queued(tg)) == ("CANCELED", 0), number
        number += 15


@pytest.mark.parametrize(("size", "most"), [(1, 2), (7, 8), (1000, 26)])
def test_what_has_ended_is_taken_in_when_there_is_enough_of_it(
    world_of: MakeWorld, size: int, most: int
) -> None:
    """With all runs asked for, chunks that are over lie until as many partitions go into the row at once."""
    settings = Settings(materialization_chunk_size=size, run_chunk_size=1, max_outstanding_runs=50)
    tg = world_of(CODE, settings)
    launch(tg)
    lying = 0
    play = tg.play

    def watched(name: str) -> None:
        nonlocal lying
        play(name)
        if status(tg).runs == 28:
            chunks = tg.store.automation.chunks("one")
            lying = max(lying, sum(not chunk.open for chunk in chunks))

    tg.play = watched
    tg.settle()

    assert status(tg).status == "COMPLETED_SUCCESS"
    assert len(status(tg).done["day"]) == 28
    assert tg.store.automation.chunks("one") == []
    assert lying <= most
