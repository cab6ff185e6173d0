"""Retries of runs with dynamic outputs: only the value that failed is done again."""

from __future__ import annotations

from typing import Any

from tests.unit.app.manifests import KEYS, fan_out
from tests.unit.app.runs.retried import Make, fails_then_works, retries, runs
from tidegate.app.runs.retry import retry_by_hand
from tidegate.domain.settings import Settings


def fanned(world: Make, failing: str) -> tuple[Any, Any, Any]:
    """A fan-out one of whose steps failed, and its retry."""
    tg = world(retries(2), fan=fan_out())
    tg.keys["source"] = KEYS
    parent, child = fails_then_works(tg, failing, "fan")
    return tg, parent, child


def test_of_a_fan_out_only_the_value_that_failed_is_done_again(world: Make) -> None:
    tg, parent, child = fanned(world, "first[y]")

    assert (parent.status, child.status) == ("FAILURE", "SUCCESS")
    again = sorted(key for key, one in tg.statuses(child.run_id).items() if one == "SUCCESS")
    assert again == ["first[y]", "foot", "second[y]"]
    (foot,) = (
        one["invocation"]
        for one in tg.launcher.started.values()
        if one["run_id"] == child.run_id and one["invocation"]["step"] == "foot"
    )
    assert foot["collected"] == {"0": KEYS}
    assert foot["done_in"] == {parent.run_id: ["second[x]", "second[z]"]}


def test_a_dynamic_output_is_taken_over_through_several_retries(world: Make) -> None:
    tg = world(retries(2), fan=fan_out())
    tg.keys["source"] = KEYS
    tg.failing.add("first[y]")
    tg.submit("fan")
    tg.settle()
    tg.failing = {"second[y]"}
    tg.advance(seconds=1)
    tg.failing.clear()
    tg.advance(hours=1)

    known = runs(tg)
    assert [one.status for one in known] == ["FAILURE", "FAILURE", "SUCCESS"]
    last = tg.statuses(known[2].run_id)
    assert sorted(key for key, one in last.items() if one == "SUCCESS") == ["foot", "second[y]"]


def test_where_the_mapping_keys_are_gone_the_step_fails_and_says_so(world: Make) -> None:
    tg = world(Settings(), fan=fan_out())
    tg.keys["source"] = KEYS
    tg.failing.add("first[y]")
    run_id = tg.submit("fan")
    tg.settle()
    stored = tg.services.blobs._port.stored
    for key in [one for one in stored if one.startswith("control/mappings/")]:
        del stored[key]

    child = retry_by_hand(tg.services, run_id)
    tg.settle()

    assert tg.status(child.run_id) == "FAILURE"
    reasons = [row.reason for row in tg.store.runs.steps(child.run_id) if row.failed]
    assert any("is not known any more" in str(one) for one in reasons)
