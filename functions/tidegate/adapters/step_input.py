"""Input of the step state machine: what ``state_machines/step.asl.json`` reads."""

from __future__ import annotations

import json
from typing import Any

from tidegate.domain.execution import StepTask
from tidegate.domain.task import MAX_INLINE_BYTES
from tidegate.ports import Blobs


def invocation_key(run_id: str, index: int, attempt: int) -> str:
    """Where in the data bucket the invocation of an attempt is, when it is not carried along."""
    return f"invocations/{run_id}/{index}/{attempt}.json"


def step_input(task: StepTask, blobs: Blobs) -> dict[str, Any]:
    """The input for ``task``; its invocation goes to ``blobs`` first, if it is large or the step runs in a container.

    A container reads its invocation from the bucket, because the environment it could be given holds 8 KB.
    """
    in_container = task.compute.get("kind") == "ecs"
    invocation: dict[str, Any] = dict(task.invocation)
    body = json.dumps(invocation, separators=(",", ":")).encode()
    key = invocation_key(task.run_id, task.index, task.attempt)
    if task.hook is not None:
        key = f"invocations/{task.run_id}/{task.name}.json"
    if in_container or len(body) > MAX_INLINE_BYTES:
        blobs.put(key, body)
        invocation = {"invocation_key": key}
    document: dict[str, Any] = {
        "run_id": task.run_id,
        "index": task.index,
        "attempt": task.attempt,
        "function": task.function,
        "compute": dict(task.compute),
        "timeout_seconds": task.timeout_seconds,
        "invocation": invocation,
    }
    if task.hook is not None:
        document["hook"] = task.hook.to_json()
    if in_container:
        document["ecs"] = _container(task, key)
    return document


def _container(task: StepTask, key: str) -> dict[str, Any]:
    provider = "FARGATE_SPOT" if task.compute.get("spot") else "FARGATE"
    return {
        "task_definition": task.task_definition,
        "capacity": [{"CapacityProvider": provider, "Weight": 1}],
        "cpu": str(task.compute.get("cpu", 1024)),
        "memory": str(task.compute.get("memory", 2048)),
        "invocation": key,
    }
