from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from tidegate.adapters.dynamodb.table import all_tables, table_name
from tidegate.local.aws import LocalAws
from tidegate.local.faults import Crash, Fault
from tidegate.local.role import Role, acting_as

TABLE = table_name(all_tables()[0])


def put(aws: LocalAws, sort: str, **more: Any) -> Any:
    return aws.client("dynamodb").put_item(
        TableName=TABLE, Item={"pk": {"S": "p"}, "sk": {"S": sort}}, **more
    )


def put_new(aws: LocalAws, sort: str) -> Any:
    return put(aws, sort, ConditionExpression="attribute_not_exists(pk)")


def transact(aws: LocalAws, *sorts: str) -> Any:
    item = {"TableName": TABLE}
    return aws.client("dynamodb").transact_write_items(
        TransactItems=[
            {"Put": {**item, "Item": {"pk": {"S": "p"}, "sk": {"S": sort}}}} for sort in sorts
        ]
    )


def stored(aws: LocalAws) -> list[str]:
    answer = aws.client("dynamodb").query(
        TableName=TABLE,
        KeyConditionExpression="pk = :p",
        ExpressionAttributeValues={":p": {"S": "p"}},
    )
    return [one["sk"]["S"] for one in answer["Items"]]


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_crash_before_leaves_nothing_done(aws: LocalAws) -> None:
    armed = aws.faults.at(1, Fault.CRASH_BEFORE)

    with pytest.raises(Crash), acting_as(Role.CONTROL):
        put(aws, "a")

    assert (stored(aws), armed.fired) == ([], True)


def test_crash_after_leaves_it_done(aws: LocalAws) -> None:
    aws.faults.at(1, Fault.CRASH_AFTER)

    with pytest.raises(Crash), acting_as(Role.CONTROL):
        put(aws, "a")

    assert stored(aws) == ["a"]


def test_crash_after_a_refused_call_is_a_crash(aws: LocalAws) -> None:
    put(aws, "a")
    aws.faults.at(1, Fault.CRASH_AFTER)

    with pytest.raises(Crash), acting_as(Role.CONTROL):
        put_new(aws, "a")


def test_crash_is_seen_by_no_handler_that_catches_exceptions(aws: LocalAws) -> None:
    def careful(event: Any) -> Any:
        try:
            put(aws, "a")
        except Exception:  # noqa: BLE001 - that is the point
            return "caught"
        return "done"

    aws.register("careful", careful, role="control")
    aws.faults.at(1, Fault.CRASH_AFTER)

    answer = aws.client("lambda").invoke(FunctionName="careful", Payload=b"{}")

    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "Runtime.ExitError"
    assert stored(aws) == ["a"]


def test_lost_answer_is_a_connection_error_after_the_fact(aws: LocalAws) -> None:
    aws.faults.at(1, Fault.ANSWER_LOST)

    with pytest.raises(ConnectionClosedError), acting_as(Role.CONTROL):
        put(aws, "a")

    assert stored(aws) == ["a"]


def test_repeated_call_is_done_twice_and_the_second_answer_counts(aws: LocalAws) -> None:
    aws.faults.at(1, Fault.REPEATED)

    with pytest.raises(ClientError) as refused, acting_as(Role.CONTROL):
        put_new(aws, "a")

    assert code(refused) == "ConditionalCheckFailedException"
    assert stored(aws) == ["a"]


