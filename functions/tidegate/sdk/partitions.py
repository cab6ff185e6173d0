"""Partitions, as users declare them: the definitions of ``domain``, with refusals that name file
and line."""

from __future__ import annotations

import functools
from typing import Any

from tidegate.domain.backfills.policy import BackfillPolicy
from tidegate.domain.calendar import ScheduleType
from tidegate.domain.partitions.definition import (
    PartitionKeyRange,
    PartitionsDefinition,
    StaticPartitionsDefinition,
    TimeWindow,
)
from tidegate.domain.partitions.dimension_mapping import (
    DimensionPartitionMapping,
    MultiPartitionMapping,
    MultiToSingleDimensionPartitionMapping,
)
from tidegate.domain.partitions.dynamic import DynamicPartitionsDefinition
from tidegate.domain.partitions.mapping import (
    AllPartitionMapping,
    IdentityPartitionMapping,
    LastPartitionMapping,
    PartitionMapping,
    SpecificPartitionsPartitionMapping,
    StaticPartitionMapping,
)
from tidegate.domain.partitions.multi import MultiPartitionKey, MultiPartitionsDefinition
from tidegate.domain.partitions.regular import (
    DailyPartitionsDefinition,
    HourlyPartitionsDefinition,
    MonthlyPartitionsDefinition,
    WeeklyPartitionsDefinition,
)
from tidegate.domain.partitions.time_mapping import TimeWindowPartitionMapping
from tidegate.domain.partitions.time_window import TimeWindowPartitionsDefinition
from tidegate.errors import DefinitionError
from tidegate.sdk.declaration import at, caller_source, known_arguments

__all__ = [
    "AllPartitionMapping",
    "BackfillPolicy",
    "DailyPartitionsDefinition",
    "DimensionPartitionMapping",
    "DynamicPartitionsDefinition",
    "HourlyPartitionsDefinition",
    "IdentityPartitionMapping",
    "LastPartitionMapping",
    "MonthlyPartitionsDefinition",
    "MultiPartitionKey",
    "MultiPartitionMapping",
    "MultiPartitionsDefinition",
    "MultiToSingleDimensionPartitionMapping",
    "PartitionKeyRange",
    "PartitionMapping",
    "PartitionsDefinition",
    "ScheduleType",
    "SpecificPartitionsPartitionMapping",
    "StaticPartitionMapping",
    "StaticPartitionsDefinition",
    "TimeWindow",
    "TimeWindowPartitionMapping",
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

for _other in (
    BackfillPolicy,
    DimensionPartitionMapping,
    MultiPartitionMapping,
    MultiToSingleDimensionPartitionMapping,
    SpecificPartitionsPartitionMapping,
    StaticPartitionMapping,
    TimeWindowPartitionMapping,
):
    known_arguments(_other)
