"""Where releases meet, as far as the calls of this process have seen: who comes next need not find out anew."""

from __future__ import annotations

from datetime import datetime, timedelta

CROWD = 2
"""So many offers of others, and a release offers its slot before it tries. With one other it is quicker to try."""
REMEMBERED = timedelta(seconds=1)
"""A release takes some tens of milliseconds. A wrong guess costs one write too many, and nothing else."""
MOST_LIMITS = 256


class Crowds:
    """How many slots others were offering at a limit when it was read last."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, datetime]] = {}

    def note(self, key: str, offers: int, now: datetime) -> None:
        if offers < CROWD:
            self._seen.pop(key, None)
            return
        if len(self._seen) >= MOST_LIMITS:
            self._seen = {}
        self._seen[key] = (offers, now)

    def at(self, key: str, now: datetime) -> int:
        """0: none that is known of."""
        offers, seen = self._seen.get(key, (0, now))
        return offers if now - seen <= REMEMBERED else 0
