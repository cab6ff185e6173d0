"""Containers that have fallen silent: nobody told of their end, and their time-out may be a day away."""

from __future__ import annotations

from datetime import datetime, timedelta

from tidegate.app.services import Services
from tidegate.app.steps.complete import complete
from tidegate.domain.escalation import compute_of
from tidegate.domain.heartbeat import MOST_BYTES, beat_key, silent_since
from tidegate.domain.plan import PlanStep
from tidegate.domain.run import StepRow, StepStatus


def last_beat(services: Services, step: PlanStep, row: StepRow) -> datetime | None:
    """When the container of a step gave its last sign of life, if that is too long ago; None: nothing says that it is lost.

    Reads one object, and only of a step that has been on ECS for longer than it may be silent.
    """
    seconds, now = services.settings.heartbeat_timeout_seconds, services.clock.now()
    if not seconds or row.status is not StepStatus.STARTED or row.started_at is None:
        return None
    is_on_ecs = compute_of(step.compute, row.ecs_from, row.attempt).get("kind") == "ecs"
    if not is_on_ecs or row.started_at + timedelta(seconds=seconds) > now:
        return None
    body = services.blobs.get(beat_key(row.run_id, row.index, row.attempt), most=MOST_BYTES)
    return silent_since(body, now, seconds)


def give_up(services: Services, row: StepRow, beat: datetime) -> None:
    """The attempt is over. First its execution is stopped, and its container with it, lest it goes on beside the next attempt."""
    services.launcher.stop(row.run_id, row.index, row.attempt)
    error = {
        "Error": "States.HeartbeatTimeout",
        "Cause": f"The container gave its last sign of life at {beat:%Y-%m-%d %H:%M:%S}.",
    }
    complete(
        services,
        {"run_id": row.run_id, "index": row.index, "attempt": row.attempt, "error": error},
    )
