"""A bus that keeps what was published on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class MemoryBus:
    """``tidegate.ports.Bus`` in memory."""

    def __init__(self) -> None:
        self.published: list[tuple[str, dict[str, Any]]] = []
        """(detail type, detail), in order."""

    def publish(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        self.published.append((detail_type, json.loads(json.dumps(dict(detail)))))
