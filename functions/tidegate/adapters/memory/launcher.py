"""A launcher that remembers what it was asked to start."""

from __future__ import annotations

from datetime import datetime
from threading import Lock
from typing import Any

from tidegate.adapters.clock import SystemClock
from tidegate.adapters.memory.blobs import MemoryBlobs
from tidegate.adapters.step_input import step_input
from tidegate.domain.execution import StepTask
from tidegate.domain.run import execution_name
from tidegate.ports import Blobs, Clock


class MemoryLauncher:
    """``tidegate.ports.Launcher`` in memory. Nothing runs: a test reads ``started`` and plays the user's code."""

    def __init__(self, blobs: Blobs | None = None, *, clock: Clock | None = None) -> None:
        self._lock = Lock()
        self._clock = clock or SystemClock()
        self._began: dict[str, datetime] = {}
        self._blobs = blobs or MemoryBlobs()
        self.started: dict[str, dict[str, Any]] = {}
        """Execution name -> input of the step state machine, in the order of the starts."""
        self.stopped: list[str] = []
        """Names of the executions that were stopped."""

    def start(self, task: StepTask) -> datetime | None:
        name = task.name
        document = step_input(task, self._blobs)
        with self._lock:
            if name in self.stopped or self.started.setdefault(name, document) != document:
                return None
            return self._began.setdefault(name, self._clock.now())

    def stop(self, run_id: str, index: int, attempt: int) -> None:
        name = execution_name(run_id, index, attempt)
        with self._lock:
            if name in self.started and name not in self.stopped:
                self.stopped.append(name)
