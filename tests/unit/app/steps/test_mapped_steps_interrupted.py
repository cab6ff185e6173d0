"""Mapped steps when functions die, reports come twice and in any order."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.app.manifests import KEYS, fan_out, manifest_of
from tests.unit.app.seen import begun
from tests.unit.app.world import World
from tidegate.app.steps.complete import complete
from tidegate.app.upkeep.sweep import sweep
from tidegate.domain.settings import Settings

Make = Callable[..., Any]

SETTINGS = Settings(max_concurrent_runs=1, pools={"db": 2})


def _ending(tg: Any, run_id: str) -> Any:
    return (
        tg.status(run_id),
        tg.statuses(run_id),
        {one.key: one.in_use for one in tg.store.admission.limits()},
        sorted(f"{one.kind} {one.step}" for one in tg.store.events.read(run_id).items),
        sorted(tg.launcher.started),
    )


def _scenario(world: Make, case: str, at: int = -1, after: bool = False) -> tuple[Any, Any]:
    tg = world(SETTINGS, fan=fan_out(required=False))
    tg.trouble.at, tg.trouble.after = at, after
    tg.keys["source"] = [] if case == "empty" else KEYS
    if case == "failing":
        tg.failing.add("first[y]")
    if case == "withheld":
        tg.withheld.add("source")
    run_id = tg.submit("fan", run_key="one")
    tg.settle()
    tg.trouble.at, tg.used = -1, tg.trouble.calls
    return tg, _ending(tg, run_id)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("case", ["all well", "empty", "failing", "withheld"])
def test_a_function_that_dies_at_any_call_and_is_called_again_changes_nothing(
    world: Make, case: str, after: bool
) -> None:
    calm, expected = _scenario(world, case)

    for number in range(calm.used):
        tg, ending = _scenario(world, case, number, after)

        assert ending == expected, f"died {'after' if after else 'before'} call {number}"
        assert sorted(tg.ran) == sorted(calm.ran)
    assert calm.used > 50


@given(seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_steps_may_end_in_any_order_and_any_report_may_come_twice(seed: int) -> None:
    choose = random.Random(seed)
    tg = World(manifest_of(fan=fan_out()), Settings())
    tg.keys["source"] = KEYS
    tg.failing |= {one for one in ("first[x]", "aside", "second[z]") if choose.random() < 0.3}
    run_id = tg.submit("fan")
    tg.settle_wake_ups()
    left, outcomes = list(tg.launcher.started), []
    while left:
        name = left.pop(choose.randrange(len(left)))
        known = set(tg.launcher.started)
        outcomes.append(tg.outcome_of(name))
        complete(tg.services, outcomes[-1])
        complete(tg.services, choose.choice(outcomes))
        if choose.random() < 0.3:
            tg.services.opened.clear()
        left += [one for one in tg.launcher.started if one not in known]

    assert tg.status(run_id) == ("FAILURE" if tg.failing & set(tg.ran) else "SUCCESS")
    assert len(tg.ran) == len(set(tg.ran))
    assert "PENDING" not in tg.statuses(run_id).values()
    assert len(tg.statuses(run_id)) == 10


def test_a_step_outside_that_ends_while_the_values_are_made_is_not_waited_for_again(
    world: Make,
) -> None:
    """It looked at the plan before the values were known, and arrives after them."""
    tg = world(SETTINGS, fan=fan_out())
    tg.keys["source"] = KEYS
    run_id = tg.submit("fan")
    tg.settle_wake_ups()
    aside, values = (tg.outcome_of(name) for name in list(tg.launcher.started))
    gather = tg.services.store.runs.gather
    struck: list[bool] = []

    def in_between(*args: Any) -> Any:
        if not struck:
            struck.append(True)
            complete(tg.services, values)
        return gather(*args)

    tg.services.store.runs.gather = in_between
    complete(tg.services, aside)
    tg._completed |= set(list(tg.launcher.started)[:2])
    tg.settle()

    assert tg.status(run_id) == "SUCCESS"
    assert len(tg.ran) == 10


def test_values_of_an_attempt_that_is_followed_by_another_are_forgotten(world: Make) -> None:
    policy = {"max_retries": 1, "delay": None, "backoff": None, "jitter": None, "retry_on": None}
    tg = world(SETTINGS, fan=fan_out(retry=policy))
    tg.keys["source"] = KEYS
    tg.failures["source"] = 1

    run_id = tg.submit("fan")
    tg.settle()

    assert tg.status(run_id) == "SUCCESS"
    assert sorted(tg.ran) == sorted([*tg.statuses(run_id), "source"])


def test_another_report_of_the_same_attempt_changes_no_mapping_keys(world: Make) -> None:
    tg = world(SETTINGS, fan=fan_out())
    tg.keys["source"] = KEYS
    run_id = tg.submit("fan")
    tg.settle_wake_ups()
    name = next(one for one in tg.launcher.started if one.endswith("-1-1"))
    complete(tg.services, tg.outcome_of(name))
    tg.keys["source"] = ["other"]
    tg.services.opened.clear()

    complete(tg.services, tg.outcome_of(name))

    assert [one["mapping_key"] for one in begun(tg, "first")] == KEYS[:2]
    assert "first[other]" not in tg.statuses(run_id)


def test_what_a_dead_call_left_behind_is_found_by_the_sweep(world: Make) -> None:
    tg = world(SETTINGS, fan=fan_out())
    tg.keys["source"] = KEYS
    run_id = tg.submit("fan")
    tg.settle_wake_ups()
    for name in list(tg.launcher.started):
        outcome = tg.outcome_of(name)
        tg._completed.add(name)
        run = tg.store.runs.get(run_id)
        tg.services.store.runs.gather = _lost
        try:
            complete(tg.services, outcome)
        except ConnectionError:
            del tg.services.store.runs.gather
        assert run is not None
    tg.advance(minutes=6)

    repaired = sweep(tg.services)
    tg.settle()

    assert repaired["stalled"] == 1
    assert tg.status(run_id) == "SUCCESS"
    assert len(tg.ran) == 10


def _lost(*args: Any) -> Any:
    raise ConnectionError
