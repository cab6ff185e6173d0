"""Runs that give way to those before them: who wins, what is said, and the same when functions die at every call."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.unit.app.runs.conflicts import JOB, Make, policy, statuses, submits
from tests.unit.app.seen import in_use
from tests.unit.app.world import Crash
from tidegate.app.runs.admit import admit
from tidegate.app.runs.finish import finish
from tidegate.app.runs.launch import launch
from tidegate.app.runs.submit import RunRequest, submit
from tidegate.app.upkeep.sweep import GRACE, sweep
from tidegate.domain.event import EventKind
from tidegate.domain.run import Run, RunStatus
from tidegate.domain.settings import JobLimit, Settings
from tidegate.errors import RequestError, UnavailableError


def test_a_skipped_run_is_kept_canceled_and_says_which_run_came_first(world: Make) -> None:
    tg = world(policy("skip"), **JOB)

    first, second = submits(tg, 2)

    run = tg.store.runs.get(second)
    assert (run.status, run.was_skipped, run.lost_to) == ("CANCELED", True, (first,))
    assert run.reason == f"skipped: run {first} of job nightly came first"
    (event,) = tg.store.events.read(second).items
    assert (event.kind, event.message) == (EventKind.RUN_CANCELED, run.reason)
    assert tg.wake_ups.waiting == [first]
    tg.settle()
    assert tg.ran == ["a"]
    assert in_use(tg) == {}


def test_the_run_after_the_end_of_the_first_runs(world: Make) -> None:
    tg = world(policy("skip"), **JOB)
    submits(tg, 2)
    tg.settle()

    (third,) = submits(tg, 1)
    tg.settle()

    assert tg.status(third) == "SUCCESS"


def test_queue_one_lets_one_wait_and_names_both_to_the_next(world: Make) -> None:
    tg = world(policy("queue_one"), **JOB)

    runs = submits(tg, 3)
    tg.settle_wake_ups()

    assert statuses(tg, runs) == ["STARTED", "QUEUED", "CANCELED"]
    skipped = tg.store.runs.get(runs[2])
    assert skipped.lost_to == tuple(sorted(runs[:2]))
    assert skipped.reason == f"skipped: runs {runs[0]}, {runs[1]} of job nightly came first"


def test_asked_again_by_the_same_key_a_skipped_run_answers_the_same(world: Make) -> None:
    tg = world(policy("skip"), **JOB)
    submits(tg, 1)
    second = submit(tg.services, RunRequest(job="nightly", run_key="monday"))
    tg.settle()

    again = submit(tg.services, RunRequest(job="nightly", run_key="monday"))

    assert again == second
    assert again.was_skipped


def test_where_nothing_may_run_a_run_is_skipped_for_the_limit(world: Make) -> None:
    tg = world(policy("skip", 0), **JOB)

    (run_id,) = submits(tg, 1)

    run = tg.store.runs.get(run_id)
    assert run.was_skipped
    assert (run.reason, run.lost_to) == ("skipped: job/nightly admits nothing", ())


def test_a_job_without_a_policy_pays_nothing_for_those_that_have_one(world: Make) -> None:
    calls = []
    for settings in (policy("queue"), Settings(jobs={"nightly": JobLimit(limit=1)})):
        tg = world(settings, **JOB)
        submits(tg, 2)
        tg.settle()
        calls.append(tg.trouble.calls)

    assert calls[0] == calls[1]
    assert [one.key for one in tg.store.admission.limits()] == ["job/nightly", "runs"]


def test_of_sixteen_at_once_one_wins_and_all_others_name_it(world: Make) -> None:
    tg = world(policy("skip"), **JOB)

    with ThreadPoolExecutor(16) as pool:
        runs = list(pool.map(lambda _: submit(tg.services, RunRequest(job="nightly")), range(16)))

    (winner,) = (one for one in runs if one.status is RunStatus.QUEUED)
    losers = [one for one in runs if one is not winner]
    assert {one.lost_to for one in losers} == {(winner.run_id,)}
    assert all(one.was_skipped for one in losers)


def test_of_sixteen_at_once_two_stay_where_one_may_wait(world: Make) -> None:
    tg = world(policy("queue_one"), **JOB)

    with ThreadPoolExecutor(16) as pool:
        runs = list(pool.map(lambda _: submit(tg.services, RunRequest(job="nightly")), range(16)))

    winners = tuple(sorted(one.run_id for one in runs if one.status is RunStatus.QUEUED))
    assert len(winners) == 2
    assert {one.lost_to for one in runs if one.was_skipped} == {winners}


@pytest.mark.parametrize("name", ["", "two words", "x" * 201])
def test_a_trigger_needs_a_name(world: Make, name: str) -> None:
    tg = world(**JOB)

    with pytest.raises(RequestError, match="A trigger cannot be named"):
        submit(tg.services, RunRequest(job="nightly", trigger=name))


def test_a_policy_that_is_none_is_refused_with_those_there_are(world: Make) -> None:
    tg = world(**JOB)

    with pytest.raises(RequestError, match="There is no conflict policy 'explode'.") as refused:
        submit(tg.services, RunRequest(job="nightly", trigger="a", on_conflict="explode"))

    assert "queue, skip," in str(refused.value)
    assert tg.store.runs.find().items == ()


def test_a_policy_without_a_trigger_is_refused(world: Make) -> None:
    tg = world(**JOB)

    with pytest.raises(RequestError, match=r"concurrency.jobs.nightly.on_conflict"):
        submit(tg.services, RunRequest(job="nightly", on_conflict="skip"))


def ended_while_it_asks(tg: Any) -> str:
    """A run that somebody cancels between its creation and the taking of its place."""
    create = tg.store.runs.create

    def ended_at_once(run: Run) -> tuple[Run, bool]:
        stored = create(run)
        end = finish(tg.services, run, RunStatus.CANCELED, reason="by hand")
        launch(tg.services, end)
        return stored

    tg.store.runs.create = ended_at_once
    (run_id,) = submits(tg, 1)
    assert in_use(tg) == {"line/job/nightly/skip": 1}
    return run_id


def test_the_place_of_a_run_that_ended_meanwhile_is_given_up_when_the_queue_is_woken(
    world: Make,
) -> None:
    tg = world(policy("skip"), **JOB)
    run_id = ended_while_it_asks(tg)

    tg.settle()

    assert tg.status(run_id) == "CANCELED"
    assert in_use(tg) == {}


def test_or_by_the_sweep(world: Make) -> None:
    tg = world(policy("skip"), **JOB)
    ended_while_it_asks(tg)
    tg.wake_ups.waiting.clear()

    tg.clock.advance(GRACE)
    repaired = sweep(tg.services)

    assert repaired == {"unreleased": 1}
    assert in_use(tg) == {}


def _scenario(tg: Any, limit: int) -> None:
    """Two times as many as may run, the first of them to its end; then one more."""
    tg.runs = [tg.submit("nightly", run_key=f"k{number}") for number in range(2 * limit)]
    tg.settle()
    tg.clock.advance(GRACE)
    tg.swept = tg.again(lambda: sweep(tg.services))
    tg.settle()
    tg.runs.append(tg.submit("nightly", run_key="last"))
    tg.settle()


def _ending(tg: Any) -> Any:
    runs = [tg.store.runs.get(one) for one in tg.runs]
    return (
        [(one.status, one.reason, one.lost_to) for one in runs],
        [sorted(str(e.kind) for e in tg.store.events.read(one).items) for one in tg.runs],
        in_use(tg),
        [one for one in tg.store.admission._claims.values() if one.state != "DONE"],
        tg.ran,
    )


@pytest.mark.parametrize(
    ("after", "error"),
    [(False, Crash), (True, Crash), (True, lambda: UnavailableError("The answer was lost."))],
    ids=["before", "after", "lost"],
)
@pytest.mark.parametrize(("on_conflict", "stays"), [("skip", 2), ("queue_one", 3)])
def test_a_function_that_dies_at_any_call_and_is_called_again_decides_the_same(
    world: Make, on_conflict: str, stays: int, after: bool, error: Callable[[], BaseException]
) -> None:
    calm = world(policy(on_conflict, 2), **JOB)
    _scenario(calm, 2)
    expected, most = _ending(calm), calm.trouble.calls
    assert [one[0] for one in expected[0]].count("SUCCESS") == stays + 1
    assert sum(calm.swept.values()) == 0

    for number in range(most):
        tg = world(policy(on_conflict, 2), **JOB)
        tg.trouble.at, tg.trouble.after, tg.trouble.error = number, after, error
        _scenario(tg, 2)

        assert _ending(tg) == expected, f"struck {'after' if after else 'before'} call {number}"
    assert most > 60


@pytest.mark.parametrize("after", [False, True])
def test_what_a_caller_that_died_for_good_has_not_done_the_sweep_does(
    world: Make, after: bool
) -> None:
    calm = world(policy("skip"), **JOB)
    submits(calm, 1, run_key="a")
    begin = calm.trouble.calls
    submits(calm, 1, run_key="b")
    end = calm.trouble.calls

    for number in range(begin, end):
        tg = world(policy("skip"), **JOB)
        (first,) = submits(tg, 1, run_key="a")
        tg.settle_wake_ups()
        tg.trouble.at, tg.trouble.after = tg.trouble.calls + number - begin, after
        with pytest.raises(Crash):
            submit(tg.services, RunRequest(job="nightly", run_key="b"))
        tg.clock.advance(GRACE)
        tg.again(lambda one=tg: sweep(one.services))

        others = [one for one in tg.store.runs.find().items if one.run_id != first]
        assert [one.was_skipped for one in others] in ([True], []), f"call {number - begin}"
        tg.settle()
        assert in_use(tg) == {}
    assert end - begin > 5


def test_a_run_admitted_again_keeps_its_place(world: Make) -> None:
    tg = world(policy("skip"), **JOB)
    (first,) = submits(tg, 1)
    tg.settle_wake_ups()

    admit(tg.services, first)
    (second,) = submits(tg, 1)

    assert tg.status(first) == "STARTED"
    assert tg.store.runs.get(second).lost_to == (first,)
