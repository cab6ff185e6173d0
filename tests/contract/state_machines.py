"""State machines of one state and what follows it."""

from __future__ import annotations

from typing import Any

from tests.contract.state_machine_referee import Task

LAMBDA = "arn:aws:states:::lambda:invoke"


def machine(**states: dict[str, Any]) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


def task(**fields: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": LAMBDA,
        "Parameters": {"FunctionName": "f", "Payload.$": "$"},
        **({} if "Next" in fields else {"End": True}),
        **fields,
    }


PASSED = {"Type": "Pass", "End": True}
CAUGHT = {"Type": "Pass", "End": True}


def echoes() -> Task:
    return lambda payload: {"echo": payload}


CATCH = {"ErrorEquals": ["States.ALL"], "Next": "Caught"}
