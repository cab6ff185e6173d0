"""The four clocks of a run, and fail-fast, through the real handlers, alarms and state machines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tidegate import Definitions, job, op
from tidegate.local.faults import Fault
from tidegate.testing import LocalDeployment

Deploy = Callable[..., LocalDeployment]


@op
def one() -> int:
    return 1


@op(timeout=30)
def hasty() -> None: ...


@op
def fails() -> None:
    raise ValueError("no")


@op
def add_one(number: int) -> int:
    return number + 1


@job
def chain() -> None:
    add_one(one())


@job
def hurry() -> None:
    hasty()


@job(tags={"dagster/max_runtime": 90})
def tagged() -> None:
    add_one(one())


@job
def branches() -> None:
    fails()
    add_one(one())


definitions = Definitions(jobs=[chain, hurry, tagged, branches])


def kinds(tg: LocalDeployment, run_id: str) -> list[str]:
    return [one.kind for one in tg.run(run_id).events]


def assert_free(tg: LocalDeployment) -> None:
    assert {key: one.in_use for key, one in tg.limits.items() if one.in_use} == {}


@pytest.mark.parametrize("tags", [None, {"tidegate/queue_timeout": "60"}])
def test_a_run_leaves_the_queue_when_it_has_waited_too_long(
    deploy: Deploy, tags: dict[str, str] | None
) -> None:
    clock = {} if tags else {"run_monitoring": {"queue_timeout_seconds": 60}}
    settings: dict[str, Any] = {"concurrency": {"runs": {"max_concurrent_runs": 0}}, **clock}
    tg = deploy(definitions, settings=settings)
    run_id = tg.submit("chain", tags=tags)
    tg.advance(seconds=59)
    assert tg.run_status(run_id) == "QUEUED"

    tg.advance(seconds=2)

    run = tg.run(run_id)
    assert run.status == "FAILURE"
    assert run.reason == "It waited in the queue for longer than 60 seconds."
    assert kinds(tg, run_id)[-3:] == ["RUN_QUEUE_TIMEOUT", "RUN_CANCELING", "RUN_FAILURE"]
    assert tg.queue() == []


@pytest.mark.parametrize(
    ("name", "settings", "seconds"),
    [("chain", {"run_monitoring": {"max_runtime_seconds": 90}}, 90), ("tagged", {}, 90)],
)
def test_a_run_is_stopped_when_it_has_run_too_long(
    deploy: Deploy, name: str, settings: dict[str, object], seconds: int
) -> None:
    tg = deploy(definitions, settings=settings, step_seconds=60)
    run_id = tg.submit(name)

    tg.advance(minutes=5)

    run = tg.run(run_id)
    assert run.status == "FAILURE"
    assert run.reason == f"It ran for longer than {seconds} seconds."
    assert run.steps == {"one": "SUCCESS", "add_one": "CANCELED"}
    assert run.started_at is not None
    assert run.finished_at is not None
    assert (run.finished_at - run.started_at).total_seconds() == seconds
    assert "RUN_TIMEOUT" in kinds(tg, run_id)
    assert_free(tg)


def test_a_run_that_is_done_in_time_is_left_alone(deploy: Deploy) -> None:
    tg = deploy(definitions, settings={"run_monitoring": {"max_runtime_seconds": 90}})
    run_id = tg.submit("chain")
    tg.settle()
    before = tg.run(run_id)

    tg.advance(minutes=5)

    assert tg.run(run_id) == before
    assert before.status == "SUCCESS"


def test_a_run_whose_start_dies_again_and_again_fails(deploy: Deploy) -> None:
    tg = deploy(definitions, settings={"run_monitoring": {"start_timeout_seconds": 100}})
    armed = [
        tg.faults.at(1, Fault.CRASH_BEFORE, service="stepfunctions", operation="StartExecution")
    ]
    run_id = tg.submit("chain")
    tg.settle()
    assert tg.run_status(run_id) == "STARTING"
    # The repeat, a minute later, sets the alarm, which is an execution too, and dies at the step's.
    armed.append(
        tg.faults.at(2, Fault.CRASH_BEFORE, service="stepfunctions", operation="StartExecution")
    )

    tg.advance(seconds=101)

    run = tg.run(run_id)
    assert all(one.fired for one in armed)
    assert run.status == "FAILURE"
    assert run.reason == "Its first steps were not started within 100 seconds."
    assert "RUN_START_TIMEOUT" in kinds(tg, run_id)
    tg.advance(minutes=10)
    assert_free(tg)


def test_a_step_is_ended_at_its_own_time_out(deploy: Deploy) -> None:
    tg = deploy(definitions, step_seconds=60)
    run_id = tg.submit("hurry")

    tg.advance(seconds=31)

    run = tg.run(run_id)
    assert run.steps == {"hasty": "FAILURE"}
    assert run.reasons["hasty"] == "Timeout: The step ran out of time."
    assert [one for one in kinds(tg, run_id) if one.startswith("STEP_")] == [
        "STEP_START",
        "STEP_TIMEOUT",
        "STEP_FAILURE",
    ]


def test_lambda_ends_a_step_after_fifteen_minutes(deploy: Deploy) -> None:
    tg = deploy(definitions, step_seconds=1000)
    run_id = tg.submit("chain")

    tg.advance(seconds=901)

    run = tg.run(run_id)
    assert run.steps == {"one": "FAILURE", "add_one": "SKIPPED"}
    assert run.reasons["one"] == "Timeout: Task timed out after 900.00 seconds"
    assert "STEP_TIMEOUT" in kinds(tg, run_id)


@pytest.mark.parametrize("how", ["call", "tag", "setting"])
def test_the_first_failed_step_stops_the_rest_of_a_run_that_fails_fast(
    deploy: Deploy, how: str
) -> None:
    settings = {"run_monitoring": {"fail_fast": True}} if how == "setting" else {}
    tg = deploy(definitions, settings=settings, step_seconds=60)
    asked: dict[str, Any] = {
        "call": {"fail_fast": True},
        "tag": {"tags": {"tidegate/fail_fast": "true"}},
        "setting": {},
    }[how]
    run_id = tg.call("submit", job="branches", **asked)["run_id"]

    tg.advance(minutes=5)

    run = tg.run(run_id)
    assert run.status == "FAILURE"
    assert run.reason == "step failed: fails; the rest was stopped (fail-fast)"
    assert run.steps["fails"] == "FAILURE"
    assert run.steps["add_one"] == "SKIPPED"
    assert_free(tg)
