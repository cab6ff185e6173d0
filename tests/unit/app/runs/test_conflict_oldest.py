"""Conflict policy cancel_oldest: the latest run takes the place of the oldest."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.app.runs.conflicts import JOB, Make, policy, statuses, submits
from tests.unit.app.seen import in_use
from tests.unit.app.world import Crash
from tidegate.app.runs.submit import RunRequest, submit
from tidegate.app.upkeep.sweep import GRACE, sweep
from tidegate.errors import UnavailableError


def test_the_oldest_is_canceled_and_the_newcomer_runs_when_it_is_over(world: Make) -> None:
    tg = world(policy("cancel_oldest"), **JOB)
    (first,) = submits(tg, 1)
    tg.settle_wake_ups()

    (second,) = submits(tg, 1)
    tg.settle()

    assert statuses(tg, [first, second]) == ["CANCELED", "SUCCESS"]
    assert tg.store.runs.get(first).reason == f"Cancelled: superseded by run {second}."
    assert in_use(tg) == {}


def test_until_the_old_run_is_over_it_keeps_its_slot_and_the_newcomer_waits(world: Make) -> None:
    tg = world(policy("cancel_oldest"), **JOB)
    (first,) = submits(tg, 1)
    tg.settle_wake_ups()

    (second,) = submits(tg, 1)

    assert statuses(tg, [first, second]) == ["CANCELING", "QUEUED"]
    assert in_use(tg)["line/job/nightly/cancel_oldest"] == 1
    assert tg.services.admission.holders("job/nightly") == [f"run/{first}"]


def test_a_newcomer_of_a_newcomer_takes_its_place(world: Make) -> None:
    tg = world(policy("cancel_oldest"), **JOB)

    runs = submits(tg, 4)
    tg.settle()

    assert statuses(tg, runs) == ["CANCELED"] * 3 + ["SUCCESS"]
    reasons = [tg.store.runs.get(one).reason for one in runs[:3]]
    assert reasons == [f"Cancelled: superseded by run {one}." for one in runs[1:]]


def test_of_several_places_the_oldest_is_given_up(world: Make) -> None:
    tg = world(policy("cancel_oldest", 2), **JOB)

    runs = submits(tg, 3)
    tg.settle()

    assert statuses(tg, runs) == ["CANCELED", "SUCCESS", "SUCCESS"]


def test_a_run_that_asks_after_newer_ones_gives_way_itself(world: Make) -> None:
    tg = world(policy("cancel_oldest"), **JOB)
    held_up: list[Any] = []
    enter = tg.services.store.admission._port.admit

    def after_the_next(claim: Any, **rest: Any) -> Any:
        if claim.claim_id.endswith("/line") and not held_up:
            held_up.append(claim)
            tg.clock.advance(GRACE)
            held_up.append(submits(tg, 1)[0])
        return enter(claim, **rest)

    tg.services.store.admission._port.admit = after_the_next
    (old,) = submits(tg, 1)

    new = held_up[1]
    run = tg.store.runs.get(old)
    assert (run.status, run.was_skipped, run.lost_to) == ("CANCELED", True, (new,))
    assert run.reason == f"skipped: superseded by run {new}"
    tg.settle()
    assert tg.status(new) == "SUCCESS"
    assert in_use(tg) == {}


def test_where_nothing_may_run_the_latest_waits(world: Make) -> None:
    tg = world(policy("cancel_oldest", 0), **JOB)

    runs = submits(tg, 3)
    tg.settle()

    assert statuses(tg, runs) == ["CANCELED", "CANCELED", "QUEUED"]


def test_of_sixteen_at_once_one_is_left_and_the_line_was_never_longer(world: Make) -> None:
    tg = world(policy("cancel_oldest"), **JOB)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: submit(tg.services, RunRequest(job="nightly")), range(16)))
    tg.settle()

    runs = tg.store.runs.find(limit=50).items
    assert [one.status for one in runs].count("SUCCESS") == 1
    assert [one.status for one in runs].count("CANCELED") == 15
    assert in_use(tg) == {}


def test_at_its_trigger_a_run_takes_the_oldest_place_and_at_its_job_it_gives_way(
    world: Make,
) -> None:
    tg = world(policy("skip"), **JOB)
    (other,) = submits(tg, 1)

    (run_id,) = submits(tg, 1, trigger="a", on_conflict="cancel_oldest")

    assert tg.store.runs.get(run_id).lost_to == (other,)
    tg.settle()
    first, second = submits(tg, 2, trigger="a", on_conflict="cancel_oldest")
    assert tg.store.runs.get(second).lost_to == (first,)
    tg.settle()
    assert in_use(tg) == {}


def test_the_oldest_of_the_job_and_the_oldest_of_the_trigger_both_go(world: Make) -> None:
    tg = world(policy("cancel_oldest"), nightly=JOB["nightly"], other=JOB["nightly"])
    by_job = tg.submit("nightly")
    by_trigger = tg.submit("other", trigger="a", on_conflict="cancel_oldest")
    tg.clock.advance(timedelta(seconds=1))

    last = tg.submit("nightly", trigger="a", on_conflict="cancel_oldest")
    tg.settle()

    assert statuses(tg, [by_job, by_trigger, last]) == ["CANCELED", "CANCELED", "SUCCESS"]
    assert in_use(tg) == {}


def later(tg: Any, *keys: str) -> list[str]:
    """Runs, each created a second after the one before."""
    runs = []
    for key in keys:
        tg.clock.advance(timedelta(seconds=1))
        runs.append(tg.submit("nightly", run_key=key))
    return runs


def _supersedes(tg: Any) -> None:
    tg.runs = later(tg, "a", "b")
    tg.settle_wake_ups()
    tg.runs += later(tg, "c")
    tg.settle()
    tg.clock.advance(GRACE * 2)
    tg.swept = tg.again(lambda: sweep(tg.services))
    tg.settle()


@pytest.mark.parametrize(
    ("after", "error"),
    [(False, Crash), (True, Crash), (True, lambda: UnavailableError("The answer was lost."))],
    ids=["before", "after", "lost"],
)
def test_whatever_dies_the_superseded_are_canceled_and_the_last_runs(
    world: Make, after: bool, error: Callable[[], BaseException]
) -> None:
    calm = world(policy("cancel_oldest"), **JOB)
    _supersedes(calm)
    most = calm.trouble.calls
    assert statuses(calm, calm.runs) == ["CANCELED", "CANCELED", "SUCCESS"]
    assert sum(calm.swept.values()) == 0

    for number in range(most):
        tg = world(policy("cancel_oldest"), **JOB)
        tg.trouble.at, tg.trouble.after, tg.trouble.error = number, after, error
        _supersedes(tg)

        what = f"struck {'after' if after else 'before'} call {number}"
        assert statuses(tg, tg.runs) == ["CANCELED", "CANCELED", "SUCCESS"], what
        assert in_use(tg) == {}, what
        waiting = [one for one in tg.store.admission._claims.values() if one.state != "DONE"]
        assert waiting == [], what
    assert most > 60


@pytest.mark.parametrize("after", [False, True])
def test_a_caller_that_died_for_good_between_the_places_is_found_by_the_sweep(
    world: Make, after: bool
) -> None:
    calm = world(policy("cancel_oldest"), **JOB)
    later(calm, "a")
    calm.settle_wake_ups()
    begin = calm.trouble.calls
    later(calm, "b")
    end = calm.trouble.calls

    for number in range(end - begin):
        tg = world(policy("cancel_oldest"), **JOB)
        (first,) = later(tg, "a")
        tg.settle_wake_ups()
        tg.clock.advance(timedelta(seconds=1))
        tg.trouble.at, tg.trouble.after = tg.trouble.calls + number, after
        with pytest.raises(Crash):
            submit(tg.services, RunRequest(job="nightly", run_key="b"))
        tg.wake_ups.waiting.clear()
        for _ in range(2):
            tg.clock.advance(GRACE * 2)
            tg.again(lambda one=tg: sweep(one.services))
            tg.settle()

        rest = [one for one in tg.store.runs.find().items if one.run_id != first]
        expected = ("CANCELED", ["SUCCESS"]) if rest else ("SUCCESS", [])
        assert (tg.status(first), [one.status for one in rest]) == expected, f"call {number}"
        assert in_use(tg) == {}
    assert end - begin > 8
