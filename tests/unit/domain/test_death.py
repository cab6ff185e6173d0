"""What is said of code that died, from what Lambda, ECS and Step Functions say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tidegate.domain.death import death_of


def died(name: str, cause: Any) -> tuple[str, str]:
    text = cause if isinstance(cause, str) else json.dumps(cause)
    failure = death_of({"error": {"Error": name, "Cause": text}})
    return failure.error, failure.message


@pytest.mark.parametrize(
    ("name", "cause", "expected"),
    [
        (
            "Runtime.ExitError",
            {"errorType": "Runtime.ExitError", "errorMessage": "signal: killed"},
            ("Crash", "Runtime.ExitError: signal: killed"),
        ),
        (
            "Sandbox.Timedout",
            {
                "errorType": "Sandbox.Timedout",
                "errorMessage": "Task timed out after 900.00 seconds",
            },
            ("Timeout", "Task timed out after 900.00 seconds"),
        ),
        ("States.Timeout", "", ("Timeout", "The step ran out of time.")),
        ("States.ABORTED", "", ("Aborted", "Its execution was stopped.")),
        ("ImportModuleError", {"errorMessage": "no"}, ("ImportModuleError", "no")),
        ("States.TaskFailed", "not JSON", ("Crash", "States.TaskFailed: not JSON")),
        ("", "[]", ("Crash", ": []")),
    ],
)
def test_a_death_is_named_by_its_kind(name: str, cause: Any, expected: tuple[str, str]) -> None:
    assert died(name, cause) == expected


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ([], "It stopped."),
        ([{"ExitCode": 0}], "It stopped (exit code 0). It left no report."),
        ([{"ExitCode": 1}], "It stopped (exit code 1)."),
        (
            [{"ExitCode": 137}],
            "It stopped (exit code 137). It was killed, as when memory runs out.",
        ),
        (
            [{"ExitCode": 137, "Reason": "OutOfMemoryError: killed"}],
            "It stopped (exit code 137). OutOfMemoryError: killed",
        ),
        ([{"ExitCode": None, "Reason": "CannotPullImage"}], "It stopped. CannotPullImage"),
    ],
)
def test_a_container_is_said_to_have_ended_as_it_did(containers: Any, expected: str) -> None:
    cause = {"StoppedReason": "It stopped.", "Containers": containers}

    assert died("States.TaskFailed", cause) == ("Crash", f"States.TaskFailed: {expected}")


def test_a_container_that_exits_well_without_a_report_crashed() -> None:
    failure = death_of({"result": {"ecs_task": "arn"}})

    assert (failure.error, failure.message) == ("Crash", "The container ended without a report.")
