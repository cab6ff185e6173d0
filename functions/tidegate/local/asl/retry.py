"""``Retry``: which retrier applies, and how long to wait."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from tidegate.local.asl.errors import matches


class Retries:
    """The retries of one visit to a state."""

    def __init__(self, retriers: list[Mapping[str, Any]], chance: random.Random) -> None:
        self._retriers = retriers
        self._used = [0] * len(retriers)
        self._chance = chance

    @property
    def count(self) -> int:
        """Retries so far, by all retriers."""
        return sum(self._used)

    def delay(self, error: str) -> float | None:
        """Seconds until the next attempt; None when no retrier has one left for this error.

        The first retrier that names the error decides, as each has its own count.
        """
        for place, retrier in enumerate(self._retriers):
            if not matches(retrier["ErrorEquals"], error):
                continue
            used = self._used[place]
            if used >= retrier.get("MaxAttempts", 3):
                return None
            self._used[place] += 1
            return self._seconds(retrier, used)
        return None

    def _seconds(self, retrier: Mapping[str, Any], used: int) -> float:
        base = retrier.get("IntervalSeconds", 1)
        most = retrier.get("MaxDelaySeconds", 31_622_400)
        try:
            seconds = min(base * retrier.get("BackoffRate", 2.0) ** used, most)
        except OverflowError:
            seconds = most
        if retrier.get("JitterStrategy") == "FULL":
            return self._chance.uniform(0, seconds)
        return float(seconds)
