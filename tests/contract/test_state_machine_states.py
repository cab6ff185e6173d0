"""Each state, and each way of failing, does on our stepper what it does on moto's interpreter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.contract.state_machine_referee import Ending, Failure, Referee, Task, on_ours

LAMBDA = "arn:aws:states:::lambda:invoke"


@pytest.fixture(scope="module")
def referee() -> Iterator[Referee]:
    with pytest.MonkeyPatch.context() as patch:
        yield Referee(patch)


def machine(**states: dict[str, Any]) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


def task(**fields: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": LAMBDA,
        "Parameters": {"FunctionName": "f", "Payload.$": "$"},
        **({} if "Next" in fields else {"End": True}),
        **fields,
    }


def choice(*rules: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return machine(
        C={"Type": "Choice", "Choices": [{**one, "Next": "Yes"} for one in rules], **fields},
        Yes={"Type": "Pass", "Result": "yes", "End": True},
        No={"Type": "Pass", "Result": "no", "End": True},
    )


PASSED = {"Type": "Pass", "End": True}
CAUGHT = {"Type": "Pass", "End": True}

MACHINES: dict[str, tuple[Mapping[str, Any], Any]] = {
    "pass hands its input on": (machine(P=PASSED), {"a": 1}),
    "pass with a result": (machine(P={**PASSED, "Result": [1, "x", None]}), {"a": 1}),
    "result path puts the result into the input": (
        machine(P={**PASSED, "Result": 2, "ResultPath": "$.b.c"}),
        {"a": 1},
    ),
    "result path null keeps the input": (
        machine(P={**PASSED, "Result": 2, "ResultPath": None}),
        {"a": 1},
    ),
    "input path": (machine(P={**PASSED, "InputPath": "$.a"}), {"a": {"b": 1}, "c": 2}),
    "output path": (machine(P={**PASSED, "OutputPath": "$.a.b"}), {"a": {"b": [3]}}),
    "parameters": (
        machine(
            P={
                **PASSED,
                "Parameters": {
                    "x": 1,
                    "y.$": "$.a.b[0]",
                    "z": {"all.$": "$", "l": [{"q.$": "$.c"}]},
                },
            }
        ),
        {"a": {"b": [7, 8]}, "c": "deep"},
    ),
    "context object": (
        machine(
            P={
                **PASSED,
                "Parameters": {
                    "n.$": "$$.Execution.Name",
                    "s.$": "$$.State.Name",
                    "i.$": "$$.Execution.Input",
                },
            }
        ),
        {"a": 1},
    ),
    "path that leads nowhere": (machine(P={**PASSED, "Parameters": {"x.$": "$.nope"}}), {"a": 1}),
    "input path that leads nowhere": (machine(P={**PASSED, "InputPath": "$.nope"}), {"a": 1}),
    "output path that leads nowhere": (machine(P={**PASSED, "OutputPath": "$.nope"}), {"a": 1}),
    "intrinsics": (
        machine(
            P={
                **PASSED,
                "Parameters": {
                    "format.$": "States.Format('{}-{}', $.a, $.b)",
                    "array.$": "States.Array($.a, 'x', 1)",
                    "item.$": "States.ArrayGetItem($.l, 1)",
                    "length.$": "States.ArrayLength($.l)",
                    "contains.$": "States.ArrayContains($.l, 5)",
                    "merged.$": "States.JsonMerge($.o, $.p, false)",
                    "text.$": "States.JsonToString($.o)",
                    "json.$": "States.StringToJson($.s)",
                    "sum.$": "States.MathAdd($.n, -1)",
                },
            }
        ),
        {
            "a": "A",
            "b": "B",
            "l": [4, 5],
            "o": {"k": 1},
            "p": {"k": 2, "m": 3},
            "s": '{"q":[1]}',
            "n": 41,
        },
    ),
    "succeed": (machine(S={"Type": "Succeed", "OutputPath": "$.a"}), {"a": 1}),
    "fail": (machine(F={"Type": "Fail", "Error": "Bad", "Cause": "so"}), {}),
    "fail with paths": (
        machine(F={"Type": "Fail", "ErrorPath": "$.e", "CausePath": "$.c"}),
        {"e": "Worse", "c": "because"},
    ),
    "wait for seconds": (machine(W={"Type": "Wait", "Seconds": 600, "End": True}), {"a": 1}),
    "wait for seconds from the input": (
        machine(W={"Type": "Wait", "SecondsPath": "$.s", "Next": "P"}, P=PASSED),
        {"s": 5},
    ),
    "wait until a time that is past": (
        machine(W={"Type": "Wait", "Timestamp": "2020-01-01T00:00:00Z", "End": True}),
        {},
    ),
    "choice of text": (choice({"Variable": "$.a", "StringEquals": "x"}, Default="No"), {"a": "x"}),
    "choice falls to the default": (
        choice({"Variable": "$.a", "StringEquals": "x"}, Default="No"),
        {"a": "y"},
    ),
    "choice of another type does not match": (
        choice({"Variable": "$.a", "StringEquals": "1"}, Default="No"),
        {"a": 1},
    ),
    "choice by pattern": (
        choice({"Variable": "$.a", "StringMatches": "log-*.txt"}, Default="No"),
        {"a": "log-17.txt"},
    ),
    "choice of numbers": (
        choice({"Variable": "$.n", "NumericGreaterThanEquals": 3}, Default="No"),
        {"n": 3},
    ),
    "choice of two numbers in the input": (
        choice({"Variable": "$.n", "NumericLessThanPath": "$.m"}, Default="No"),
        {"n": 3, "m": 4},
    ),
    "choice of a boolean": (
        choice({"Variable": "$.b", "BooleanEquals": False}, Default="No"),
        {"b": False},
    ),
    "choice of a time": (
        choice({"Variable": "$.t", "TimestampLessThan": "2026-01-02T00:00:00Z"}, Default="No"),
        {"t": "2026-01-01T00:00:00Z"},
    ),
    "choice of what is present": (
        choice({"Variable": "$.b", "IsPresent": True}, Default="No"),
        {"a": 1},
    ),
    "choice of what is null": (
        choice({"Variable": "$.a", "IsNull": True}, Default="No"),
        {"a": None},
    ),
    "choice with and, or, not": (
        choice(
            {
                "And": [
                    {"Variable": "$.a", "IsString": True},
                    {
                        "Or": [
                            {"Variable": "$.n", "NumericEquals": 1},
                            {"Not": {"Variable": "$.n", "NumericEquals": 2}},
                        ]
                    },
                ]
            },
            Default="No",
        ),
        {"a": "x", "n": 3},
    ),
}


@pytest.mark.parametrize("name", MACHINES)
def test_state_without_a_task_ends_as_on_moto(name: str, referee: Referee) -> None:
    definition, document = MACHINES[name]

    ours = on_ours(definition, document, {})

    assert ours == referee.run(definition, document, {})


def answers(value: Any) -> Callable[[], Task]:
    return lambda: lambda payload: value


def echoes() -> Task:
    return lambda payload: {"echo": payload}


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
CATCH = {"ErrorEquals": ["States.ALL"], "Next": "Caught"}
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


DISAGREEMENTS: dict[str, tuple[Mapping[str, Any], Any, Ending, Ending]] = {
    # AWS: "Invalid path '$.nope': The choice state's condition path references an invalid value."
    "choice that reads what is not there": (
        choice({"Variable": "$.nope", "StringEquals": "x"}, Default="No"),
        {"a": "y"},
        Ending("FAILED", error="States.Runtime"),
        Ending("SUCCEEDED", "no"),
    ),
    "choice without a match": (
        choice({"Variable": "$.a", "StringEquals": "x"}),
        {"a": "y"},
        Ending("FAILED", error="States.NoChoiceMatched"),
        Ending("FAILED", error="States.Runtime"),
    ),
    # AWS: "A retry or catch on States.ALL won't catch States.Runtime errors."
    "States.ALL and an error of the machine itself": (
        machine(
            T=task(ResultSelector={"r.$": "$.Payload.nope"}, Catch=[{**CATCH, "ResultPath": None}]),
            Caught={**CAUGHT, "Result": "caught"},
        ),
        {},
        Ending("FAILED", error="States.Runtime"),
        Ending("SUCCEEDED", "caught"),
    ),
}


@pytest.mark.parametrize("name", DISAGREEMENTS)
def test_where_moto_is_not_like_aws_ours_is(name: str, referee: Referee) -> None:
    definition, document, on_aws, on_moto = DISAGREEMENTS[name]

    ours = on_ours(definition, document, {"f": echoes()})
    theirs = referee.run(definition, document, {"f": echoes()})

    assert ours == on_aws
    assert theirs == on_moto


def test_the_suite_can_tell_two_endings_apart(referee: Referee) -> None:
    definition = machine(P={**PASSED, "Result": 1})

    theirs = referee.run(definition, {}, {})

    assert theirs == Ending("SUCCEEDED", 1)
    assert theirs != on_ours(machine(P={**PASSED, "Result": 2}), {}, {})
