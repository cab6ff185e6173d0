"""Batches of events as rows, and rows as a stream of events in order of time.

A row holds events of one batch. Its key is the time of the batch's first event, the batch's name and the number of
the row within the batch, so rows come back ordered by when their batch began and no event of a row is earlier than its
key. Batches overlap; reading merges them, holding back an event until no row still to come can hold an earlier one.
"""

from __future__ import annotations

import base64
import binascii
import heapq
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tidegate.adapters.text import moment_of, stamp
from tidegate.errors import RequestError
from tidegate.ports import Event, Page

ROW_BYTES = 60 * 1024
"""JSON of one row's events. Compressed it is a fifth of this, at 1 write unit a KB."""
MAX_MESSAGE = 32_000
"""Characters of a message. Longer ones are cut: all log lines are in the data bucket as well."""
MAX_DATA_BYTES = 200 * 1024
"""JSON of one event's data; larger data is left out, because a step that said too much must still complete."""

_STAMP = 27
_PAGE = 5

Row = tuple[str, list[list[Any]]]
"""(row key, events)"""
Position = tuple[str, str, int]
"""(time, row key, place in the row) of an event."""


def rows_of(batch: str, events: Sequence[Event], batch_size: int) -> Iterator[Row]:
    """The batch as rows of at most ``batch_size`` events and ``ROW_BYTES`` of JSON."""
    documents = [_document(one) for one in sorted(events, key=lambda event: event.at)]
    row: list[list[Any]] = []
    size = page = 0
    for document in documents:
        length = len(json.dumps(document, separators=(",", ":"), ensure_ascii=False))
        if row and (len(row) >= batch_size or size + length > ROW_BYTES):
            yield f"{documents[0][0]}#{batch}#{page:04d}", row
            row, size, page = [], 0, page + 1
        row.append(document)
        size += length
    if row:
        yield f"{documents[0][0]}#{batch}#{page:04d}", row


def _document(event: Event) -> list[Any]:
    message, data = event.message, dict(event.data)
    if len(message) > MAX_MESSAGE:
        message = message[: MAX_MESSAGE - 3] + "..."
    length = len(json.dumps(data, separators=(",", ":")))
    if length > MAX_DATA_BYTES:
        data = {"tidegate/omitted": f"{length // 1024} KB of data, more than an event holds"}
    return [stamp(event.at), event.kind, event.step, event.attempt, message, event.level, data]


def _event(run_id: str, document: list[Any]) -> Event:
    at, kind, step, attempt, message, level, data = document
    return Event(
        run_id=run_id,
        at=moment_of(at),
        kind=kind,
        step=step,
        attempt=attempt,
        message=message,
        level=level,
        data=data,
    )


def first_row(cursor: str | None) -> str | None:
    """The row to read from, so that reading can go on at the cursor.

    Raises:
        RequestError: it is no cursor of an event list.
    """
    return None if cursor is None else _resume(cursor)[0]


def read_page(run_id: str, rows: Iterable[Row], *, limit: int, cursor: str | None) -> Page[Event]:
    """The next ``limit`` events. ``rows`` come in order of their keys and start at ``first_row(cursor)``."""
    limit = max(1, limit)
    after = None if cursor is None else _resume(cursor)[1]
    waiting: list[tuple[Position, list[Any]]] = []
    found: list[tuple[Position, list[Any]]] = []
    for key, documents in _each_batch_once(rows):
        while waiting and len(found) <= limit and waiting[0][0] < (key[:_STAMP], key, 0):
            found.append(heapq.heappop(waiting))
        if len(found) > limit:
            break
        for place, document in enumerate(documents):
            position = (document[0], key, place)
            if after is None or position > after:
                heapq.heappush(waiting, (position, document))
    while waiting and len(found) <= limit:
        found.append(heapq.heappop(waiting))
    events = tuple(_event(run_id, document) for _, document in found[:limit])
    if len(found) <= limit:
        return Page(items=events)
    open_rows = [position[1] for position, _ in [found[limit], *waiting]]
    return Page(items=events, cursor=_cursor(min(open_rows), found[limit - 1][0]))


def _each_batch_once(rows: Iterable[Row]) -> Iterator[Row]:
    """Leaves out a batch that was written again with other times, by a caller that took them from the clock."""
    times: dict[str, str] = {}
    for key, documents in rows:
        time, batch = key[:_STAMP], key[_STAMP:-_PAGE]
        if times.setdefault(batch, time) == time:
            yield key, documents


def _cursor(start: str, after: Position) -> str:
    return base64.urlsafe_b64encode(json.dumps([start, *after]).encode()).decode()


def _resume(cursor: str) -> tuple[str, Position]:
    try:
        start, time, key, place = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        return str(start), (str(time), str(key), int(place))
    except (ValueError, TypeError, binascii.Error):
        raise RequestError(
            f"{cursor[:40]!r} is no cursor of an event list.",
            mend="Give back the cursor of the page before, or none.",
        ) from None
