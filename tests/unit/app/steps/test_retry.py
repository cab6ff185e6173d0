"""A step that fails and is tried again: on memory, with a function that dies at every call it makes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.app.deaths import dies, lost
from tests.unit.app.manifests import step_doc
from tidegate.app.runs.cancel import cancel
from tidegate.app.steps.complete import complete
from tidegate.app.upkeep.sweep import sweep
from tidegate.app.upkeep.wake import wake
from tidegate.domain.settings import Settings

Make = Callable[..., Any]

POLICY = {
    "max_retries": 2,
    "delay": 30.0,
    "backoff": "EXPONENTIAL",
    "jitter": None,
    "retry_on": None,
}
AT_ONCE = POLICY | {"delay": None, "backoff": None}
SETTINGS = Settings(pools={"db": 1}, max_concurrent_runs=2)


def chain(**changes: Any) -> list[Any]:
    return [step_doc("a", retry=POLICY, pools={"db": 1}, **changes), step_doc("b", "a")]


def rows(tg: Any, run_id: str) -> Any:
    return {row.index: row for row in tg.store.runs.steps(run_id)}


def kinds(tg: Any, run_id: str) -> list[str]:
    events = tg.store.events.read(run_id).items
    return [f"{one.kind} {one.step} {one.attempt}" for one in events if one.kind.startswith("STEP")]


def test_a_failed_step_waits_without_a_slot_and_is_tried_again_at_its_time(world: Make) -> None:
    tg = world(SETTINGS, chain=chain())
    tg.failures["a"] = 2
    run_id = tg.submit("chain")
    tg.settle_wake_ups()
    tg.play(next(iter(tg.launcher.started)))

    failed = rows(tg, run_id)[0]
    assert failed.status == "UP_FOR_RETRY"
    assert failed.retry_at == failed.finished_at + timedelta(seconds=30)
    assert tg.store.admission.line("pool/db", 1).limit.in_use == 0
    assert len(tg.launcher.started) == 1

    tg.advance(seconds=130)

    assert tg.status(run_id) == "SUCCESS"
    assert tg.ran == ["a", "a", "a", "b"]
    assert kinds(tg, run_id) == [
        "STEP_START a 1",
        "STEP_UP_FOR_RETRY a 1",
        "STEP_RESTARTED a 2",
        "STEP_UP_FOR_RETRY a 2",
        "STEP_RESTARTED a 3",
        "STEP_SUCCESS a 3",
        "STEP_START b 1",
        "STEP_SUCCESS b 1",
    ]


def test_another_takes_the_slot_while_the_step_waits_for_its_next_attempt(world: Make) -> None:
    tg = world(SETTINGS, chain=chain())
    tg.failures["a"] = 1
    first, second = tg.submit("chain"), tg.submit("chain")
    tg.settle_wake_ups()

    tg.play(next(iter(tg.launcher.started)))

    assert rows(tg, first)[0].status == "UP_FOR_RETRY"
    assert rows(tg, second)[0].status == "STARTED"


def test_a_step_whose_retries_are_used_up_has_failed(world: Make) -> None:
    tg = world(SETTINGS, chain=chain())
    tg.failing.add("a")
    run_id = tg.submit("chain")

    tg.advance(hours=1)

    assert tg.ran == ["a", "a", "a"]
    assert tg.status(run_id) == "FAILURE"
    assert tg.statuses(run_id) == {"a": "FAILURE", "b": "SKIPPED"}
    assert rows(tg, run_id)[0].reason == "ValueError: no (attempt 3, the last)"


@pytest.mark.parametrize("policy", [POLICY, AT_ONCE])
def test_a_run_of_one_step_does_not_wait_for_the_slot_it_held_itself(
    world: Make, policy: dict[str, Any]
) -> None:
    tg = world(SETTINGS, one=[step_doc("a", retry=policy, pools={"db": 1})])
    tg.failures["a"] = 1
    run_id = tg.submit("one")

    tg.advance(minutes=5)

    assert (tg.status(run_id), tg.ran) == ("SUCCESS", ["a", "a"])
    assert tg.store.admission.line("pool/db", 1).limit.in_use == 0


def test_without_a_delay_the_next_attempt_begins_at_once(world: Make) -> None:
    tg = world(SETTINGS, chain=[step_doc("a", retry=AT_ONCE)])
    tg.failures["a"] = 1
    tg.submit("chain")
    tg.settle_wake_ups()

    tg.play(next(iter(tg.launcher.started)))

    assert len(tg.launcher.started) == 2
    assert tg.alarms.waiting == []


def test_an_executor_without_retries_tries_once(world: Make) -> None:
    tg = world(SETTINGS, chain=chain())
    tg.failing.add("a")
    disabled = {"execution": {"config": {"retries": {"disabled": {}}}}}
    run_id = tg.submit("chain", run_config=disabled)

    tg.settle()

    assert tg.ran == ["a"]
    assert tg.status(run_id) == "FAILURE"


def test_a_late_report_of_an_attempt_that_failed_changes_nothing(world: Make) -> None:
    tg = world(SETTINGS, chain=chain())
    tg.failures["a"] = 1
    run_id = tg.submit("chain")
    tg.settle_wake_ups()
    (name,) = tg.launcher.started
    outcome = tg.outcome_of(name)
    complete(tg.services, outcome)
    row = rows(tg, run_id)[0]

    complete(tg.services, outcome)
    complete(tg.services, {**tg.launcher.started[name], "error": {"Error": "States.Timeout"}})

    assert rows(tg, run_id)[0] == row
    assert kinds(tg, run_id) == ["STEP_START a 1", "STEP_UP_FOR_RETRY a 1"]
    assert len(tg.alarms.waiting) == 1


def test_an_alarm_that_comes_twice_or_late_begins_nothing(world: Make) -> None:
    tg = world(SETTINGS, chain=chain())
    tg.failures["a"] = 1
    run_id = tg.submit("chain")
    tg.settle_wake_ups()
    tg.play(next(iter(tg.launcher.started)))
    (task,) = tg.alarms.waiting
    tg.advance(hours=1)
    row, started = rows(tg, run_id)[0], dict(tg.launcher.started)

    wake(tg.services, task)

    assert rows(tg, run_id)[0] == row
    assert tg.launcher.started == started


def test_an_attempt_whose_alarm_was_lost_is_begun_by_the_sweep(world: Make) -> None:
    tg = world(SETTINGS, chain=chain())
    tg.failures["a"] = 1
    run_id = tg.submit("chain")
    tg.settle_wake_ups()
    tg.play(next(iter(tg.launcher.started)))
    tg.clock.advance(timedelta(minutes=10))
    assert tg.alarms.take(tg.clock.now()) is not None

    counted = sweep(tg.services)
    tg.settle()

    assert counted == {"unretried": 1}
    assert tg.status(run_id) == "SUCCESS"


def test_a_failed_attempt_of_which_nobody_told_is_told_of_by_the_sweep(world: Make) -> None:
    tg = world(SETTINGS, chain=chain())
    tg.failures["a"] = 1
    run_id = tg.submit("chain")
    tg.settle_wake_ups()
    outcome = tg.outcome_of(next(iter(tg.launcher.started)))
    dies(tg, "events", "append", after=False)
    lost(lambda: complete(tg.services, outcome))
    tg.clock.advance(timedelta(minutes=10))

    assert sweep(tg.services) == {"unretried": 1}
    assert kinds(tg, run_id) == ["STEP_START a 1", "STEP_UP_FOR_RETRY a 1"]


@pytest.mark.parametrize("is_told", [True, False])
def test_a_step_canceled_between_two_attempts_keeps_what_was_told_of_the_first(
    world: Make, is_told: bool
) -> None:
    tg = world(SETTINGS, chain=chain())
    tg.failures["a"] = 1
    run_id = tg.submit("chain")
    tg.settle_wake_ups()
    outcome = tg.outcome_of(next(iter(tg.launcher.started)))
    if is_told:
        complete(tg.services, outcome)
    else:
        dies(tg, "events", "append", after=False)
        lost(lambda: complete(tg.services, outcome))

    cancel(tg.services, run_id)
    tg.advance(hours=1)
    complete(tg.services, outcome)

    assert tg.launcher.stopped == []
    assert kinds(tg, run_id) == ["STEP_START a 1", "STEP_UP_FOR_RETRY a 1", "STEP_CANCELED a 1"]
    (row, *_) = tg.store.runs.steps(run_id)
    assert (row.status, row.reason) == ("CANCELED", "Cancelled.")


@pytest.mark.parametrize("policy", [POLICY, AT_ONCE])
@pytest.mark.parametrize("after", [False, True])
def test_a_function_that_dies_at_any_call_of_a_retry_changes_nothing(
    world: Make, after: bool, policy: dict[str, Any]
) -> None:
    policy = policy | {"max_retries": 1}
    steps = [step_doc("a", retry=policy, pools={"db": 1}), step_doc("b", "a", retry=policy)]

    def scenario(at: int) -> Any:
        tg = world(SETTINGS, chain=steps)
        tg.trouble.at, tg.trouble.after = at, after
        tg.failures.update({"a": 1, "b": 9})
        tg.runs = [tg.submit("chain", run_key=name) for name in ("x", "y")]
        tg.advance(hours=1)
        return tg

    calm = scenario(-1)
    assert [calm.status(one) for one in calm.runs] == ["FAILURE", "FAILURE"]
    for number in range(calm.trouble.calls):
        tg = scenario(number)

        said = f"died {'after' if after else 'before'} call {number}"
        assert [tg.statuses(one) for one in tg.runs] == [calm.statuses(one) for one in calm.runs]
        assert sorted(tg.ran) == sorted(calm.ran), said
        assert [sorted(kinds(tg, one)) for one in tg.runs] == [
            sorted(kinds(calm, one)) for one in calm.runs
        ], said
        assert {one.in_use for one in tg.store.admission.limits()} == {0}, said
