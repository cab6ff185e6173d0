"""Run ids."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable
from datetime import datetime

_COUNTER_BITS = 14


class TimeOrderedIds:
    """``tidegate.ports.Ids``: UUIDs of version 7, which sort by time as text.

    48 bits of milliseconds, 12 of the rest of the microseconds, 14 of a counter within one microsecond of one process, 48
    of chance. Ids of one process and instant sort in the order they were asked for, which a simulated clock needs.
    """

    def __init__(self, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        """``random_bytes(n)`` answers n bytes: ``random.Random(seed).randbytes`` makes ids that repeat."""
        self._random_bytes = random_bytes
        self._lock = threading.Lock()
        self._micros = -1
        self._counter = 0

    def run_id(self, now: datetime) -> str:
        micros = int(now.timestamp()) * 1_000_000 + now.microsecond
        with self._lock:
            self._counter = self._counter + 1 if micros == self._micros else 0
            self._micros = micros
            counter = self._counter % (1 << _COUNTER_BITS)
        millis, rest = divmod(micros, 1000)
        chance = int.from_bytes(self._random_bytes(6), "big")
        high = (millis & (1 << 48) - 1) << 16 | 0x7000 | rest * 4
        low = 0b10 << 62 | counter << 48 | chance
        return str(uuid.UUID(int=high << 64 | low))
