"""Tasks of state machines end as on moto."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.contract.state_machine_referee import Failure, Referee, Task, on_ours
from tests.contract.state_machines import CATCH, CAUGHT, PASSED, echoes, machine, task


def answers(value: Any) -> Callable[[], Task]:
    return lambda: lambda payload: value


def raises(error: str, cause: str = "why") -> Callable[[], Task]:
    def make() -> Task:
        def run(payload: Any) -> Any:
            raise Failure(error, cause)

        return run

    return make


def fails_then_answers(times: int, error: str = "Flaky") -> Callable[[], Task]:
    def make() -> Task:
        calls = iter(range(1_000))

        def run(payload: Any) -> Any:
            call = next(calls)
            if call < times:
                raise Failure(error)
            return {"call": call}

        return run

    return make


RETRY = {"ErrorEquals": ["Flaky"], "IntervalSeconds": 1, "BackoffRate": 2, "JitterStrategy": "FULL"}
ECS = {
    "Type": "Task",
    "Resource": "arn:aws:states:::ecs:runTask.sync",
    "Parameters": {"Cluster": "c", "TaskDefinition.$": "$.definition"},
    "ResultSelector": {"arn.$": "$.TaskArn"},
    "ResultPath": "$.result",
    "Next": "P",
}
TASKS: dict[str, tuple[Mapping[str, Any], Any, Callable[[], Task]]] = {
    "a result": (machine(T=task(ResultSelector={"r.$": "$.Payload"})), {"a": 1}, echoes),
    "a result that is text": (
        machine(T=task(ResultSelector={"r.$": "$.Payload"})),
        {},
        answers("text"),
    ),
    "a result that is nothing": (
        machine(T=task(ResultSelector={"r.$": "$.Payload"})),
        {},
        answers(None),
    ),
    "a result put into the input": (
        machine(T=task(ResultSelector={"r.$": "$.Payload"}, ResultPath="$.result")),
        {"a": 1},
        echoes,
    ),
    "a result thrown away": (machine(T=task(ResultPath=None)), {"a": 1}, echoes),
    "an output path on the result": (
        machine(T=task(OutputPath="$.Payload.echo")),
        {"a": 1},
        echoes,
    ),
    "an error nobody catches": (machine(T=task()), {}, raises("Boom")),
    "an error that is caught by name": (
        machine(
            T=task(Catch=[{"ErrorEquals": ["Boom"], "ResultPath": "$.error", "Next": "Caught"}]),
            Caught={**CAUGHT, "Parameters": {"e.$": "$.error.Error", "a.$": "$.a"}},
        ),
        {"a": 1},
        raises("Boom"),
    ),
    "an error that is caught by States.TaskFailed": (
        machine(
            T=task(Catch=[{"ErrorEquals": ["States.TaskFailed"], "Next": "Caught"}]),
            Caught={**CAUGHT, "OutputPath": "$.Error"},
        ),
        {"a": 1},
        raises("Boom"),
    ),
    "an error that the catchers do not name": (
        machine(T=task(Catch=[{"ErrorEquals": ["Other"], "Next": "Caught"}]), Caught=CAUGHT),
        {},
        raises("Boom"),
    ),
    "a catcher that forgets the error": (
        machine(
            T=task(Catch=[{"ErrorEquals": ["States.ALL"], "ResultPath": None, "Next": "Caught"}]),
            Caught=CAUGHT,
        ),
        {"a": 1},
        raises("Boom"),
    ),
    "the first catcher that matches": (
        machine(
            T=task(
                Catch=[
                    {"ErrorEquals": ["Boom"], "ResultPath": None, "Next": "First"},
                    {**CATCH, "ResultPath": None},
                ]
            ),
            First={**CAUGHT, "Result": "first"},
            Caught={**CAUGHT, "Result": "second"},
        ),
        {},
        raises("Boom"),
    ),
    "retries until it works": (
        machine(T=task(Retry=[{**RETRY, "MaxAttempts": 3}], OutputPath="$.Payload")),
        {},
        fails_then_answers(3),
    ),
    "retries that run out": (
        machine(T=task(Retry=[{**RETRY, "MaxAttempts": 2}])),
        {},
        fails_then_answers(3),
    ),
    "retries that run out, then caught": (
        machine(
            T=task(Retry=[{**RETRY, "MaxAttempts": 2}], Catch=[{**CATCH, "ResultPath": None}]),
            Caught=CAUGHT,
        ),
        {"a": 1},
        fails_then_answers(3),
    ),
    "no attempt left from the start": (
        machine(T=task(Retry=[{"ErrorEquals": ["Flaky"], "MaxAttempts": 0}])),
        {},
        fails_then_answers(1),
    ),
    "retry of another error": (
        machine(T=task(Retry=[{**RETRY, "ErrorEquals": ["Other"]}])),
        {},
        fails_then_answers(1),
    ),
    "retry counts are kept for each retrier": (
        machine(
            T=task(
                Retry=[
                    {"ErrorEquals": ["Other"], "MaxAttempts": 1},
                    {"ErrorEquals": ["States.ALL"], "MaxAttempts": 2},
                ],
                OutputPath="$.Payload",
            )
        ),
        {},
        fails_then_answers(2),
    ),
    "the count of retries in the context": (
        machine(
            T=task(
                Parameters={"FunctionName": "f", "Payload": {"n.$": "$$.State.RetryCount"}},
                Retry=[{**RETRY, "MaxAttempts": 3}],
                OutputPath="$.Payload",
            )
        ),
        {},
        fails_then_answers(2),
    ),
    "tasks in a row": (
        machine(
            T=task(Next="U", OutputPath="$.Payload"),
            U=task(OutputPath="$.Payload"),
        ),
        {"a": 1},
        echoes,
    ),
}


@pytest.mark.parametrize("name", TASKS)
def test_task_ends_as_on_moto(name: str, referee: Referee) -> None:
    definition, document, make = TASKS[name]

    ours = on_ours(definition, document, {"f": make()})

    assert ours == referee.run(definition, document, {"f": make()})


def test_container_that_ends_well_is_the_result_as_on_moto(referee: Referee) -> None:
    definition = machine(E=ECS, P=PASSED)
    tasks = {"ecs": lambda parameters: {"TaskArn": f"arn-of-{parameters['TaskDefinition']}"}}

    ours = on_ours(definition, {"definition": "d:1"}, tasks)

    assert ours == referee.run(definition, {"definition": "d:1"}, tasks)
    assert ours.output == {"definition": "d:1", "result": {"arn": "arn-of-d:1"}}
