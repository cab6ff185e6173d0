from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tidegate.local.aws import LocalAws
from tidegate.local.faults import Crash, Fault, Hang
from tidegate.local.role import Role, current_role


def invoke(aws: LocalAws, name: str, event: Any = None, kind: str = "RequestResponse") -> Any:
    return aws.client("lambda").invoke(
        FunctionName=name, Payload=json.dumps(event).encode(), InvocationType=kind
    )


def payload(answer: Any) -> Any:
    return json.loads(answer["Payload"].read())


def test_invoked_function_answers(aws: LocalAws) -> None:
    aws.register("f", lambda event: {"got": event}, role="control")

    answer = invoke(aws, "f", {"a": 1})

    assert (answer["StatusCode"], payload(answer)) == (200, {"got": {"a": 1}})


@pytest.mark.parametrize("name", ["f", "f:$LATEST", "f:live"])
def test_function_is_found_by_name_and_qualifier(name: str, aws: LocalAws) -> None:
    aws.register("f", lambda event: 1, role="control")

    assert payload(invoke(aws, name)) == 1


def test_function_is_found_by_arn(aws: LocalAws) -> None:
    arn = aws.register("f", lambda event: 1, role="control")

    assert payload(invoke(aws, arn)) == 1
    assert payload(invoke(aws, f"{arn}:3")) == 1


def test_unknown_function_is_refused(aws: LocalAws) -> None:
    with pytest.raises(ClientError) as refused:
        invoke(aws, "nobody")

    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_exception_is_an_answer_with_its_type(aws: LocalAws) -> None:
    def fails(event: Any) -> Any:
        raise KeyError("a")

    aws.register("f", fails, role="user")

    answer = invoke(aws, "f")

    assert answer["FunctionError"] == "Unhandled"
    assert payload(answer)["errorType"] == "KeyError"
    assert [(one.function, str(one.error)) for one in aws.functions.failures] == [("f", "'a'")]


def test_event_and_result_pass_through_json(aws: LocalAws) -> None:
    kept: list[Any] = []
    aws.register("f", lambda event: kept.append(event) or (1, 2), role="control")  # type: ignore[func-returns-value]

    answer = payload(invoke(aws, "f", {"a": [1]}))
    kept[0]["a"].append("changed")

    assert answer == [1, 2]


def test_result_that_is_not_json_is_an_error(aws: LocalAws) -> None:
    aws.register("f", lambda event: Decimal(1), role="user")

    assert payload(invoke(aws, "f"))["errorType"] == "Runtime.MarshalError"


def test_result_over_6_mb_is_an_error(aws: LocalAws) -> None:
    aws.register("f", lambda event: "x" * 6 * 1024 * 1024, role="user")

    assert payload(invoke(aws, "f"))["errorType"] == "Function.ResponseSizeTooLarge"


def test_event_over_6_mb_is_refused(aws: LocalAws) -> None:
    aws.register("f", lambda event: 1, role="user")

    with pytest.raises(ClientError) as refused:
        invoke(aws, "f", "x" * 6 * 1024 * 1024)

    assert refused.value.response["Error"]["Code"] == "RequestTooLargeException"


def test_event_that_is_not_json_is_refused(aws: LocalAws) -> None:
    aws.register("f", lambda event: 1, role="user")

    with pytest.raises(ClientError) as refused:
        aws.client("lambda").invoke(FunctionName="f", Payload=b"{")

    assert refused.value.response["Error"]["Code"] == "InvalidRequestContentException"


@pytest.mark.parametrize("role", [Role.CONTROL, Role.USER])
def test_function_runs_in_its_role(role: Role, aws: LocalAws) -> None:
    aws.register("f", lambda event: str(current_role()), role=role)

    assert payload(invoke(aws, "f")) == role
    assert current_role() is Role.OUTSIDE


def test_function_that_hangs_is_a_time_out_to_who_waits(aws: LocalAws) -> None:
    def hangs(event: Any) -> Any:
        raise Hang

    aws.register("f", hangs, role="user")

    assert payload(invoke(aws, "f"))["errorType"] == "Sandbox.Timedout"


def test_asynchronous_event_is_delivered_when_the_loop_runs(aws: LocalAws) -> None:
    seen: list[Any] = []
    aws.register("f", seen.append, role="control")

    answer = invoke(aws, "f", {"a": 1}, "Event")
    before = list(seen)
    aws.settle()

    assert (answer["StatusCode"], before, seen) == (202, [], [{"a": 1}])


def test_dry_run_runs_nothing(aws: LocalAws) -> None:
    seen: list[Any] = []
    aws.register("f", seen.append, role="control")

    answer = invoke(aws, "f", kind="DryRun")
    aws.settle()

    assert (answer["StatusCode"], seen) == (204, [])


def test_asynchronous_event_is_tried_three_times_then_dropped(aws: LocalAws) -> None:
    at: list[float] = []
    began = aws.clock.now()

    def crashes(event: Any) -> Any:
        at.append((aws.clock.now() - began).total_seconds())
        raise Crash

    aws.register("f", crashes, role="control")
    invoke(aws, "f", 7, "Event")

    aws.advance(timedelta(minutes=10))

    assert at == [0, 60, 180]
    assert aws.functions.dropped == [("f", 7)]


def test_asynchronous_event_that_works_at_last_is_not_dropped(aws: LocalAws) -> None:
    tries: list[int] = []

    def flaky(event: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("once")

    aws.register("f", flaky, role="user")
    invoke(aws, "f", kind="Event")

    aws.advance(timedelta(minutes=10))

    assert (len(tries), aws.functions.dropped) == (2, [])


def test_event_can_be_delivered_twice(aws: LocalAws) -> None:
    seen: list[Any] = []
    aws.register("f", lambda event: seen.append(event) or len(seen), role="control")  # type: ignore[func-returns-value]
    armed = aws.faults.at(2, Fault.DELIVERED_TWICE, operation="f")

    answers = [payload(invoke(aws, "f", number)) for number in range(3)]

    assert seen == [0, 1, 1, 2]
    assert answers == [1, 3, 4]
    assert armed.fired
