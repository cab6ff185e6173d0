"""Where the state of a partition is kept."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate import (
    DailyPartitionsDefinition,
    HourlyPartitionsDefinition,
    MultiPartitionsDefinition,
    StaticPartitionsDefinition,
    TimeWindowPartitionsDefinition,
    WeeklyPartitionsDefinition,
)
from tidegate.domain.partitions.definition import PartitionKeyRange
from tidegate.domain.partitions.state import key_of, place_of, places_of_windows

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WINDOWS = [
    DailyPartitionsDefinition("2022-01-01"),
    HourlyPartitionsDefinition("2024-10-20-00:00", timezone="America/New_York"),
    WeeklyPartitionsDefinition("2020-01-01", day_offset=3),
    TimeWindowPartitionsDefinition(
        start="2025-01-01", fmt="%Y-%m-%d-%H", cron_schedule="0 9,17 * * 1-5"
    ),
]


@pytest.mark.parametrize("definition", WINDOWS)
def test_places_of_a_range_of_windows_are_those_of_its_keys(definition: Any) -> None:
    keys = definition.get_partition_keys(NOW)[3:1500]

    numbers = definition.subset_of_range(PartitionKeyRange(keys[0], keys[-1]), NOW)

    assert places_of_windows(definition, numbers) == [place_of(definition, key) for key in keys]


@pytest.mark.parametrize(
    "definition",
    [
        *WINDOWS,
        StaticPartitionsDefinition(["de", "fr", "7"]),
        MultiPartitionsDefinition(
            {"country": StaticPartitionsDefinition(["de", "fr"]), "day": WINDOWS[0]}
        ),
        MultiPartitionsDefinition(
            {
                "country": StaticPartitionsDefinition(["1", "2"]),
                "size": StaticPartitionsDefinition(["3", "4"]),
            }
        ),
    ],
)
def test_the_key_of_a_place_is_the_one_it_is_for(definition: Any) -> None:
    for key in [*definition.get_partition_keys(NOW)][:40]:
        place = place_of(definition, key)

        assert place is not None
        assert key_of(definition, place.row, str(place.member)) == key
