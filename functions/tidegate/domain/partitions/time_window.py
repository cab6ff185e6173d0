"""Partitions that are windows of time: each hour, day, week or month from a start, or by a cron expression."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise, takewhile
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from tidegate.domain.calendar import Calendar, CronCalendar, ScheduleType
from tidegate.domain.cron import parse_cron
from tidegate.domain.partitions.definition import DynamicKeys, PartitionsDefinition, TimeWindow
from tidegate.domain.partitions.partition_set import PartitionSet
from tidegate.errors import DefinitionError, InvocationError, UnknownPartitionError

_YEARS = range(1000, 9001)
_OFFSET = re.compile(r"[+-]\d{4}")
_LOWEST_DAY = {ScheduleType.MONTHLY: 1}
_HIGHEST_DAY = {ScheduleType.MONTHLY: 31, ScheduleType.WEEKLY: 6}


class TimeWindowPartitionsDefinition(PartitionsDefinition):
    """Windows from each point of a calendar to the next. The key of a window is its start, written
    with ``fmt``.

    Args:
        start: The first window starts at the first point at or after it. Text is read with ``fmt``,
            or as an ISO date.
        schedule_type: Or ``cron_schedule``, any cron expression.
        end: No window ends after it.
        timezone: An IANA name. Naive times are of this zone.
        end_offset: How many windows more, or fewer, than those that have ended.

    Raises:
        DefinitionError: an argument makes no sense, or ``fmt`` cannot tell windows apart.
    """

    def __init__(
        self,
        start: datetime | str,
        fmt: str,
        schedule_type: ScheduleType | str | None = None,
        end: datetime | str | None = None,
        timezone: str | None = None,
        end_offset: int = 0,
        minute_offset: int = 0,
        hour_offset: int = 0,
        day_offset: int | None = None,
        cron_schedule: str | None = None,
    ) -> None:
        self._name = type(self).__name__
        self.fmt = fmt
        self.timezone = self._zone(timezone or "UTC")
        self.end_offset = self._whole("end_offset", end_offset, -(10**6), 10**6)
        if (schedule_type is None) == (cron_schedule is None):
            self._refuse(
                "either schedule_type or cron_schedule missing, or both given", "Give one."
            )
        if cron_schedule is not None:
            if minute_offset or hour_offset or day_offset is not None:
                self._refuse("offsets beside cron_schedule", "Put them into the cron.")
            self.calendar: Calendar | CronCalendar = self._of_cron(cron_schedule)
        else:
            self.calendar = self._of_offsets(schedule_type, minute_offset, hour_offset, day_offset)
        self._stopped: tuple[datetime, datetime | None] | None = None
        self._last_space: TimeSpace | None = None
        self.start = self._time("start", start)
        self.end = None if end is None else self._time("end", end)
        self._check_format()

    @property
    def schedule_type(self) -> ScheduleType | None:
        """None: it goes by a cron expression that is of no such type."""
        return self.calendar.every if isinstance(self.calendar, Calendar) else None

    @property
    def cron_schedule(self) -> str:
        one = self.calendar
        if isinstance(one, CronCalendar):
            return one.cron.text
        return {
            ScheduleType.HOURLY: f"{one.minute} * * * *",
            ScheduleType.DAILY: f"{one.minute} {one.hour} * * *",
            ScheduleType.WEEKLY: f"{one.minute} {one.hour} * * {one.day}",
            ScheduleType.MONTHLY: f"{one.minute} {one.hour} {one.day} * *",
        }[one.every]

    def space(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> TimeSpace:
        stop, known = self._stop(current_time), self._last_space
        if known is None or known.stop != stop:
            known = self._last_space = TimeSpace(self, stop)
        return known

    def get_partition_keys(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> list[str]:
        stop = self._stop(current_time)
        if stop is None:
            return []
        points = takewhile(lambda point: point < stop, self.calendar.forward(self.start))
        return [self.key_at(point) for point in points]

    def has_partition_key(
        self,
        partition_key: str,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> bool:
        stop, point = self._stop(current_time), self.point_of(partition_key)
        return stop is not None and point is not None and self.first_point <= point < stop

    def time_window_for_partition_key(self, partition_key: str) -> TimeWindow:
        """The window of a key, whether or not it has ended.

        Raises:
            UnknownPartitionError: no window has this key.
        """
        point = self.point_of(partition_key)
        if point is None or point < self.first_point:
            raise UnknownPartitionError(
                f"There is no partition {partition_key!r}.",
                mend=f"Keys are written {self.fmt}, from {self.key_at(self.first_point)!r} on.",
            )
        _, end = self.two_from(point)
        return TimeWindow(self.calendar.local(point), self.calendar.local(end))

    def get_partition_key_for_timestamp(self, timestamp: datetime) -> str:
        """The key of the window that a time is in."""
        if timestamp.tzinfo is None:
            timestamp = self.calendar.instant(timestamp)
        return self.key_at(next(self.calendar.backward(timestamp + timedelta(microseconds=1))))

    def describe(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> str:
        first = self.get_first_partition_key(current_time)
        if first is None:
            return "There is no partition yet."
        last = self.get_last_partition_key(current_time)
        return f"Keys are written {self.fmt}, from {first!r} to {last!r}."

    def to_json(self) -> dict[str, Any]:
        one = self.calendar
        document: dict[str, Any] = {
            "kind": "time_window",
            "start": self.start.isoformat(),
            "end": None if self.end is None else self.end.isoformat(),
            "fmt": self.fmt,
            "timezone": self.timezone,
            "end_offset": self.end_offset,
        }
        if isinstance(one, CronCalendar):
            return document | {"cron_schedule": one.cron.text}
        return document | {
            "schedule_type": one.every.value,
            "minute_offset": one.minute,
            "hour_offset": one.hour,
            "day_offset": one.day,
        }

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> TimeWindowPartitionsDefinition:
        """The definition that ``to_json`` wrote."""
        end = document["end"]
        return TimeWindowPartitionsDefinition(
            start=datetime.fromisoformat(document["start"]),
            end=None if end is None else datetime.fromisoformat(end),
            **{name: document[name] for name in document if name not in ("kind", "start", "end")},
        )

    @cached_property
    def first_point(self) -> datetime:
        return next(self.calendar.forward(self.start))

    def _stop(self, current_time: datetime | None) -> datetime | None:
        """Where the last window ends; None when there is none. Asked of one moment again and again, it is worked out once."""
        if current_time is None or current_time.tzinfo is None:
            raise InvocationError(
                "The partitions of a time window depend on the time.",
                mend="Give current_time, an aware datetime.",
            )
        known = self._stopped
        if known is None or known[0] != current_time:
            known = self._stopped = (current_time, self._stop_at(current_time))
        return known[1]

    def _stop_at(self, current_time: datetime) -> datetime | None:
        last_end = self.end if self.end is not None and self.end < current_time else current_time
        stop = self._move(last_end, self.end_offset)
        if stop is not None and self.end is not None and stop > self.end:
            stop = self._move(self.end, 0)
        return stop

    def _move(self, time: datetime, windows: int) -> datetime | None:
        """The point at or before a time, moved by so many windows."""
        back = self.calendar.backward(time + timedelta(microseconds=1))
        if windows <= 0:
            return next((point for n, point in enumerate(back) if n == -windows), None)
        last = next(back)
        ahead = self.calendar.forward(last)
        return next((point for n, point in enumerate(ahead) if n == windows), None)

    def two_from(self, point: datetime) -> tuple[datetime, datetime]:
        return next(pairwise(self.calendar.forward(point)))

    def key_at(self, point: datetime) -> str:
        wall = self.calendar.local(point)
        text = wall.strftime(self.fmt)
        if wall.fold and self._is_hourly:
            return text + wall.strftime("%z")[:5]
        return text

    @property
    def _is_hourly(self) -> bool:
        one = self.calendar
        if isinstance(one, CronCalendar):
            return one.cron.every_hour
        return one.every is ScheduleType.HOURLY

    def point_of(self, key: str) -> datetime | None:
        """The start of the window with this key, if it is one's."""
        if not isinstance(key, str):
            return None
        for text in (key, key[:-5] if _OFFSET.fullmatch(key[-5:]) else None):
            try:
                wall = None if text is None else datetime.strptime(text, self.fmt)
                if wall is not None:
                    near: Iterator[datetime] = self.calendar.forward(self._instant(wall))
                    found = next((p for _, p in zip(range(3), near) if self.key_at(p) == key), None)
                    if found is not None:
                        return found
            except (ValueError, TypeError, OverflowError):
                continue
        return None

    def _instant(self, wall: datetime) -> datetime:
        return wall.astimezone(UTC) if wall.tzinfo is not None else self.calendar.instant(wall)

    def _check_format(self) -> None:
        try:
            first, second = self.two_from(self.first_point)
            same = self.key_at(first) == self.key_at(second)
        except (ValueError, TypeError, StopIteration) as error:
            self._refuse(
                f"fmt={self.fmt!r}, which cannot be used: {error}", "Use strftime's signs."
            )
        if same:
            self._refuse(
                f"fmt={self.fmt!r}, and two windows have the key {self.key_at(first)!r}",
                "Add what tells them apart.",
            )
        if self.point_of(self.key_at(first)) != first:
            self._refuse(
                f"fmt={self.fmt!r}, which does not say when {self.key_at(first)!r} is",
                "Let it hold year, month and day.",
            )

    def _time(self, name: str, value: Any) -> datetime:
        if isinstance(value, str):
            value = self._read(name, value)
        if not isinstance(value, datetime):
            self._refuse(f"{name}={value!r}", "Give a datetime, or text in the form of fmt.")
        if value.year not in _YEARS:
            self._refuse(f"{name}={value}", f"Use a year from {_YEARS[0]} to {_YEARS[-1]}.")
        return self._instant(value)

    def _read(self, name: str, text: str) -> datetime:
        with suppress(ValueError, TypeError):
            return datetime.strptime(text, self.fmt)
        with suppress(ValueError):
            return datetime.fromisoformat(text)
        self._refuse(f"{name}={text!r}, which is not of the form {self.fmt}", "Write it so.")

    def _zone(self, name: Any) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, TypeError, OSError, KeyError):
            self._refuse(f"timezone={name!r}", 'Use an IANA name, such as "Europe/Berlin".')
        return str(name)

    def _of_offsets(self, kind: Any, minute: Any, hour: Any, day: Any) -> Calendar:
        try:
            every = ScheduleType(kind)
        except ValueError:
            self._refuse(f"schedule_type={kind!r}", f"Use one of {', '.join(ScheduleType)}.")
        lowest = _LOWEST_DAY.get(every, 0)
        highest = _HIGHEST_DAY.get(every, 0)
        return Calendar(
            every=every,
            zone=self.timezone,
            minute=self._whole("minute_offset", minute, 0, 59),
            hour=self._whole("hour_offset", hour, 0, 0 if every is ScheduleType.HOURLY else 23),
            day=self._whole("day_offset", lowest if day is None else day, lowest, highest),
        )

    def _of_cron(self, text: Any) -> Calendar | CronCalendar:
        """The calendar of an expression; one that says each hour, day, week or month is that."""
        try:
            cron = parse_cron(text)
        except DefinitionError as error:
            self._refuse(
                f"cron_schedule={text!r}, which cannot be read: {error.message}", error.mend
            )
        minute, hour = cron.minutes[0], cron.hours[0]
        once = len(cron.minutes) == 1
        if once and cron.every_hour and cron.every_day:
            return self._of_offsets(ScheduleType.HOURLY, minute, 0, None)
        if once and len(cron.hours) == 1 and not cron.nth_weekdays and len(cron.months) == 12:
            if cron.every_day:
                return self._of_offsets(ScheduleType.DAILY, minute, hour, None)
            days, weekdays = sorted(cron.days or ()), sorted(cron.weekdays or ())
            if len(weekdays) == 1 and not days:
                return self._of_offsets(ScheduleType.WEEKLY, minute, hour, weekdays[0])
            if len(days) == 1 and days[0] > 0 and not weekdays:
                return self._of_offsets(ScheduleType.MONTHLY, minute, hour, days[0])
        return CronCalendar(cron=cron, zone=self.timezone)

    def _whole(self, name: str, value: Any, lowest: int, highest: int) -> int:
        if type(value) is not int or not lowest <= value <= highest:
            self._refuse(f"{name}={value!r}", f"Give a whole number from {lowest} to {highest}.")
        return int(value)

    def _refuse(self, what: str, mend: str) -> NoReturn:
        raise DefinitionError(f"{self._name} has {what}.", mend=mend)


