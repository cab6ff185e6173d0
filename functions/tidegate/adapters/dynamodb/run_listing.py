"""Lists of runs, newest first, from the indexes of table ``runs``.

All three indexes have the same range key, the time a run was created and its id, so a place in any list is such a key:
the cursor. Lists that go over days or months read their calendar first and never look at a day without runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from heapq import merge
from itertools import chain, islice
from typing import Any

from tidegate.adapters.dynamodb.models import RunRow, RunsTable
from tidegate.adapters.dynamodb.run_rows import RUN, run_of, status_key
from tidegate.adapters.text import stamp
from tidegate.domain.run import Run, RunStatus
from tidegate.ports import Page

CALENDAR = "calendar"

_CHUNK = 100
"""Runs of one BatchGetItem call."""
_MOST_EXAMINED = 1000
"""Runs a page looks at before it ends short. A list that keeps one run in thousands stays a list of short calls."""

Entry = tuple[str, str]
"""(order, run id)"""


def job_calendar(job: str) -> str:
    return f"{CALENDAR}#{job}"


def find_runs(
    *,
    job: str | None,
    statuses: frozenset[RunStatus] | None,
    limit: int,
    cursor: str | None,
    oldest_first: bool = False,
    since: datetime | None = None,
) -> Page[Run]:
    """A page of runs, newest first, or oldest first of statuses that are in ``by_status``. A page that keeps few of many runs may end short; its cursor leads on.

    Index ``by_job`` for a job; ``by_status`` for statuses that are in it; else ``by_day``. Index entries: half a read unit for
    each 4 KB, about 25 runs. Runs: BatchGetItem, strongly consistent, 1 read unit for each 4 KB of a run; the
    status is that of the run, not of the index.
    """
    limit = max(1, limit)
    page = min(limit, _CHUNK) + 1
    if oldest_first:
        after = cursor if cursor is not None or since is None else stamp(since)
        entries = _once(_oldest(statuses or frozenset(), after, page))
    else:
        entries = _once(_entries(job, statuses, cursor, page))
    size = min(limit, _CHUNK)
    found: list[Run] = []
    examined = 0
    while chunk := list(islice(entries, size)):
        runs = _runs([run_id for _, run_id in chunk])
        for order, run_id in chunk:
            run = runs.get(run_id)
            if run is not None and (statuses is None or run.status in statuses):
                found.append(run)
            if len(found) == limit:
                more = order != chunk[-1][0] or next(entries, None) is not None
                return Page(items=tuple(found), cursor=order if more else None)
        examined, size = examined + len(chunk), _CHUNK if statuses else size
        if examined >= _MOST_EXAMINED and len(found) < limit:
            return Page(items=tuple(found), cursor=chunk[-1][0])
    return Page(items=tuple(found))


def _entries(
    job: str | None, statuses: frozenset[RunStatus] | None, before: str | None, page: int
) -> Iterator[Entry]:
    if statuses is not None and not statuses:
        return iter(())
    if job is not None:
        return _by_calendar(job_calendar(job), RunsTable.by_job, f"job#{job}#", before, page)
    keys = [] if statuses is None else [status_key(one) for one in statuses]
    if not keys or None in keys:
        return _by_calendar(CALENDAR, RunsTable.by_day, "day#", before, page)
    lists = [_in_index(RunsTable.by_status, str(key), before, page) for key in keys]
    return merge(*lists, reverse=True)


def _oldest(statuses: frozenset[RunStatus], after: str | None, page: int) -> Iterator[Entry]:
    keys = [key for one in statuses if (key := status_key(one)) is not None]
    condition = None if after is None else RunsTable.order > after
    lists = [
        ((row.order, row.pk) for row in RunsTable.by_status.query(key, condition, page_size=page))
        for key in keys
    ]
    return merge(*lists)


def _by_calendar(
    calendar: str, index: Any, prefix: str, before: str | None, page: int
) -> Iterator[Entry]:
    """Entries of one index partition after the other, as the calendar names them."""
    entered = RunsTable.query(
        calendar,
        None if before is None else RunsTable.sk <= before[:10],
        consistent_read=True,
        scan_index_forward=False,
        page_size=_CHUNK,
    )
    return chain.from_iterable(
        _in_index(index, f"{prefix}{row.sk}", before, page) for row in entered
    )


def _in_index(index: Any, key: str, before: str | None, page: int) -> Iterator[Entry]:
    entries = index.query(
        key,
        None if before is None else RunsTable.order < before,
        scan_index_forward=False,
        page_size=page,
    )
    return ((row.order, row.pk) for row in entries)


def _once(entries: Iterator[Entry]) -> Iterator[Entry]:
    """A run whose status changes just now may stand in two partitions of ``by_status``."""
    last = None
    for entry in entries:
        if entry != last:
            yield entry
        last = entry


def _runs(run_ids: list[str]) -> dict[str, Run]:
    keys = [(run_id, RUN) for run_id in run_ids]
    return {row.pk: run_of(row) for row in RunRow.batch_get(keys, consistent_read=True)}
