"""The dynamic keys of which a range is made are enough to know the range, and none too many."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tidegate import (
    DailyPartitionsDefinition,
    DynamicPartitionsDefinition,
    MultiPartitionsDefinition,
    StaticPartitionsDefinition,
)
from tidegate.domain.partitions.definition import PartitionKeyRange, PartitionsDefinition
from tidegate.domain.partitions.range_keys import keys_of_range
from tidegate.errors import InvocationError, UnknownPartitionError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CUSTOMERS = DynamicPartitionsDefinition(name="customers")
DAYS = DailyPartitionsDefinition("2025-01-01", end_date="2025-01-05")
KNOWN = {"customers": {"d": 3, "a": 5, "c": 6, "b": 9}, "shops": {"x": 0, "y": 1}}


@pytest.mark.parametrize(
    ("definition", "start", "end", "expected"),
    [
        (CUSTOMERS, "d", "c", {"customers": ["d", "a", "c"]}),
        (CUSTOMERS, "b", "b", {"customers": ["b"]}),
        (DAYS, "2025-01-01", "2025-01-03", {}),
        (
            MultiPartitionsDefinition({"who": CUSTOMERS, "when": DAYS}),
            "2025-01-02|a",
            "2025-01-03|b",
            {"customers": ["a", "c", "b"]},
        ),
        (
            MultiPartitionsDefinition(
                {
                    "of": CUSTOMERS,
                    "to": CUSTOMERS,
                    "in": DynamicPartitionsDefinition(name="shops"),
                    "kind": StaticPartitionsDefinition(["k", "l"]),
                }
            ),
            "x|k|a|d",
            "x|l|c|a",
            {"customers": ["d", "a", "c"], "shops": ["x"]},
        ),
    ],
)
def test_a_range_is_the_same_with_its_own_keys_alone(
    definition: PartitionsDefinition, start: str, end: str, expected: dict[str, list[str]]
) -> None:
    given = PartitionKeyRange(start, end)

    keys = keys_of_range(definition, given, KNOWN)

    assert keys == expected
    with_all = definition.get_partition_keys_in_range(given, NOW, KNOWN)
    assert list(definition.get_partition_keys_in_range(given, NOW, keys)) == list(with_all)
    assert keys_of_range(definition, given, keys) == keys


@pytest.mark.parametrize(
    ("start", "end", "error"),
    [("a", "z", UnknownPartitionError), ("b", "a", InvocationError)],
)
def test_what_is_no_range_is_refused(start: str, end: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        keys_of_range(CUSTOMERS, PartitionKeyRange(start, end), KNOWN)
