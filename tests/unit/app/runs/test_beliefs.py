"""Who ends a step or a run knows what it holds, and does not read it first. Where that is not sure, nothing is believed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.app.manifests import step_doc
from tidegate.app.admission.engine import Admission
from tidegate.app.runs.cancel import request_cancel
from tidegate.app.steps.complete import complete
from tidegate.app.upkeep.monitor import sweep
from tidegate.domain.settings import JobLimit, Settings, TagLimit

Make = Callable[..., Any]

POOLED = {"pools": {"db": 1}}
CHAIN = [step_doc("a"), step_doc("b", "a", **POOLED), step_doc("c", "b", **POOLED)]
FAN = [*(step_doc(name, **POOLED) for name in "abc"), step_doc("d", "a", "b", "c")]
SINGLE = [step_doc("only", **POOLED)]
SETTINGS = Settings(max_concurrent_runs=2, pools={"db": 1})
TWO_AT_ONCE = {"execution": {"config": {"max_concurrent": 2}}}


class Beliefs:
    """Counts the claims that are read one by one, and tells of each belief whether it was right."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.right: list[str] = []
        self.wrong: list[str] = []
        self.read: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def claim(self, claim_id: str) -> Any:
        self.read.append(claim_id)
        return self._store.claim(claim_id)

    def release(self, claim: Any, **fields: Any) -> Any:
        refusal = self._store.release(claim, **fields)
        if fields["believed"]:
            was_right = refusal is None or claim.claim_id not in refusal.claims
            (self.right if was_right else self.wrong).append(claim.claim_id)
        return refusal


def watched(tg: Any) -> Beliefs:
    seen = Beliefs(tg.services.store.admission)
    admission = Admission(seen, tg.clock, pause=lambda _: None, alarms=tg.services.alarms)
    tg.services = replace(tg.services, admission=admission)
    return seen


def nothing_is_held(tg: Any) -> bool:
    claims = tg.store.admission._claims.values()
    in_use = [one.in_use for one in tg.store.admission.limits()]
    return all(one.state == "DONE" for one in claims) and not any(in_use)


def steps_of(run_id: str, *numbers: int, attempt: int = 1) -> list[str]:
    return [f"step/{run_id}/{number}/{attempt}" for number in numbers]


def test_the_claims_of_a_run_and_of_its_pooled_steps_are_not_read_when_they_end(
    world: Make,
) -> None:
    tg = world(SETTINGS, chain=CHAIN)
    seen = watched(tg)

    run_id = tg.submit("chain")
    tg.settle()

    assert tg.status(run_id) == "SUCCESS"
    assert seen.right == [*steps_of(run_id, 1, 2), f"run/{run_id}"]
    assert (seen.wrong, seen.read) == ([], [])
    assert nothing_is_held(tg)


def test_steps_that_hold_limits_within_their_run_are_known_too(world: Make) -> None:
    tg = world(SETTINGS, chain=CHAIN)
    seen = watched(tg)

    run_id = tg.submit("chain", run_config=TWO_AT_ONCE)
    tg.settle()

    assert seen.right == [*steps_of(run_id, 0, 1, 2), f"run/{run_id}"]
    assert (seen.wrong, seen.read) == ([], [])
    assert nothing_is_held(tg)


@pytest.mark.parametrize("config", [{}, TWO_AT_ONCE])
@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        replace(SETTINGS, op_granularity_run_buffer=1),
        replace(SETTINGS, holds_back_blocked_runs=False),
        replace(SETTINGS, pools={"db": -1}),
    ],
    ids=["held back", "buffer", "not held back", "no limit"],
)
def test_of_first_steps_in_pools_it_is_known_which_has_its_slots_from_its_run(
    world: Make, settings: Settings, config: dict[str, Any]
) -> None:
    tg = world(settings, fan=FAN, single=SINGLE)
    seen = watched(tg)

    run_id, other = tg.submit("fan", run_config=config), tg.submit("single")
    tg.settle()

    assert [tg.status(run_id), tg.status(other)] == ["SUCCESS"] * 2
    assert seen.wrong == []
    assert set(steps_of(run_id, 1, 2)) <= set(seen.right)
    assert nothing_is_held(tg)


def test_what_a_run_has_left_of_its_claim_is_known_at_its_end(world: Make) -> None:
    tg = world(SETTINGS, fan=FAN)
    seen = watched(tg)

    run_id = tg.submit("fan")
    tg.settle()

    assert seen.right == [*steps_of(run_id, 1, 2), f"run/{run_id}/kept"]
    assert (seen.wrong, nothing_is_held(tg)) == ([], True)


def test_a_single_first_step_in_a_pool_is_not_guessed_at(world: Make) -> None:
    tg = world(SETTINGS, single=SINGLE)
    seen = watched(tg)

    for _ in range(3):
        tg.submit("single")
    tg.settle()

    assert (seen.right, seen.wrong) == ([], [])
    assert nothing_is_held(tg)


