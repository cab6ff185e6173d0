from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tidegate.adapters.dynamodb.table import all_tables, table_name
from tidegate.local.aws import LocalAws

TABLE = table_name(all_tables()[0])
KEY = {"pk": {"S": "p"}, "sk": {"S": "s"}}

CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "read a row": ("dynamodb", "get_item", {"TableName": TABLE, "Key": KEY}),
    "write a row": ("dynamodb", "put_item", {"TableName": TABLE, "Item": KEY}),
    "read a row by the ARN of its table": (
        "dynamodb",
        "get_item",
        {"TableName": f"arn:aws:dynamodb:us-east-1:123456789012:table/{TABLE}", "Key": KEY},
    ),
    "write rows in a transaction": (
        "dynamodb",
        "transact_write_items",
        {"TransactItems": [{"Put": {"TableName": TABLE, "Item": KEY}}]},
    ),
    "read rows in a batch": (
        "dynamodb",
        "batch_get_item",
        {"RequestItems": {TABLE: {"Keys": [KEY]}}},
    ),
    "delete a table": ("dynamodb", "delete_table", {"TableName": TABLE}),
    "run PartiQL": ("dynamodb", "execute_statement", {"Statement": f'SELECT * FROM "{TABLE}"'}),
    "list the tables": ("dynamodb", "list_tables", {}),
    "start an execution": (
        "stepfunctions",
        "start_execution",
        {"stateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:m"},
    ),
    "invoke a function": ("lambda", "invoke", {"FunctionName": "control"}),
    "run a task": ("ecs", "run_task", {"taskDefinition": "t"}),
    "put an event": (
        "events",
        "put_events",
        {"Entries": [{"Source": "tidegate", "DetailType": "x", "Detail": "{}"}]},
    ),
}


def as_user(aws: LocalAws, call: Any) -> None:
    """Run ``call`` as user code; what it raises comes out."""
    raised: list[BaseException] = []

    def handler(event: Any) -> None:
        try:
            call()
        except ClientError as error:
            raised.append(error)

    aws.register("user-code", handler, role="user")
    aws.client("lambda").invoke(FunctionName="user-code", Payload=b"{}")
    if raised:
        raise raised[0]


@pytest.mark.parametrize("name", CALLS)
def test_user_code_may_not(name: str, aws: LocalAws) -> None:
    service, operation, parameters = CALLS[name]
    aws.register("control", lambda event: None, role="control")

    with pytest.raises(ClientError) as refused:
        as_user(aws, lambda: getattr(aws.client(service), operation)(**parameters))

    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"


def test_user_code_may_read_and_write_the_data_bucket(aws: LocalAws) -> None:
    s3 = aws.client("s3")

    as_user(aws, lambda: s3.put_object(Bucket=aws.bucket, Key="k", Body=b"x"))

    assert s3.get_object(Bucket=aws.bucket, Key="k")["Body"].read() == b"x"


def test_user_code_may_use_a_table_of_its_own(aws: LocalAws) -> None:
    aws.client("dynamodb").create_table(
        TableName="mine",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )

    as_user(aws, lambda: aws.client("dynamodb").put_item(TableName="mine", Item={"pk": {"S": "x"}}))


def test_user_code_may_invoke_what_it_is_allowed_to() -> None:
    with LocalAws(may_invoke=["query"]) as aws:
        answers: list[Any] = []
        aws.register("query", lambda event: "known", role="control")

        as_user(
            aws,
            lambda: answers.append(
                json.loads(aws.client("lambda").invoke(FunctionName="query")["Payload"].read())
            ),
        )

        assert answers == ["known"]


def test_what_user_code_invokes_acts_in_its_own_role() -> None:
    with LocalAws(may_invoke=["query"]) as aws:
        dynamodb = aws.client("dynamodb")
        aws.register(
            "query",
            lambda event: dynamodb.get_item(TableName=TABLE, Key=KEY).get("Item"),
            role="control",
        )

        as_user(aws, lambda: aws.client("lambda").invoke(FunctionName="query"))

        assert list(aws.functions.failures) == []


def test_control_plane_may(aws: LocalAws) -> None:
    aws.register(
        "control",
        lambda event: aws.client("dynamodb").put_item(TableName=TABLE, Item=KEY) and None,
        role="control",
    )

    aws.client("lambda").invoke(FunctionName="control")

    assert list(aws.functions.failures) == []
