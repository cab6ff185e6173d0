"""What the sweep mends of runs that are over or have lost their claim."""

from __future__ import annotations

from tests.unit.app.deaths import dies, lost
from tests.unit.app.manifests import DIAMOND, step_doc
from tests.unit.app.seen import in_use
from tests.unit.app.upkeep.swept import ONE, SETTINGS, Make, kinds, later, play
from tidegate.app.steps.complete import complete
from tidegate.app.upkeep.sweep import sweep
from tidegate.domain.run import RunStatus
from tidegate.domain.settings import Settings


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