class TimeSpace:
    """Windows by number: a window's is the slot of its start."""

    def __init__(self, definition: TimeWindowPartitionsDefinition, stop: datetime | None) -> None:
        self.definition = definition
        self.stop = stop

    @cached_property
    def everything(self) -> PartitionSet:
        points, first = self.definition.calendar, self.definition.first_point
        if self.stop is None or first >= self.stop:
            return PartitionSet()
        last = next(points.backward(self.stop))
        return points.slots(points.slot(first), points.slot(last))

    def number(self, key: str) -> int | None:
        point = self.definition.point_of(key)
        if point is None or self.stop is None:
            return None
        if not self.definition.first_point <= point < self.stop:
            return None
        return self.definition.calendar.slot(point)

    def key(self, number: int) -> str:
        return self.definition.key_at(self.start(number))

    def start(self, number: int) -> datetime:
        """When the window of a number starts."""
        point = self.definition.calendar.at(number)
        if point is None:
            raise UnknownPartitionError(f"There is no partition of the number {number}.")
        return point

    def end(self, number: int) -> datetime:
        return self.definition.two_from(self.start(number))[1]

    def overlapping(self, start: datetime, end: datetime) -> tuple[int, int] | None:
        """The numbers of the first and the last window, existing or not, that a span of time touches."""
        points = self.definition.calendar
        if end <= start:
            return None
        first = next(points.backward(start + timedelta(microseconds=1)))
        last = next(points.backward(end))
        return points.slot(first), points.slot(last)

    def step(self, number: int, by: int) -> int:
        """The number of the window that is ``by`` windows later."""
        if by == 0:
            return number
        points, at = self.definition.calendar, self.start(number)
        if by < 0:
            found = next(point for n, point in enumerate(points.backward(at), 1) if n == -by)
        else:
            found = next(point for n, point in enumerate(points.forward(at)) if n == by)
        return points.slot(found)
