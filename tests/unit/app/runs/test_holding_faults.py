"""No partition is made by two runs at once, also when functions die, come late, or come between any two calls."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.unit.app.backfills.days import SETTINGS as CHUNKED
from tests.unit.app.runs.partitioned import (
    ALL,
    KEYS,
    NOTHING,
    OPEN,
    MakeWorld,
    guarded,
    left,
    make,
    statuses,
)
from tests.unit.app.world import Crash
from tidegate.app.backfills.backfill import launch_backfill
from tidegate.app.backfills.target import BackfillRequest
from tidegate.app.runs.admit import admit
from tidegate.app.runs.cancel import cancel, request_cancel
from tidegate.app.steps.complete import complete
from tidegate.domain.partitions.hold import ON_RUNNING_TAG


@pytest.fixture
def tg(world_of: MakeWorld) -> Any:
    return guarded(world_of(ALL, OPEN))


def test_a_hold_that_was_never_given_up_is_taken_from_a_run_that_is_over(tg: Any) -> None:
    first, second = make(tg), make(tg)
    tg.settle_wake_ups()
    give_up, tg.store.partition_holds.give_up = tg.store.partition_holds.give_up, _never
    tg.again_was = tg.again
    with pytest.raises(Crash):
        _once(tg)
    tg.store.partition_holds.give_up = give_up
    third = make(tg)
    tg.settle()

    assert statuses(tg, first, third) == ["SUCCESS", "SUCCESS"]
    assert tg.status(second) == "SUCCESS"
    assert left(tg) == NOTHING


def _never(*_: Any) -> bool:
    raise Crash


def _once(tg: Any) -> None:
    """Play the one execution there is, and do not repeat the call that dies."""
    again = tg.again
    tg.again = lambda call: call()
    try:
        tg.settle()
    finally:
        tg.again = again


def test_a_late_repeat_of_the_queue_function_holds_nothing_for_a_run_that_is_over(
    world_of: MakeWorld,
) -> None:
    """It has read the run as QUEUED; before each call that it makes then, the run begins and ends, once."""
    number = 1
    while True:
        tg = guarded(world_of(ALL, OPEN))
        run_id = make(tg)
        tg.trouble.calls, tg.trouble.at = 0, number
        tg.trouble.action = lambda tg=tg, run_id=run_id: (
            setattr(tg.trouble, "at", -1),
            admit(tg.services, run_id),
            tg.settle(),
        )

        admit(tg.services, run_id)
        if tg.trouble.at != -1:
            break
        tg.settle()

        assert tg.status(run_id) == "SUCCESS", number
        assert left(tg) == NOTHING, number
        number += 1
    assert number > 5


@pytest.mark.parametrize("others", [0, 1], ids=["nobody waits", "one waits"])
@pytest.mark.parametrize("stop", [False, True], ids=["ends", "is cancelled"])
def test_a_late_repeat_of_the_queue_function_at_any_call_of_the_end_holds_nothing(
    world_of: MakeWorld, stop: bool, others: int
) -> None:
    number = 0
    while True:
        tg = guarded(world_of(ALL, OPEN))
        run_id = make(tg)
        stale = tg.store.runs.get(run_id)
        tg.settle_wake_ups()
        waiting = [make(tg) for _ in range(others)]
        tg.settle_wake_ups()
        (name,) = tg.launcher.started
        outcome = tg.outcome_of(name)
        tg._completed.add(name)

        def late(tg: Any = tg, run_id: str = run_id, stale: Any = stale) -> None:
            tg.trouble.at = -1
            get, first = tg.store.runs.get, [stale]
            tg.store.runs.get = lambda one: first.pop() if one == run_id and first else get(one)
            admit(tg.services, run_id)
            tg.store.runs.get = get

        tg.trouble.calls, tg.trouble.at, tg.trouble.action = 0, number, late
        if stop:
            cancel(tg.services, run_id)
        else:
            complete(tg.services, outcome)
        if tg.trouble.at != -1:
            break
        tg.settle()

        assert tg.status(run_id) == ("CANCELED" if stop else "SUCCESS")
        assert statuses(tg, *waiting) == ["SUCCESS"] * others
        assert left(tg) == NOTHING, number
        number += 1
    assert number > 12


def _three(tg: Any) -> tuple[Any, ...]:
    """A range, a day of it, both assets of another, and one that is cancelled while it waits."""
    several, day = make(tg, key=None, run_key="1"), make(tg, key=KEYS[1], run_key="2")
    both = make(tg, "raw", "clean", key=KEYS[2], run_key="3")
    gone = make(tg, "clean", "raw", key=KEYS[1], run_key="4")
    tg.settle_wake_ups()
    tg.again(lambda: request_cancel(tg.services, gone))
    tg.settle()
    limits = {limit.key: limit.in_use for limit in tg.store.admission.limits()}
    return (
        statuses(tg, several, day, both, gone),
        sorted(tg.ran_partitions, key=str),
        limits,
        left(tg),
    )


@pytest.mark.parametrize("after", [False, True])
def test_a_function_that_dies_at_any_call_makes_nothing_at_once_and_loses_nothing(
    world_of: MakeWorld, after: bool
) -> None:
    calm = guarded(world_of(ALL, OPEN))
    expected, most = _three(calm), calm.trouble.calls
    assert expected[0] == ["SUCCESS", "SUCCESS", "SUCCESS", "CANCELED"]
    assert expected[-1] == NOTHING

    for number in range(most):
        tg = guarded(world_of(ALL, OPEN))
        tg.trouble.at, tg.trouble.after = number, after

        assert _three(tg) == expected, f"died {'after' if after else 'before'} call {number}"
    assert most > 100


@pytest.mark.parametrize("policy", ["wait", "skip"])
def test_two_backfills_of_the_same_partitions_make_none_at_once_whoever_dies(
    world_of: MakeWorld, policy: str
) -> None:
    def ended(tg: Any) -> Any:
        for name in ("one", "two"):
            asked = BackfillRequest(
                selection="raw+",
                all_partitions=True,
                backfill_id=name,
                tags={ON_RUNNING_TAG: policy},
            )
            tg.again(lambda asked=asked: launch_backfill(tg.services, asked))
        tg.settle()
        found = [tg.store.automation.backfill(name) for name in ("one", "two")]
        counts = [one.counts()["clean"] for one in found]
        return (
            [one.status for one in found],
            [one["done"] + one["skipped"] for one in counts],
            left(tg),
            policy == "wait" and counts,
        )

    calm = guarded(world_of(ALL, CHUNKED))
    expected, most = ended(calm), calm.trouble.calls
    assert expected[:3] == (["COMPLETED_SUCCESS"] * 2, [3, 3], NOTHING)

    for number in random.Random(1).sample(range(most), 30):
        for after in (False, True):
            tg = guarded(world_of(ALL, CHUNKED))
            tg.trouble.at, tg.trouble.after = number, after
            assert ended(tg) == expected, f"died {'after' if after else 'before'} call {number}"


def test_what_other_functions_do_between_any_two_calls_changes_nothing(
    world_of: MakeWorld,
) -> None:
    """While a run asks for its partition, the one that holds it ends, at each moment once."""
    number = 0
    while True:
        tg = guarded(world_of(ALL, OPEN))
        first = make(tg)
        tg.settle_wake_ups()
        second = make(tg)
        tg.trouble.calls, tg.trouble.at = 0, number
        play = next(iter(tg.launcher.started))

        def ends(tg: Any = tg, play: str = play) -> None:
            tg.trouble.at = -1
            tg.play(play)

        tg.trouble.action = ends
        admit(tg.services, second)
        if tg.trouble.at != -1:
            break
        tg.settle()

        assert statuses(tg, first, second) == ["SUCCESS", "SUCCESS"], number
        assert left(tg) == NOTHING
        number += 1
    assert number > 5
