"""The step state machine, the very file that is deployed: each state and each branch, on our stepper and on moto's interpreter."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.state_machine_referee import (
    Failure,
    NeverAnswers,
    Referee,
    Task,
    executed,
    on_ours,
)
from tidegate import state_machines

STEP = Path(state_machines.__file__).parent / "step.asl.json"
SUBSTITUTIONS = {
    "LambdaInvoke": "arn:aws:states:::lambda:invoke",
    "EcsRunTaskSync": "arn:aws:states:::ecs:runTask.sync",
    "StepsFunctionArn": "steps",
    "ClusterArn": "cluster",
    "SubnetA": "subnet-a",
    "SubnetB": "subnet-b",
    "SecurityGroup": "sg",
    "AssignPublicIp": "DISABLED",
}
ON_LAMBDA = {
    "compute": {"kind": "lambda"},
    "function": "user",
    "timeout_seconds": 60,
    "invocation": {"kind": "step", "index": 3},
}
ON_ECS = {
    "compute": {"kind": "ecs"},
    "timeout_seconds": 60,
    "invocation": {"kind": "step", "index": 3},
    "ecs": {
        "task_definition": "step:1",
        "capacity": [{"CapacityProvider": "FARGATE", "Weight": 1}],
        "cpu": "1024",
        "memory": "2048",
        "invocation": "s3://bucket/key",
    },
}


@pytest.fixture(scope="module")
def machine() -> dict[str, Any]:
    text = STEP.read_text()
    for name, value in SUBSTITUTIONS.items():
        text = text.replace(f"${{{name}}}", value)
    document: dict[str, Any] = json.loads(text)
    return document


class Completed:
    """Stands for Complete: keeps what it was given. The first ``failing`` calls end in an error."""

    def __init__(self, *, failing: int = 0) -> None:
        self.given: list[Any] = []
        self._failing = failing

    def __call__(self, payload: Any) -> Any:
        self.given.append(payload)
        if len(self.given) <= self._failing:
            raise Failure("ConflictError", "try again")
        return {"ok": True}


def fails(error: str, times: int = 1_000_000) -> Callable[[], Task]:
    def make() -> Task:
        calls = iter(range(times + 1))

        def run(payload: Any) -> Any:
            if next(calls) < times:
                raise Failure(error, "why")
            return {"index": payload["index"]} if "index" in payload else {"TaskArn": "arn"}

        return run

    return make


def answers(value: Any) -> Callable[[], Task]:
    return lambda: lambda payload: value


def never(payload: Any) -> Any:
    raise NeverAnswers


BRANCHES: dict[str, tuple[dict[str, Any], Callable[[], Task], int]] = {
    "lambda: a report": (ON_LAMBDA, fails("", 0), 0),
    "lambda: the function raised": (ON_LAMBDA, fails("ValueError"), 0),
    "lambda: the sandbox died": (ON_LAMBDA, fails("Runtime.ExitError"), 0),
    "lambda: throttled, then a report": (ON_LAMBDA, fails("Lambda.TooManyRequestsException", 3), 0),
    "lambda: throttled for good": (ON_LAMBDA, fails("Lambda.TooManyRequestsException"), 0),
    "lambda: timed out": ({**ON_LAMBDA, "timeout_seconds": 1}, lambda: never, 0),
    "lambda: Complete fails, then works": (ON_LAMBDA, fails("", 0), 5),
    "ecs: the container ended": (ON_ECS, answers({"TaskArn": "arn", "LastStatus": "STOPPED"}), 0),
    "an unknown kind of compute goes to lambda": (
        {**ON_LAMBDA, "compute": {"kind": "x"}},
        fails("", 0),
        0,
    ),
    "ecs: Complete fails, then works": (ON_ECS, answers({"TaskArn": "arn"}), 2),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_branch_ends_as_on_moto_and_complete_is_given_the_same(
    name: str, machine: dict[str, Any], referee: Referee
) -> None:
    document, make, failing = BRANCHES[name]
    ours, theirs = Completed(failing=failing), Completed(failing=failing)

    ending = on_ours(machine, document, {"user": make(), "ecs": make(), "steps": ours})
    expected = referee.run(machine, document, {"user": make(), "ecs": make(), "steps": theirs})

    assert ending == expected
    assert ending.status == "SUCCEEDED"
    assert without_causes(ours.given) == without_causes(theirs.given)


@pytest.mark.parametrize(
    "error", ["ECS.ThrottlingException", "States.TaskFailed", "States.Timeout"]
)
def test_failing_container_always_ends_in_complete(error: str, machine: dict[str, Any]) -> None:
    complete = Completed()

    ending = on_ours(machine, ON_ECS, {"ecs": fails(error)(), "steps": complete})

    assert ending.status == "SUCCEEDED"
    assert complete.given[-1]["error"]["Error"] == error


def test_lambda_step_is_three_transitions(machine: dict[str, Any]) -> None:
    execution = executed(machine, ON_LAMBDA, {"user": fails("", 0)(), "steps": Completed()})

    assert execution.transitions == 3


def without_causes(given: list[Any]) -> list[Any]:
    """Causes are text for people; moto words them differently."""
    return [
        {**one, "error": one["error"]["Error"]} if isinstance(one.get("error"), dict) else one
        for one in given
    ]
