"""Alarms that a test sets off."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from threading import Lock
from typing import Any

from tidegate.adapters.alarm_input import alarm_input, alarm_name


class MemoryAlarms:
    """``tidegate.ports.Alarms`` in memory. Nothing goes off by itself: a test takes what is due and gives it to ``wake``."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._names: set[str] = set()
        self._waiting: list[dict[str, Any]] = []

    @property
    def waiting(self) -> list[dict[str, Any]]:
        """The tasks that have not been taken, each with its moment as ``at``, in order of time."""
        with self._lock:
            return sorted(self._waiting, key=lambda one: str(one["at"]))

    @property
    def next_at(self) -> datetime | None:
        """When the first of them is due."""
        waiting = self.waiting
        return datetime.fromisoformat(waiting[0]["at"]) if waiting else None

    def set(self, at: datetime, task: Mapping[str, Any]) -> None:
        document = alarm_input(at, task)
        with self._lock:
            name = alarm_name(document)
            if name not in self._names:
                self._names.add(name)
                self._waiting.append(document)

    def take(self, now: datetime) -> dict[str, Any] | None:
        """The first task that is due, which is not waiting any more; None: none is due."""
        for document in self.waiting:
            if datetime.fromisoformat(document["at"]) <= now:
                with self._lock:
                    self._waiting.remove(document)
                return document
        return None
