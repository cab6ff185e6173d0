from __future__ import annotations

from typing import Any

import pytest

from tidegate.adapters.dynamodb.table import all_tables, table_name
from tidegate.local.aws import LocalAws
from tidegate.local.role import Role

TABLE = table_name(all_tables()[0])
KEY = {"pk": {"S": "p"}, "sk": {"S": "s"}}


def test_nothing_is_on_the_bill_at_the_start(aws: LocalAws) -> None:
    bill = aws.calls.of()

    assert (bill.calls.total(), bill.read_units, bill.write_units) == (0, 0, 0)


def test_control_plane_and_user_code_are_counted_apart(aws: LocalAws) -> None:
    def control(event: Any) -> None:
        aws.client("dynamodb").put_item(TableName=TABLE, Item=KEY)
        aws.client("dynamodb").get_item(TableName=TABLE, Key=KEY, ConsistentRead=True)
        aws.client("s3").put_object(Bucket=aws.bucket, Key="c", Body=b"")

    def user(event: Any) -> None:
        aws.client("s3").put_object(Bucket=aws.bucket, Key="u", Body=b"")

    aws.register("control", control, role="control")
    aws.register("user", user, role="user")
    for name in ("control", "user"):
        aws.client("lambda").invoke(FunctionName=name)

    bill = aws.calls.of(Role.CONTROL)

    assert bill.calls == {
        ("dynamodb", "PutItem"): 1,
        ("dynamodb", "GetItem"): 1,
        ("s3", "PutObject"): 1,
    }
    assert (bill.write_units, bill.read_units) == (1, 1)
    assert aws.calls.of(Role.USER).calls == {("s3", "PutObject"): 1}
    assert aws.calls.of(Role.OUTSIDE).calls == {("lambda", "Invoke"): 2}


def test_what_step_functions_does_is_counted_as_its_own(aws: LocalAws) -> None:
    aws.register("f", lambda event: 1, role="control")
    step_functions = aws.client("stepfunctions")
    machine = step_functions.create_state_machine(
        name="m",
        definition='{"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",'
        ' "Parameters": {"FunctionName": "f"}, "End": true}}}',
        roleArn="arn:aws:iam::123456789012:role/m",
    )
    step_functions.start_execution(stateMachineArn=machine["stateMachineArn"])

    aws.settle()

    assert aws.calls.of(Role.STATES).calls == {("lambda", "Invoke"): 1}
    assert aws.step_functions.transitions == 1


def test_refused_write_is_billed(aws: LocalAws) -> None:
    dynamodb = aws.client("dynamodb")
    dynamodb.put_item(TableName=TABLE, Item={**KEY, "x": {"S": "x" * 2000}})
    aws.calls.clear()

    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        dynamodb.put_item(TableName=TABLE, Item=KEY, ConditionExpression="attribute_not_exists(pk)")

    assert aws.calls.of().write_units == 2
