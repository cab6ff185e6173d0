"""What moto's interpreter has no time or no API for: time-outs, retries in simulated time, names, stopping."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.local.machines import ROLE, create, describe, hangs, start, task
from tidegate.local.aws import LocalAws


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_execution_moves_only_when_the_loop_does(aws: LocalAws) -> None:
    seen: list[Any] = []
    aws.register("f", lambda event: seen.append(event), role="control")
    execution = start(aws, create(aws, T=task()), document={"n": 1})

    before = describe(aws, execution)["status"]
    aws.settle()

    assert (before, seen) == ("RUNNING", [{"n": 1}])
    assert describe(aws, execution)["status"] == "SUCCEEDED"


def test_same_name_and_input_while_running_is_the_same_execution(aws: LocalAws) -> None:
    aws.register("f", hangs, role="user")
    machine = create(aws, T=task())

    first, second = start(aws, machine), start(aws, machine)
    aws.settle()

    assert first == second
    assert len(aws.step_functions.executions) == 1


def test_same_name_with_other_input_is_refused(aws: LocalAws) -> None:
    aws.register("f", hangs, role="user")
    machine = create(aws, T=task())
    start(aws, machine, document={"a": 1})

    with pytest.raises(ClientError) as refused:
        start(aws, machine, document={"a": 2})

    assert code(refused) == "ExecutionAlreadyExists"


def test_name_stays_taken_after_the_end(aws: LocalAws) -> None:
    machine = create(aws, P={"Type": "Pass", "End": True})
    start(aws, machine)
    aws.settle()

    with pytest.raises(ClientError) as refused:
        start(aws, machine)

    assert code(refused) == "ExecutionAlreadyExists"


def test_execution_that_takes_too_long_is_timed_out(aws: LocalAws) -> None:
    definition = {
        "StartAt": "W",
        "TimeoutSeconds": 30,
        "States": {"W": {"Type": "Wait", "Seconds": 100, "End": True}},
    }
    made = aws.client("stepfunctions").create_state_machine(
        name="slow", definition=json.dumps(definition), roleArn=ROLE
    )
    execution = start(aws, made["stateMachineArn"])

    aws.advance(timedelta(seconds=30))

    assert describe(aws, execution)["status"] == "TIMED_OUT"
    assert aws.loop.next_due() is None


def test_input_over_256_kb_is_refused(aws: LocalAws) -> None:
    machine = create(aws, P={"Type": "Pass", "End": True})

    with pytest.raises(ClientError) as refused:
        start(aws, machine, document={"x": "x" * 262_144})

    assert code(refused) == "ValidationException"


def test_stopped_execution_is_aborted_and_its_task_ignored(aws: LocalAws) -> None:
    aws.register("f", lambda event: 1, role="user", takes=lambda event: timedelta(seconds=10))
    execution = start(aws, create(aws, T=task()))
    aws.settle()

    aws.client("stepfunctions").stop_execution(
        executionArn=execution, error="Canceled", cause="The run was cancelled."
    )
    aws.advance(timedelta(seconds=20))

    found = describe(aws, execution)
    assert (found["status"], found["error"], found["cause"]) == (
        "ABORTED",
        "Canceled",
        "The run was cancelled.",
    )


def test_stopping_what_is_over_changes_nothing(aws: LocalAws) -> None:
    execution = start(aws, create(aws, P={"Type": "Pass", "End": True}))
    aws.settle()

    aws.client("stepfunctions").stop_execution(executionArn=execution)

    assert describe(aws, execution)["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("call", "parameters", "expected"),
    [
        (
            "start_execution",
            {"stateMachineArn": "arn:aws:states:us-east-1:1:stateMachine:nope"},
            "StateMachineDoesNotExist",
        ),
        ("describe_execution", {"executionArn": "nope"}, "ExecutionDoesNotExist"),
        ("stop_execution", {"executionArn": "nope"}, "ExecutionDoesNotExist"),
        ("list_activities", {}, "UnsupportedOperation"),
    ],
)
def test_call_on_nothing_is_refused_as_on_aws(
    call: str, parameters: dict[str, Any], expected: str, aws: LocalAws
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(aws.client("stepfunctions"), call)(**parameters)

    assert code(refused) == expected


def test_machine_whose_task_nobody_runs_is_refused(aws: LocalAws) -> None:
    with pytest.raises(ClientError) as refused:
        create(aws, T=task(Resource="arn:aws:states:::sqs:sendMessage"))

    assert code(refused) == "InvalidDefinition"


def test_bad_new_definition_leaves_the_machine_as_it_was(aws: LocalAws) -> None:
    machine = create(aws, P={"Type": "Pass", "Result": "old", "End": True})

    with pytest.raises(ClientError) as refused:
        aws.client("stepfunctions").update_state_machine(
            stateMachineArn=machine,
            definition=json.dumps(
                {"StartAt": "T", "States": {"T": task(Resource="arn:aws:states:::nope")}}
            ),
        )
    execution = start(aws, machine)
    aws.settle()

    assert code(refused) == "InvalidDefinition"
    assert json.loads(describe(aws, execution)["output"]) == "old"


def test_new_definition_does_not_change_an_execution_in_flight(aws: LocalAws) -> None:
    machine = create(
        aws,
        W={"Type": "Wait", "Seconds": 10, "Next": "P"},
        P={"Type": "Pass", "Result": "old", "End": True},
    )
    execution = start(aws, machine)
    aws.settle()

    aws.client("stepfunctions").update_state_machine(
        stateMachineArn=machine,
        definition=json.dumps(
            {"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": "new", "End": True}}}
        ),
    )
    aws.advance(timedelta(seconds=10))

    assert json.loads(describe(aws, execution)["output"]) == "old"


def test_executions_are_listed_newest_first_by_status_and_page(aws: LocalAws) -> None:
    aws.register("f", hangs, role="user")
    machine = create(aws, T=task())
    for number in range(5):
        start(aws, machine, f"e{number}")
    client = aws.client("stepfunctions")
    client.stop_execution(executionArn=f"{machine.replace('stateMachine', 'execution')}:e1")

    first = client.list_executions(stateMachineArn=machine, statusFilter="RUNNING", maxResults=3)
    second = client.list_executions(
        stateMachineArn=machine,
        statusFilter="RUNNING",
        maxResults=3,
        nextToken=first["nextToken"],
    )

    assert [one["name"] for one in first["executions"]] == ["e4", "e3", "e2"]
    assert [one["name"] for one in second["executions"]] == ["e0"]
    assert "nextToken" not in second


def test_history_tells_what_happened(aws: LocalAws) -> None:
    aws.register("f", lambda event: 1, role="user")
    execution = start(aws, create(aws, T=task()))
    aws.settle()

    history = aws.client("stepfunctions").get_execution_history(executionArn=execution)

    assert [one["type"] for one in history["events"]] == [
        "ExecutionStarted",
        "TaskStateEntered",
        "TaskScheduled",
        "TaskSucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ]


def test_status_changes_are_events(aws: LocalAws) -> None:
    seen: list[Any] = []
    watcher = aws.register(
        "watcher", lambda event: seen.append(event["detail"]["status"]), role="control"
    )
    events = aws.client("events")
    events.put_rule(Name="changes", EventPattern=json.dumps({"source": ["aws.states"]}))
    events.put_targets(Rule="changes", Targets=[{"Id": "1", "Arn": watcher}])

    start(aws, create(aws, P={"Type": "Pass", "End": True}))
    aws.settle()

    assert seen == ["RUNNING", "SUCCEEDED"]


def test_old_executions_keep_their_name_and_not_their_data(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidegate.local.step_functions.KEPT", 2)
    machine = create(aws, P={"Type": "Pass", "End": True})
    first = start(aws, machine, "first", {"big": "x"})
    for number in range(6):
        start(aws, machine, f"e{number}")
        aws.settle()

    with pytest.raises(ClientError) as refused:
        start(aws, machine, "first", {"big": "x"})

    assert code(refused) == "ExecutionAlreadyExists"
    assert aws.step_functions.executions[first].history == []
    assert len(aws.step_functions.executions[f"{first[:-5]}e5"].history) > 0


def test_a_name_can_be_taken_again_ninety_days_after_its_execution_ended(aws: LocalAws) -> None:
    machine = create(aws, Wait={"Type": "Wait", "Seconds": 60, "End": True})
    start(aws, machine)
    aws.advance(timedelta(days=90))
    with pytest.raises(ClientError) as refused:
        start(aws, machine)
    aws.advance(timedelta(minutes=2))

    again = start(aws, machine)

    assert code(refused) == "ExecutionAlreadyExists"
    assert describe(aws, again)["status"] == "RUNNING"
