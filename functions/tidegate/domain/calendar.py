"""Regular points in time, as clocks on a wall show them: each hour, day, week or month, in a time
zone.

Where clocks are put forward, a time that is left out moves to the end of the gap, and hourly points
of the gap do not exist. Where they are put back, a time that comes twice counts at its second
coming, and hourly at both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1)
_SUNDAY = datetime(1970, 1, 4)
_YEARS = range(1, 9999)


class ScheduleType(StrEnum):
    HOURLY = "HOURLY"
    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """Points at ``minute`` of each hour; or at ``hour:minute`` of each day, of the week's ``day``
    (0 is Sunday), or of the month's ``day``, left out in months that have no such day."""

    every: ScheduleType
    zone: str = "UTC"
    minute: int = 0
    hour: int = 0
    day: int = 0

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def local(self, point: datetime) -> datetime:
        """The time on the wall."""
        return point.astimezone(self._zone)

    def instant(self, wall: datetime) -> datetime:
        """When a naive time on the wall is first shown, in UTC."""
        return wall.replace(tzinfo=self._zone, fold=0).astimezone(UTC)

    def forward(self, start: datetime) -> Iterator[datetime]:
        """Points at or after ``start``, in UTC, as far as the calendar goes."""
        number = self._number(start) - 2
        while (points := self._points(number)) is not None:
            for point in points:
                if point >= start:
                    yield point
            number += 1

    def backward(self, end: datetime) -> Iterator[datetime]:
        """Points before ``end``, latest first."""
        number = self._number(end) + 2
        while (points := self._points(number)) is not None:
            for point in reversed(points):
                if point < end:
                    yield point
            number -= 1

    def _number(self, point: datetime) -> int:
        """Roughly, within two, which point it is."""
        wall = self.local(point).replace(tzinfo=None)
        if self.every is ScheduleType.HOURLY:
            return (wall - _EPOCH) // timedelta(hours=1)
        if self.every is ScheduleType.DAILY:
            return (wall - _EPOCH).days
        if self.every is ScheduleType.WEEKLY:
            return (wall - _SUNDAY).days // 7
        return wall.year * 12 + wall.month - 1

    def _wall(self, number: int) -> datetime | None:
        """The naive time of the n-th point; None in a month without the day."""
        if self.every is ScheduleType.HOURLY:
            return _EPOCH + timedelta(hours=number, minutes=self.minute)
        clock = timedelta(hours=self.hour, minutes=self.minute)
        if self.every is ScheduleType.DAILY:
            return _EPOCH + timedelta(days=number) + clock
        if self.every is ScheduleType.WEEKLY:
            return _SUNDAY + timedelta(days=7 * number + self.day) + clock
        try:
            return datetime(number // 12, number % 12 + 1, self.day) + clock
        except ValueError:
            return None

    def _points(self, number: int) -> tuple[datetime, ...] | None:
        """The instants of the n-th point: one, two where hours repeat, none where there is none;
        None beyond the years that can be told."""
        try:
            wall = self._wall(number)
        except OverflowError:
            return None
        if wall is None:
            return () if number // 12 in _YEARS else None
        if wall.year not in _YEARS:
            return None
        if self.zone == "UTC":
            return (wall.replace(tzinfo=UTC),)
        early = wall.replace(tzinfo=self._zone, fold=0).utcoffset()
        late = wall.replace(tzinfo=self._zone, fold=1).utcoffset()
        assert early is not None and late is not None
        point = (wall - early).replace(tzinfo=UTC)
        if early == late:
            return (point,)
        other = (wall - late).replace(tzinfo=UTC)
        hourly = self.every is ScheduleType.HOURLY
        if early > late:
            return (point, other) if hourly else (other,)
        return () if hourly else (self._end_of_gap(other, point),)

    def _end_of_gap(self, before: datetime, after: datetime) -> datetime:
        """The moment, between two instants, at which clocks are put forward."""
        offset = self.local(before).utcoffset()
        while after - before > timedelta(seconds=1):
            middle = before + (after - before) // 2
            if self.local(middle).utcoffset() == offset:
                before = middle
            else:
                after = middle
        return after.replace(microsecond=0)
