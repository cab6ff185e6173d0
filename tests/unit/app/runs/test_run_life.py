"""A run from submit to end on memory, and the same with a function that dies at every single call it makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.app.manifests import DIAMOND, manifest_of, step_doc
from tidegate.adapters.memory.blobs import MemoryBlobs
from tidegate.app.runs.admit import admit
from tidegate.app.runs.cancel import cancel
from tidegate.app.services import Manifests
from tidegate.app.steps.complete import complete
from tidegate.domain.run import RunStatus
from tidegate.domain.settings import Settings

Make = Callable[..., Any]


SETTINGS = Settings(max_concurrent_runs=1, pools={"db": 1})


def test_a_diamond_with_a_pool_of_one_runs_each_step_once(world: Make) -> None:
    tg = world(SETTINGS, diamond=DIAMOND)

    run_id = tg.submit("diamond")
    tg.settle()

    assert tg.status(run_id) == "SUCCESS"
    assert tg.ran == ["top", "left", "right", "foot"]


def test_a_failed_step_skips_what_is_below_it(world: Make) -> None:
    tg = world(SETTINGS, diamond=DIAMOND)
    tg.failing.add("left")

    run_id = tg.submit("diamond")
    tg.settle()

    assert tg.status(run_id) == "FAILURE"
    assert tg.statuses(run_id) == {
        "top": "SUCCESS",
        "left": "FAILURE",
        "right": "SUCCESS",
        "foot": "SKIPPED",
    }


def _scenario(world: Make, failing: bool) -> Any:
    tg = world(SETTINGS, diamond=DIAMOND)
    if failing:
        tg.failing.add("left")
    tg.runs = [tg.submit("diamond", run_key=name) for name in ("a", "b")]
    tg.settle()
    return tg


def _ending(tg: Any) -> Any:
    return (
        [tg.status(one) for one in tg.runs],
        [tg.statuses(one) for one in tg.runs],
        {one.key: one.in_use for one in tg.store.admission.limits()},
        [sorted(str(e.kind) for e in tg.store.events.read(one).items) for one in tg.runs],
    )


@pytest.mark.parametrize("failing", [False, True])
@pytest.mark.parametrize("after", [False, True])
def test_a_function_that_dies_at_any_call_and_is_called_again_changes_nothing(
    world: Make, after: bool, failing: bool
) -> None:
    calm = _scenario(world, failing)
    expected, most = _ending(calm), calm.trouble.calls

    struck = 0
    for number in range(most):
        tg = world(SETTINGS, diamond=DIAMOND)
        tg.trouble.at, tg.trouble.after = number, after
        if failing:
            tg.failing.add("left")
        tg.runs = [tg.submit("diamond", run_key=name) for name in ("a", "b")]
        tg.settle()

        assert _ending(tg) == expected, f"died {'after' if after else 'before'} call {number}"
        assert sorted(tg.ran) == sorted(calm.ran)
        struck += 1
    assert struck == most > 60


@pytest.mark.parametrize("after", [False, True])
def test_a_run_that_ends_while_its_launch_is_interrupted_still_says_when_it_started(
    world: Make, after: bool
) -> None:
    tg = world(single=[step_doc("a")])
    run_id = tg.submit("single")
    tg.services.store.runs.move = _dies_when_the_run_has_started(tg, after)

    with pytest.raises(Interrupted):
        admit(tg.services, tg.wake_ups.waiting.pop())
    tg.settle()
    tg.again(lambda: admit(tg.services, run_id))

    run = tg.store.runs.get(run_id)
    events = tg.store.events.read(run_id).items
    assert run.status == "SUCCESS"
    assert run.started_at == tg.store.runs.step(run_id, 0).started_at
    assert [str(one.kind) for one in events if one.kind.startswith("RUN_")] == [
        "RUN_ENQUEUED",
        "RUN_START",
        "RUN_SUCCESS",
    ]


class Interrupted(BaseException):
    """The queue function died; Lambda calls it again a minute later."""


def _dies_when_the_run_has_started(tg: Any, after: bool) -> Callable[..., Any]:
    struck: list[bool] = []

    def move(run_id: str, *, to: RunStatus, **rest: Any) -> Any:
        strikes = to is RunStatus.STARTED and not struck
        if strikes:
            struck.append(True)
        if strikes and not after:
            raise Interrupted
        moved = tg.store.runs.move(run_id, to=to, **rest)
        if strikes:
            raise Interrupted
        return moved

    return move


@pytest.mark.parametrize("after", [False, True])
def test_a_granted_run_whose_code_is_gone_fails_and_says_so_whoever_dies_meanwhile(
    world: Make, after: bool
) -> None:
    def play(at: int) -> Any:
        tg = world(SETTINGS, diamond=DIAMOND)
        tg.runs = [tg.submit("diamond", run_key=name) for name in ("a", "b")]
        tg.settle_wake_ups()
        gone = Manifests(manifest_of(other=DIAMOND), MemoryBlobs())
        tg.services = replace(tg.services, manifests=gone)
        tg.trouble.at, tg.trouble.after, tg.first = at, after, tg.trouble.calls
        tg.again(lambda: cancel(tg.services, tg.runs[0]))
        tg.last, tg.trouble.at = tg.trouble.calls, -1
        return tg

    calm = play(-1)
    for at in range(calm.first, calm.last):
        tg = play(at)

        run = tg.store.runs.get(tg.runs[1])
        kinds = [one.kind for one in tg.store.events.read(run.run_id).items]
        assert run.status == "FAILURE"
        assert sorted(kinds) == ["RUN_ENQUEUED", "RUN_FAILURE"], f"died at call {at}"
        assert "not in the bucket" in run.reason
        assert [one.in_use for one in tg.store.admission.limits()] == [0], f"died at call {at}"
    assert calm.last - calm.first > 20


def test_a_completion_delivered_twice_is_recorded_once(world: Make) -> None:
    tg = world(SETTINGS, chain=[step_doc("a"), step_doc("b", "a")])
    run_id = tg.submit("chain")
    tg.settle_wake_ups()
    (name,) = tg.launcher.started
    outcome = tg.outcome_of(name)

    complete(tg.services, outcome)
    complete(tg.services, outcome)

    kinds = [str(one.kind) for one in tg.store.events.read(run_id).items]
    assert kinds.count("STEP_SUCCESS") == 1
    assert len(tg.launcher.started) == 2


def test_a_second_different_report_of_a_resolved_step_changes_nothing(world: Make) -> None:
    tg = world(SETTINGS, chain=[step_doc("a"), step_doc("b", "a")])
    run_id = tg.submit("chain")
    tg.settle_wake_ups()
    (name,) = tg.launcher.started
    complete(tg.services, tg.outcome_of(name))
    tg.failing.add("a")

    complete(tg.services, tg.outcome_of(name))

    assert tg.statuses(run_id)["a"] == "SUCCESS"
    kinds = [str(one.kind) for one in tg.store.events.read(run_id).items]
    assert "STEP_FAILURE" not in kinds


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"report": {"version": 9}}, "version 9"),
        ({"report": "hello"}, "answered str"),
        ({"report": {"report_key": "reports/other/0/1.json"}}, "not its place"),
        ({"report": None}, "without a report"),
    ],
)
def test_what_is_not_a_report_fails_the_step_with_the_reason(
    world: Make, change: dict[str, Any], says: str
) -> None:
    tg = world(SETTINGS, single=[step_doc("a")])
    run_id = tg.submit("single")
    tg.settle_wake_ups()
    (name,) = tg.launcher.started
    outcome = {**tg.launcher.started[name], "result": change}

    complete(tg.services, outcome)

    (row,) = tg.store.runs.steps(run_id)
    assert row.status == "FAILURE"
    assert says in row.reason
    assert tg.status(run_id) == "FAILURE"


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("produced", ["other"], "output 'other'"),
        ("produced", [], "lacks the required output 'result'"),
        ("run_id", "another", "about another step"),
        ("attempt", 2, "about another step"),
        ("produced", "result", "'produced'"),
        ("started_at", "yesterday", "'started_at'"),
        ("started_at", "2026-01-01T00:00:00", "'started_at'"),
        ("materializations", [{"asset": "gold"}], "which 'a' does not make"),
        ("logs", [["now"]], "'logs'"),
        ("output_metadata", {"result": {"rows": 3}}, "'output_metadata.rows'"),
        ("logs_key", "control/settings.json", "'control/settings.json', which is not its place"),
    ],
)
def test_a_report_that_does_not_fit_its_step_is_refused_by_field(
    world: Make, field: str, value: object, says: str
) -> None:
    tg = world(SETTINGS, single=[step_doc("a")])
    run_id = tg.submit("single")
    tg.settle_wake_ups()
    (name,) = tg.launcher.started
    outcome = dict(tg.outcome_of(name))
    outcome["result"] = {"report": {**outcome["result"]["report"], field: value}}

    complete(tg.services, outcome)

    (row,) = tg.store.runs.steps(run_id)
    assert row.reason.startswith("BadReport: ")
    assert says in row.reason


@pytest.mark.parametrize(
    ("error", "cause", "reason"),
    [
        ("States.Timeout", "", "Timeout: The step ran out of time."),
        ("States.ABORTED", "", "Aborted: Its execution was stopped."),
        (
            "Sandbox.Timedout",
            '{"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: 1 Error: Task timed out after 900.00 seconds"}',
            "Timeout: RequestId: 1 Error: Task timed out after 900.00 seconds",
        ),
        (
            "Runtime.OutOfMemory",
            '{"errorType": "Runtime.OutOfMemory", "errorMessage": "signal: killed"}',
            "Crash: Runtime.OutOfMemory: signal: killed",
        ),
        (
            "DefinitionError",
            '{"errorType": "DefinitionError", "errorMessage": "no"}',
            "DefinitionError: no",
        ),
    ],
)
def test_user_code_that_dies_ends_as_a_failure_that_says_how(
    world: Make, error: str, cause: str, reason: str
) -> None:
    tg = world(SETTINGS, single=[step_doc("a")])
    run_id = tg.submit("single")
    tg.settle_wake_ups()
    (name,) = tg.launcher.started

    complete(tg.services, {**tg.launcher.started[name], "error": {"Error": error, "Cause": cause}})

    (row,) = tg.store.runs.steps(run_id)
    assert row.reason == reason
    assert tg.status(run_id) == "FAILURE"
    told = [str(one.kind) for one in tg.store.events.read(run_id).items]
    assert ("STEP_TIMEOUT" in told) == reason.startswith("Timeout")
