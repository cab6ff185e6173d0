"""Each state, and each way of failing, does on our stepper what it does on moto's interpreter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.contract.state_machine_referee import Ending, Referee, on_ours
from tests.contract.state_machines import CATCH, CAUGHT, PASSED, echoes, machine, task


def choice(*rules: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return machine(
        C={"Type": "Choice", "Choices": [{**one, "Next": "Yes"} for one in rules], **fields},
        Yes={"Type": "Pass", "Result": "yes", "End": True},
        No={"Type": "Pass", "Result": "no", "End": True},
    )


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
