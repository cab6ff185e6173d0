"""Fairness as it is seen from outside: the starts of values that wait side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tidegate.domain.claim import Claim

Line = tuple[str, str]
"""A limit, and a class of those who share it."""


@dataclass
class Drift:
    """By how much one value is ahead of another, by weight, since both wait: now, and at the least and the most."""

    now: float = 0.0
    low: float = 0.0
    high: float = 0.0


class Shares:
    """``slack``: how often the bound of start-time fair queueing, one start of each, may be exceeded, since calls overlap."""

    def __init__(self, slack: int) -> None:
        self._slack = slack
        self._waiting: dict[Line, dict[str, float]] = {}
        self._drifts: dict[tuple[Line, str, str], Drift] = {}
        self._withdrawn = Counter[str]()

    def see(self, waiting: Iterable[Claim], started: Claim | None) -> str | None:
        """Who waits now, and which waiting claim the last write has started. Answers what is wrong."""
        seen: dict[Line, dict[str, float]] = {}
        for claim in waiting:
            if claim.fair is not None and claim.place is not None:
                line = (claim.fair.limit, claim.fair_class)
                seen.setdefault(line, {})[claim.fair.value] = claim.fair.weight
        drifts: dict[tuple[Line, str, str], Drift] = {}
        for line, weights in seen.items():
            still = sorted(set(weights) & set(self._waiting.get(line, ())))
            for place, one in enumerate(still):
                for other in still[place + 1 :]:
                    key = (line, one, other)
                    drifts[key] = self._drifts.get(key) or Drift()
        self._waiting, self._drifts = seen, drifts
        if started is None or started.fair is None or started.place is None:
            return None
        return self._start(started.fair.value, (started.fair.limit, started.fair_class))

    def _start(self, value: str, of: Line) -> str | None:
        for (line, one, other), drift in self._drifts.items():
            if line != of or value not in (one, other):
                continue
            weights = self._waiting[line]
            drift.now += 1 / weights[one] if value == one else -1 / weights[other]
            drift.low, drift.high = min(drift.low, drift.now), max(drift.high, drift.now)
            most = sum((self._slack + self._withdrawn[it]) / weights[it] for it in (one, other))
            if drift.high - drift.low > most + 0.001:
                return f"{one!r} and {other!r} of {line} drifted {drift} apart, at most {most}"
        return None

    def withdraw(self, claim: Claim) -> None:
        """A claim was cancelled: its value misses one start where that stood, and has one more at its end."""
        if claim.fair is not None:
            self._withdrawn[claim.fair.value] += 1
