"""Times of the contract of runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = AT + timedelta(seconds=90, microseconds=1)
