"""The sweep: each kind of thing a lost call leaves behind is repaired and counted, and in calm weather nothing is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.app.deaths import dies, lost
from tests.unit.app.manifests import DIAMOND, step_doc
from tidegate.app.runs.admit import admit
from tidegate.app.runs.submit import RunRequest, submit
from tidegate.app.steps.complete import complete
from tidegate.app.upkeep.sweep import GRACE, LAMBDA_SECONDS, OVERDUE_MARGIN, sweep
from tidegate.domain.run import RunStatus
from tidegate.domain.settings import Settings

Make = Callable[..., Any]

SETTINGS = Settings(max_concurrent_runs=1, pools={"db": 1})
ONE = [step_doc("a")]


def later(tg: Any, by: timedelta = GRACE + timedelta(seconds=1)) -> None:
    tg.clock.advance(by)


def in_use(tg: Any) -> dict[str, int]:
    return {one.key: one.in_use for one in tg.store.admission.limits() if one.in_use}


def kinds(tg: Any, run_id: str) -> list[str]:
    found = [str(one.kind) for one in tg.store.events.read(run_id).items]
    return sorted(one for one in found if one != "RUN_ENQUEUED")


def play(tg: Any, step: str) -> Any:
    """Complete the execution of a step, as Step Functions does."""
    (name,) = [
        name
        for name, state in tg.launcher.started.items()
        if state["invocation"]["step"] == step and name not in tg._completed
    ]
    tg._completed.add(name)
    return tg.outcome_of(name)


@pytest.mark.parametrize("steps_played", range(8))
def test_in_calm_weather_it_repairs_nothing_wherever_the_runs_are(
    world: Make, steps_played: int
) -> None:
    tg = world(SETTINGS, diamond=DIAMOND)
    for _ in range(2):
        tg.submit("diamond")
    tg.settle_wake_ups()
    for _ in range(steps_played):
        tg.play(next(one for one in tg.launcher.started if one not in tg._completed))
    later(tg)

    assert sweep(tg.services) == {}
    assert sweep(tg.services) == {}


def test_a_run_whose_submit_died_before_it_woke_the_queue_is_admitted(world: Make) -> None:
    tg = world(ONE=ONE)
    dies(tg, "runs", "create")
    lost(lambda: submit(tg.services, RunRequest(job="ONE", run_key="k")))
    (run,) = tg.store.runs.find().items

    assert sweep(tg.services) == {}, "it may still be in somebody's hands"
    later(tg)
    assert sweep(tg.services) == {"unadmitted": 1}
    tg.settle()

    assert tg.status(run.run_id) == "SUCCESS"
    assert sweep(tg.services) == {}


def test_a_claim_that_was_granted_and_not_launched_is_launched(world: Make) -> None:
    tg = world(ONE=ONE)
    run_id = tg.submit("ONE")
    dies(tg, "admission", "admit")
    lost(lambda: admit(tg.services, tg.wake_ups.waiting.pop()))

    later(tg)
    assert sweep(tg.services) == {"unlaunched": 1}
    tg.settle()

    assert tg.status(run_id) == "SUCCESS"
    assert kinds(tg, run_id) == ["RUN_START", "RUN_SUCCESS", "STEP_START", "STEP_SUCCESS"]


def test_a_step_on_lambda_whose_execution_was_lost_fails_when_no_lambda_can_still_run(
    world: Make,
) -> None:
    tg = world(SETTINGS, ONE=[step_doc("a", pools={"db": 1})])
    run_id = tg.submit("ONE")
    tg.settle_wake_ups()

    later(tg, timedelta(seconds=LAMBDA_SECONDS) + OVERDUE_MARGIN - timedelta(seconds=1))
    assert sweep(tg.services) == {}
    later(tg, timedelta(seconds=1))
    assert sweep(tg.services) == {"overdue": 1}

    assert tg.status(run_id) == "FAILURE"
    (row,) = tg.store.runs.steps(run_id)
    assert row.reason == "Timeout: No report came, and it may take no longer than 900 seconds."
    assert in_use(tg) == {}


def test_a_step_whose_execution_was_never_started_is_started_and_given_its_time(
    world: Make,
) -> None:
    tg = world(replace(SETTINGS, start_timeout_seconds=0), ONE=ONE)
    run_id = tg.submit("ONE")
    dies(tg, "launcher", "start", after=False)
    lost(lambda: admit(tg.services, tg.wake_ups.waiting.pop()))
    tg.store.admission.launched(f"run/{run_id}")
    tg.launcher.started.clear()

    overdue = timedelta(seconds=LAMBDA_SECONDS) + OVERDUE_MARGIN
    later(tg, overdue)
    assert sweep(tg.services) == {"unstarted": 1}
    later(tg, overdue - timedelta(seconds=1))
    assert sweep(tg.services) == {}
    tg.settle()

    assert tg.ran == ["a"]
    assert tg.status(run_id) == "SUCCESS"


def test_a_step_on_ecs_is_overdue_by_its_own_time_out(world: Make) -> None:
    tg = world(ONE=[step_doc("a", compute={"kind": "ecs"}, timeout_seconds=7200)])
    tg.submit("ONE")
    tg.settle_wake_ups()

    later(tg, timedelta(seconds=7200))
    assert sweep(tg.services) == {}
    later(tg, OVERDUE_MARGIN)
    assert sweep(tg.services) == {"overdue": 1}


@pytest.mark.parametrize(
    ("port", "method"),
    [("runs", "resolve_step"), ("events", "append"), ("runs", "gather"), ("runs", "start_step")],
)
def test_what_should_follow_from_a_step_that_is_over_is_made_to_follow(
    world: Make, port: str, method: str
) -> None:
    tg = world(chain=[step_doc("a"), step_doc("b", "a")])
    run_id = tg.submit("chain")
    tg.settle_wake_ups()
    outcome = play(tg, "a")
    dies(tg, port, method, after=method != "start_step")
    lost(lambda: complete(tg.services, outcome))

    later(tg)
    assert sweep(tg.services) == {"stalled": 1}
    tg.settle()

    assert tg.statuses(run_id) == {"a": "SUCCESS", "b": "SUCCESS"}
    assert kinds(tg, run_id) == sorted(
        ["RUN_START", "RUN_SUCCESS", *["STEP_START", "STEP_SUCCESS"] * 2]
    )
    assert sweep(tg.services) == {}


def test_a_run_that_is_over_but_does_not_say_so_ends(world: Make) -> None:
    tg = world(SETTINGS, diamond=DIAMOND)
    tg.failing.add("left")
    run_id = tg.submit("diamond")
    tg.settle_wake_ups()
    for step in ("top", "left"):
        complete(tg.services, play(tg, step))
    outcome = play(tg, "right")
    dies(tg, "runs", "gathered", when=lambda run, node: node == "failed")
    lost(lambda: complete(tg.services, outcome))

    later(tg)
    assert sweep(tg.services) == {"stalled": 1}

    assert tg.status(run_id) == "FAILURE"
    assert kinds(tg, run_id).count("STEP_SKIPPED") == 1
    assert in_use(tg) == {}


def test_the_slot_of_a_step_that_is_over_is_given_on_while_the_rest_of_its_run_goes_on(
    world: Make,
) -> None:
    steps = [step_doc("long"), step_doc("a", pools={"db": 1}), step_doc("b", pools={"db": 1})]
    tg = world(SETTINGS, wide=steps)
    run_id = tg.submit("wide")
    tg.settle_wake_ups()
    outcome = play(tg, "a")
    dies(tg, "runs", "resolve_step")
    lost(lambda: complete(tg.services, outcome))

    later(tg)
    assert sweep(tg.services) == {"unreleased": 1}

    assert tg.statuses(run_id) == {"long": "STARTED", "a": "SUCCESS", "b": "STARTED"}
    assert kinds(tg, run_id).count("STEP_SUCCESS") == 1
    tg.settle()
    assert tg.status(run_id) == "SUCCESS"


def test_the_slot_of_a_run_that_is_over_is_given_on(world: Make) -> None:
    tg = world(SETTINGS, ONE=ONE)
    first, second = tg.submit("ONE"), tg.submit("ONE")
    tg.settle_wake_ups()
    outcome = play(tg, "a")
    dies(tg, "runs", "move", when=lambda run, to, **_: to is RunStatus.SUCCESS)
    lost(lambda: complete(tg.services, outcome))
    assert [tg.status(first), tg.status(second)] == ["SUCCESS", "QUEUED"]

    later(tg)
    assert sweep(tg.services) == {"unreleased": 1}
    tg.settle()

    assert tg.status(second) == "SUCCESS"
    assert kinds(tg, first).count("RUN_SUCCESS") == 1
    assert in_use(tg) == {}


def test_the_slots_a_run_held_for_its_first_step_are_given_on_when_that_is_over(
    world: Make,
) -> None:
    pair = [step_doc("a", pools={"db": 1}), step_doc("b", pools={"db": 1}), step_doc("c", "a", "b")]
    tg = world(Settings(pools={"db": 1}), pair=pair)
    run_id = tg.submit("pair")
    tg.settle_wake_ups()
    outcome = play(tg, "a")
    dies(tg, "admission", "park")
    lost(lambda: complete(tg.services, outcome))
    assert tg.statuses(run_id)["b"] == "WAITING", "for a slot that its own run holds"

    later(tg)
    assert sweep(tg.services) == {"unreleased": 1}

    assert tg.statuses(run_id)["b"] == "STARTED"
    tg.settle()
    assert (tg.status(run_id), in_use(tg)) == ("SUCCESS", {})


def test_a_queued_run_whose_claim_is_gone_ends_and_says_so(world: Make) -> None:
    tg = world(SETTINGS, ONE=ONE)
    tg.submit("ONE")
    run_id = tg.submit("ONE")
    tg.settle_wake_ups()
    tg.services.admission.cancel(f"run/{run_id}")

    later(tg)
    assert sweep(tg.services) == {"abandoned": 1}

    run = tg.store.runs.get(run_id)
    assert (run.status, run.reason) == (
        "FAILURE",
        "Its place in the queue was given up before it began.",
    )


def test_a_live_run_whose_claim_is_gone_goes_on_and_ends(world: Make) -> None:
    tg = world(SETTINGS, diamond=DIAMOND)
    run_id = tg.submit("diamond")
    tg.settle_wake_ups()
    tg.services.admission.release(f"run/{run_id}")

    later(tg)
    assert sweep(tg.services) == {}
    tg.settle()

    assert tg.status(run_id) == "SUCCESS"
    assert in_use(tg) == {}


def test_who_waits_at_a_limit_that_was_raised_by_a_call_that_died_is_granted(world: Make) -> None:
    tg = world(SETTINGS, ONE=ONE)
    tg.services.admission.set_limit("runs", 0)
    run_id = tg.submit("ONE")
    tg.settle_wake_ups()
    dies(tg, "admission", "set_limit")
    lost(lambda: tg.services.admission.set_limit("runs", 5))

    assert sweep(tg.services) == {"ungranted": 1}
    tg.settle()

    assert tg.status(run_id) == "SUCCESS"


def test_what_cannot_be_repaired_is_counted_and_does_not_keep_the_others_from_it(
    world: Make,
) -> None:
    tg = world(ONE=ONE)
    for name in ("a", "b", "c"):
        dies(tg, "runs", "create")
        lost(lambda key=name: submit(tg.services, RunRequest(job="ONE", run_key=key)))
    first, second, third = (run.run_id for run in tg.store.runs.find().items)
    get = tg.services.store.runs.get

    def poisoned(run_id: str) -> Any:
        if run_id == second:
            raise ValueError("a row nobody can read")
        return get(run_id)

    tg.services.store.runs.get = poisoned
    later(tg)

    assert sweep(tg.services) == {"unadmitted": 3, "failed": 1}
    tg.services.store.runs.get = get
    assert sweep(tg.services) == {"unadmitted": 1}
    tg.settle()
    assert {tg.status(one) for one in (first, second, third)} == {"SUCCESS"}


def test_its_cost_does_not_depend_on_how_many_runs_wait(world: Make) -> None:
    calls = []
    for waiting in (3, 300):
        tg = world(SETTINGS, ONE=ONE)
        for _ in range(waiting):
            tg.submit("ONE")
        tg.settle_wake_ups()
        later(tg)
        sweep(tg.services)
        later(tg)
        before = tg.trouble.calls

        assert sweep(tg.services) == {}

        calls.append(tg.trouble.calls - before)
    assert calls[0] == calls[1] < 20


def test_once_a_day_it_looks_at_every_queued_run_again(world: Make) -> None:
    tg = world(SETTINGS, ONE=ONE)
    tg.submit("ONE")
    run_id = tg.submit("ONE")
    tg.settle_wake_ups()
    later(tg)
    sweep(tg.services)
    tg.services.admission.cancel(f"run/{run_id}")

    later(tg)
    assert sweep(tg.services) == {}
    later(tg, timedelta(days=1))
    assert sweep(tg.services)["abandoned"] == 1


@pytest.mark.parametrize("after", [False, True])
def test_a_sweep_that_dies_at_any_call_is_made_good_by_the_next(world: Make, after: bool) -> None:
    number = struck = 0
    while True:
        tg = world(SETTINGS, diamond=DIAMOND)
        tg.failing.add("left")
        run_id = tg.submit("diamond")
        tg.settle_wake_ups()
        complete(tg.services, play(tg, "top"))
        outcome = play(tg, "left")
        dies(tg, "runs", "resolve_step")
        lost(lambda tg=tg, outcome=outcome: complete(tg.services, outcome))
        later(tg)
        tg.trouble.at, tg.trouble.after = tg.trouble.calls + number, after

        try:
            sweep(tg.services)
            died = False
        except BaseException:  # noqa: BLE001 - the crash of the world
            died = True
        for _ in range(3):
            tg.settle()
            later(tg)
            sweep(tg.services)

        where = f"died {'after' if after else 'before'} call {number}"
        assert tg.statuses(run_id) == {
            "top": "SUCCESS",
            "left": "FAILURE",
            "right": "SUCCESS",
            "foot": "SKIPPED",
        }, where
        assert tg.status(run_id) == "FAILURE", where
        assert in_use(tg) == {}, where
        found = kinds(tg, run_id)
        assert found == sorted(
            ["RUN_START", "RUN_FAILURE", *["STEP_START"] * 3, *["STEP_SUCCESS"] * 2]
            + ["STEP_FAILURE", "STEP_SKIPPED"]
        ), where
        if not died:
            break
        number, struck = number + 1, struck + 1
    assert struck > 20
