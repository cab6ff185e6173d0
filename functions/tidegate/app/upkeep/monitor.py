"""The monitor: what became of work whose own report did not arrive.

Step Functions retries ``Complete`` until it succeeds, so in a healthy deployment there is nothing here to do. Two kinds of
events come anyway (containers that stopped, delivered durably; executions that failed, best effort), and every few minutes
a tick for the sweep.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tidegate.app.services import Services
from tidegate.app.steps.complete import complete
from tidegate.app.steps.hooks import hook_lost
from tidegate.app.upkeep.daily import upkeep
from tidegate.app.upkeep.sweep import sweep
from tidegate.domain.hook import is_hook_execution

_INVOCATION = "TIDEGATE_INVOCATION"


def observe(services: Services, event: Mapping[str, Any]) -> dict[str, int]:
    """One EventBridge event; anything that is not about an execution or a container is the sweep's tick.

    Answers what was repaired, by kind.
    """
    kind = event.get("detail-type")
    if kind == "Step Functions Execution Status Change":
        execution_ended(services, event["detail"])
    elif kind == "ECS Task State Change":
        task_stopped(services, event["detail"])
    else:
        repaired = sweep(services)
        upkeep(services)
        return dict(repaired)
    return {}


def execution_ended(services: Services, detail: Mapping[str, Any]) -> None:
    """EventBridge "Step Functions Execution Status Change": an execution failed, timed out or was aborted.

    Its name says whose it was; its input is left out of the event when it is large.
    """
    if is_hook_execution(detail["name"]):
        hook_lost(services, detail["name"], f"States.{detail['status']}")
        return
    run_id, index, attempt = detail["name"].rsplit("-", 2)
    error = {"Error": f"States.{detail['status']}", "Cause": str(detail.get("cause") or "")}
    complete(
        services,
        {"run_id": run_id, "index": int(index), "attempt": int(attempt), "error": error},
    )


def task_stopped(services: Services, detail: Mapping[str, Any]) -> None:
    """EventBridge "ECS Task State Change", STOPPED. Its report, if it wrote one, is in the bucket."""
    overrides = detail.get("overrides", {}).get("containerOverrides", [])
    names = [
        entry["value"]
        for one in overrides
        for entry in one.get("environment", [])
        if entry["name"] == _INVOCATION
    ]
    if not names:
        return
    run_id, index, attempt = names[0].removeprefix("invocations/").removesuffix(".json").split("/")
    cause = {
        "StoppedReason": str(detail.get("stoppedReason") or "The container stopped."),
        "Containers": [
            {"ExitCode": one.get("exitCode"), "Reason": one.get("reason")}
            for one in detail.get("containers", ())
        ],
    }
    complete(
        services,
        {
            "run_id": run_id,
            "index": int(index),
            "attempt": int(attempt),
            "error": {"Error": "ECS.Stopped", "Cause": json.dumps(cause)},
        },
    )
