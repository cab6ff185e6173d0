from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from tidegate.adapters.dynamodb.table import all_tables, connection, table_name
from tidegate.errors import DeploymentError, InvocationError
from tidegate.local.aws import LocalAws
from tidegate.local.clock import RealClock
from tidegate.local.dynoxide import find_binary
from tidegate.local.faults import Fault
from tidegate.local.schema import create_table_parameters

TABLE = table_name(all_tables()[0])
KEY = {"pk": {"S": "p"}, "sk": {"S": "s"}}


def _stores() -> list[str]:
    try:
        find_binary()
    except DeploymentError:
        return ["moto"]
    return ["moto", "dynoxide"]


STORES = _stores()
"""Those that are installed here."""


def item(aws: LocalAws) -> Any:
    return aws.client("dynamodb").get_item(TableName=TABLE, Key=KEY).get("Item")


@pytest.mark.parametrize("store", STORES)
def test_every_control_table_is_there_with_its_indexes(store: str) -> None:
    with LocalAws(store=store) as aws:
        for model in all_tables():
            wanted = create_table_parameters(model, aws.prefix)
            found = aws.client("dynamodb").describe_table(TableName=wanted["TableName"])["Table"]

            assert found["KeySchema"] == wanted["KeySchema"]
            assert {one["IndexName"] for one in found.get("GlobalSecondaryIndexes", [])} == {
                one["IndexName"] for one in wanted.get("GlobalSecondaryIndexes", [])
            }


def test_plain_boto3_and_pynamodb_come_here(aws: LocalAws) -> None:
    boto3.client("dynamodb", region_name="us-east-1").put_item(TableName=TABLE, Item=KEY)

    assert connection().get_item(TABLE, "p", "s")["Item"] == KEY


@pytest.mark.parametrize("store", STORES)
def test_reset_forgets_everything(store: str) -> None:
    with LocalAws(store=store) as aws:
        aws.register("f", lambda event: None, role="control")
        aws.client("dynamodb").put_item(TableName=TABLE, Item=KEY)
        aws.client("s3").put_object(Bucket=aws.bucket, Key="k", Body=b"x")
        aws.client("events").put_rule(Name="r", EventPattern='{"source": ["a"]}')
        aws.loop.call_later(timedelta(seconds=1), lambda: None)
        aws.faults.at(1, Fault.CRASH_BEFORE)

        aws.reset()

        assert item(aws) is None
        assert aws.client("s3").list_objects_v2(Bucket=aws.bucket)["KeyCount"] == 0
        assert aws.client("events").list_rules()["Rules"] == []
        assert aws.loop.next_due() is None
        with pytest.raises(aws.client("lambda").exceptions.ResourceNotFoundException):
            aws.client("lambda").invoke(FunctionName="f")


def test_the_next_deployment_starts_empty() -> None:
    with LocalAws() as first:
        first.client("dynamodb").put_item(TableName=TABLE, Item=KEY)

    with LocalAws() as second:
        assert item(second) is None


def test_deployments_of_other_prefixes_have_tables_of_their_own() -> None:
    with LocalAws(prefix="other") as aws:
        names = aws.client("dynamodb").list_tables()["TableNames"]

        assert names and all(one.startswith("other-") for one in names)
        assert connection().get_item("other-runs", "p", "s").get("Item") is None


def test_two_at_a_time_are_refused(aws: LocalAws) -> None:
    with pytest.raises(InvocationError, match="already has a local deployment"), LocalAws():
        pass


def test_unknown_store_is_refused() -> None:
    with pytest.raises(InvocationError, match="no store 'mongo'"):
        LocalAws(store="mongo")


def test_moto_cannot_persist(tmp_path: Path) -> None:
    with pytest.raises(InvocationError, match="moto forgets"):
        LocalAws(persist_dir=tmp_path)


