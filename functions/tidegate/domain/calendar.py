"""Regular points in time, as clocks on a wall show them: each hour, day, week or month, in a time
zone.

Where clocks are put forward, a time that is left out moves to the end of the gap, and hourly points
of the gap do not exist. Where they are put back, a time that comes twice counts at its second
coming, and hourly at both.

Each point has a slot, a whole number that never changes and grows with time, from 0 on. Not each slot has a point: a month may lack the
day. Sets of windows are sets of slots.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import takewhile
from math import gcd
from typing import Protocol
from zoneinfo import ZoneInfo

from tidegate.domain.cron import Cron
from tidegate.domain.partitions.partition_set import PartitionSet

_START = datetime(1, 1, 1, tzinfo=UTC)
_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1)
_SUNDAY = datetime(1970, 1, 4)
_YEARS = range(1, 9999)


class Points(Protocol):
    """Points in time, each with a slot."""

    zone: str

    def local(self, point: datetime) -> datetime:
        """The time on the wall."""

    def instant(self, wall: datetime) -> datetime:
        """When a naive time on the wall is first shown, in UTC."""

    def forward(self, start: datetime) -> Iterator[datetime]:
        """Points at or after ``start``, in UTC, as far as the calendar goes."""

    def backward(self, end: datetime) -> Iterator[datetime]:
        """Points before ``end``, latest first."""

    def slot(self, point: datetime) -> int:
        """The number of a point."""

    def at(self, slot: int) -> datetime | None:
        """The point with this number."""

    def slots(self, first: int, last: int) -> PartitionSet:
        """Slots from ``first`` to ``last``, both included, that have a point."""


class ScheduleType(StrEnum):
    HOURLY = "HOURLY"
    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"


@dataclass(frozen=True, kw_only=True)
class _Zoned:
    zone: str = "UTC"

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def local(self, point: datetime) -> datetime:
        return point.astimezone(self._zone)

    def instant(self, wall: datetime) -> datetime:
        return wall.replace(tzinfo=self._zone, fold=0).astimezone(UTC)

    def _shown(self, wall: datetime, *, hourly: bool) -> tuple[datetime, ...]:
        """The instants at which a naive time is a point: one, two where hours repeat, none where there is none."""
        if self.zone == "UTC":
            return (wall.replace(tzinfo=UTC),)
        early = wall.replace(tzinfo=self._zone, fold=0).utcoffset()
        late = wall.replace(tzinfo=self._zone, fold=1).utcoffset()
        assert early is not None and late is not None
        point = (wall - early).replace(tzinfo=UTC)
        if early == late:
            return (point,)
        other = (wall - late).replace(tzinfo=UTC)
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

    def _shifts_by(self, first: datetime, last: datetime, unit: timedelta) -> bool:
        """All that clocks are put forward or back by, from one moment to another, are multiples of ``unit``."""
        if self.zone == "UTC":
            return True
        known = self.local(first).utcoffset()
        while first <= last:
            offset = self.local(first).utcoffset()
            assert offset is not None and known is not None
            if (offset - known) % unit:
                return False
            first += timedelta(days=7)
        return True


@dataclass(frozen=True, kw_only=True)
class Calendar(_Zoned):
    """Points at ``minute`` of each hour; or at ``hour:minute`` of each day, of the week's ``day``
    (0 is Sunday), or of the month's ``day``, left out in months that have no such day."""

    every: ScheduleType
    minute: int = 0
    hour: int = 0
    day: int = 0

    def slot(self, point: datetime) -> int:
        if self.every is ScheduleType.HOURLY:
            return (point - _START) // _HOUR
        near = self._number(point)
        number = next(n for n in range(near - 2, near + 3) if point in (self._points(n) or ()))
        return number + self._origin

    def at(self, slot: int) -> datetime | None:
        if self.every is not ScheduleType.HOURLY:
            return next(iter(self._points(slot - self._origin) or ()), None)
        hour = _START + slot * _HOUR
        found = next(self.forward(hour), None)
        return found if found is not None and found < hour + _HOUR else None

    def slots(self, first: int, last: int) -> PartitionSet:
        if last < first:
            return PartitionSet()
        if self.every is ScheduleType.HOURLY:
            if self._shifts_by(_START + first * _HOUR, _START + last * _HOUR, _HOUR):
                return PartitionSet.range(first, last + 1)
        elif self.every is not ScheduleType.MONTHLY or self.day <= 28:
            return PartitionSet.range(first, last + 1)
        return PartitionSet.of(one for one in range(first, last + 1) if self.at(one) is not None)

    @property
    def _origin(self) -> int:
        """What is added to a number, so that slots begin at 0."""
        return {
            ScheduleType.DAILY: (_EPOCH - datetime(1, 1, 1)).days,
            ScheduleType.WEEKLY: (_SUNDAY - datetime(1, 1, 1)).days // 7 + 1,
        }.get(self.every, 0)

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
        return self._shown(wall, hourly=self.every is ScheduleType.HOURLY)


