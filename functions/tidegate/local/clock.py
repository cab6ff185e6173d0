"""The two clocks of a local deployment: real time for ``tidegate dev``, simulated time for tests."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from tidegate.errors import InvocationError


class RealClock:
    """The wall clock, optionally faster: at ``speed=60`` a minute of the deployment lasts a second."""

    def __init__(self, *, speed: float = 1.0) -> None:
        if speed <= 0:
            raise InvocationError(
                f"A clock cannot run at speed {speed}.", mend="Give a number above 0."
            )
        self.speed = speed
        self._origin = datetime.now(UTC)
        self._ticks = time.monotonic()

    def now(self) -> datetime:
        return self._origin + timedelta(seconds=(time.monotonic() - self._ticks) * self.speed)

    def seconds_until(self, when: datetime) -> float:
        """Real seconds to wait until the clock shows ``when``; 0 when it is past."""
        return max(0.0, (when - self.now()).total_seconds() / self.speed)


class SimulatedClock:
    """A clock that moves only when ``Loop.advance`` moves it."""

    def __init__(self, start: datetime | str = "2026-01-01T00:00:00+00:00") -> None:
        self._now = _aware(datetime.fromisoformat(start) if isinstance(start, str) else start)

    def now(self) -> datetime:
        return self._now

    def set(self, when: datetime) -> None:
        """Move the clock forward; a time that is past leaves it where it is."""
        self._now = max(self._now, _aware(when))


def _aware(when: datetime) -> datetime:
    if when.tzinfo is None:
        raise InvocationError(
            f"The time {when.isoformat()} has no time zone.", mend="Add one, for example +00:00."
        )
    return when.astimezone(UTC)
