"""Give way: a run that would not wait for a partition which another run holds is over before it began."""

from __future__ import annotations

import logging

from tidegate.app.runs.cancel import carry_out, stop_run
from tidegate.app.runs.holding import hold_partitions, makes_partitions
from tidegate.app.services import Services
from tidegate.domain.partitions.hold import OnRunning, on_running, skipped_for
from tidegate.domain.run import Run, RunStatus

logger = logging.getLogger(__name__)

_QUEUED = frozenset({RunStatus.QUEUED})


def gives_way(run: Run) -> bool:
    """It is for partitions, and would not wait for them."""
    return makes_partitions(run) and on_running(run.tags) is OnRunning.SKIP


def hold_or_give_way(services: Services, run: Run) -> Run:
    """Take the run's partitions, or end it. Answers it: CANCELED, if another run has one of them. Twice is once.

    Raises:
        DeploymentError, NotFoundError: the run's manifest, or its job in there, is gone.
    """
    if run.was_stopped:
        return carry_out(services, run)  # a call that died had begun to
    blocked = None if run.status.is_finished else hold_partitions(services, run, waits=False)
    if blocked is None:
        return run
    logger.info("run_skipped", extra={"run_id": run.run_id, "lost_to": [blocked.run_id]})
    reason, lost_to = skipped_for(blocked), (blocked.run_id,)
    return stop_run(services, run.run_id, reason=reason, leaves=_QUEUED, lost_to=lost_to)
