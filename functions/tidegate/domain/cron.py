"""Cron expressions: five fields, or a name such as ``@daily``. Which days they mean, and at which times of day."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import NoReturn

from tidegate.errors import DefinitionError

_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {
    name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))
}
_ITEM = re.compile(r"(\*|\?|[a-z0-9]+)(?:-([a-z0-9]+))?(?:/(\d+))?")
_NTH = re.compile(r"([a-z0-9]+)#([1-5])")
_LAST = re.compile(r"l([a-z0-9]+)")


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    lowest: int
    highest: int
    names: dict[str, int]


_MINUTE = _Field("minute", 0, 59, {})
_HOUR = _Field("hour", 0, 23, {})
_DAY = _Field("day of month", 1, 31, {})
_MONTH = _Field("month", 1, 12, _MONTHS)
_WEEKDAY = _Field("day of week", 0, 7, _DAYS)


@dataclass(frozen=True, kw_only=True)
class Cron:
    """A parsed expression. Where day of month and day of week are both restricted, either will do."""

    text: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int] | None
    """None: any. Negative: counted from the end of the month."""
    months: frozenset[int]
    weekdays: frozenset[int] | None
    """0 is Sunday; None: any."""
    nth_weekdays: frozenset[tuple[int, int]] = frozenset()
    """(weekday, n-th of the month); -1 is the last."""

    @property
    def every_hour(self) -> bool:
        return len(self.hours) == 24

    @property
    def every_day(self) -> bool:
        return self.days is None and not self._names_weekdays and len(self.months) == 12

    @cached_property
    def times(self) -> tuple[int, ...]:
        """Minutes of the day."""
        return tuple(hour * 60 + minute for hour in self.hours for minute in self.minutes)

    @property
    def _names_weekdays(self) -> bool:
        return self.weekdays is not None or bool(self.nth_weekdays)

    def has_day(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        if self.days is None and not self._names_weekdays:
            return True
        return self._is_day(day) or self._is_weekday(day)

    def _is_day(self, day: date) -> bool:
        if self.days is None:
            return False
        length = calendar.monthrange(day.year, day.month)[1]
        return day.day in self.days or day.day - length - 1 in self.days

    def _is_weekday(self, day: date) -> bool:
        weekday = day.isoweekday() % 7
        if self.weekdays is not None and weekday in self.weekdays:
            return True
        if not self.nth_weekdays:
            return False
        length = calendar.monthrange(day.year, day.month)[1]
        nth = (day.day - 1) // 7 + 1
        is_last = day.day + 7 > length
        return (weekday, nth) in self.nth_weekdays or is_last and (weekday, -1) in self.nth_weekdays


def parse_cron(text: object) -> Cron:
    """
    Raises:
        DefinitionError: it is no cron expression of five fields, or names a day that never comes.
    """
    if not isinstance(text, str):
        _refuse(text, "it is not text")
    plain = _ALIASES.get(text.strip().lower(), text.strip()).lower()
    fields = plain.split()
    if len(fields) != 5:
        _refuse(text, f"it has {len(fields)} fields")

    def read(field: _Field, written: str) -> frozenset[int]:
        return _read(field, written, lambda why: _refuse(text, why))

    minutes, hours = read(_MINUTE, fields[0]), read(_HOUR, fields[1])
    months = read(_MONTH, fields[3])
    days = None if fields[2] in ("*", "?") else _days(fields[2], read)
    weekdays, nth = _weekdays(fields[4], read)
    if days is not None and weekdays is None and not nth and not _comes(days, months):
        _refuse(text, "that day never comes")
    return Cron(
        text=text.strip(),
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=days,
        months=months,
        weekdays=weekdays,
        nth_weekdays=nth,
    )


_Reader = Callable[[_Field, str], frozenset[int]]


def _days(written: str, read: _Reader) -> frozenset[int]:
    items = written.split(",")
    found = {-1} if "l" in items else set[int]()
    rest = ",".join(one for one in items if one != "l")
    return frozenset(found | read(_DAY, rest)) if rest else frozenset(found)


def _weekdays(
    written: str, read: _Reader
) -> tuple[frozenset[int] | None, frozenset[tuple[int, int]]]:
    if written in ("*", "?"):
        return None, frozenset()
    plain, nth = [], set()
    for item in written.split(","):
        found, last = _NTH.fullmatch(item), _LAST.fullmatch(item)
        if found is not None:
            nth |= {(one % 7, int(found[2])) for one in read(_WEEKDAY, found[1])}
        elif last is not None:
            nth |= {(one % 7, -1) for one in read(_WEEKDAY, last[1])}
        else:
            plain.append(item)
    if not plain:
        return None, frozenset(nth)
    return frozenset(one % 7 for one in read(_WEEKDAY, ",".join(plain))), frozenset(nth)


def _read(field: _Field, written: str, refuse: Callable[[str], NoReturn]) -> frozenset[int]:
    found: set[int] = set()
    for item in written.split(","):
        parts = _ITEM.fullmatch(item)
        if parts is None:
            refuse(f"{item!r} is no {field.name}")
        first, last, step = parts.groups()
        if first in ("*", "?"):
            if last is not None:
                refuse(f"{item!r} is no {field.name}")
            low, high = field.lowest, 6 if field is _WEEKDAY else field.highest
        else:
            low = _number(field, first, refuse)
            high = low if last is None else _number(field, last, refuse)
            if last is None and step is not None:
                high = field.highest
        if step == "0" or high < low:
            refuse(f"{item!r} is no {field.name}")
        found |= set(range(low, high + 1, int(step or 1)))
    return frozenset(found)


def _number(field: _Field, written: str, refuse: Callable[[str], NoReturn]) -> int:
    number = field.names.get(written[:3] if written.isalpha() else written)
    if number is None and written.isdecimal():
        number = int(written)
    if number is None or not field.lowest <= number <= field.highest:
        refuse(f"{written!r} is no {field.name} ({field.lowest} to {field.highest})")
    return number


def _comes(days: frozenset[int], months: Sequence[int] | frozenset[int]) -> bool:
    return any(
        day <= calendar.monthrange(2024, month)[1] and day >= -31
        for day in days
        for month in months
    )


def _refuse(text: object, why: str) -> NoReturn:
    raise DefinitionError(
        f"{text!r} is no cron expression: {why}.",
        mend="Use five fields, minute hour day month weekday, such as `0 6 * * 1-5`.",
    )
