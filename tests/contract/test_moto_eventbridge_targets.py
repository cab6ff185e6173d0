"""EventBridge rules reach functions."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from tidegate.local.aws import LocalAws
from tidegate.local.clock import SimulatedClock
from tidegate.local.process import start_moto
from tidegate.local.repairs import eventbridge_targets

PATTERN = json.dumps(
    {"source": ["tidegate"], "detail": {"status": ["SUCCESS", {"prefix": "FAIL"}]}}
)


def rule(client: Any, arn: str, **target: Any) -> None:
    client.put_rule(Name="runs", EventPattern=PATTERN)
    client.put_targets(Rule="runs", Targets=[{"Id": "1", "Arn": arn, **target}])


def put(client: Any, **detail: Any) -> Any:
    return client.put_events(
        Entries=[{"Source": "tidegate", "DetailType": "tidegate.run", "Detail": json.dumps(detail)}]
    )


def received(aws: LocalAws, **target: Any) -> list[Any]:
    """What a function of a rule is given when three events are put, two of which match."""
    seen: list[Any] = []
    arn = aws.register("watcher", seen.append, role="control")
    events = aws.client("events")
    rule(events, arn, **target)
    for status in ("SUCCESS", "STARTED", "FAILURE"):
        put(events, status=status)
    aws.settle()
    return seen


def test_function_is_invoked_with_the_events_that_match() -> None:
    with LocalAws(SimulatedClock("2026-03-01T12:00:00+00:00")) as aws:
        seen = received(aws)

    assert [one["detail"]["status"] for one in seen] == ["SUCCESS", "FAILURE"]
    assert {
        name: seen[0][name] for name in ("version", "source", "detail-type", "time", "region")
    } == {
        "version": "0",
        "source": "tidegate",
        "detail-type": "tidegate.run",
        "time": "2026-03-01T12:00:00Z",
        "region": "us-east-1",
    }


def test_constant_input_takes_the_place_of_the_event() -> None:
    with LocalAws() as aws:
        assert received(aws, Input='{"a": 1}') == [{"a": 1}, {"a": 1}]


def test_input_transformer_makes_the_event() -> None:
    transformer = {
        "InputPathsMap": {"status": "$.detail.status"},
        "InputTemplate": '{"got": "<status>"}',
    }
    with LocalAws() as aws:
        assert received(aws, InputTransformer=transformer) == [
            {"got": "SUCCESS"},
            {"got": "FAILURE"},
        ]


def test_disabled_rule_reaches_nobody() -> None:
    with LocalAws() as aws:
        seen: list[Any] = []
        arn = aws.register("watcher", seen.append, role="control")
        events = aws.client("events")
        rule(events, arn)
        events.disable_rule(Name="runs")

        put(events, status="SUCCESS")
        aws.settle()

        assert seen == []


def test_other_targets_of_the_rule_are_still_motos() -> None:
    with LocalAws() as aws:
        seen: list[Any] = []
        arn = aws.register("watcher", seen.append, role="control")
        queue = aws.client("sqs").create_queue(QueueName="q")["QueueUrl"]
        events = aws.client("events")
        rule(events, arn)
        events.put_targets(
            Rule="runs", Targets=[{"Id": "2", "Arn": "arn:aws:sqs:us-east-1:123456789012:q"}]
        )

        put(events, status="SUCCESS")
        aws.settle()

        assert len(seen) == 1
        assert len(aws.client("sqs").receive_message(QueueUrl=queue)["Messages"]) == 1


def test_failing_function_is_tried_again_and_the_caller_never_knows() -> None:
    with LocalAws() as aws:

        def fails(event: Any) -> None:
            raise ValueError("boom")

        events = aws.client("events")
        rule(events, aws.register("watcher", fails, role="control"))

        answer = put(events, status="SUCCESS")
        aws.settle()

        assert answer["FailedEntryCount"] == 0
        assert aws.loop.next_due() is not None


def test_moto_still_cannot_invoke_functions() -> None:
    start_moto().reset()
    events = boto3.client("events", region_name="us-east-1")
    with eventbridge_targets.REPAIR.removed():
        rule(events, "arn:aws:lambda:us-east-1:123456789012:function:watcher")

        with pytest.raises(NotImplementedError):
            put(events, status="SUCCESS")
