"""Tasks of the local Step Functions: time-outs, retries in simulated time, and errors as on AWS."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.local.machines import create, describe, hangs, start, task
from tidegate.local.aws import LocalAws

RETRY = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 10, "BackoffRate": 2, "MaxAttempts": 3}


def raises(event: Any) -> Any:
    raise ValueError("boom")


def test_task_that_never_answers_times_out_when_time_has_passed(aws: LocalAws) -> None:
    aws.register("f", hangs, role="user")
    execution = start(aws, create(aws, T=task(TimeoutSeconds=60)))

    aws.advance(timedelta(seconds=59))
    before = describe(aws, execution)["status"]
    aws.advance(timedelta(seconds=1))

    assert before == "RUNNING"
    assert (describe(aws, execution)["status"], describe(aws, execution)["error"]) == (
        "FAILED",
        "States.Timeout",
    )


def test_time_out_comes_from_the_input(aws: LocalAws) -> None:
    aws.register("f", hangs, role="user")
    machine = create(aws, T=task(TimeoutSecondsPath="$.limit"))
    execution = start(aws, machine, document={"limit": 5})

    aws.advance(timedelta(seconds=5))

    assert describe(aws, execution)["error"] == "States.Timeout"


@pytest.mark.parametrize("limit", [0, -1, "5", True, None])
def test_time_out_that_is_no_number_of_seconds_fails_the_execution(
    limit: Any, aws: LocalAws
) -> None:
    aws.register("f", hangs, role="user")
    machine = create(aws, T=task(TimeoutSecondsPath="$.limit"))
    execution = start(aws, machine, document={"limit": limit})

    aws.settle()

    assert describe(aws, execution)["error"] == "States.Runtime"


def test_answer_that_comes_after_the_time_out_is_ignored(aws: LocalAws) -> None:
    aws.register("f", lambda event: "late", role="user", takes=lambda event: timedelta(seconds=90))
    execution = start(
        aws,
        create(
            aws,
            T=task(
                TimeoutSeconds=60,
                Catch=[{"ErrorEquals": ["States.Timeout"], "Next": "Wait"}],
            ),
            Wait={"Type": "Wait", "Seconds": 100, "End": True},
        ),
    )

    aws.advance(timedelta(seconds=159))
    waiting = describe(aws, execution)["status"]
    aws.advance(timedelta(seconds=1))

    assert waiting == "RUNNING"
    assert json.loads(describe(aws, execution)["output"])["Error"] == "States.Timeout"


def test_retries_wait_in_simulated_time(aws: LocalAws) -> None:
    at: list[float] = []
    began = aws.clock.now()

    def fails(event: Any) -> Any:
        at.append((aws.clock.now() - began).total_seconds())
        raise ValueError("boom")

    aws.register("f", fails, role="user")
    execution = start(aws, create(aws, T=task(Retry=[RETRY])))

    aws.advance(timedelta(minutes=5))

    assert at == [0, 10, 30, 70]
    assert describe(aws, execution)["error"] == "ValueError"


def test_retries_are_transitions(aws: LocalAws) -> None:
    aws.register("f", raises, role="user")
    start(aws, create(aws, T=task(Retry=[RETRY])))

    aws.advance(timedelta(minutes=5))

    assert aws.step_functions.transitions == 4


def test_cause_of_a_failed_function_is_its_answer(aws: LocalAws) -> None:
    aws.register("f", raises, role="user")
    execution = start(aws, create(aws, T=task()))

    aws.settle()

    cause = json.loads(describe(aws, execution)["cause"])
    assert (cause["errorType"], cause["errorMessage"]) == ("ValueError", "boom")
    assert any("raises" in line for line in cause["stackTrace"])


@pytest.mark.parametrize(
    ("ends", "error"),
    [(SystemExit(1), "Runtime.ExitError"), (ValueError("x"), "ValueError")],
)
def test_function_that_ends_badly_is_an_error_of_the_task(
    ends: BaseException, error: str, aws: LocalAws
) -> None:
    def ended(event: Any) -> Any:
        raise ends

    aws.register("f", ended, role="user")
    execution = start(aws, create(aws, T=task()))

    aws.settle()

    assert describe(aws, execution)["error"] == error


def test_function_that_is_not_there_is_an_error_of_the_task(aws: LocalAws) -> None:
    execution = start(aws, create(aws, T=task("nobody")))

    aws.settle()

    assert describe(aws, execution)["error"] == "Lambda.ResourceNotFoundException"


def test_result_over_256_kb_fails_the_execution_past_any_catch(aws: LocalAws) -> None:
    aws.register("f", lambda event: "x" * 262_144, role="user")
    machine = create(
        aws,
        T=task(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]),
        Caught={"Type": "Pass", "End": True},
    )
    execution = start(aws, machine)

    aws.settle()

    assert describe(aws, execution)["error"] == "States.DataLimitExceeded"
