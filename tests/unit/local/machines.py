"""State machines with tasks, on the local AWS."""

from __future__ import annotations

import json
from typing import Any

from tidegate.local.aws import LocalAws
from tidegate.local.faults import Hang

ROLE = "arn:aws:iam::123456789012:role/machine"


def task(function: str = "f", **fields: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": function, "Payload.$": "$"},
        "OutputPath": "$.Payload",
        "End": True,
        **fields,
    }


def create(aws: LocalAws, name: str = "machine", **states: dict[str, Any]) -> str:
    definition = {"StartAt": next(iter(states)), "States": states}
    made = aws.client("stepfunctions").create_state_machine(
        name=name, definition=json.dumps(definition), roleArn=ROLE
    )
    return str(made["stateMachineArn"])


def start(aws: LocalAws, machine: str, name: str = "one", document: Any = None) -> str:
    started = aws.client("stepfunctions").start_execution(
        stateMachineArn=machine, name=name, input=json.dumps(document or {})
    )
    return str(started["executionArn"])


def describe(aws: LocalAws, execution: str) -> dict[str, Any]:
    found: dict[str, Any] = aws.client("stepfunctions").describe_execution(executionArn=execution)
    return found


def hangs(event: Any) -> Any:
    raise Hang
