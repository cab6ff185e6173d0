"""Escalation: a step that Lambda is too small for is tried again in a container on ECS, once, whatever its retry policy says.

That is an option of its compute, ``Lambda(escalate=Ecs(...))``. The row of the step says from which attempt on it is on ECS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.domain.task import StepFailure

ESCALATE = "escalate"
NOTE = "It goes on in a container on ECS."


def compute_of(compute: Mapping[str, Any], ecs_from: int | None, attempt: int) -> dict[str, Any]:
    """Where an attempt runs. ``compute`` is the step's, ``ecs_from`` what its row says."""
    bigger: Mapping[str, Any] | None = compute.get(ESCALATE)
    if bigger is not None and ecs_from is not None and attempt >= ecs_from:
        return dict(bigger)
    return {name: value for name, value in compute.items() if name != ESCALATE}


def escalates(
    compute: Mapping[str, Any], failure: StepFailure, ecs_from: int | None, attempt: int
) -> bool:
    """Whether the next attempt is on ECS because of how this one ended. Asked again, it is the same."""
    first = ecs_from in (None, attempt + 1)
    return compute.get(ESCALATE) is not None and first and outgrew_lambda(failure)


def outgrew_lambda(failure: StepFailure) -> bool:
    """It ran out of memory, or into the limit of the function itself: 15 minutes.

    A time-out of the step's own is the user's word, and holds on ECS as well.
    """
    said = failure.message
    if failure.error == "Timeout":
        return "Task timed out after" in said
    if failure.error == "Crash":
        return "Runtime.OutOfMemory" in said or "signal: killed" in said
    return failure.error == "MemoryError"


def retries_used(ecs_from: int | None, attempt: int) -> int:
    """The number of the attempt as a retry policy counts: the one that was moved to ECS is not one of its retries."""
    return attempt - (1 if ecs_from is not None and attempt >= ecs_from else 0)
