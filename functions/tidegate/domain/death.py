"""What became of user code that answered nothing, from what Step Functions, Lambda or ECS say of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tidegate.domain.task import StepFailure

SHOWN = 2_000
"""Characters of an error text that are kept."""
_KILLED = 137
"""Exit code of a container that got SIGKILL."""


def death_of(outcome: Mapping[str, Any]) -> StepFailure:
    """The failure that an outcome without a report is. ``error`` in it is Step Functions' Error and Cause."""
    error = outcome.get("error")
    if not isinstance(error, Mapping):
        return StepFailure(error="Crash", message="The container ended without a report.")
    name, cause = str(error.get("Error", "")), str(error.get("Cause", ""))
    message, kind = cause, name
    said = _parsed(cause)
    if said is not None:
        kind = str(said.get("errorType", name))
        message = str(said.get("errorMessage", said.get("StoppedReason", cause)))
        message = _ended(message, said)
    if name == "States.ABORTED":
        return StepFailure(error="Aborted", message=message or "Its execution was stopped.")
    if name == "States.HeartbeatTimeout":
        return StepFailure(error="Lost", message=message)
    if name == "States.Timeout" or "Task timed out after" in message:
        return StepFailure(error="Timeout", message=message or "The step ran out of time.")
    if kind.startswith(("Runtime.", "Sandbox.", "ECS", "States.")) or not kind:
        return StepFailure(error="Crash", message=f"{kind}: {message}"[:SHOWN])
    return StepFailure(error=kind, message=message[:SHOWN])


def _parsed(cause: str) -> Mapping[str, Any] | None:
    try:
        found = json.loads(cause)
    except ValueError:
        return None
    return found if isinstance(found, Mapping) else None


def _ended(message: str, said: Mapping[str, Any]) -> str:
    """The message, and how the container of an ECS task ended."""
    for one in said.get("Containers") or ():
        code, reason = one.get("ExitCode"), one.get("Reason")
        if code is not None:
            message = f"{message.rstrip('.')} (exit code {code})."
        if reason:
            return f"{message.rstrip('.')}. {reason}"
        if code == 0:
            return f"{message} It left no report."
        if code == _KILLED:
            return f"{message} It was killed, as when memory runs out."
    return message
