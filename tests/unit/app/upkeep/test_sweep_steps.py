"""What the sweep mends of steps: not launched, lost, overdue, or over without consequence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.app.deaths import dies, lost
from tests.unit.app.manifests import step_doc
from tests.unit.app.seen import in_use
from tests.unit.app.upkeep.swept import ONE, SETTINGS, Make, kinds, later, play
from tidegate.app.runs.admit import admit
from tidegate.app.steps.complete import complete
from tidegate.app.upkeep.sweep import LAMBDA_SECONDS, OVERDUE_MARGIN, sweep


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