if "dynoxide" in STORES:

    def test_dynoxide_keeps_its_tables_when_it_has_a_directory(tmp_path: Path) -> None:
        with LocalAws(store="dynoxide", persist_dir=tmp_path / "state") as first:
            first.client("dynamodb").put_item(TableName=TABLE, Item={**KEY, "b": {"B": b"\x00"}})

        with LocalAws(store="dynoxide", persist_dir=tmp_path / "state") as second:
            assert item(second) == {**KEY, "b": {"B": b"\x00"}}

    def test_data_bucket_is_kept_too(tmp_path: Path) -> None:
        def objects(aws: LocalAws) -> dict[str, bytes]:
            s3 = aws.client("s3")
            listed = s3.list_objects_v2(Bucket=aws.bucket).get("Contents", [])
            keys = [one["Key"] for one in listed]
            return {key: s3.get_object(Bucket=aws.bucket, Key=key)["Body"].read() for key in keys}

        with LocalAws(store="dynoxide", persist_dir=tmp_path) as first:
            s3 = first.client("s3")
            for key in ("a/b", "a", "gone", "replaced"):
                s3.put_object(Bucket=first.bucket, Key=key, Body=key.encode())
            s3.put_object(Bucket=first.bucket, Key="replaced", Body=b"new")
            s3.delete_object(Bucket=first.bucket, Key="gone")
            s3.copy_object(
                Bucket=first.bucket, Key="copy", CopySource={"Bucket": first.bucket, "Key": "a"}
            )
            s3.create_bucket(Bucket="another")
            s3.put_object(Bucket="another", Key="x", Body=b"x")

        with LocalAws(store="dynoxide", persist_dir=tmp_path) as second:
            assert objects(second) == {"a": b"a", "a/b": b"a/b", "copy": b"a", "replaced": b"new"}
            second.reset()

        with LocalAws(store="dynoxide", persist_dir=tmp_path) as third:
            assert objects(third) == {}

    def test_bill_counts_units_of_dynoxide_too() -> None:
        with LocalAws(store="dynoxide") as aws:
            aws.client("dynamodb").put_item(TableName=TABLE, Item={**KEY, "x": {"S": "x" * 1500}})
            aws.client("dynamodb").get_item(TableName=TABLE, Key=KEY)

            bill = aws.calls.of()

            assert (bill.write_units, bill.read_units) == (2, 0.5)


def test_deployment_that_could_not_be_entered_is_not_in_the_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(model: Any, prefix: str) -> Any:
        raise ValueError("boom")

    with monkeypatch.context() as patch:
        patch.setattr("tidegate.local.aws.create_table_parameters", fails)
        with pytest.raises(ValueError, match="boom"), LocalAws():
            pass

    with LocalAws() as aws:
        assert item(aws) is None


def test_missing_dynoxide_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("TIDEGATE_DYNOXIDE", raising=False)

    with pytest.raises(DeploymentError, match="npm install"):
        find_binary()


def history(seed: int) -> Any:
    """Everything that happens in a deployment with retries, waits and containers."""
    log: list[Any] = []
    with LocalAws(seed=seed) as aws:
        began = aws.clock.now()

        def note(what: Any) -> None:
            log.append(((aws.clock.now() - began).total_seconds(), what))

        def flaky(event: Any) -> Any:
            note(event["name"])
            if len(log) % 3:
                raise ValueError("boom")

        def container(environ: Mapping[str, str]) -> int:
            note("container")
            return len(log) % 2

        aws.register("flaky", flaky, role="user")
        aws.register_task(container)
        retry = {
            "ErrorEquals": ["States.ALL"],
            "IntervalSeconds": 10,
            "BackoffRate": 1,
            "MaxAttempts": 5,
            "JitterStrategy": "FULL",
        }
        machine = aws.client("stepfunctions").create_state_machine(
            name="m",
            roleArn="arn:aws:iam::123456789012:role/m",
            definition=json.dumps(
                {
                    "StartAt": "F",
                    "States": {
                        "F": {
                            "Type": "Task",
                            "Resource": "arn:aws:states:::lambda:invoke",
                            "Parameters": {"FunctionName": "flaky", "Payload.$": "$"},
                            "Retry": [retry],
                            "ResultPath": None,
                            "Next": "E",
                        },
                        "E": {
                            "Type": "Task",
                            "Resource": "arn:aws:states:::ecs:runTask.sync",
                            "Parameters": {
                                "Cluster": aws.cluster_arn,
                                "TaskDefinition": aws.task_definition_arn,
                            },
                            "Retry": [retry],
                            "End": True,
                        },
                    },
                }
            ),
        )
        for name in "abc":
            aws.client("stepfunctions").start_execution(
                stateMachineArn=machine["stateMachineArn"], input=json.dumps({"name": name})
            )
        aws.advance(timedelta(minutes=10))
        log.extend(aws.step_functions.executions)
    return log


def test_the_same_program_runs_the_same_way_every_time() -> None:
    assert history(7) == history(7)


def test_another_seed_is_another_way() -> None:
    assert history(7) != history(8)


def test_real_time_deployment_enters_and_leaves() -> None:
    with LocalAws(RealClock(), inline=False) as aws:
        assert item(aws) is None
