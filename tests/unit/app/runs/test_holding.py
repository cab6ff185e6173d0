"""No partition is made by two runs at once: who waits, who gives way, and what is said of it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.app.runs.partitioned import (
    ALL,
    KEYS,
    NOTHING,
    OPEN,
    SKIP,
    MakeWorld,
    guarded,
    left,
    make,
    statuses,
)
from tidegate.app.api.query import queue, run_status, show_run
from tidegate.app.backfills.backfill import launch_backfill
from tidegate.app.backfills.target import BackfillRequest
from tidegate.app.partitions import add_dynamic, delete_dynamic
from tidegate.app.runs.cancel import request_cancel
from tidegate.app.runs.submit import RunRequest, submit
from tidegate.app.upkeep.sweep import GRACE, sweep
from tidegate.domain.settings import Settings
from tidegate.errors import RequestError


@pytest.fixture
def tg(world_of: MakeWorld) -> Any:
    return guarded(world_of(ALL, OPEN))


def test_the_second_run_of_a_partition_waits_for_the_first(tg: Any) -> None:
    first, second = make(tg), make(tg)
    tg.settle_wake_ups()

    assert statuses(tg, first, second) == ["STARTED", "QUEUED"]
    tg.settle()
    assert statuses(tg, first, second) == ["SUCCESS", "SUCCESS"]
    assert tg.ran == ["raw", "raw"]
    assert left(tg) == NOTHING


def test_other_partitions_and_other_assets_do_not_wait(tg: Any) -> None:
    runs = [make(tg), make(tg, key=KEYS[1]), make(tg, "clean")]
    tg.settle_wake_ups()

    assert statuses(tg, *runs) == ["STARTED"] * 3


def test_a_run_that_waits_holds_no_slot(world_of: MakeWorld) -> None:
    tg = guarded(world_of(ALL, Settings(max_concurrent_runs=2)))
    first, second, other = make(tg), make(tg), make(tg, key=KEYS[1])

    tg.settle_wake_ups()

    assert statuses(tg, first, second, other) == ["STARTED", "QUEUED", "STARTED"]


def test_a_range_and_its_partitions_exclude_each_other(tg: Any) -> None:
    day, several, late = make(tg, key=KEYS[1]), make(tg, key=None), make(tg, key=KEYS[2])
    tg.settle_wake_ups()

    assert statuses(tg, day, several, late) == ["STARTED", "QUEUED", "STARTED"]
    tg.settle()
    assert statuses(tg, day, several, late) == ["SUCCESS"] * 3
    assert left(tg) == NOTHING


def test_those_who_wait_go_on_by_priority_and_then_as_they_came(tg: Any) -> None:
    runs = [make(tg), make(tg), make(tg), make(tg, priority="5")]
    tg.settle()

    started = [tg.store.runs.get(one).started_at for one in runs]
    assert sorted(runs, key=lambda one: tg.store.runs.get(one).started_at) == [
        runs[0],
        runs[3],
        runs[1],
        runs[2],
    ]
    assert len(set(started)) == 4


def test_runs_that_want_each_others_assets_do_not_wait_for_each_other(tg: Any) -> None:
    runs = [make(tg, "clean", "raw"), make(tg, "raw", "clean"), make(tg, "clean"), make(tg, "raw")]
    tg.settle()

    assert statuses(tg, *runs) == ["SUCCESS"] * 4
    assert left(tg) == NOTHING


def test_a_job_of_assets_holds_what_it_makes(tg: Any) -> None:
    first = tg.submit("days", partition_key=KEYS[0])
    second = make(tg, "clean")
    tg.settle_wake_ups()

    assert statuses(tg, first, second) == ["STARTED", "QUEUED"]
    tg.settle()
    assert left(tg) == NOTHING


@pytest.mark.parametrize("how", ["failed", "canceled", "queued"])
def test_however_the_first_ends_the_second_runs(tg: Any, how: str) -> None:
    tg.failing |= {f"raw@{KEYS[0]}"} if how == "failed" else set()
    first, second = make(tg), make(tg)
    if how != "queued":
        tg.settle_wake_ups()
    if how == "canceled" or how == "queued":
        request_cancel(tg.services, first)
    tg.settle()

    assert tg.status(first) == ("FAILURE" if how == "failed" else "CANCELED")
    assert tg.status(second) == ("FAILURE" if how == "failed" else "SUCCESS")
    assert left(tg) == NOTHING


def test_a_run_that_is_canceled_while_it_waits_leaves_nothing(tg: Any) -> None:
    first, second = make(tg, key=KEYS[1]), make(tg, key=None)
    tg.settle_wake_ups()

    request_cancel(tg.services, second)
    third = make(tg, key=KEYS[0])
    tg.settle_wake_ups()

    assert statuses(tg, first, second, third) == ["STARTED", "CANCELED", "STARTED"]
    tg.settle()
    assert left(tg) == NOTHING


def test_a_run_may_wait_no_longer_than_its_queue_time_out(tg: Any) -> None:
    make(tg)
    second = make(tg, queue_timeout="60")
    tg.settle_wake_ups()
    tg._completed |= set(tg.launcher.started)  # the first goes on for long

    tg.advance(seconds=61)

    assert tg.status(second) == "FAILURE"
    assert "queue" in tg.store.runs.get(second).reason
    assert left(tg)[0][0].of(second) == ()


def test_a_retry_takes_the_partition_again(world_of: MakeWorld) -> None:
    tg = guarded(world_of(ALL, Settings(max_run_retries=1, run_retry_delay_seconds=5)))
    tg.failing.add(f"raw@{KEYS[0]}")
    make(tg)
    tg.settle()
    tg.failing.clear()

    tg.advance(seconds=5)

    assert tg.ran == ["raw", "raw"]
    assert sorted(one.status for one in tg.store.runs.find().items) == ["FAILURE", "SUCCESS"]
    assert left(tg) == NOTHING


def test_show_and_queue_say_which_run_is_making_the_partition(tg: Any) -> None:
    first, second, several = make(tg), make(tg), make(tg, key=None)
    tg.settle_wake_ups()

    said = {"asset": "raw", "partition": KEYS[0], "run_id": first}
    assert show_run(tg.services, second)["waiting"]["partition"] == said
    assert run_status(tg.services, several)["waiting"]["partition"] == said
    waiting = {one["run_id"]: one["waiting"] for one in queue(tg.services)["runs"]}
    assert waiting[second]["blocked_by"] == f"partition {KEYS[0]} of raw"
    assert waiting[second]["holders"] == [f"run/{first}"]


def test_a_run_that_would_skip_is_over_at_once_and_names_the_run_that_has_it(tg: Any) -> None:
    first = make(tg)
    tg.settle_wake_ups()

    run = submit(tg.services, RunRequest(assets=("raw",), partition_key=KEYS[0], tags=SKIP))

    assert (run.status, run.was_skipped, run.lost_to) == ("CANCELED", True, (first,))
    assert run.reason == f"skipped: partition {KEYS[0]} of raw is being made by run {first}"
    tg.settle()
    assert tg.ran == ["raw"]
    assert left(tg) == NOTHING


def test_a_run_that_would_skip_runs_where_nobody_is(tg: Any) -> None:
    run = make(tg, on_running="skip")
    tg.settle()

    assert tg.status(run) == "SUCCESS"
    assert left(tg) == NOTHING


def test_a_policy_that_is_none_is_refused(tg: Any) -> None:
    with pytest.raises(RequestError, match="on_running"):
        make(tg, on_running="stop")


def test_a_backfill_that_skips_counts_what_another_makes_as_skipped_and_says_why(tg: Any) -> None:
    first = make(tg, "raw", key=KEYS[1])
    tg.settle_wake_ups()
    asked = BackfillRequest(selection="raw+", all_partitions=True, backfill_id="one", tags=SKIP)

    launch_backfill(tg.services, asked)
    tg.settle()

    one = tg.store.automation.backfill("one")
    assert one.status == "COMPLETED_SUCCESS"
    assert one.counts()["raw"] | {"target": 0} == {
        "target": 0,
        "requested": 3,
        "done": 2,
        "failed": 0,
        "skipped": 1,
    }
    assert one.counts()["clean"]["skipped"] == 1
    assert one.notes == (f"Skipped: partition {KEYS[1]} of raw is being made by run {first}.",)


def test_keys_deleted_while_they_are_made_are_free_when_they_come_back(tg: Any) -> None:
    add_dynamic(tg.services, "customers", ["acme", "globex", "initech"])
    tags = {
        "tidegate/asset_partition_range_start": "acme",
        "tidegate/asset_partition_range_end": "initech",
    }
    first = submit(tg.services, RunRequest(assets=("bill",), tags=tags)).run_id
    tg.settle_wake_ups()
    delete_dynamic(tg.services, "customers", "globex")
    tg.settle()
    assert tg.status(first) == "SUCCESS"

    add_dynamic(tg.services, "customers", ["globex"])
    run = make(tg, "bill", key="globex")
    tg.settle()

    assert tg.status(run) == "SUCCESS"
    assert left(tg) == NOTHING


def test_many_who_wait_for_one_run_all_go_on(tg: Any) -> None:
    first = make(tg, key=None)
    tg.settle_wake_ups()
    waiting = [make(tg, key=KEYS[n % 3]) for n in range(60)]
    tg.settle()

    assert statuses(tg, first, *waiting) == ["SUCCESS"] * 61
    assert left(tg) == NOTHING


class Spy:
    def __init__(self, port: Any) -> None:
        self._port, self.calls = port, Counter[str]()

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        return getattr(self._port, name)


def test_it_costs_one_write_at_each_end_for_each_asset_and_nothing_without_partitions(
    tg: Any,
) -> None:
    spy = tg.services.store.partition_holds = Spy(tg.store.partition_holds)

    submit(tg.services, RunRequest(assets=("whole",)))
    tg.settle()
    assert spy.calls == {}

    make(tg, "raw", "clean")
    tg.settle()
    assert spy.calls == {"take": 2, "give_up": 2}


def test_a_sweep_repairs_nothing_of_those_who_wait(tg: Any) -> None:
    make(tg)
    second = make(tg)
    tg.settle_wake_ups()
    tg.clock.advance(GRACE + timedelta(seconds=1))

    assert sweep(tg.services)["unadmitted"] == 0
    tg.settle()
    assert tg.status(second) == "SUCCESS"
