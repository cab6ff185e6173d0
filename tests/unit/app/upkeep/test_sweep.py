"""The sweep: each kind of thing a lost call leaves behind is repaired and counted, and in calm weather nothing is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.app.deaths import dies, lost
from tests.unit.app.manifests import DIAMOND
from tests.unit.app.seen import in_use
from tests.unit.app.upkeep.swept import ONE, SETTINGS, Make, kinds, later, play
from tidegate.app.runs.submit import RunRequest, submit
from tidegate.app.steps.complete import complete
from tidegate.app.upkeep.sweep import sweep


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
