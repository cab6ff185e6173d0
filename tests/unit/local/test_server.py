"""Other processes reach the deployment over HTTP with plain boto3."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tidegate.adapters.dynamodb.table import all_tables, table_name
from tidegate.local.aws import LocalAws
from tidegate.local.clock import RealClock
from tidegate.local.gateway import Gateway
from tidegate.local.role import Role
from tidegate.local.server import USER_CODE_KEY

TABLE = table_name(all_tables()[0])
KEY = {"pk": {"S": "p"}, "sk": {"S": "s"}}


@pytest.fixture
def dev() -> Iterator[LocalAws]:
    """A deployment in real time: its loop in a thread, user code in worker threads."""
    with LocalAws(RealClock(), inline=False) as aws:
        thread = threading.Thread(target=aws.loop.run_forever)
        thread.start()
        yield aws
        aws.loop.stop()
        thread.join()


class Remote:
    """Clients that send over HTTP, as another process would: the gateway of this one looks away."""

    def __init__(self, aws: LocalAws, key: str = "outside") -> None:
        self._aws = aws
        self._key = key

    def client(self, service: str) -> Any:
        made = boto3.client(
            service,
            endpoint_url=self._aws.endpoint,
            region_name=self._aws.region,
            aws_access_key_id=self._key,
            aws_secret_access_key="x",
            config=Config(retries={"total_max_attempts": 1}),
        )
        for event in ("before-call", "before-send"):
            for handler in list(handlers_of(made, event)):
                made.meta.events.unregister(event, handler)
        return made


def handlers_of(client: Any, event: str) -> Iterator[Any]:
    from tidegate.local import gateway

    if event == "before-call":
        yield gateway._before_call
    else:
        from moto.core.models import botocore_stubber

        yield botocore_stubber


def test_function_is_invoked_over_http_and_runs_on_the_loop(dev: LocalAws) -> None:
    threads: list[str] = []

    def control(event: Any) -> Any:
        threads.append(threading.current_thread().name)
        return {"got": event}

    dev.register("control", control, role="control")

    answer = Remote(dev).client("lambda").invoke(FunctionName="control", Payload=b'{"a": 1}')

    assert json.loads(answer["Payload"].read()) == {"got": {"a": 1}}
    on_loop = dev.loop.submit_from_thread(lambda: threading.current_thread().name).result()
    assert threads == [on_loop]


def test_failing_function_says_so_over_http(dev: LocalAws) -> None:
    def fails(event: Any) -> Any:
        raise ValueError("boom")

    dev.register("fails", fails, role="user")

    answer = Remote(dev).client("lambda").invoke(FunctionName="fails")

    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "ValueError"


def test_unknown_function_is_refused_over_http(dev: LocalAws) -> None:
    remote = Remote(dev).client("lambda")

    with pytest.raises(remote.exceptions.ResourceNotFoundException):
        remote.invoke(FunctionName="nobody")


def test_tables_are_the_same_over_http(dev: LocalAws) -> None:
    remote = Remote(dev).client("dynamodb")

    remote.put_item(TableName=TABLE, Item={**KEY, "b": {"B": b"\x00\xff"}})
    here = dev.client("dynamodb").get_item(TableName=TABLE, Key=KEY)["Item"]
    there = remote.get_item(TableName=TABLE, Key=KEY)["Item"]

    assert here == there == {**KEY, "b": {"B": b"\x00\xff"}}


def test_refusal_is_the_same_over_http(dev: LocalAws) -> None:
    remote = Remote(dev).client("dynamodb")
    remote.put_item(TableName=TABLE, Item={**KEY, "b": {"B": b"\x00\xff"}})

    with pytest.raises(remote.exceptions.ConditionalCheckFailedException) as refused:
        remote.put_item(
            TableName=TABLE,
            Item=KEY,
            ConditionExpression="attribute_not_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    assert refused.value.response["Item"]["b"] == {"B": b"\x00\xff"}


def test_table_operations_of_moto_work_over_http(dev: LocalAws) -> None:
    found = Remote(dev).client("dynamodb").describe_table(TableName=TABLE)["Table"]

    assert (found["TableName"], found["TableStatus"]) == (TABLE, "ACTIVE")


def test_bucket_is_the_same_over_http(dev: LocalAws) -> None:
    Remote(dev).client("s3").put_object(Bucket=dev.bucket, Key="a/b", Body=b"x" * 100_000)

    here = dev.client("s3").get_object(Bucket=dev.bucket, Key="a/b")["Body"].read()

    assert here == b"x" * 100_000


def test_execution_is_started_and_described_over_http(dev: LocalAws) -> None:
    ended = threading.Event()
    dev.register("last", lambda event: ended.set(), role="control")
    remote = Remote(dev).client("stepfunctions")
    machine = remote.create_state_machine(
        name="m",
        definition=json.dumps(
            {
                "StartAt": "T",
                "States": {
                    "T": {
                        "Type": "Task",
                        "Resource": "arn:aws:states:::lambda:invoke",
                        "Parameters": {"FunctionName": "last"},
                        "End": True,
                    }
                },
            }
        ),
        roleArn="arn:aws:iam::123456789012:role/m",
    )

    started = remote.start_execution(stateMachineArn=machine["stateMachineArn"], name="one")

    assert ended.wait(30)
    dev.loop.submit_from_thread(lambda: None).result()
    found = remote.describe_execution(executionArn=started["executionArn"])
    assert found["startDate"].tzinfo is not None
    assert found["name"] == "one"


def test_user_code_is_told_by_its_key_and_kept_out(dev: LocalAws) -> None:
    remote = Remote(dev, USER_CODE_KEY)

    with pytest.raises(ClientError) as refused:
        remote.client("dynamodb").get_item(TableName=TABLE, Key=KEY)
    remote.client("s3").put_object(Bucket=dev.bucket, Key="k", Body=b"x")

    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    assert dev.calls.of(Role.USER).calls[("s3", "PUT")] == 1


def test_user_code_runs_at_the_same_time_in_threads(dev: LocalAws) -> None:
    barrier = threading.Barrier(4, timeout=30)
    dev.register("wait", lambda event: barrier.wait() >= 0, role="user")

    threads = [
        threading.Thread(target=lambda: Remote(dev).client("lambda").invoke(FunctionName="wait"))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not barrier.broken


def test_steps_run_at_the_same_time_in_threads(dev: LocalAws) -> None:
    barrier = threading.Barrier(3, timeout=30)
    met = threading.Event()
    dev.register("meet", lambda event: barrier.wait() == 0 and met.set(), role="user")

    for _ in range(3):
        dev.functions.send("meet", {})

    assert met.wait(30)


def test_second_process_invokes_a_function_by_the_environment_alone(dev: LocalAws) -> None:
    dev.register("control", lambda event: {"n": event["n"] + 1}, role="control")
    program = (
        "import boto3\n"
        "answer = boto3.client('lambda').invoke(FunctionName='control', Payload=b'{\"n\": 1}')\n"
        "print(answer['Payload'].read().decode())\n"
    )
    environ = {**os.environ, **dev.child_environ(), "AWS_ACCESS_KEY_ID": "someone"}

    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True
    )

    assert json.loads(done.stdout) == {"n": 2}


def test_server_says_when_no_deployment_is_up(dev: LocalAws) -> None:
    remote = Remote(dev).client("dynamodb")
    active, Gateway.active = Gateway.active, None

    with pytest.raises(ClientError) as refused:
        remote.list_tables()

    Gateway.active = active
    assert refused.value.response["Error"]["Code"] == "ServiceUnavailable"
