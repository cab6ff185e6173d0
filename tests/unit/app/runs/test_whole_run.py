"""A run that is one execution: its report is recorded whole, whichever call the function dies at."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.app.manifests import manifest_of, step_doc
from tests.unit.app.world import START, World
from tidegate.app.runs.cancel import cancel
from tidegate.app.steps.complete import complete
from tidegate.domain.plan import PlanStep, RunPlan
from tidegate.domain.settings import Settings
from tidegate.domain.task import Report, StepFailure, StepWithin
from tidegate.domain.whole import whole_plan

HOOKS = [{"name": "told", "on": "failure", "of": "step"}]
STEPS = [
    step_doc("a", pools={"db": 1}, hooks=HOOKS),
    step_doc("b", "a", pools={"db": 2}, hooks=HOOKS),
    step_doc("c", "b", hooks=HOOKS),
]
SETTINGS = Settings(pools={"db": 2})


def in_process() -> World:
    manifest = manifest_of(chain=STEPS)
    manifest.document["jobs"]["chain"]["executor"] = {"in_process": {}}
    return World(manifest, SETTINGS)


def attempt(run_id: str, index: int, count: int = 1, **changes: Any) -> Report:
    report = Report(
        run_id=run_id,
        index=index,
        attempt=count,
        started_at=START,
        finished_at=START,
        produced=("result",),
    )
    return replace(report, **changes)


NO = StepFailure(error="ValueError", message="no")


def whole(run_id: str) -> Report:
    """``a`` is tried twice, ``b`` fails, ``c`` is left out."""
    bad = attempt(run_id, 1, produced=(), failure=NO)
    return attempt(
        run_id,
        0,
        produced=(),
        within=(
            StepWithin(index=1, reports=(bad, attempt(run_id, 1, 2))),
            StepWithin(index=2, reports=(attempt(run_id, 2, produced=(), failure=NO),)),
            StepWithin(index=3, reason="upstream failed: b", is_abandoned=True),
        ),
    )


def begun(tg: World) -> tuple[str, Mapping[str, Any]]:
    run_id = tg.submit("chain", run_key="one")
    tg.settle_wake_ups()
    (state,) = tg.launcher.started.values()
    return run_id, state


def outcome(state: Mapping[str, Any], report: Report) -> dict[str, Any]:
    return {**state, "result": {"report": json.loads(json.dumps(report.to_json()))}}


def ending(tg: World, run_id: str) -> Any:
    return (
        tg.status(run_id),
        tg.store.runs.get(run_id).reason,  # type: ignore[union-attr]
        tg.statuses(run_id),
        sorted(
            f"{one.kind} {one.step} {one.attempt}" for one in tg.store.events.read(run_id).items
        ),
        {one.key: one.in_use for one in tg.store.admission.limits()},
        sorted(state["hook"]["step"] for state in tg.launcher.started.values() if "hook" in state),
    )


@pytest.mark.parametrize("after", [False, True])
def test_a_function_that_dies_at_any_call_and_is_called_again_changes_nothing(after: bool) -> None:
    calm = in_process()
    run_id, state = begun(calm)
    first = calm.trouble.calls
    complete(calm.services, outcome(state, whole(run_id)))
    last, expected = calm.trouble.calls, ending(calm, run_id)

    for number in range(first, last):
        tg = in_process()
        run_id, state = begun(tg)
        tg.trouble.at, tg.trouble.after = number, after
        tg.again(lambda tg=tg, s=state, r=run_id: complete(tg.services, outcome(s, whole(r))))
        tg.trouble.at = -1

        assert ending(tg, run_id) == expected, f"died at call {number}"
    assert expected[:3] == (
        "FAILURE",
        "step failed: b",
        {"a": "SUCCESS", "b": "FAILURE", "c": "SKIPPED"},
    )
    assert expected[-1] == ["b"]
    assert last - first > 15


def test_a_run_that_is_cancelled_while_its_report_comes_in_tells_all_that_it_shows() -> None:
    calm = in_process()
    run_id, state = begun(calm)
    first = calm.trouble.calls
    complete(calm.services, outcome(state, whole(run_id)))
    last = calm.trouble.calls
    endings = set()

    for number in range(first, last):
        tg = in_process()
        run_id, state = begun(tg)
        tg.trouble.at, tg.trouble.after = number, True
        tg.trouble.action = lambda tg=tg, run=run_id: cancel(tg.services, run)  # type: ignore[misc]
        complete(tg.services, outcome(state, whole(run_id)))
        tg.trouble.at = -1

        status, _, steps, events, in_use, hooked = ending(tg, run_id)
        endings.add(status)
        told = {one.split()[1]: one.split()[0] for one in events if one.startswith("STEP_")}
        shown = {key: f"STEP_{was}" for key, was in steps.items() if was != "PENDING"}
        for key, kind in shown.items():
            kinds = {one.split()[0] for one in events if one.split()[1] == key}
            assert kind in kinds, f"cancelled at call {number}: {key}"
        assert set(told) - {"in_process"} == set(shown), f"cancelled at call {number}"
        assert not any(in_use.values()), f"cancelled at call {number}"
        assert hooked == [key for key in steps if steps[key] == "FAILURE"]
    assert endings == {"CANCELED", "FAILURE"}


def test_it_wants_the_most_of_each_pool_that_a_step_wants() -> None:
    tg = in_process()

    begun(tg)

    assert tg.store.admission.line("pool/db", 1).limit.in_use == 2  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("within", "says"),
    [
        ([StepWithin(index=9)], "a step number 9, which there is not"),
        ([StepWithin(index=0)], "a step number 0, which there is not"),
        ([StepWithin(index=1), StepWithin(index=1)], "speaks twice of 'a'"),
        ([StepWithin(index=1, reports=(attempt("other", 1),))], "about another step"),
        ([StepWithin(index=1, reports=(attempt("", 2),))], "about another step"),
        ([StepWithin(index=1, reports=(attempt("", 1, produced=()),))], "lacks the required"),
    ],
)
def test_a_report_that_does_not_fit_its_steps_fails_the_run_with_the_reason(
    within: list[StepWithin], says: str
) -> None:
    tg = in_process()
    run_id, state = begun(tg)
    own = tuple(
        replace(
            one,
            reports=tuple(replace(each, run_id=each.run_id or run_id) for each in one.reports),
        )
        for one in within
    )

    complete(tg.services, outcome(state, attempt(run_id, 0, produced=(), within=own)))

    reason = tg.store.runs.get(run_id).reason  # type: ignore[union-attr]
    assert tg.status(run_id) == "FAILURE"
    assert reason is not None and says in reason
    assert set(tg.statuses(run_id).values()) == {"PENDING"}


def test_a_report_of_one_step_may_not_speak_of_others(
    world: Callable[..., World],
) -> None:
    tg = world(SETTINGS, chain=STEPS)
    run_id, state = begun(tg)
    report = attempt(run_id, 0, within=(StepWithin(index=2, reports=(attempt(run_id, 2),)),))

    complete(tg.services, outcome(state, report))

    assert tg.statuses(run_id)["a"] == "FAILURE"
    assert tg.store.runs.step(run_id, 2).status == "SKIPPED"  # type: ignore[union-attr]


def test_it_runs_in_the_largest_container_a_step_names() -> None:
    small = {"kind": "ecs", "cpu": 256, "memory": 512, "spot": True}
    large = {"kind": "ecs", "cpu": 1024, "memory": 4096, "spot": False}

    def compute(*of_steps: dict[str, Any]) -> dict[str, Any]:
        steps = (PlanStep(index=n, key=f"s{n}", compute=one) for n, one in enumerate(of_steps))
        return whole_plan(RunPlan(tuple(steps))).step(0).compute

    assert compute({"kind": "lambda"}) == {"kind": "lambda"}
    assert compute({"kind": "lambda"}, small) == small
    assert compute(small, large) == large
