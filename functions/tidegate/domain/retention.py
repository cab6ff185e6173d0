"""How long what a run leaves behind is kept, from its end on. Dates alone; the rows are in ``docs/state.md``.

What belongs to a run goes before the run's own row, so that a later run of the same run key, which has the same id, never
meets anything of the earlier one. Until then the row says that the run was there, and the same run key is the same run.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tidegate.domain.run import Run

PARTS_LONGER = timedelta(days=3)
"""Steps and nodes of a run are kept on once a day while it is not over, so their time may count from the day before."""
RUN_LONGER = timedelta(days=10)
"""DynamoDB deletes a row within a few days after its time."""
NAMES_TAKEN = timedelta(days=100)
"""Step Functions knows the name of an execution for 90 days after its end, and would not run it again."""
CALENDAR_LONGER = timedelta(days=45)
"""Days and months with runs are listed while one of those runs may be there. A month is entered when it begins."""


def parts_expire(at: datetime, kept_days: int) -> datetime:
    """When what was written of a run at that moment goes, unless it is kept on."""
    return at + timedelta(days=kept_days) + PARTS_LONGER


def run_expires(finished_at: datetime, kept_days: int) -> datetime:
    """When the row of a run goes."""
    return finished_at + max(timedelta(days=kept_days) + RUN_LONGER, NAMES_TAKEN)


def calendar_expires(at: datetime, kept_days: int) -> datetime:
    """When the entry of a day or a month goes, unless a run of it is kept on or begins."""
    return run_expires(at, kept_days) + CALENDAR_LONGER


def is_past(run: Run, now: datetime, kept_days: int) -> bool:
    """It ended so long ago that it is not shown any more, although its row may be there."""
    return run.finished_at is not None and run.finished_at + timedelta(days=kept_days) <= now