def test_each_attempt_of_a_step_is_known_to_hold_what_it_asked_for(world: Make) -> None:
    tried = {"max_retries": 2, "delay": 1, "backoff": None, "jitter": None}
    tg = world(SETTINGS, chain=[CHAIN[0], step_doc("b", "a", retry=tried, **POOLED)])
    seen = watched(tg)
    tg.failures["b"] = 2

    run_id = tg.submit("chain")
    tg.advance(minutes=5)

    attempts = [steps_of(run_id, 1, attempt=number)[0] for number in (1, 2, 3)]
    assert tg.status(run_id) == "SUCCESS"
    assert seen.right == [*attempts, f"run/{run_id}"]
    assert (seen.wrong, nothing_is_held(tg)) == ([], True)


def test_a_report_that_comes_twice_believes_nothing_the_second_time(world: Make) -> None:
    tg = world(SETTINGS, chain=CHAIN)
    seen = watched(tg)
    run_id = tg.submit("chain")
    tg.settle_wake_ups()
    for _ in range(3):
        name = next(one for one in tg.launcher.started if one not in tg._completed)
        outcome = tg.outcome_of(name)
        tg._completed.add(name)

        complete(tg.services, outcome)
        complete(tg.services, outcome)

    assert tg.status(run_id) == "SUCCESS"
    assert seen.right == [*steps_of(run_id, 1, 2), f"run/{run_id}"]
    assert (seen.wrong, nothing_is_held(tg)) == ([], True)


def test_of_a_run_that_is_cancelled_what_runs_is_known_and_what_waits_is_not(world: Make) -> None:
    tg = world(SETTINGS, fan=[step_doc("free"), *FAN])
    seen = watched(tg)
    running, queued = tg.submit("fan"), tg.submit("fan")
    tg.settle_wake_ups()

    for run_id in (queued, running, running):
        request_cancel(tg.services, run_id)
    tg.settle()

    assert [tg.status(running), tg.status(queued)] == ["CANCELED"] * 2
    assert [one for one in seen.right if running in one] == [
        *steps_of(running, 1),
        f"run/{running}",
    ]
    assert seen.wrong == []
    assert nothing_is_held(tg)


@pytest.mark.parametrize("policy", ["skip", "queue_one", "cancel_oldest"])
def test_the_place_of_a_run_in_its_lines_is_known_unless_another_took_it(
    world: Make, policy: str
) -> None:
    settings = Settings(jobs={"chain": JobLimit(limit=1, on_conflict=policy)})
    tg = world(settings, chain=CHAIN)
    seen = watched(tg)

    runs = [tg.submit("chain") for _ in range(3)]
    tg.settle()

    ended = [one for one in runs if tg.status(one) == "SUCCESS"]
    assert seen.wrong == []
    assert {f"run/{one}/line" for one in ended} <= set(seen.right)
    assert nothing_is_held(tg)


CHANGED = {
    "a limit more": replace(SETTINGS, tag_limits=(TagLimit(key="team", limit=5),)),
    "a limit of the job": replace(
        SETTINGS, jobs={"chain": JobLimit(limit=3), "fan": JobLimit(limit=3)}
    ),
    "other capacities": replace(SETTINGS, max_concurrent_runs=7, pools={"db": 4}),
    "pools of runs": replace(SETTINGS, pool_granularity="run"),
    "nothing held back": replace(SETTINGS, holds_back_blocked_runs=False),
    "a buffer": replace(SETTINGS, op_granularity_run_buffer=1),
}


def _changed(tg: Any, settings: Settings) -> list[str]:
    runs = [tg.submit(job, run_key=job, tags={"team": "blue"}) for job in ("chain", "fan")]
    tg.settle_wake_ups()
    tg.play(next(iter(tg.launcher.started)))
    tg.services = replace(tg.services, settings=settings)
    tg.settle()
    return runs


@pytest.mark.parametrize("way", [1, -1], ids=["forth", "back"])
@pytest.mark.parametrize("changed", CHANGED)
def test_settings_that_change_between_admission_and_end_leave_nothing_held(
    world: Make, changed: str, way: int
) -> None:
    first, second = [SETTINGS, CHANGED[changed]][::way]
    tg = world(first, chain=CHAIN, fan=FAN)
    seen = watched(tg)

    runs = _changed(tg, second)

    assert [tg.status(one) for one in runs] == ["SUCCESS"] * 2
    assert seen.right
    assert bool(seen.wrong) == (changed in ("a limit more", "a limit of the job"))
    assert nothing_is_held(tg)
    assert sum(sweep(tg.services).values()) == 0


@pytest.mark.parametrize("after", [False, True])
def test_a_function_that_dies_at_any_call_of_a_wrong_belief_leaves_nothing_held(
    world: Make, after: bool
) -> None:
    second = CHANGED["a limit more"]
    calm = world(SETTINGS, chain=CHAIN, fan=FAN)
    _changed(calm, second)

    for number in range(calm.trouble.calls):
        tg = world(SETTINGS, chain=CHAIN, fan=FAN)
        tg.trouble.at, tg.trouble.after = number, after

        runs = _changed(tg, second)

        assert [tg.status(one) for one in runs] == ["SUCCESS"] * 2, number
        assert nothing_is_held(tg), f"died {'after' if after else 'before'} call {number}"
