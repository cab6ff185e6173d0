"""Partitions by number: of each kind of definition, and of combinations of several."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.domain.partitions.definition import (
    PartitionKeyRange,
    PartitionsDefinition,
    StaticPartitionsDefinition,
    from_json,
)
from tidegate.domain.partitions.dynamic import DynamicPartitionsDefinition
from tidegate.domain.partitions.multi import MultiPartitionKey, MultiPartitionsDefinition
from tidegate.domain.partitions.partition_set import PartitionSet
from tidegate.domain.partitions.regular import (
    DailyPartitionsDefinition,
    HourlyPartitionsDefinition,
    MonthlyPartitionsDefinition,
)
from tidegate.errors import DefinitionError, InvocationError, UnknownPartitionError

NOW = datetime(2024, 1, 4, 10, tzinfo=UTC)
DAYS = DailyPartitionsDefinition("2024-01-01")
COUNTRIES = StaticPartitionsDefinition(["de", "fr", "it"])
CUSTOMERS = DynamicPartitionsDefinition(name="customers")
STORE = {"customers": {"acme": 0, "globex": 2}}
SALES = MultiPartitionsDefinition({"day": DAYS, "country": COUNTRIES})
CUBE = MultiPartitionsDefinition({"day": DAYS, "country": COUNTRIES, "customer": CUSTOMERS})
KINDS: list[PartitionsDefinition] = [DAYS, COUNTRIES, CUSTOMERS, SALES, CUBE]


@pytest.mark.parametrize("one", KINDS, ids=lambda one: one.to_json()["kind"])
def test_each_key_has_a_number_and_each_number_its_key(one: PartitionsDefinition) -> None:
    space = one.space(NOW, STORE)

    keys = one.get_partition_keys(NOW, STORE)

    assert {space.key(number) for number in space.everything} == set(keys)
    assert sorted(space.number(key) for key in keys) == list(space.everything)  # type: ignore[type-var]
    assert space.number("nobody") is None
    assert one.get_num_partitions(NOW, STORE) == len(keys)
    assert from_json(one.to_json()) == one


def test_keys_of_combinations_are_joined_in_order_of_the_names_of_dimensions() -> None:
    assert SALES.get_partition_keys(NOW)[:4] == [
        "de|2024-01-01",
        "de|2024-01-02",
        "de|2024-01-03",
        "fr|2024-01-01",
    ]
    key = MultiPartitionKey({"day": "2024-01-01", "country": "de"})
    assert key == "de|2024-01-01"
    assert key.keys_by_dimension == {"country": "de", "day": "2024-01-01"}
    assert SALES.key_from("de|2024-01-01").keys_by_dimension == key.keys_by_dimension
    assert SALES.time_window_for_partition_key(key) == DAYS.time_window_for_partition_key(
        "2024-01-01"
    )


def test_numbers_of_combinations_go_with_time_and_do_not_change_as_it_goes_on() -> None:
    early, late = CUBE.space(NOW, STORE), CUBE.space(datetime(2030, 1, 1, tzinfo=UTC), STORE)

    keys = [early.key(number) for number in early.everything]

    assert [key.split("|")[2] for key in keys] == sorted(key.split("|")[2] for key in keys)
    assert all(early.number(key) == late.number(key) for key in keys)


def test_a_range_of_combinations_is_the_rectangle_between_its_corners() -> None:
    found = SALES.get_partition_keys_in_range(
        PartitionKeyRange("de|2024-01-02", "fr|2024-01-03"), NOW
    )

    assert sorted(found) == ["de|2024-01-02", "de|2024-01-03", "fr|2024-01-02", "fr|2024-01-03"]


@pytest.mark.parametrize(
    ("one", "start", "end", "keys"),
    [
        (DAYS, "2024-01-02", "2024-01-03", ["2024-01-02", "2024-01-03"]),
        (COUNTRIES, "fr", "it", ["fr", "it"]),
        (CUSTOMERS, "acme", "globex", ["acme", "globex"]),
    ],
)
def test_a_range_holds_both_ends(
    one: PartitionsDefinition, start: str, end: str, keys: list[str]
) -> None:
    assert list(one.get_partition_keys_in_range(PartitionKeyRange(start, end), NOW, STORE)) == keys
    if len(keys) > 1:
        with pytest.raises(InvocationError, match="ends before it starts"):
            one.get_partition_keys_in_range(PartitionKeyRange(end, start), NOW, STORE)


@pytest.mark.parametrize(
    ("one", "key", "says"),
    [
        (SALES, "de", "A key is one of each dimension: COUNTRY|DAY."),
        (SALES, "es|2024-01-01", "dimension 'country' has no key 'es'"),
        (SALES, "de|2023-01-01", "dimension 'day' has no key '2023-01-01'"),
        (SALES, "de|2024-01-01|x", "A key is one of each dimension"),
        (CUSTOMERS, "initech", "tidegate partitions add customers KEY"),
    ],
)
def test_an_unknown_key_is_refused_with_what_there_is(
    one: PartitionsDefinition, key: str, says: str
) -> None:
    with pytest.raises(UnknownPartitionError) as refused:
        one.validate_partition_key(key, NOW, STORE)

    assert says in str(refused.value)


def test_dynamic_keys_are_known_only_where_they_are_given() -> None:
    with pytest.raises(InvocationError, match="only a deployment knows"):
        CUSTOMERS.get_partition_keys(NOW)

    assert CUSTOMERS.get_partition_keys(None, {"customers": ["b", "a"]}) == ["b", "a"]
    assert CUSTOMERS.get_partition_keys(None, {}) == []


@pytest.mark.parametrize(
    "dimensions",
    [
        {},
        {"a": "x"},
        {"a": StaticPartitionsDefinition(["x|y"])},
        {"a": SALES},
        {"a": DailyPartitionsDefinition("2024-01-01", fmt="%Y|%m-%d")},
        ["a"],
    ],
)
def test_dimensions_that_make_no_sense_are_refused(dimensions: Any) -> None:
    with pytest.raises(DefinitionError, match="MultiPartitionsDefinition.* has"):
        MultiPartitionsDefinition(dimensions)


def test_next_keys() -> None:
    assert DAYS.get_next_partition_key("2024-01-02", NOW) == "2024-01-03"
    assert DAYS.get_next_partition_key("2024-01-03", NOW) is None
    assert CUSTOMERS.get_next_partition_key("acme", None, STORE) == "globex"


SPACES = [
    SALES.space(NOW),
    CUBE.space(NOW, STORE),
    MultiPartitionsDefinition(
        {
            "h": HourlyPartitionsDefinition("2024-01-03-00:00"),
            "m": MonthlyPartitionsDefinition("2023-10-01"),
        }
    ).space(NOW),
    MultiPartitionsDefinition({"a": COUNTRIES, "b": StaticPartitionsDefinition(["x"])}).space(),
]


@given(st.sampled_from(SPACES), st.randoms(use_true_random=False), st.floats(0, 1))
def test_any_set_of_combinations_is_made_of_boxes(space: Any, random: Any, share: float) -> None:
    some = PartitionSet.of(one for one in space.everything if random.random() < share)

    assert space.of_boxes(space.boxes(some)) == some
    assert len(space.boxes(space.everything)) == 1


def test_a_million_hours_of_three_countries_are_one_box() -> None:
    hours = HourlyPartitionsDefinition("1910-01-01-00:00")
    space = MultiPartitionsDefinition({"hour": hours, "country": COUNTRIES}).space(NOW)

    (box,) = space.boxes(space.everything)

    assert len(space.everything) == 3 * len(box[1]) > 2_900_000
    assert len(space.everything.to_bytes()) < 1_500