def test_repeated_transaction_is_done_once_by_its_token(aws: LocalAws) -> None:
    increment = {
        "Update": {
            "TableName": TABLE,
            "Key": {"pk": {"S": "p"}, "sk": {"S": "a"}},
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
    }
    aws.faults.at(1, Fault.REPEATED)

    with acting_as(Role.CONTROL):
        aws.client("dynamodb").transact_write_items(TransactItems=[increment])

    item = aws.client("dynamodb").get_item(TableName=TABLE, Key=increment["Update"]["Key"])["Item"]
    assert item["n"] == {"N": "1"}


@pytest.mark.parametrize(
    ("fault", "call", "expected"),
    [
        (Fault.THROTTLED, put, "ProvisionedThroughputExceededException"),
        (Fault.CONFLICT, put, "TransactionConflictException"),
        (Fault.UNAVAILABLE, put, "InternalServerError"),
        (Fault.THROTTLED, transact, "TransactionCanceledException"),
        (Fault.CONFLICT, transact, "TransactionCanceledException"),
    ],
)
def test_refusal_leaves_nothing_done(fault: Fault, call: Any, expected: str, aws: LocalAws) -> None:
    aws.faults.at(1, fault)

    with pytest.raises(ClientError) as refused, acting_as(Role.CONTROL):
        call(aws, "a")

    assert (code(refused), stored(aws)) == (expected, [])


def test_conflicting_transaction_says_which_item(aws: LocalAws) -> None:
    aws.faults.at(1, Fault.CONFLICT)

    with pytest.raises(ClientError) as refused, acting_as(Role.CONTROL):
        transact(aws, "a", "b")

    reasons = refused.value.response["CancellationReasons"]  # type: ignore[typeddict-item]
    assert [one["Code"] for one in reasons] == ["TransactionConflict", "None"]


def test_conflict_is_counted_among_calls_that_can_conflict(aws: LocalAws) -> None:
    armed = aws.faults.at(2, Fault.CONFLICT)

    with acting_as(Role.CONTROL):
        put(aws, "a")
        stored(aws)
        with pytest.raises(ClientError):
            put(aws, "b")

    assert armed.fired


def test_abandoned_function_has_done_the_call_and_is_not_called_again(aws: LocalAws) -> None:
    called: list[Any] = []

    def handler(event: Any) -> None:
        called.append(event)
        put(aws, "a")

    aws.register("queue", handler, role="control")
    aws.faults.at(1, Fault.ABANDONED)

    aws.functions.send("queue", {})
    aws.advance(timedelta(hours=1))

    assert (called, stored(aws)) == ([{}], ["a"])
    assert aws.functions.dropped == []


def test_lost_invocation_is_accepted_and_never_arrives(aws: LocalAws) -> None:
    called: list[Any] = []
    aws.register("queue", called.append, role="control")
    aws.faults.at(1, Fault.LOST)

    with acting_as(Role.CONTROL):
        put(aws, "a")
        answer = aws.client("lambda").invoke(
            FunctionName="queue", InvocationType="Event", Payload=b"{}"
        )
    aws.advance(timedelta(hours=1))

    assert (answer["StatusCode"], called) == (202, [])


def test_lost_execution_is_accepted_and_can_be_started_later(aws: LocalAws) -> None:
    step_functions = aws.client("stepfunctions")
    machine = step_functions.create_state_machine(
        name="m",
        definition='{"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}',
        roleArn="arn:aws:iam::123456789012:role/m",
    )["stateMachineArn"]
    aws.faults.at(1, Fault.LOST, operation="StartExecution")

    with acting_as(Role.CONTROL):
        lost = step_functions.start_execution(stateMachineArn=machine, name="one")
    listed = step_functions.list_executions(stateMachineArn=machine)["executions"]
    started = step_functions.start_execution(stateMachineArn=machine, name="one")

    assert listed == []
    assert lost["executionArn"] == started["executionArn"]


def test_fault_strikes_the_nth_matching_call_once(aws: LocalAws) -> None:
    aws.faults.at(2, Fault.THROTTLED, service="dynamodb", operation="PutItem")

    with acting_as(Role.CONTROL):
        put(aws, "a")
        stored(aws)
        with pytest.raises(ClientError):
            put(aws, "b")
        put(aws, "c")

    assert stored(aws) == ["a", "c"]


def test_fault_strikes_the_control_plane_alone(aws: LocalAws) -> None:
    armed = aws.faults.at(1, Fault.CRASH_BEFORE)

    put(aws, "a")

    assert (armed.seen, armed.fired) == (0, False)


def test_faults_strike_other_roles_when_asked_to(aws: LocalAws) -> None:
    aws.faults.roles = frozenset({Role.OUTSIDE})
    aws.faults.at(1, Fault.CRASH_BEFORE)

    with pytest.raises(Crash):
        put(aws, "a")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.CRASH_BEFORE, Crash),
        (Fault.CRASH_AFTER, Crash),
        (Fault.ANSWER_LOST, ConnectionClosedError),
        (Fault.THROTTLED, ClientError),
    ],
)
def test_fault_strikes_services_of_moto_too(
    fault: Fault, error: type[BaseException], aws: LocalAws
) -> None:
    aws.faults.at(1, fault, service="s3")
    s3 = aws.client("s3")

    with pytest.raises(error), acting_as(Role.CONTROL):
        s3.put_object(Bucket=aws.bucket, Key="k", Body=b"x")

    done = s3.list_objects_v2(Bucket=aws.bucket)["KeyCount"]
    assert done == (1 if fault in (Fault.CRASH_AFTER, Fault.ANSWER_LOST) else 0)


def test_reset_disarms(aws: LocalAws) -> None:
    aws.faults.at(1, Fault.CRASH_BEFORE)

    aws.reset()

    with acting_as(Role.CONTROL):
        put(aws, "a")
    assert stored(aws) == ["a"]
