"""Partitions of each hour, day, week or month: time windows under shorter names."""

from __future__ import annotations

from datetime import datetime

from tidegate.domain.calendar import ScheduleType
from tidegate.domain.partitions.time_window import TimeWindowPartitionsDefinition

DAY_FORMAT = "%Y-%m-%d"
HOUR_FORMAT = "%Y-%m-%d-%H:%M"


class HourlyPartitionsDefinition(TimeWindowPartitionsDefinition):
    """Hours, ``2024-01-31-13:00``."""

    def __init__(
        self,
        start_date: datetime | str,
        end_date: datetime | str | None = None,
        minute_offset: int = 0,
        timezone: str | None = None,
        fmt: str | None = None,
        end_offset: int = 0,
    ) -> None:
        super().__init__(
            start=start_date,
            end=end_date,
            fmt=fmt or HOUR_FORMAT,
            schedule_type=ScheduleType.HOURLY,
            minute_offset=minute_offset,
            timezone=timezone,
            end_offset=end_offset,
        )


class DailyPartitionsDefinition(TimeWindowPartitionsDefinition):
    """Days, ``2024-01-31``."""

    def __init__(
        self,
        start_date: datetime | str,
        end_date: datetime | str | None = None,
        minute_offset: int = 0,
        hour_offset: int = 0,
        timezone: str | None = None,
        fmt: str | None = None,
        end_offset: int = 0,
    ) -> None:
        super().__init__(
            start=start_date,
            end=end_date,
            fmt=fmt or DAY_FORMAT,
            schedule_type=ScheduleType.DAILY,
            minute_offset=minute_offset,
            hour_offset=hour_offset,
            timezone=timezone,
            end_offset=end_offset,
        )


class WeeklyPartitionsDefinition(TimeWindowPartitionsDefinition):
    """Weeks from ``day_offset`` on (0 is Sunday), ``2024-01-28``."""

    def __init__(
        self,
        start_date: datetime | str,
        end_date: datetime | str | None = None,
        minute_offset: int = 0,
        hour_offset: int = 0,
        day_offset: int = 0,
        timezone: str | None = None,
        fmt: str | None = None,
        end_offset: int = 0,
    ) -> None:
        super().__init__(
            start=start_date,
            end=end_date,
            fmt=fmt or DAY_FORMAT,
            schedule_type=ScheduleType.WEEKLY,
            minute_offset=minute_offset,
            hour_offset=hour_offset,
            day_offset=day_offset,
            timezone=timezone,
            end_offset=end_offset,
        )


class MonthlyPartitionsDefinition(TimeWindowPartitionsDefinition):
    """Months from ``day_offset`` on (1 is the first), ``2024-01-01``."""

    def __init__(
        self,
        start_date: datetime | str,
        end_date: datetime | str | None = None,
        minute_offset: int = 0,
        hour_offset: int = 0,
        day_offset: int = 1,
        timezone: str | None = None,
        fmt: str | None = None,
        end_offset: int = 0,
    ) -> None:
        super().__init__(
            start=start_date,
            end=end_date,
            fmt=fmt or DAY_FORMAT,
            schedule_type=ScheduleType.MONTHLY,
            minute_offset=minute_offset,
            hour_offset=hour_offset,
            day_offset=day_offset,
            timezone=timezone,
            end_offset=end_offset,
        )
