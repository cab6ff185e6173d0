"""Cancel many runs: all that are not over and fit, a batch for each call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tidegate.app.runs.cancel import request_cancel
from tidegate.app.services import Services
from tidegate.domain.run import Run, RunStatus, canonical_tags
from tidegate.errors import RequestError

CANCELABLE = frozenset({RunStatus.QUEUED, RunStatus.STARTING, RunStatus.STARTED})
PATIENCE = timedelta(seconds=30)
"""After which a call answers, batch or not: the function of the API has a minute."""
PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which runs: those of the job, in one of the statuses, that carry every tag. A tag without a value is any."""

    job: str | None = None
    statuses: frozenset[RunStatus] = CANCELABLE
    tags: Mapping[str, str] = field(default_factory=dict)

    def fits(self, run: Run) -> bool:
        if run.status not in self.statuses or (self.job is not None and run.job != self.job):
            return False
        return all(
            key in run.tags and value in ("", run.tags[key])
            for key, value in canonical_tags(dict(self.tags)).items()
        )


def cancel_many(
    services: Services,
    wanted: Wanted,
    *,
    reason: str = "",
    by: str | None = None,
    cursor: str | None = None,
    only_count: bool = False,
) -> dict[str, Any]:
    """Cancel the next batch: at most ``cancel_batch_size`` runs, those that are queued first, so that none of them gets the
    slots of another.

    Answers how many by the status they were in, and the cursor from which to go on; None: that was all. Runs whose
    steps are to be stopped are CANCELING then.

    Raises:
        RequestError: a status is none of a run that can be cancelled, or the cursor is none.
    """
    if not wanted.statuses <= CANCELABLE:
        raise RequestError(
            "Only runs that are not over can be cancelled.",
            mend=f"Statuses: {', '.join(sorted(CANCELABLE))}.",
        )
    counts: dict[str, int] = {}
    until, left = services.clock.now() + PATIENCE, services.settings.cancel_batch_size
    place: _Place | None = _Place.parse(cursor)
    while place is not None and left > 0 and services.clock.now() < until:
        queued = wanted.statuses & place.statuses
        page = services.store.runs.find(statuses=queued, limit=min(PAGE, left), cursor=place.cursor)
        for run in filter(wanted.fits, page.items):
            if not only_count:
                request_cancel(services, run.run_id, reason=reason, by=by, is_one_of_many=True)
            counts[run.status.value] = counts.get(run.status.value, 0) + 1
            left -= 1
        place = place.after(page.cursor)
    return {"runs": counts, "cursor": None if place is None else str(place)}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a walk over all runs that can be cancelled stands: in which of two lists, and where in it."""

    number: int = 0
    cursor: str | None = None

    @property
    def statuses(self) -> frozenset[RunStatus]:
        queued = frozenset({RunStatus.QUEUED})
        return queued if self.number == 0 else CANCELABLE - queued

    def after(self, cursor: str | None) -> _Place | None:
        if cursor is not None:
            return _Place(self.number, cursor)
        return _Place(1) if self.number == 0 else None

    def __str__(self) -> str:
        return f"{self.number}/{self.cursor or ''}"

    @classmethod
    def parse(cls, text: str | None) -> _Place:
        if text is None:
            return cls()
        number, _, cursor = text.partition("/")
        if number not in ("0", "1"):
            raise RequestError(
                f"{text[:40]!r} is no cursor of a cancellation.",
                mend="Give back the cursor of the call before, or none.",
            )
        return cls(int(number), cursor or None)
