"""Table ``events`` in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from threading import RLock

from tidegate.adapters.event_stream import Row, first_row, read_page, rows_of
from tidegate.adapters.text import stamp
from tidegate.ports import Clock, Event, Page


class MemoryEventStore:
    """``tidegate.ports.EventStore`` in memory."""

    def __init__(
        self,
        *,
        batch_size: int = 25,
        retention_days: int | None = 30,
        clock: Clock | None = None,
    ) -> None:
        self._batch_size = batch_size
        self._retention = None if retention_days is None else timedelta(days=retention_days)
        self._clock = clock
        self._lock = RLock()
        self._rows: dict[str, dict[str, str]] = {}

    def append(self, run_id: str, batch: str, events: Sequence[Event]) -> None:
        rows = {
            key: json.dumps(documents)
            for key, documents in rows_of(batch, events, self._batch_size)
        }
        with self._lock:
            self._rows.setdefault(run_id, {}).update(rows)

    def read(self, run_id: str, *, limit: int = 1000, cursor: str | None = None) -> Page[Event]:
        rows = self._kept(run_id, first_row(cursor) or "")
        return read_page(run_id, rows, limit=limit, cursor=cursor)

    def _kept(self, run_id: str, first: str) -> list[Row]:
        """The rows from ``first`` on whose time is not over."""
        with self._lock:
            rows = [
                (key, json.loads(text))
                for key, text in sorted(self._rows.get(run_id, {}).items())
                if key >= first
            ]
        if self._clock is None or self._retention is None:
            return rows
        oldest = stamp(self._clock.now() - self._retention)
        return [(key, documents) for key, documents in rows if key > oldest]
