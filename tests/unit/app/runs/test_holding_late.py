"""A live run does not wait for a run of a backfill that has not begun; and still no two make a partition at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.app.runs.partitioned import (
    ALL,
    KEYS,
    NOTHING,
    MakeWorld,
    backfilled,
    guarded,
    left,
    make,
    play,
    statuses,
)
from tests.unit.app.seen import in_use
from tests.unit.app.upkeep.swept import later
from tidegate.app.api.query import queue, show_run
from tidegate.app.runs.cancel import cancel
from tidegate.app.runs.submit import RunRequest, submit
from tidegate.app.upkeep.sweep import sweep
from tidegate.domain.settings import Settings

ONE, TWO, OPEN = (Settings(max_concurrent_runs=number) for number in (1, 2, 10))


def _busy(tg: Any) -> str:
    """A run of what has no partitions takes a slot."""
    run_id: str = tg.again(lambda: submit(tg.services, RunRequest(assets=("whole",)))).run_id
    tg.settle_wake_ups()
    return run_id


def _begun(tg: Any, *runs: str) -> list[str]:
    """Those that have begun, in the order in which they did."""
    found = [(tg.store.runs.get(one).started_at, one) for one in runs]
    return [one for at, one in sorted(pair for pair in found if pair[0] is not None)]


def test_a_live_run_goes_before_a_run_of_a_backfill_that_waits_for_a_slot(
    world_of: MakeWorld,
) -> None:
    tg = guarded(world_of(ALL, ONE))
    busy, old = _busy(tg), backfilled(tg)
    tg.settle_wake_ups()
    live = make(tg)
    tg.settle_wake_ups()
    assert statuses(tg, busy, old, live) == ["STARTED", "QUEUED", "QUEUED"]
    assert {one["waiting"]["blocked_by"] for one in queue(tg.services)["runs"]} == {"runs"}

    tg.settle()

    assert statuses(tg, busy, old, live) == ["SUCCESS"] * 3
    assert _begun(tg, live, old) == [live, old]
    assert left(tg) == NOTHING


def test_a_run_of_a_backfill_that_comes_second_gives_its_slot_back_and_has_its_turn_later(
    world_of: MakeWorld,
) -> None:
    tg = guarded(world_of(ALL, TWO))
    live, late = make(tg), backfilled(tg)
    tg.settle_wake_ups()

    assert statuses(tg, live, late) == ["STARTED", "QUEUED"]
    assert in_use(tg) == {"runs": 1}
    said = {"asset": "raw", "partition": KEYS[0], "run_id": live}
    assert show_run(tg.services, late)["waiting"]["partition"] == said
    (waiting,) = [one["waiting"] for one in queue(tg.services)["runs"]]
    assert (waiting["blocked_by"], waiting["holders"]) == (
        f"partition {KEYS[0]} of raw",
        [f"run/{live}"],
    )
    messages = [one.message for one in tg.store.events.read(late).items]
    assert f"It waits with no slots: partition {KEYS[0]} of raw is being made by run {live}." in (
        messages
    )
    other = make(tg, key=KEYS[1])
    tg.settle_wake_ups()
    assert tg.status(other) == "STARTED"
    tg.settle()
    assert statuses(tg, live, late, other) == ["SUCCESS"] * 3
    assert left(tg) == NOTHING
    assert in_use(tg) == {}


def test_it_does_not_lose_its_place_in_line(world_of: MakeWorld) -> None:
    tg = guarded(world_of(ALL, TWO))
    live, late = make(tg), backfilled(tg)
    tg.settle_wake_ups()
    after = backfilled(tg, key=KEYS[1])
    tg.settle_wake_ups()
    others = [backfilled(tg, key=KEYS[2]), backfilled(tg, "clean")]
    tg.settle_wake_ups()
    assert statuses(tg, live, late, after, *others) == ["STARTED", "QUEUED", "STARTED"] + (
        ["QUEUED"] * 2
    )

    play(tg, live)

    assert statuses(tg, late, *others).count("STARTED") == 1
    tg.settle()
    assert _begun(tg, late, *others)[0] in (late, others[0])
    assert statuses(tg, late, *others) == ["SUCCESS"] * 3


def test_what_it_had_of_several_partitions_is_free_while_it_waits(world_of: MakeWorld) -> None:
    tg = guarded(world_of(ALL, OPEN))
    last = make(tg, "raw")
    tg.settle_wake_ups()
    late = backfilled(tg, "clean", "raw")
    tg.settle_wake_ups()
    other = make(tg, "clean")
    tg.settle_wake_ups()

    assert statuses(tg, last, late, other) == ["STARTED", "QUEUED", "STARTED"]
    tg.settle()
    assert statuses(tg, last, late, other) == ["SUCCESS"] * 3
    assert left(tg) == NOTHING


def test_once_it_has_let_others_go_first_for_long_enough_it_holds_what_it_waits_for(
    world_of: MakeWorld,
) -> None:
    settings = Settings(max_concurrent_runs=10, backfill_yield_seconds=60)
    tg = guarded(world_of(ALL, settings))
    first, late = make(tg), backfilled(tg)
    tg.settle_wake_ups()
    tg.clock.advance(timedelta(seconds=61))
    after = [make(tg) for _ in range(3)]
    tg.settle_wake_ups()
    assert statuses(tg, first, late, *after) == ["STARTED"] + ["QUEUED"] * 4

    tg.settle()

    assert _begun(tg, first, late, *after) == [first, late, *after]
    assert left(tg) == NOTHING


def test_a_backfill_with_a_priority_of_its_own_and_one_that_skips_hold_as_live_runs_do(
    world_of: MakeWorld,
) -> None:
    tg = guarded(world_of(ALL, ONE))
    busy = _busy(tg)
    first = backfilled(tg, priority="0")
    skipping = backfilled(tg, key=KEYS[1], on_running="skip")
    tg.settle_wake_ups()
    second, third = make(tg), make(tg, key=KEYS[1])
    tg.settle_wake_ups()

    waiting = {one["run_id"]: one["waiting"]["blocked_by"] for one in queue(tg.services)["runs"]}
    assert waiting[second] == f"partition {KEYS[0]} of raw"
    assert waiting[third] == f"partition {KEYS[1]} of raw"
    tg.settle()
    assert statuses(tg, busy, first, skipping, second, third) == ["SUCCESS"] * 5


def test_a_live_run_that_would_skip_does_not_skip_for_a_run_that_has_not_begun(
    world_of: MakeWorld,
) -> None:
    tg = guarded(world_of(ALL, ONE))
    _busy(tg)
    old = backfilled(tg)
    tg.settle_wake_ups()

    live = make(tg, on_running="skip")
    tg.settle()

    assert statuses(tg, live, old) == ["SUCCESS", "SUCCESS"]
    assert _begun(tg, live, old) == [live, old]


@pytest.mark.parametrize("how", ["queued", "refused"])
def test_a_run_that_is_canceled_leaves_nothing(world_of: MakeWorld, how: str) -> None:
    tg = guarded(world_of(ALL, ONE if how == "queued" else TWO))
    live, late = make(tg), backfilled(tg)
    tg.settle_wake_ups()

    cancel(tg.services, late)
    tg.settle()

    assert statuses(tg, live, late) == ["SUCCESS", "CANCELED"]
    assert left(tg) == NOTHING
    assert in_use(tg) == {}


def test_the_sweep_does_nothing_to_one_that_waits_with_no_slots(world_of: MakeWorld) -> None:
    tg = guarded(world_of(ALL, TWO))
    live, late = make(tg), backfilled(tg)
    tg.settle_wake_ups()
    later(tg)

    assert sweep(tg.services) == {}
    later(tg)
    assert sweep(tg.services) == {}
    tg.settle()

    assert statuses(tg, live, late) == ["SUCCESS", "SUCCESS"]
