"""Partitions, as users declare them: the definitions of ``domain``, with refusals that name file
and line."""

from __future__ import annotations

import functools
from typing import Any

from tidegate.domain.calendar import ScheduleType
from tidegate.domain.multi_partitions import MultiPartitionKey, MultiPartitionsDefinition
from tidegate.domain.partitions import (
    DynamicPartitionsDefinition,
    PartitionKeyRange,
    PartitionsDefinition,
    StaticPartitionsDefinition,
    TimeWindow,
)
from tidegate.domain.regular_partitions import (
    DailyPartitionsDefinition,
    HourlyPartitionsDefinition,
    MonthlyPartitionsDefinition,
    WeeklyPartitionsDefinition,
)
from tidegate.domain.time_window import TimeWindowPartitionsDefinition
from tidegate.errors import DefinitionError
from tidegate.sdk.declaration import at, caller_source, known_arguments

__all__ = [
    "DailyPartitionsDefinition",
    "DynamicPartitionsDefinition",
    "HourlyPartitionsDefinition",
    "MonthlyPartitionsDefinition",
    "MultiPartitionKey",
    "MultiPartitionsDefinition",
    "PartitionKeyRange",
    "PartitionsDefinition",
    "ScheduleType",
    "StaticPartitionsDefinition",
    "TimeWindow",
    "TimeWindowPartitionsDefinition",
    "WeeklyPartitionsDefinition",
]


def _located(kind: type) -> None:
    """Let a class of ``domain``, which knows no files, say where a wrong definition stands."""
    declare = kind.__init__  # type: ignore[misc]

    @functools.wraps(declare)
    def located(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            declare(self, *args, **kwargs)
        except DefinitionError as error:
            if "(" in error.message.partition(" has ")[0]:
                raise
            name, has, rest = error.message.partition(" has ")
            raise DefinitionError(
                f"{name}{at(caller_source())}{has}{rest}", mend=error.mend
            ) from None

    kind.__init__ = located  # type: ignore[misc]
    known_arguments(kind)


for _kind in (
    DynamicPartitionsDefinition,
    MultiPartitionsDefinition,
    StaticPartitionsDefinition,
    TimeWindowPartitionsDefinition,
    HourlyPartitionsDefinition,
    DailyPartitionsDefinition,
    WeeklyPartitionsDefinition,
    MonthlyPartitionsDefinition,
):
    _located(_kind)
