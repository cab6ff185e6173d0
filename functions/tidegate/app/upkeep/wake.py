"""Wake: do what an alarm was set for. ``TASKS`` says what there is; see ``ports.Alarms``.

Every task may come twice, and when it is long out of date: it looks at how things stand and does what is still to be done.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from tidegate.app.runs.cancel import look_again
from tidegate.app.runs.expire import at_deadline
from tidegate.app.runs.launch import launch
from tidegate.app.runs.retry import retry_run
from tidegate.app.services import Services
from tidegate.app.steps.retry import retry_step
from tidegate.errors import UnavailableError

logger = logging.getLogger(__name__)
_JUST_NOW = timedelta(milliseconds=1)

Task = Mapping[str, Any]
MOST_EARLY = timedelta(seconds=10)
"""By which an alarm may be early. Step Functions leaves out what is below a second of a moment."""


def pump(services: Services, task: Task) -> None:
    """{"kind": "pump", "limit": KEY}: the rate of a limit lets the first in its line start.

    A call that died may have granted and not launched: no claim records what an alarm granted, so the repeat looks.
    """
    key = task["limit"]
    granted = {one.claim_id: one for one in services.admission.pump(key)}
    for one in services.admission.unlaunched(services.clock.now() + _JUST_NOW):
        if one.units_of(key):
            granted.setdefault(one.claim_id, one)
    launch(services, granted.values())


TASKS: dict[str, Callable[[Services, Task], None]] = {
    "deadline": at_deadline,
    "look_again": look_again,
    "pump": pump,
    "retry_step": retry_step,
    "retry_run": retry_run,
}
"""What is done with a task, by its kind."""


def wake(services: Services, task: Task, *, pause: Callable[[float], None] = time.sleep) -> None:
    """Do the task, once its moment ``at``, if it has one, has come; ``pause`` sleeps for so many seconds.

    A task of a kind that is not known was set by another version of the control plane, and is dropped.

    Raises:
        UnavailableError: it is far too early by this clock; whoever called calls again.
    """
    do = TASKS.get(task["kind"])
    if do is None:
        logger.warning("alarm_dropped", extra={"task": dict(task)})
        return
    if "at" in task:
        _await(services, datetime.fromisoformat(task["at"]), pause)
    do(services, task)


def _await(services: Services, at: datetime, pause: Callable[[float], None]) -> None:
    """Sleep what is left. Woken early, a task would set its alarm again: for this moment, whose alarm has gone off.

    It also waits until the moment has come by every clock. Whoever still asks for this alarm has then
    written before what the task reads after.
    """
    at += services.clocks_differ_by
    early = at - services.clock.now()
    if early > MOST_EARLY:
        raise UnavailableError(f"An alarm for {at.isoformat()} went off {early} before.")
    while early > timedelta(0):
        pause(early.total_seconds())
        early = at - services.clock.now()
