"""A lock for threads of which only one runs at a time anyway."""

from __future__ import annotations

import threading
import time

PAUSE = 0.00002
"""Seconds. What comes of it is the time until the interpreter lets another thread run."""


class Turns:
    """Who finds it taken looks again a little later, instead of being handed it.

    A lock that is handed over at each release makes threads of Python run in a convoy: a switch for each access to the store,
    four times the processor time of the work itself, and six releases in the middle of a hand-off at any moment. Tests
    want just that; a measurement of the protocol does not.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        while not self._lock.acquire(blocking=False):
            time.sleep(PAUSE)

    def __exit__(self, *_: object) -> None:
        self._lock.release()
