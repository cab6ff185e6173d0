"""Expire: stop a run whose time is over, when its alarm goes off, or when the sweep finds it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from tidegate.app.runs.cancel import carry_out, stop_run
from tidegate.app.runs.deadlines import watch
from tidegate.app.services import Services
from tidegate.domain.deadline import CLOCKS, Deadline, deadline_of
from tidegate.domain.run import Run, StopCause

logger = logging.getLogger(__name__)


def at_deadline(services: Services, task: Mapping[str, Any]) -> None:
    """{"kind": "deadline", "run_id", "clock"}: a clock of the run has run out, unless it was set to more meanwhile.

    For a run that is over, or past what the clock is for, there is nothing to do.
    """
    clock, run = StopCause(task["clock"]), services.store.runs.get(task["run_id"])
    if run is None:
        return
    deadline = deadline_of(clock, run, services.settings)
    if deadline is not None and deadline.at > services.clock.now():
        watch(services, run, clock)
    elif deadline is not None:
        expire(services, run, deadline)
    elif run.stop_cause is clock:
        carry_out(services, run)  # a call that died had begun to


def overdue(services: Services, run: Run) -> Deadline | None:
    """The clock of the run that has run out."""
    for clock in CLOCKS:
        deadline = deadline_of(clock, run, services.settings)
        if deadline is not None and deadline.at <= services.clock.now():
            return deadline
    return None


def expire(services: Services, run: Run, deadline: Deadline) -> None:
    """Stop the run for its time."""
    logger.warning("run_expired", extra={"run_id": run.run_id, "clock": deadline.clock.value})
    stop_run(
        services,
        run.run_id,
        reason=deadline.reason,
        cause=deadline.clock,
        leaves=deadline.leaves,
    )
