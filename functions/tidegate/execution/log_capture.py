"""``context.log``: a logger whose lines go into the report, and to whatever handlers the process has."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from datetime import datetime

from tidegate.domain.task import LogLine
from tidegate.execution.failure import printable
from tidegate.sdk.context import USER_LOGGER

current: ContextVar[LogCapture | None] = ContextVar("current", default=None)
"""The capture of the step that runs."""

MAX_LINE = 64 * 1024
"""Characters of one line; what is beyond is cut, and the line says so."""
MAX_KEPT = 8 * 1024 * 1024
"""Characters kept of one step, half from its beginning and half from its end."""


class _UserHandler(logging.Handler):
    """Passes lines of ``get_logger()`` to the step that runs in this thread or task."""

    def emit(self, record: logging.LogRecord) -> None:
        capture = current.get()
        if capture is not None:
            capture.handle(record)


class LogCapture(logging.Handler):
    """Keeps what a step logs: all of it, or the first and the last 4 MB with a note between them."""

    def __init__(self, now: Callable[[], datetime], most: int = MAX_KEPT) -> None:
        super().__init__(logging.NOTSET)
        self.setFormatter(logging.Formatter("%(message)s"))
        self._now = now
        self._half = most // 2
        self._head: list[LogLine] = []
        self._head_size = 0
        self._tail: deque[LogLine] = deque()
        self._tail_size = 0
        self._dropped = 0
        self._dropped_size = 0

    def logger(self, step: str) -> logging.Logger:
        """A logger for one attempt. It is known to nobody else, so attempts side by side do not mix."""
        _listen()
        made = logging.Logger(f"tidegate.step.{step}", logging.DEBUG)  # noqa: LOG001 - not registered, on purpose
        made.parent = logging.getLogger("tidegate")
        made.addHandler(self)
        return made

    def emit(self, record: logging.LogRecord) -> None:
        """A line that cannot be formatted is kept as it was written; logging never fails a step."""
        try:
            message = self.format(record)
        except Exception as error:  # noqa: BLE001 - what is logged may be anything
            message = f"{record.msg!s} (not formatted: {type(error).__name__}: {error})"
        self.add(record.levelname, message)

    def add(self, level: str, message: str) -> None:
        if len(message) > MAX_LINE:
            message = f"{message[:MAX_LINE]}... ({len(message):,} characters)"
        line = LogLine(at=self._now(), level=level, message=printable(message))
        size = len(line.message) + 60
        if not self._tail and self._head_size + size <= self._half:
            self._head.append(line)
            self._head_size += size
            return
        self._tail.append(line)
        self._tail_size += size
        while self._tail_size > self._half:
            gone = len(self._tail.popleft().message) + 60
            self._tail_size -= gone
            self._dropped += 1
            self._dropped_size += gone

    def lines(self) -> tuple[LogLine, ...]:
        """All lines kept, in order."""
        if not self._dropped:
            return (*self._head, *self._tail)
        first = self._tail[0] if self._tail else self._head[-1]
        note = LogLine(
            at=first.at,
            level="WARNING",
            message=f"{self._dropped:,} lines ({self._dropped_size / 1e6:.1f} MB) are left out here: "
            f"a step keeps {2 * self._half / 1e6:.0f} MB of its log.",
        )
        return (*self._head, note, *self._tail)


def _listen() -> None:
    """Capture ``get_logger()``, whose lines have no other way to a step."""
    user = logging.getLogger(USER_LOGGER)
    if not any(isinstance(one, _UserHandler) for one in user.handlers):
        user.addHandler(_UserHandler(logging.NOTSET))
        user.setLevel(logging.DEBUG)


def json_lines(lines: Iterable[LogLine]) -> bytes:
    """Lines as they are stored in the data bucket: one JSON array ``[at, level, message]`` on each."""
    return b"".join(
        json.dumps([one.at.isoformat(), one.level, one.message]).encode() + b"\n" for one in lines
    )
