"""A step that Lambda is too small for goes on on ECS: once, told, and without using up its retries."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.app.manifests import step_doc
from tidegate.app.steps.complete import complete
from tidegate.domain.run import execution_name
from tidegate.domain.settings import Settings
from tidegate.domain.task import Report

Make = Callable[..., Any]

ECS = {"kind": "ecs", "cpu": 2048, "memory": 8192, "spot": False}
COMPUTE = {"kind": "lambda", "escalate": ECS}
TWICE = {"max_retries": 1, "delay": None, "backoff": None, "jitter": None, "retry_on": None}
KILLED = {"Error": "Runtime.ExitError", "Cause": '{"errorMessage": "signal: killed"}'}
TOO_LONG = {"Error": "x", "Cause": '{"errorMessage": "Task timed out after 900.00 seconds"}'}
OWN_TIMEOUT = {"Error": "States.Timeout", "Cause": ""}


def started(tg: Any, attempt: int) -> Any:
    return next(one for one in tg.launcher.started.values() if one["attempt"] == attempt)


def died(tg: Any, attempt: int, error: dict[str, str]) -> None:
    state = started(tg, attempt)
    tg._completed.add(execution_name(state["run_id"], state["index"], attempt))
    outcome = {**state, "error": error}
    tg.again(lambda: complete(tg.services, outcome))


def succeed(tg: Any, attempt: int) -> None:
    """The container of the attempt writes its report and ends."""
    state, now = started(tg, attempt), tg.clock.now()
    run_id = state["run_id"]
    report = Report(
        run_id=run_id,
        index=0,
        attempt=attempt,
        started_at=now,
        finished_at=now,
        produced=("result",),
    )
    key = f"reports/{run_id}/0/{attempt}.json"
    tg.services.blobs.put(key, json.dumps(report.to_json()).encode())
    complete(tg.services, {**state, "result": {"ecs_task": "arn"}})


def run_of_one(world: Make, **fields: Any) -> tuple[Any, str]:
    tg = world(Settings(pools={"db": 1}), one=[step_doc("a", **{"compute": COMPUTE, **fields})])
    run_id = tg.submit("one")
    tg.settle_wake_ups()
    return tg, run_id


@pytest.mark.parametrize("error", [KILLED, TOO_LONG])
def test_a_step_killed_for_memory_or_by_lambdas_limit_is_tried_again_on_ecs_at_once(
    world: Make, error: dict[str, str]
) -> None:
    tg, run_id = run_of_one(world, pools={"db": 1})

    died(tg, 1, error)

    first, second = started(tg, 1), started(tg, 2)
    assert first["compute"] == {"kind": "lambda"}
    assert (second["compute"], second["ecs"]["memory"]) == (ECS, "8192")
    succeed(tg, 2)
    assert tg.status(run_id) == "SUCCESS"
    (told,) = [one for one in tg.store.events.read(run_id).items if one.kind == "STEP_UP_FOR_RETRY"]
    assert told.data["escalated"] is True
    assert told.message.endswith("It goes on in a container on ECS.")


def test_it_escalates_once_and_its_retries_count_from_there(world: Make) -> None:
    tg, run_id = run_of_one(world, retry=TWICE)

    for attempt in (1, 2, 3):
        died(tg, attempt, KILLED)

    kinds = [one["compute"]["kind"] for one in tg.launcher.started.values()]
    assert kinds == ["lambda", "ecs", "ecs"]
    assert tg.status(run_id) == "FAILURE"
    (row,) = tg.store.runs.steps(run_id)
    assert (row.attempt, row.ecs_from) == (3, 2)


@pytest.mark.parametrize(
    ("compute", "error"),
    [(COMPUTE, OWN_TIMEOUT), ({"kind": "lambda"}, KILLED), (COMPUTE, {"Error": "X", "Cause": ""})],
)
def test_any_other_failure_and_any_other_step_does_not_escalate(
    world: Make, compute: Any, error: dict[str, str]
) -> None:
    tg, run_id = run_of_one(world, compute=compute)

    died(tg, 1, error)

    assert len(tg.launcher.started) == 1
    assert tg.status(run_id) == "FAILURE"


def test_the_report_of_the_container_is_read_from_the_bucket(world: Make) -> None:
    tg, run_id = run_of_one(world)
    died(tg, 1, KILLED)
    tg.services.blobs.put(f"reports/{run_id}/0/2.json", b"no report")

    complete(tg.services, {**started(tg, 2), "result": {"ecs_task": "arn"}})

    (row,) = tg.store.runs.steps(run_id)
    assert row.reason.startswith("BadReport: The report is not JSON")


@pytest.mark.parametrize("after", [False, True])
def test_a_function_that_dies_at_any_call_changes_nothing(world: Make, after: bool) -> None:
    calls = 1
    at = 0
    while at < calls:
        tg, run_id = run_of_one(world, pools={"db": 1})
        tg.trouble.calls, tg.trouble.at, tg.trouble.after = 0, at, after
        died(tg, 1, KILLED)
        calls = max(calls, tg.trouble.calls)
        tg.trouble.at = -1
        succeed(tg, 2)

        kinds = [one["compute"]["kind"] for one in tg.launcher.started.values()]
        assert (tg.status(run_id), kinds) == ("SUCCESS", ["lambda", "ecs"])
        at += 1
    assert at > 5
