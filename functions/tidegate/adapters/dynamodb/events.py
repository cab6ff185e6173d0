"""Table ``events``: what is asked of it, one function for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from tidegate.adapters.dynamodb import write
from tidegate.adapters.dynamodb.models import EventsRow
from tidegate.adapters.dynamodb.table import translated
from tidegate.adapters.event_stream import Row, first_row, read_page, rows_of
from tidegate.ports import Clock, Event, Page

_LEAST_ROWS, _MOST_ROWS = 16, 100
"""Rows of one query. DynamoDB answers at most 1 MB; most rows are less than 1 KB, and none is over 60 KB of JSON."""


class DynamoEventStore:
    """``tidegate.ports.EventStore`` on DynamoDB: many events in one row, since DynamoDB charges by the KB, and at least 1."""

    def __init__(
        self,
        *,
        batch_size: int = 25,
        retention_days: int | None = 30,
        clock: Clock | None = None,
    ) -> None:
        """``retention_days`` after it happened an event goes; None keeps it for ever.

        DynamoDB deletes what has expired within days; with a ``clock`` it is left out from the moment it expires.
        """
        self._batch_size = batch_size
        self._clock = clock
        self._retention = None if retention_days is None else timedelta(days=retention_days)

    def append(self, run_id: str, batch: str, events: Sequence[Event]) -> None:
        """Key: pk run id, sk ``<time>#<batch>#<page>``. No condition: the same batch has the same keys and content.

        1 write unit for each KB of compressed events, mostly 1 for up to 25; one call for each 25 rows. Take the times of events from what is
        stored, not from the clock, so that a repeated batch is the same; one that is not is stored twice, and read
        once. A message is cut at 32,000 characters, and data of more than 200 KB left out.
        """
        if not events:
            return
        expires_at = (
            None if self._retention is None else min(one.at for one in events) + self._retention
        )
        rows = [
            EventsRow(run_id, key, events=documents, expires_at=expires_at)
            for key, documents in rows_of(batch, events, self._batch_size)
        ]
        if len(rows) == 1:
            write.put("events.append", rows[0])
            return
        with translated("events.append"), EventsRow.batch_write() as writer:
            for row in rows:
                writer.save(row)

    def read(self, run_id: str, *, limit: int = 1000, cursor: str | None = None) -> Page[Event]:
        """Key: pk run id, sk from the cursor's on. Strongly consistent: 1 read unit for each 4 KB."""
        with translated("events.read"):
            return read_page(
                run_id, self._rows(run_id, first_row(cursor), limit), limit=limit, cursor=cursor
            )

    def _rows(self, run_id: str, first: str | None, limit: int) -> Iterator[Row]:
        rows = EventsRow.query(
            run_id,
            None if first is None else EventsRow.sk >= first,
            consistent_read=True,
            page_size=max(_LEAST_ROWS, min(limit, _MOST_ROWS)),
        )
        now = None if self._clock is None else self._clock.now()
        return (
            (row.sk, row.events)
            for row in rows
            if now is None or row.expires_at is None or row.expires_at > now
        )
