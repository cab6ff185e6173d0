"""Partitions by name, and what all partitions have in common."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.domain.partitions.definition import (
    PartitionKeyRange,
    PartitionsDefinition,
    StaticPartitionsDefinition,
    from_json,
)
from tidegate.domain.partitions.regular import DailyPartitionsDefinition
from tidegate.errors import DefinitionError, InvocationError, UnknownPartitionError

NOW = datetime(2024, 3, 15, 10, 30, tzinfo=UTC)


def test_keys_keep_the_order_in_which_they_are_given() -> None:
    countries = StaticPartitionsDefinition(["fr", "de", "a,b/c"])

    assert list(countries.get_partition_keys()) == ["fr", "de", "a,b/c"]
    assert countries.get_first_partition_key() == "fr"
    assert countries.get_last_partition_key() == "a,b/c"
    assert countries.get_num_partitions() == 3
    assert countries.has_partition_key("de")
    assert not countries.has_partition_key("it")


@pytest.mark.parametrize(
    "bad", ["fr", ["a", "a"], ["a...b"], ["a\n"], ["a\0"], [""], [3], {"a"}, None]
)
def test_keys_are_distinct_texts_without_dots_in_a_row_or_control_characters(bad: Any) -> None:
    with pytest.raises(DefinitionError) as refused:
        StaticPartitionsDefinition(bad)

    assert refused.value.mend


def test_an_unknown_key_is_told_with_the_nearest() -> None:
    countries = StaticPartitionsDefinition(["germany", "france"])

    with pytest.raises(
        UnknownPartitionError, match=r"Did you mean 'germany'\? There are 'germany',"
    ):
        countries.validate_partition_key("germny")


def test_many_keys_are_told_by_their_ends() -> None:
    many = StaticPartitionsDefinition([f"k{n}" for n in range(1000)])

    assert many.describe() == "There are 1000: 'k0' to 'k999'."


def test_a_range_holds_both_of_its_ends() -> None:
    letters = StaticPartitionsDefinition(list("abcd"))

    assert list(letters.get_partition_keys_in_range(PartitionKeyRange("b", "d"))) == list("bcd")
    assert list(letters.get_partition_keys_in_range(PartitionKeyRange("b", "b"))) == ["b"]
    with pytest.raises(InvocationError, match="ends before it starts"):
        letters.get_partition_keys_in_range(PartitionKeyRange("d", "b"))
    with pytest.raises(UnknownPartitionError, match="no partition 'z'"):
        letters.get_partition_keys_in_range(PartitionKeyRange("a", "z"))


@pytest.mark.parametrize(
    "one",
    [
        StaticPartitionsDefinition(["a", "b"]),
        DailyPartitionsDefinition(
            "2024-01-01",
            end_date="2024-06-01",
            timezone="Europe/Berlin",
            hour_offset=3,
            end_offset=1,
        ),
    ],
)
def test_the_document_of_partitions_is_read_back_as_equal(one: PartitionsDefinition) -> None:
    again = from_json(one.to_json())

    assert again == one
    assert hash(again) == hash(one)
    assert again.get_partition_keys(NOW) == one.get_partition_keys(NOW)


def test_partitions_of_other_keys_or_kinds_are_not_equal() -> None:
    assert StaticPartitionsDefinition(["a"]) != StaticPartitionsDefinition(["b"])
    assert StaticPartitionsDefinition(["2024-01-01"]) != DailyPartitionsDefinition("2024-01-01")
    assert StaticPartitionsDefinition(["a"]) != ["a"]


def test_a_document_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(DefinitionError, match="of kind 'lunar'"):
        from_json({"kind": "lunar"})


def test_there_may_be_no_partition() -> None:
    none = StaticPartitionsDefinition([])

    assert none.get_first_partition_key() is None
    assert none.get_last_partition_key() is None
    assert none.describe() == "There is no partition yet."
