"""Deadlines: a clock that is set for a run is an alarm; what it finds when it goes off decides.

A run without a limit on its time has no alarm. Nor has the start of one, which is over in a second or so, unless it has to be
repeated: the call that repeats it sets the alarm.
"""

from __future__ import annotations

from tidegate.app.services import Services
from tidegate.domain.deadline import deadline_of
from tidegate.domain.run import Run, StopCause


def watch(services: Services, run: Run, clock: StopCause) -> None:
    """See that ``app/runs/expire.py`` looks at the run when this clock runs out, if it is set. Twice is once."""
    deadline = deadline_of(clock, run, services.settings)
    if deadline is not None:
        task = {"kind": "deadline", "run_id": run.run_id, "clock": clock.value}
        services.alarms.set(deadline.at, task)
