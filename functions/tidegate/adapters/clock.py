"""The time."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """``tidegate.ports.Clock``: that of the machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)
