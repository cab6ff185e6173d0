"""Upkeep, once a day: what is still needed is kept on, and what nobody needs any more is forgotten.

Rows expire some time after they were written (``domain/retention.py``), whether or not their run is over. So whatever
belongs to a run that is not is written anew each day; runs of less than a day, which are nearly all, cost nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import TypeVar

from tidegate.app.range_keys import keep_on
from tidegate.app.services import Services
from tidegate.domain.claim import Limit
from tidegate.domain.limit import is_one_of_many
from tidegate.domain.pause import setting_of
from tidegate.domain.run import Run, RunStatus

logger = logging.getLogger(__name__)

DONE = "control/upkeep.json"
"""The day on which it was done last."""
UNFINISHED = frozenset(one for one in RunStatus if not one.is_finished)
OLD = timedelta(days=1)
_BY_RULE = ("default", "unset")

Item = TypeVar("Item")


def upkeep(services: Services) -> None:
    """Do it unless it was done today. What fails is logged, and all of it is tried again with the next sweep."""
    today = services.clock.now().date().isoformat()
    body = services.blobs.get(DONE)
    if body is not None and json.loads(body)["day"] == today:
        return
    old = list(_old_runs(services))
    done = [
        _each(old, services.store.runs.keep),
        _each(sorted({run.manifest for run in old}), services.manifests.keep),
        _each(
            sorted({run.range_keys for run in old if run.range_keys is not None}),
            lambda digest: keep_on(services, digest),
        ),
        _each(_idle(services), services.admission.drop_limit),
    ]
    if all(done):
        services.blobs.put(DONE, json.dumps({"day": today}).encode())


def _each(items: Iterable[Item], do: Callable[[Item], object]) -> bool:
    """Whether it went well with all of them."""
    went_well = True
    for item in items:
        try:
            do(item)
        except Exception:
            logger.exception("upkeep_failed", extra={"item": str(item)[:500]})
            went_well = False
    return went_well


def _old_runs(services: Services) -> Iterator[Run]:
    """Runs that are not over after a day."""
    cursor: str | None = None
    while True:
        page = services.store.runs.find(
            statuses=UNFINISHED, limit=100, cursor=cursor, oldest_first=True
        )
        for run in page.items:
            if run.created_at > services.clock.now() - OLD:
                return
            yield run
        cursor = page.cursor
        if cursor is None:
            return


def _idle(services: Services) -> Iterator[str]:
    """Limits made by a rule, of a kind of which there may be ever more, that nobody holds or waits for.

    One that is wanted again comes back as it was, even if that is at this moment: see ``Pump``.
    """
    for limit in services.admission.limits():
        if is_one_of_many(limit.key) and _is_idle(limit):
            yield limit.key


def _is_idle(limit: Limit) -> bool:
    """One without room may be waited for, and must be there when it is raised."""
    by_rule = setting_of(limit).source in _BY_RULE and limit.rate is None
    return by_rule and not limit.in_use and limit.room > 0