@dataclass(frozen=True, kw_only=True)
class CronCalendar(_Zoned):
    """The points of a cron expression. One whose hours are all hours is hourly: its points come again in an hour that comes twice."""

    cron: Cron

    @cached_property
    def _unit(self) -> int:
        """Minutes from one slot to the next, of one that is hourly."""
        return gcd(*(one - self.cron.minutes[0] for one in self.cron.minutes), 60)

    def forward(self, start: datetime) -> Iterator[datetime]:
        day = self.local(start).date() - timedelta(days=min(1, self.local(start).toordinal() - 1))
        last: datetime | None = None
        while True:
            for point in self._day(day):
                if point >= start and point != last:
                    last = point
                    yield point
            if day >= _LAST_DAY:
                return
            day += timedelta(days=1)

    def backward(self, end: datetime) -> Iterator[datetime]:
        day = min(self.local(end).date() + timedelta(days=1), _LAST_DAY)
        last: datetime | None = None
        while day > date.min:
            for point in reversed(self._day(day)):
                if point < end and point != last:
                    last = point
                    yield point
            day -= timedelta(days=1)

    def slot(self, point: datetime) -> int:
        if self.cron.every_hour:
            return (point - _START) // (self._unit * _MINUTE)
        wall = self.local(point).date()
        near = (wall + timedelta(days=move) for move in (0, -1, 1))
        return next(number for day in near for number, one in self._numbered(day) if one == point)

    def at(self, slot: int) -> datetime | None:
        if self.cron.every_hour:
            unit = self._unit * _MINUTE
            found = next(self.forward(_START + slot * unit), None)
            return found if found is not None and found < _START + (slot + 1) * unit else None
        day = date.fromordinal(slot // len(self.cron.times) + 1)
        return next((one for number, one in self._numbered(day) if number == slot), None)

    def slots(self, first: int, last: int) -> PartitionSet:
        if last < first:
            return PartitionSet()
        if self.cron.every_hour:
            unit = self._unit * _MINUTE
            low, high = _START + first * unit, _START + last * unit
            is_even = len(self.cron.minutes) * self._unit == 60
            if is_even and self.cron.every_day and self._shifts_by(low, high, unit):
                return PartitionSet.range(first, last + 1)
            points = takewhile(lambda one: one < high + unit, self.forward(low))
            return PartitionSet.of(self.slot(one) for one in points)
        width = len(self.cron.times)
        days = range(first // width, last // width + 1)
        found = (number for day in days for number, _ in self._numbered(date.fromordinal(day + 1)))
        return PartitionSet.of(one for one in found if first <= one <= last)

    def _numbered(self, day: date) -> list[tuple[int, datetime]]:
        """Points that are named by times of a day, with their slots; times of a gap are one point, its end."""
        if not self.cron.has_day(day):
            return []
        base = (day.toordinal() - 1) * len(self.cron.times)
        found: list[tuple[int, datetime]] = []
        midnight = datetime(day.year, day.month, day.day)
        for number, minutes in enumerate(self.cron.times):
            shown = self._shown(midnight + minutes * _MINUTE, hourly=False)
            if not found or found[-1][1] != shown[0]:
                found.append((base + number, shown[0]))
        return found

    def _day(self, day: date) -> list[datetime]:
        if not self.cron.every_hour:
            return sorted({point for _, point in self._numbered(day)})
        if not self.cron.has_day(day):
            return []
        midnight = datetime(day.year, day.month, day.day)
        return sorted(
            point
            for minutes in self.cron.times
            for point in self._shown(midnight + minutes * _MINUTE, hourly=True)
        )


_LAST_DAY = date(9998, 12, 30)
