"""The clocks of a run: each has its alarm, its event and its reason, and does nothing that comes too late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.app.manifests import DIAMOND, step_doc
from tests.unit.app.runs.canceled import assert_nothing_is_left
from tests.unit.app.seen import kinds
from tidegate.app.runs.admit import admit
from tidegate.app.upkeep.sweep import GRACE, sweep
from tidegate.app.upkeep.wake import wake
from tidegate.domain.run import RunStatus
from tidegate.domain.settings import Settings
from tidegate.errors import RequestError

Make = Callable[..., Any]

ONE = [step_doc("a")]
QUEUE = Settings(max_concurrent_runs=0, queue_timeout_seconds=60)
RUNTIME = Settings(max_runtime_seconds=60)


class Dead(BaseException):
    """The function died, and nobody calls it again."""


def dies(*args: object, **fields: object) -> None:
    raise Dead


def ring(tg: Any) -> None:
    """Let all that is due by now go off."""
    while (task := tg.alarms.take(tg.clock.now())) is not None:
        tg.again(lambda one=task: wake(tg.services, one, pause=lambda _: None))


def test_a_run_without_limits_on_its_time_sets_no_alarm(world: Make) -> None:
    tg = world(Settings(max_concurrent_runs=1, start_timeout_seconds=180), one=ONE)
    tg.submit("one")
    tg.submit("one")

    tg.settle()

    assert tg.alarms.waiting == []


def test_a_run_that_waits_too_long_in_the_queue_fails(world: Make) -> None:
    tg = world(QUEUE, one=ONE)
    tg.runs = [tg.submit("one")]
    tg.settle()
    (alarm,) = tg.alarms.waiting
    assert alarm["at"].startswith("2026-01-01T00:01:00")

    tg.clock.advance(timedelta(seconds=60))
    ring(tg)

    run = tg.store.runs.get(tg.runs[0])
    assert (run.status, run.stop_cause) == ("FAILURE", "QUEUE_TIMEOUT")
    assert run.reason == "It waited in the queue for longer than 60 seconds."
    assert kinds(tg, run.run_id) == [
        "RUN_ENQUEUED",
        "RUN_QUEUE_TIMEOUT",
        "RUN_CANCELING",
        "RUN_FAILURE",
    ]
    assert_nothing_is_left(tg)


def test_a_run_that_has_started_by_then_goes_on(world: Make) -> None:
    tg = world(QUEUE, one=ONE)
    run_id = tg.submit("one")
    tg.settle()
    tg.services.admission.set_limit("runs", 1)
    tg.services.admission.pump("runs")
    tg.clock.advance(GRACE * 2)
    sweep(tg.services)

    ring(tg)

    assert tg.status(run_id) == "STARTED"


def test_a_run_that_runs_too_long_fails_and_is_stopped(world: Make) -> None:
    tg = world(replace(RUNTIME, pools={"db": 1}), diamond=DIAMOND)
    tg.runs = [tg.submit("diamond")]
    tg.settle_wake_ups()
    tg.play(next(iter(tg.launcher.started)))

    tg.clock.advance(timedelta(seconds=60))
    ring(tg)

    run = tg.store.runs.get(tg.runs[0])
    assert (run.status, run.stop_cause) == ("FAILURE", "RUN_TIMEOUT")
    assert run.reason == "It ran for longer than 60 seconds."
    assert tg.statuses(run.run_id) == {
        "top": "SUCCESS",
        "left": "CANCELED",
        "right": "SKIPPED",
        "foot": "PENDING",
    }
    assert "RUN_TIMEOUT" in kinds(tg, run.run_id)
    assert "RUN_FAILURE" in kinds(tg, run.run_id)
    assert len(tg.launcher.stopped) == 1
    assert_nothing_is_left(tg)


def test_an_alarm_that_comes_when_the_run_is_over_does_nothing(world: Make) -> None:
    tg = world(RUNTIME, one=ONE)
    run_id = tg.submit("one")
    tg.settle()
    before = tg.store.runs.get(run_id)
    tg.clock.advance(timedelta(seconds=60))

    ring(tg)

    assert tg.store.runs.get(run_id) == before
    assert before.status is RunStatus.SUCCESS


@pytest.mark.parametrize(
    ("tags", "seconds"),
    [
        ({"dagster/max_runtime": "5"}, 5),
        ({"tidegate/max_runtime_seconds": "5"}, 5),
        ({"tidegate/max_runtime": "0"}, None),
        ({}, 60),
    ],
)
def test_the_tag_of_a_run_wins_over_the_setting(
    world: Make, tags: dict[str, str], seconds: int | None
) -> None:
    tg = world(RUNTIME, one=ONE)
    tg.submit("one", tags=tags)
    tg.settle_wake_ups()

    at = tg.alarms.next_at
    assert at == (None if seconds is None else tg.clock.now() + timedelta(seconds=seconds))


def test_a_clock_that_was_set_to_more_meanwhile_goes_off_then(world: Make) -> None:
    tg = world(RUNTIME, one=ONE)
    run_id = tg.submit("one")
    tg.settle_wake_ups()
    tg.services = replace(tg.services, settings=replace(RUNTIME, max_runtime_seconds=100))
    tg.clock.advance(timedelta(seconds=60))

    ring(tg)

    assert tg.status(run_id) == "STARTED"
    tg.clock.advance(timedelta(seconds=40))
    ring(tg)
    assert tg.status(run_id) == "FAILURE"


def test_a_run_whose_start_has_to_be_repeated_fails_if_that_takes_too_long(world: Make) -> None:
    tg = world(Settings(start_timeout_seconds=180), one=ONE)
    tg.runs = [tg.submit("one")]
    tg.services.launcher.start = dies
    for _ in range(2):
        with pytest.raises(Dead):
            admit(tg.services, tg.runs[0])
        tg.clock.advance(timedelta(seconds=60))
    assert tg.status(tg.runs[0]) == "STARTING"

    tg.clock.advance(timedelta(seconds=60))
    ring(tg)

    run = tg.store.runs.get(tg.runs[0])
    assert (run.status, run.stop_cause) == ("FAILURE", "START_TIMEOUT")
    assert run.reason == "Its first steps were not started within 180 seconds."
    assert "RUN_START_TIMEOUT" in kinds(tg, run.run_id)
    assert_nothing_is_left(tg)


@pytest.mark.parametrize("settings", [QUEUE, RUNTIME])
def test_what_no_alarm_stopped_the_sweep_stops(world: Make, settings: Settings) -> None:
    tg = world(settings, one=ONE)
    tg.runs = [tg.submit("one")]
    tg.settle_wake_ups()
    tg.clock.advance(timedelta(seconds=60) + GRACE)

    repaired = sweep(tg.services)

    assert repaired["unexpired"] == 1
    assert tg.status(tg.runs[0]) == "FAILURE"
    assert_nothing_is_left(tg)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("settings", [QUEUE, replace(RUNTIME, pools={"db": 1})])
def test_an_alarm_whose_function_dies_at_any_call_is_repeated(
    world: Make, settings: Settings, after: bool
) -> None:
    def scenario(strikes_at: int) -> Any:
        tg = world(settings, diamond=DIAMOND)
        tg.runs = [tg.submit("diamond")]
        tg.settle_wake_ups()
        for name in list(tg.launcher.started):
            tg.play(name)
        tg.clock.advance(timedelta(seconds=60))
        tg.trouble.calls, tg.trouble.at, tg.trouble.after = 0, strikes_at, after
        ring(tg)
        return tg

    calm = scenario(-1)
    most = calm.trouble.calls
    expected = (calm.statuses(calm.runs[0]), sorted(kinds(calm, calm.runs[0])))
    for number in range(most):
        tg = scenario(number)

        assert (tg.statuses(tg.runs[0]), sorted(kinds(tg, tg.runs[0]))) == expected
        assert tg.status(tg.runs[0]) == "FAILURE"
        assert_nothing_is_left(tg)
    assert most > 10


@pytest.mark.parametrize(
    "tags",
    [
        {"tidegate/max_runtime": "soon"},
        {"dagster/max_runtime": "-1"},
        {"tidegate/queue_timeout": "1.5"},
        {"tidegate/max_runtime": "99999999"},
        {"tidegate/fail_fast": "yes"},
    ],
)
def test_a_tag_that_is_no_time_is_refused(world: Make, tags: dict[str, str]) -> None:
    tg = world(Settings(), one=ONE)

    with pytest.raises(RequestError, match="The tag tidegate/"):
        tg.submit("one", tags=tags)


WIDE = [step_doc("bad"), step_doc("slow"), step_doc("after", "slow"), step_doc("below", "bad")]


@pytest.mark.parametrize(
    ("settings", "tags"),
    [
        (Settings(fail_fast=True), {}),
        (Settings(), {"tidegate/fail_fast": "true"}),
    ],
)
def test_the_first_failed_step_of_a_run_that_fails_fast_stops_the_rest(
    world: Make, settings: Settings, tags: dict[str, str]
) -> None:
    tg = world(settings, wide=WIDE)
    tg.failing.add("bad")
    tg.runs = [tg.submit("wide", tags=tags)]

    tg.settle()

    run = tg.store.runs.get(tg.runs[0])
    assert (run.status, run.stop_cause) == ("FAILURE", "STEP_FAILURE")
    assert run.reason == "step failed: bad; the rest was stopped (fail-fast)"
    assert tg.statuses(run.run_id) == {
        "bad": "FAILURE",
        "slow": "CANCELED",
        "after": "PENDING",
        "below": "PENDING",
    }
    assert kinds(tg, run.run_id).count("STEP_FAILURE") == 1
    assert_nothing_is_left(tg)


def test_a_run_that_says_it_does_not_fail_fast_goes_on(world: Make) -> None:
    tg = world(Settings(fail_fast=True), wide=WIDE)
    tg.failing.add("bad")

    run_id = tg.submit("wide", tags={"tidegate/fail_fast": "false"})
    tg.settle()

    assert tg.statuses(run_id) == {
        "bad": "FAILURE",
        "slow": "SUCCESS",
        "after": "SUCCESS",
        "below": "SKIPPED",
    }


@pytest.mark.parametrize("after", [False, True])
def test_a_completion_that_dies_while_it_stops_the_rest_is_repeated(
    world: Make, after: bool
) -> None:
    def scenario(strikes_at: int) -> Any:
        tg = world(Settings(fail_fast=True, pools={"db": 1}), diamond=DIAMOND)
        tg.failing.add("left")
        tg.runs = [tg.submit("diamond")]
        tg.trouble.at, tg.trouble.after = strikes_at, after
        tg.settle()
        return tg

    calm = scenario(-1)
    most = calm.trouble.calls
    expected = (calm.statuses(calm.runs[0]), sorted(kinds(calm, calm.runs[0])))
    for number in range(most):
        tg = scenario(number)

        assert (tg.statuses(tg.runs[0]), sorted(kinds(tg, tg.runs[0]))) == expected, number
        assert_nothing_is_left(tg)
