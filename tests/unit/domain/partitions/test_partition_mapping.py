"""Which partitions are made of which, in both directions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.domain.partitions.default_mapping import (
    infer_mapping,
    mapping_from_json,
    may_depend_on_itself,
)
from tidegate.domain.partitions.definition import StaticPartitionsDefinition
from tidegate.domain.partitions.dimension_mapping import (
    DimensionPartitionMapping,
    MultiPartitionMapping,
    MultiToSingleDimensionPartitionMapping,
)
from tidegate.domain.partitions.dynamic import DynamicPartitionsDefinition
from tidegate.domain.partitions.mapping import (
    WHOLE,
    AllPartitionMapping,
    IdentityPartitionMapping,
    LastPartitionMapping,
    PartitionMapping,
    SpecificPartitionsPartitionMapping,
    StaticPartitionMapping,
)
from tidegate.domain.partitions.multi import MultiPartitionsDefinition
from tidegate.domain.partitions.partition_set import PartitionSet
from tidegate.domain.partitions.regular import (
    DailyPartitionsDefinition,
    HourlyPartitionsDefinition,
    MonthlyPartitionsDefinition,
    WeeklyPartitionsDefinition,
)
from tidegate.domain.partitions.time_mapping import TimeWindowPartitionMapping
from tidegate.domain.partitions.time_window import TimeWindowPartitionsDefinition
from tidegate.errors import DefinitionError

NOW = datetime(2024, 3, 10, tzinfo=UTC)
DAYS = DailyPartitionsDefinition("2024-01-01")
LATER_DAYS = DailyPartitionsDefinition("2024-02-01")
HOURS = HourlyPartitionsDefinition("2024-01-01-00:00")
MONTHS = MonthlyPartitionsDefinition("2024-01-01")
WEEKS = WeeklyPartitionsDefinition("2024-01-01")
COUNTRIES = StaticPartitionsDefinition(["de", "fr", "it"])
FEWER = StaticPartitionsDefinition(["it", "de"])
REGIONS = StaticPartitionsDefinition(["north", "south"])
CUSTOMERS = DynamicPartitionsDefinition(name="customers")
SALES = MultiPartitionsDefinition({"day": DAYS, "country": COUNTRIES})
STORE = {"customers": ["acme"]}
LAGGED = TimeWindowPartitionMapping(-1, -1)
WORKDAYS = TimeWindowPartitionsDefinition(
    start="2024-01-01", fmt="%Y-%m-%d", cron_schedule="0 0 * * 1-5"
)


def space(one: Any) -> Any:
    return WHOLE if one is None else one.space(NOW, STORE)


def upstream(mapping: PartitionMapping, down: Any, up: Any, *keys: str) -> list[str]:
    d, u = space(down), space(up)
    numbers = PartitionSet.of(d.number(key) for key in keys)
    found = mapping.upstream(numbers, d, u)
    assert not found.missing
    return sorted(u.key(number) for number in found.there)


def downstream(mapping: PartitionMapping, down: Any, up: Any, *keys: str) -> list[str]:
    d, u = space(down), space(up)
    numbers = PartitionSet.of(u.number(key) for key in keys)
    return sorted(d.key(number) for number in mapping.downstream(numbers, u, d))


@pytest.mark.parametrize(
    ("mapping", "down", "up", "keys", "needs"),
    [
        (IdentityPartitionMapping(), COUNTRIES, COUNTRIES, ["fr"], ["fr"]),
        (IdentityPartitionMapping(), FEWER, COUNTRIES, ["it"], ["it"]),
        (LastPartitionMapping(), COUNTRIES, DAYS, ["fr"], ["2024-03-09"]),
        (SpecificPartitionsPartitionMapping(["de"]), DAYS, COUNTRIES, ["2024-03-01"], ["de"]),
        (
            StaticPartitionMapping({"de": "north", "fr": ["north", "south"], "it": "south"}),
            REGIONS,
            COUNTRIES,
            ["north"],
            ["de", "fr"],
        ),
        (TimeWindowPartitionMapping(), DAYS, DAYS, ["2024-03-01"], ["2024-03-01"]),
        (LAGGED, DAYS, DAYS, ["2024-03-01"], ["2024-02-29"]),
        (LAGGED, DAYS, DAYS, ["2024-01-01"], []),
        (
            TimeWindowPartitionMapping(-2, 0),
            DAYS,
            DAYS,
            ["2024-01-02", "2024-02-01"],
            ["2024-01-01", "2024-01-02", "2024-01-30", "2024-01-31", "2024-02-01"],
        ),
        (
            TimeWindowPartitionMapping(),
            DAYS,
            HOURS,
            ["2024-01-02"],
            [f"2024-01-02-{hour:02}:00" for hour in range(24)],
        ),
        (TimeWindowPartitionMapping(), HOURS, DAYS, ["2024-01-02-07:00"], ["2024-01-02"]),
        (
            TimeWindowPartitionMapping(),
            WORKDAYS,
            DAYS,
            ["2024-01-05"],
            ["2024-01-05", "2024-01-06", "2024-01-07"],
        ),
        (TimeWindowPartitionMapping(-1, -1), WORKDAYS, WORKDAYS, ["2024-01-08"], ["2024-01-05"]),
        (
            MultiToSingleDimensionPartitionMapping(),
            COUNTRIES,
            SALES,
            ["fr"],
            [f"fr|2024-{d}" for d in ()],
        ),
        (MultiToSingleDimensionPartitionMapping(), SALES, DAYS, ["fr|2024-01-03"], ["2024-01-03"]),
        (
            MultiToSingleDimensionPartitionMapping(),
            MONTHS,
            MultiPartitionsDefinition({"day": LATER_DAYS, "c": REGIONS}),
            ["2024-02-01"],
            [f"{c}|2024-02-{day:02}" for c in ("north", "south") for day in range(1, 30)],
        ),
        (
            MultiPartitionMapping({"day": DimensionPartitionMapping("day", LAGGED)}),
            SALES,
            SALES,
            ["fr|2024-01-03"],
            ["de|2024-01-02", "fr|2024-01-02", "it|2024-01-02"],
        ),
        (
            MultiPartitionMapping(
                {
                    "day": DimensionPartitionMapping("day", LAGGED),
                    "country": DimensionPartitionMapping("country", IdentityPartitionMapping()),
                }
            ),
            SALES,
            SALES,
            ["fr|2024-01-03"],
            ["fr|2024-01-02"],
        ),
    ],
)
def test_what_a_partition_is_made_of(
    mapping: PartitionMapping, down: Any, up: Any, keys: list[str], needs: list[str]
) -> None:
    mapping.check(down, up)
    found = upstream(mapping, down, up, *keys)
    if isinstance(mapping, MultiToSingleDimensionPartitionMapping) and not needs:
        needs = [key for key in SALES.get_partition_keys(NOW) if key.startswith("fr|")]

    assert found == needs
    for key in found:
        assert set(keys) & set(downstream(mapping, down, up, key))
    assert mapping_from_json(mapping.to_json()) == mapping


def test_all_of_an_upstream_asset_and_what_has_no_partitions() -> None:
    every = AllPartitionMapping()

    assert upstream(every, None, COUNTRIES, "") == ["de", "fr", "it"]
    assert upstream(every, COUNTRIES, None, "fr") == [""]
    assert downstream(every, COUNTRIES, None, "") == ["de", "fr", "it"]


@pytest.mark.parametrize(
    ("mapping", "down", "up", "key", "missing"),
    [
        (IdentityPartitionMapping(), COUNTRIES, FEWER, "fr", 1),
        (TimeWindowPartitionMapping(), DAYS, LATER_DAYS, "2024-01-05", 1),
        (TimeWindowPartitionMapping(), MONTHS, LATER_DAYS, "2024-01-01", 31),
        (TimeWindowPartitionMapping(0, 1), DAYS, DAYS, "2024-03-09", 1),
        (TimeWindowPartitionMapping(0, 1, True), DAYS, DAYS, "2024-03-09", 0),
    ],
)
def test_what_is_needed_and_does_not_exist_is_told(
    mapping: PartitionMapping, down: Any, up: Any, key: str, missing: int
) -> None:
    d, u = space(down), space(up)

    found = mapping.upstream(PartitionSet.of([d.number(key)]), d, u)

    assert len(found.missing) == missing


PAIRS = st.sampled_from(
    [
        (TimeWindowPartitionMapping(a, b, True), down, up)
        for a, b in ((0, 0), (-1, -1), (-3, 0), (0, 2))
        for down in (DAYS, MONTHS, WEEKS, WORKDAYS)
        for up in (DAYS, LATER_DAYS, MONTHS, WEEKS, WORKDAYS)
    ]
    + [
        (MultiToSingleDimensionPartitionMapping(), SALES, DAYS),
        (MultiToSingleDimensionPartitionMapping(), COUNTRIES, SALES),
        (MultiToSingleDimensionPartitionMapping(), WEEKS, SALES),
        (MultiPartitionMapping({"day": DimensionPartitionMapping("day", LAGGED)}), SALES, SALES),
        (AllPartitionMapping(), DAYS, COUNTRIES),
        (LastPartitionMapping(), DAYS, COUNTRIES),
        (IdentityPartitionMapping(), FEWER, COUNTRIES),
    ]
)


@given(PAIRS, st.randoms(use_true_random=False))
def test_both_directions_of_a_mapping_say_the_same(pair: Any, random: Any) -> None:
    mapping, down, up = pair
    d, u = space(down), space(up)
    child = random.choice(list(d.everything))
    parent = random.choice(list(u.everything))

    needs = mapping.upstream(PartitionSet.of([child]), d, u).there
    feeds = mapping.downstream(PartitionSet.of([parent]), u, d)

    assert (parent in needs) is (child in feeds)


@pytest.mark.parametrize(
    ("down", "up", "kind"),
    [
        (None, DAYS, "all"),
        (DAYS, None, "all"),
        (DAYS, MONTHS, "time_window"),
        (SALES, DAYS, "multi_to_single"),
        (MONTHS, SALES, "multi_to_single"),
        (COUNTRIES, COUNTRIES, "identity"),
        (SALES, SALES, "identity"),
        (CUSTOMERS, CUSTOMERS, "identity"),
        (CUSTOMERS, SALES, "identity"),
    ],
)
def test_the_mapping_where_none_is_given(down: Any, up: Any, kind: str) -> None:
    assert infer_mapping(down, up).kind == kind


@pytest.mark.parametrize(
    ("check", "says"),
    [
        (lambda: IdentityPartitionMapping().check(DAYS, COUNTRIES), "different kinds"),
        (
            lambda: TimeWindowPartitionMapping().check(
                DailyPartitionsDefinition("2024-01-01", timezone="Europe/Berlin"), DAYS
            ),
            "time zones UTC and Europe/Berlin",
        ),
        (lambda: TimeWindowPartitionMapping().check(DAYS, COUNTRIES), "needs partitions of time"),
        (lambda: TimeWindowPartitionMapping(1, 0), "start_offset=1 after end_offset=0"),
        (lambda: TimeWindowPartitionMapping(start_offset="x"), "start_offset='x'"),  # type: ignore[arg-type]
        (lambda: StaticPartitionMapping({"de": "east"}).check(REGIONS, COUNTRIES), "'east'"),
        (lambda: StaticPartitionMapping({"xx": "north"}).check(REGIONS, COUNTRIES), "'xx'"),
        (lambda: StaticPartitionMapping({"de": "north"}).check(REGIONS, DAYS), "static partitions"),
        (lambda: SpecificPartitionsPartitionMapping("de"), "partition_keys='de'"),
        (lambda: MultiToSingleDimensionPartitionMapping().check(DAYS, COUNTRIES), "several"),
        (lambda: MultiToSingleDimensionPartitionMapping().check(REGIONS, SALES), "cannot tell"),
        (lambda: MultiToSingleDimensionPartitionMapping("x").check(DAYS, SALES), "names 'x'"),
        (lambda: MultiToSingleDimensionPartitionMapping().check(None, SALES), "no partitions"),
        (
            lambda: MultiPartitionMapping(
                {"x": DimensionPartitionMapping("day", IdentityPartitionMapping())}
            ).check(SALES, SALES),
            "'x', which is no upstream dimension",
        ),
        (lambda: MultiPartitionMapping({"x": "day"}), "DimensionPartitionMapping"),  # type: ignore[dict-item]
        (lambda: mapping_from_json({"kind": "other"}), "kind 'other'"),
    ],
)
def test_mappings_that_make_no_sense_are_refused(check: Any, says: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        check()

    assert says in str(refused.value)


def test_what_may_depend_on_itself() -> None:
    both = MultiPartitionMapping({"day": DimensionPartitionMapping("day", LAGGED)})

    assert may_depend_on_itself(LAGGED, DAYS)
    assert may_depend_on_itself(both, SALES)
    assert not may_depend_on_itself(TimeWindowPartitionMapping(-1, 0), DAYS)
    assert not may_depend_on_itself(LAGGED, COUNTRIES)
    assert not may_depend_on_itself(None, DAYS)
    assert not may_depend_on_itself(both, DAYS)


def test_a_million_hours_to_days_and_back_is_quick_work_on_ranges() -> None:
    hours = HourlyPartitionsDefinition("1910-01-01-00:00").space(NOW)
    days = DailyPartitionsDefinition("1910-01-01").space(NOW)
    mapping = TimeWindowPartitionMapping()

    found = mapping.upstream(days.everything, days, hours)
    back = mapping.downstream(found.there, hours, days)

    assert found.there == hours.everything
    assert back == days.everything
    assert len(hours.everything) > 1_000_000
