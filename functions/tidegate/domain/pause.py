"""What a limit is set to, and whether it is paused.

Admission knows capacities and rates only, so a paused limit is one of capacity 0 whose source says what it was set to, and by
whom. All change in one write.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tidegate.domain.claim import Limit
from tidegate.domain.rate import Rate

_PAUSED = "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What somebody set a limit to. While it is paused it admits nothing, whatever its capacity and rate."""

    capacity: int
    rate: Rate | None = None
    source: str
    is_paused: bool = False

    @property
    def admits(self) -> int:
        """The capacity admission goes by."""
        return 0 if self.is_paused else self.capacity

    @property
    def stored_source(self) -> str:
        if not self.is_paused:
            return self.source
        return f"{_PAUSED}/{self.capacity}/{self.source}"

    def to_json(self) -> dict[str, Any]:
        return {
            "capacity": self.capacity,
            "rate": None if self.rate is None else self.rate.to_json(),
            "paused": self.is_paused,
            "source": self.source,
        }

    def limit(self, key: str) -> Limit:
        """The limit that admission knows, set to this."""
        return Limit(key=key, capacity=self.admits, rate=self.rate, source=self.stored_source)


def setting_of(limit: Limit) -> Setting:
    kind, _, said = limit.source.partition("/")
    if kind != _PAUSED:
        return Setting(capacity=limit.capacity, rate=limit.rate, source=limit.source)
    capacity, _, source = said.partition("/")
    return Setting(capacity=int(capacity), rate=limit.rate, source=source, is_paused=True)
