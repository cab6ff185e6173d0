"""What ``Alarms`` promises, in memory and on Step Functions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tidegate.adapters.aws.alarms import StepFunctionsAlarms
from tidegate.adapters.aws.clients import client
from tidegate.adapters.memory.alarms import MemoryAlarms
from tidegate.adapters.memory.clock import ManualClock
from tidegate.errors import DeploymentError, ThrottledError, UnavailableError
from tidegate.local.aws import LocalAws
from tidegate.ports import Alarms

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
TASK = {"kind": "pump", "limit": "pool/api"}


@dataclass
class Bench:
    alarms: Alarms
    set_for: Callable[[], list[tuple[str, str]]]
    """(moment, limit) of each alarm that was set."""


@pytest.fixture
def bench(services: LocalAws | None) -> Bench:
    if services is None:
        memory = MemoryAlarms()
        return Bench(memory, lambda: [(one["at"], one["limit"]) for one in memory.waiting])
    machine = create_machine()
    step_functions = client("stepfunctions")

    def set_for() -> list[tuple[str, str]]:
        listed = step_functions.list_executions(stateMachineArn=machine)["executions"]
        inputs = [
            json.loads(step_functions.describe_execution(executionArn=one["executionArn"])["input"])
            for one in listed
        ]
        return sorted((one["at"], one["limit"]) for one in inputs)

    return Bench(StepFunctionsAlarms(machine, ManualClock(NOW)), set_for)


def create_machine() -> str:
    """ARN of a state machine that waits until a moment."""
    waits = {"Type": "Wait", "TimestampPath": "$.at", "End": True}
    machine = client("stepfunctions").create_state_machine(
        name="alarm",
        definition=json.dumps({"StartAt": "Wait", "States": {"Wait": waits}}),
        roleArn="arn:aws:iam::123456789012:role/alarm",
    )
    return str(machine["stateMachineArn"])


def test_an_alarm_says_its_moment_beside_its_task(bench: Bench) -> None:
    bench.alarms.set(LATER, TASK)

    assert bench.set_for() == [("2026-01-01T00:01:00.000Z", "pool/api")]


def test_a_moment_is_rounded_up_to_the_millisecond_and_never_down(bench: Bench) -> None:
    bench.alarms.set(LATER + timedelta(microseconds=1), TASK)

    assert bench.set_for() == [("2026-01-01T00:01:00.001Z", "pool/api")]


def test_asked_again_for_the_same_moment_and_task_it_is_one_alarm(bench: Bench) -> None:
    for _ in range(3):
        bench.alarms.set(LATER, dict(TASK))

    assert len(bench.set_for()) == 1


def test_another_moment_or_another_task_is_another_alarm(bench: Bench) -> None:
    bench.alarms.set(LATER, TASK)
    bench.alarms.set(LATER + timedelta(milliseconds=1), TASK)
    bench.alarms.set(LATER, {**TASK, "limit": "runs"})

    assert len(bench.set_for()) == 3


def test_a_moment_that_is_past_is_now(bench: Bench) -> None:
    bench.alarms.set(NOW - timedelta(days=1), TASK)

    assert len(bench.set_for()) == 1


class StepFunctions:
    """Answers each StartExecution with the next of ``answers``."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)
        self.started: list[dict[str, Any]] = []

    def start_execution(self, **arguments: Any) -> None:
        self.started.append(arguments)
        answer = self.answers.pop(0)
        if answer is not None:
            raise answer


def refusal(code: str, status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "StartExecution")


def over() -> ClientError:
    return refusal("ExecutionAlreadyExists")


def test_an_alarm_that_has_gone_off_is_not_set_again() -> None:
    service = StepFunctions(over())

    StepFunctionsAlarms("arn", ManualClock(LATER), step_functions=service).set(LATER, TASK)

    assert len(service.started) == 1


def test_one_that_has_gone_off_before_its_moment_by_this_clock_is_set_again_under_another_name() -> (
    None
):
    service = StepFunctions(over(), None)

    StepFunctionsAlarms("arn", ManualClock(NOW), step_functions=service).set(LATER, TASK)

    first, second = service.started
    assert first["name"] != second["name"]
    assert first["input"] == second["input"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refusal("ThrottlingException"), ThrottledError),
        (refusal("ExecutionLimitExceeded"), ThrottledError),
        (refusal("InternalServerError", 500), UnavailableError),
        (refusal("StateMachineDoesNotExist"), DeploymentError),
    ],
)
def test_a_failure_is_one_of_ours(error: Exception, kind: type[Exception]) -> None:
    alarms = StepFunctionsAlarms("arn", ManualClock(NOW), step_functions=StepFunctions(error))

    with pytest.raises(kind):
        alarms.set(LATER, TASK)


def test_a_name_is_short_enough_and_says_what_for() -> None:
    service = StepFunctions(None)

    StepFunctionsAlarms("arn", ManualClock(NOW), step_functions=service).set(LATER, TASK)

    (started,) = service.started
    assert started["name"].startswith("pump-")
    assert len(started["name"]) <= 80
