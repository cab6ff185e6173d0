"""A single-threaded event loop over a clock. With a simulated clock the same program runs the same way every time.

Callbacks run in the order they were added; timers in order of time, then of adding. Work done elsewhere (a worker thread,
a subprocess) takes a ``Hold``: while one is out the loop is not idle, and no simulated time passes.
"""

from __future__ import annotations

import heapq
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timedelta
from typing import TypeVar

from tidegate.errors import InvocationError
from tidegate.local.clock import RealClock, SimulatedClock

T = TypeVar("T")
Callback = Callable[[], object]

_log = logging.getLogger(__name__)


class Timer:
    """A callback that is due at a time. Cancelled, it never runs."""

    __slots__ = ("callback", "sequence", "when")

    def __init__(self, when: datetime, sequence: int, callback: Callback) -> None:
        self.when = when
        self.sequence = sequence
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        self.callback = None

    def __lt__(self, other: Timer) -> bool:
        return (self.when, self.sequence) < (other.when, other.sequence)


class Hold:
    """Something outside the loop is at work and will come back. ``release`` may be called from any thread, and twice."""

    def __init__(self, loop: Loop, epoch: int) -> None:
        self._loop: Loop | None = loop
        self._epoch = epoch

    def release(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None:
            loop._released(self._epoch)


class Loop:
    """See the module. The thread that made it owns it, until another calls ``run_forever``."""

    def __init__(self, clock: RealClock | SimulatedClock) -> None:
        self.clock = clock
        self._ready: deque[Callback] = deque()
        self._timers: list[Timer] = []
        self._sequence = 0
        self._holds = 0
        self._epoch = 0
        self._wake = threading.Condition()
        self._owner = threading.get_ident()
        self._running = False
        self._stopping = False

    # What may be called from any thread -----------------------------------------------------------------------

    def submit_from_thread(self, callback: Callable[[], T]) -> Future[T]:
        """Run ``callback`` on the loop; the future has its result. On the loop's own thread it runs at once."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(callback())
            except BaseException as error:  # noqa: BLE001 - the waiting thread must learn of it
                future.set_exception(error)

        if self.is_current:
            run()
        else:
            self.call_soon(run)
        return future

    def call_soon(self, callback: Callback) -> None:
        with self._wake:
            self._ready.append(callback)
            self._wake.notify_all()

    def call_at(self, when: datetime, callback: Callback) -> Timer:
        with self._wake:
            self._sequence += 1
            timer = Timer(when, self._sequence, callback)
            heapq.heappush(self._timers, timer)
            self._wake.notify_all()
        return timer

    def call_later(self, delay: timedelta, callback: Callback) -> Timer:
        return self.call_at(self.clock.now() + delay, callback)

    def hold(self) -> Hold:
        with self._wake:
            self._holds += 1
            return Hold(self, self._epoch)

    def stop(self) -> None:
        """Make ``run_forever`` return after the callback it is in."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()

    @property
    def is_current(self) -> bool:
        """Whether the calling thread is the loop's own."""
        return threading.get_ident() == self._owner

    # What only its owner calls --------------------------------------------------------------------------------

    def run_until_idle(self) -> None:
        """Run until nothing can move without time passing. Waits for holds, in real time.

        An exception from a callback comes out here.
        """
        self._enter()
        try:
            while (callback := self._next()) is not None:
                callback()
        finally:
            self._running = False

    def advance(self, by: timedelta | None = None, *, to: datetime | None = None) -> None:
        """Move the simulated clock; timers fire in order, each at its own time, and everything settles in between."""
        if not isinstance(self.clock, SimulatedClock):
            raise InvocationError(
                "Real time cannot be advanced.", mend="Make the deployment with a SimulatedClock."
            )
        target = to if to is not None else self.clock.now() + (by or timedelta())
        self.run_until_idle()
        while (when := self._next_due()) is not None and when <= target:
            self.clock.set(when)
            self.run_until_idle()
        self.clock.set(target)

    def next_due(self) -> datetime | None:
        """When the next timer is due."""
        with self._wake:
            return self._next_due()

    def run_forever(self) -> None:
        """Run in real time until ``stop``. An exception from a callback is logged and the loop goes on."""
        if not isinstance(self.clock, RealClock):
            raise InvocationError(
                "A simulated clock does not run by itself.", mend="Use advance, or a RealClock."
            )
        self._owner = threading.get_ident()
        self._enter()
        try:
            while (callback := self._next_in_real_time(self.clock)) is not None:
                try:
                    callback()
                except Exception:  # noqa: BLE001 - one failure must not end the deployment
                    _log.exception("A callback of the local deployment failed")
        finally:
            self._running = self._stopping = False

    def clear(self) -> None:
        """Forget all callbacks and timers. Holds that are out no longer count."""
        with self._wake:
            self._ready.clear()
            self._timers.clear()
            self._holds = 0
            self._epoch += 1

    # ----------------------------------------------------------------------------------------------------------

    def _enter(self) -> None:
        if not self.is_current or self._running:
            raise InvocationError(
                "The loop of the local deployment is already running.",
                mend="Do not settle or advance from inside a handler or another thread.",
            )
        self._running = True

    def _next(self) -> Callback | None:
        with self._wake:
            while True:
                found = self._due()
                if found is not None:
                    return found
                if self._holds <= 0:
                    return None
                self._wake.wait()

    def _next_in_real_time(self, clock: RealClock) -> Callback | None:
        with self._wake:
            while not self._stopping:
                found = self._due()
                if found is not None:
                    return found
                when = self._next_due()
                self._wake.wait(None if when is None else clock.seconds_until(when))
            return None

    def _due(self) -> Callback | None:
        when = self._next_due()
        if when is not None and when <= self.clock.now():
            found = heapq.heappop(self._timers).callback
            if found is not None:
                self._ready.append(found)
        return self._ready.popleft() if self._ready else None

    def _next_due(self) -> datetime | None:
        while self._timers and self._timers[0].callback is None:
            heapq.heappop(self._timers)
        return self._timers[0].when if self._timers else None

    def _released(self, epoch: int) -> None:
        with self._wake:
            if epoch == self._epoch:
                self._holds -= 1
            self._wake.notify_all()
