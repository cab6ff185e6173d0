"""What a limit is set to, and whether it is paused.

Admission knows capacities only, so a paused limit is one of capacity 0 whose source says what it was set to, and by whom.
Both change in one write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.domain.claim import Limit

_PAUSED = "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What somebody set a limit to. While it is paused it admits nothing, whatever its capacity."""

    capacity: int
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
        return {"capacity": self.capacity, "paused": self.is_paused, "source": self.source}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Setting:
        return cls(
            capacity=int(document["capacity"]),
            source=str(document["source"]),
            is_paused=bool(document["paused"]),
        )


def setting_of(limit: Limit) -> Setting:
    kind, _, said = limit.source.partition("/")
    if kind != _PAUSED:
        return Setting(capacity=limit.capacity, source=limit.source)
    capacity, _, source = said.partition("/")
    return Setting(capacity=int(capacity), source=source, is_paused=True)
