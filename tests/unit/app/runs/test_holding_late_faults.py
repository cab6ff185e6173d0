"""Runs of a backfill take their partitions late: whoever dies, and whatever comes between any two calls or in any order."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.unit.app.deaths import dies, lost
from tests.unit.app.runs.partitioned import (
    ALL,
    DAYS,
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
from tests.unit.app.world import Crash
from tidegate.app.runs.admit import admit
from tidegate.app.runs.cancel import cancel
from tidegate.app.runs.late import give_back
from tidegate.app.runs.launch import launch
from tidegate.app.upkeep.sweep import sweep
from tidegate.domain.partitions.hold import Hold
from tidegate.domain.partitions.state import place_of
from tidegate.domain.run import run_claim_id
from tidegate.domain.settings import Settings

TWO = Settings(max_concurrent_runs=2)


def _play_if_live(tg: Any, run_id: str) -> None:
    if tg.status(run_id) == "STARTED":
        play(tg, run_id)
    tg.settle_wake_ups()


def _two(tg: Any) -> tuple[Any, ...]:
    """A live run; two of a backfill that want what it has, of which one wants more; and one that waits for these."""
    live = make(tg, "raw", run_key="1")
    tg.settle_wake_ups()
    both = backfilled(tg, "clean", "raw", run_key="2")
    day = backfilled(tg, "raw", key=None, run_key="3")
    tg.settle_wake_ups()
    more = make(tg, "clean", run_key="4")
    tg.settle()
    runs = (live, both, day, more)
    return statuses(tg, *runs), sorted(tg.ran_partitions, key=str), in_use(tg), left(tg)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_function_that_dies_at_any_call_makes_nothing_at_once_and_loses_nothing(
    world_of: MakeWorld, after: bool
) -> None:
    calm = guarded(world_of(ALL, TWO))
    expected, most = _two(calm), calm.trouble.calls
    assert expected[0] == ["SUCCESS"] * 4
    assert expected[2:] == ({}, NOTHING)

    for number in range(most):
        tg = guarded(world_of(ALL, TWO))
        tg.trouble.at, tg.trouble.after = number, after
        assert _two(tg) == expected, f"died {'after' if after else 'before'} call {number}"
    assert most > 100


def _to_launch(tg: Any) -> tuple[str, str, Any]:
    """A live run, and one of a backfill whose slot is granted, and which is about to be launched."""
    live = make(tg, "raw")
    tg.settle_wake_ups()
    late = backfilled(tg, "clean", "raw")
    dies(tg, "runs", "get", after=False, when=_is_launch(tg, late))
    lost(lambda: admit(tg.services, late))
    tg.wake_ups.waiting.clear()
    claim = tg.services.admission.claim(run_claim_id(late))
    assert (claim.state, claim.launched) == ("HELD", False)
    return live, late, claim


def _is_launch(tg: Any, late: str) -> Any:
    def when(run_id: str) -> bool:
        return run_id == late and tg.store.admission.claim(run_claim_id(late)) is not None

    return when


def test_one_that_was_granted_and_never_launched_is_found_by_the_sweep(
    world_of: MakeWorld,
) -> None:
    """A call about its launch dies at each of its calls, and nobody repeats it."""
    number = 0
    while True:
        tg = guarded(world_of(ALL, TWO))
        live, late, claim = _to_launch(tg)
        tg.trouble.calls, tg.trouble.at = 0, number
        try:
            launch(tg.services, [claim])
            break
        except Crash:
            tg.trouble.at = -1
        later(tg)
        sweep(tg.services)
        tg.settle()

        assert statuses(tg, live, late) == ["SUCCESS", "SUCCESS"], number
        assert (left(tg), in_use(tg)) == (NOTHING, {}), number
        number += 1
    assert number > 10


def _ends(tg: Any, live: str, late: str, claim: Any) -> None:
    """The live run ends, and all that follows."""
    tg.settle()


def _is_launched_too(tg: Any, live: str, late: str, claim: Any) -> None:
    launch(tg.services, [claim])


def _goes_all_the_way(tg: Any, live: str, late: str, claim: Any) -> None:
    launch(tg.services, [claim])
    tg.settle()


def _begins_anew(tg: Any, live: str, late: str, claim: Any) -> None:
    """Refused, the live run ends, and it begins at its next turn; it goes on."""
    launch(tg.services, [claim])
    _play_if_live(tg, live)


def _is_cancelled(tg: Any, live: str, late: str, claim: Any) -> None:
    cancel(tg.services, late)


def _another_comes(tg: Any, live: str, late: str, claim: Any) -> None:
    """The live run ends, and another begins."""
    make(tg, "clean")
    _play_if_live(tg, live)


def _was_refused_before(tg: Any, live: str, late: str, claim: Any) -> None:
    """Another call about the launch had been refused, before the live run ended, and goes on only now."""
    now = tg.store.runs.next_turn(late, 0)
    if now is not None:
        launch(tg.services, give_back(tg.services, now, claim))


@pytest.mark.parametrize("has_ended", [False, True], ids=["live", "ended"])
@pytest.mark.parametrize(
    "meanwhile",
    [
        _ends,
        _is_launched_too,
        _goes_all_the_way,
        _begins_anew,
        _is_cancelled,
        _another_comes,
        _was_refused_before,
    ],
)
def test_what_other_functions_do_between_any_two_calls_of_a_launch_changes_nothing(
    world_of: MakeWorld, meanwhile: Any, has_ended: bool
) -> None:
    number = 0
    while True:
        tg = guarded(world_of(ALL, Settings(max_concurrent_runs=3)))
        live, late, claim = _to_launch(tg)
        if has_ended:
            play(tg, live)

        def comes(tg: Any = tg, live: str = live, late: str = late, claim: Any = claim) -> None:
            tg.trouble.at = -1
            meanwhile(tg, live, late, claim)

        tg.trouble.calls, tg.trouble.at, tg.trouble.action = 0, number, comes
        launch(tg.services, [claim])
        if tg.trouble.at != -1:
            break
        assert _is_held(tg, late), number
        tg.settle_wake_ups()
        assert _is_held(tg, late), number
        tg.settle()

        expected = "CANCELED" if meanwhile is _is_cancelled else "SUCCESS"
        assert statuses(tg, live, late) == ["SUCCESS", expected], number
        assert (left(tg), in_use(tg)) == (NOTHING, {}), number
        number += 1
    assert number > 10


def _is_held(tg: Any, run_id: str) -> bool:
    """A run that has begun holds all that it makes, by itself alone; one that has not, and waits, has nothing."""
    run = tg.store.runs.get(run_id)
    holds = [
        hold
        for asset in ("raw", "clean")
        for row in tg.store.partition_holds.rows(asset)
        for hold in row.of(run.holder)
    ]
    return len(holds) == 2 if run.status in ("STARTING", "STARTED") else True


@pytest.mark.parametrize("seed", range(60))
def test_in_any_order_all_runs_end_and_no_two_make_a_partition_at_once(
    world_of: MakeWorld, seed: int
) -> None:
    """Live runs and a backfill's, of days, ranges and several assets, with calls that come in any order, and twice; one dies."""
    chance = random.Random(seed)
    settings = Settings(
        max_concurrent_runs=chance.choice([1, 2, 3, 10]),
        backfill_yield_seconds=chance.choice([0, 5, 86_400]),
    )
    tg = guarded(world_of(ALL, settings))
    tg.trouble.at, tg.trouble.after = chance.randrange(3000), chance.random() < 0.5
    runs, last = [], []
    for _ in range(400):
        todo = [name for name in tg.launcher.started if name not in tg._completed]
        what = chance.random()
        if len(runs) < 14 and what < 0.25:
            assets = chance.choice([("raw",), ("clean",), ("raw", "clean")])
            key = chance.choice([*KEYS, None])
            tags = chance.choice([{}, {"backfill": "b"}, {"backfill": "b"}, {"priority": "3"}])
            runs.append(make(tg, *assets, key=key, **tags))
        elif tg.wake_ups.waiting and what < 0.7:
            one = tg.wake_ups.waiting.pop(chance.randrange(len(tg.wake_ups.waiting)))
            last.append(one)
            tg.again(lambda one=one: admit(tg.services, one))
        elif last and what < 0.75:
            one = chance.choice(last)
            tg.again(lambda one=one: admit(tg.services, one))
        elif todo:
            tg.play(chance.choice(todo))
    tg.settle()

    assert statuses(tg, *runs) == ["SUCCESS"] * len(runs)
    assert left(tg) == NOTHING
    assert in_use(tg) == {}


def test_who_waits_for_what_a_late_call_took_at_a_turn_that_is_over_goes_on(
    world_of: MakeWorld,
) -> None:
    tg = guarded(world_of(ALL, TWO))
    live, late = make(tg), backfilled(tg)
    tg.settle()
    assert tg.store.runs.get(late).turn == 1
    waiting = make(tg)
    tg.wake_ups.waiting.clear()
    holds, place = tg.store.partition_holds, place_of(DAYS, KEYS[0])
    assert place is not None
    stale = Hold(holder=late, members=frozenset({str(place.member)}))
    holds.take("raw", place.row, stale)
    holds.wait(late, "1", waiting, expires_at=tg.clock.now())
    holds.announce("raw", place.row, stale)

    another = make(tg)
    tg.settle()

    assert statuses(tg, live, late, waiting, another) == ["SUCCESS"] * 4
    assert left(tg) == NOTHING
