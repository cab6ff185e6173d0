"""Partitions in the body of a step: its own, and those of what it is made of."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tidegate import (
    AssetDep,
    AssetExecutionContext,
    AssetIn,
    AssetSpec,
    BackfillPolicy,
    DailyPartitionsDefinition,
    DefinitionError,
    Definitions,
    DynamicPartitionsDefinition,
    InMemoryIOManager,
    InvocationError,
    LastPartitionMapping,
    MonthlyPartitionsDefinition,
    MultiPartitionKey,
    MultiPartitionsDefinition,
    StaticPartitionMapping,
    StaticPartitionsDefinition,
    TimeWindowPartitionMapping,
    asset,
    materialize,
    materialize_to_memory,
)
from tidegate.errors import OutputError, UnknownPartitionError
from tidegate.manifest.compiler import compile_manifest

DAYS = DailyPartitionsDefinition("2024-01-01", end_date="2024-03-01")
MONTHS = MonthlyPartitionsDefinition("2024-01-01", end_date="2024-03-01")
RANGE = "tidegate/asset_partition_range_"


@asset(partitions_def=DAYS)
def daily(context: AssetExecutionContext) -> str:
    return context.partition_key


@asset(partitions_def=MONTHS)
def monthly(daily: dict[str, str]) -> int:
    return len(daily)


@asset(ins={"daily": AssetIn(partition_mapping=LastPartitionMapping())})
def latest(daily: str) -> str:
    return daily


@asset(
    partitions_def=DAYS,
    ins={
        "running": AssetIn(
            partition_mapping=TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)
        )
    },
)
def running(running: dict[str, int]) -> int:
    return 1 + sum(running.values())


def test_a_month_loads_its_days_as_a_dictionary() -> None:
    manager = InMemoryIOManager()
    for day in DAYS.get_partition_keys(datetime.fromisoformat("2025-01-01T00:00:00+00:00")):
        materialize([daily], partition_key=day, resources={"io_manager": manager})

    made = materialize(
        [monthly, daily],
        selection="monthly",
        partition_key="2024-02-01",
        resources={"io_manager": manager},
    )
    last = materialize([latest, daily], selection="latest", resources={"io_manager": manager})

    assert made.output_for_node("monthly") == 29
    assert last.output_for_node("latest") == "2024-02-29"


def test_an_asset_may_be_made_of_its_own_partition_of_the_day_before() -> None:
    manager = {"io_manager": InMemoryIOManager()}

    results = [
        materialize([running], partition_key=f"2024-01-0{day}", resources=manager)
        for day in (1, 2, 3)
    ]

    assert [one.output_for_node("running") for one in results] == [1, 2, 3]


def test_a_run_of_a_range_executes_once_for_all_of_its_partitions() -> None:
    seen: list[Any] = []

    @asset(partitions_def=DAYS, backfill_policy=BackfillPolicy.single_run())
    def wide(context: AssetExecutionContext) -> dict[str, int]:
        window, between = context.partition_time_window, context.partition_key_range
        seen.append((window.start.day, window.end.day, between.start, between.end))
        assert not context.has_partition_key
        with pytest.raises(InvocationError, match="has 3 partitions"):
            context.partition_key  # noqa: B018
        return {key: number for number, key in enumerate(context.partition_keys)}

    manager = {"io_manager": InMemoryIOManager()}
    tags = {f"{RANGE}start": "2024-01-02", f"{RANGE}end": "2024-01-04"}

    done = materialize([wide], tags=tags, resources=manager)

    assert seen == [(2, 5, "2024-01-02", "2024-01-04")]
    partitions = [one.partition for one in done.get_asset_materialization_events()]
    assert partitions == ["2024-01-02", "2024-01-03", "2024-01-04"]
    assert set(manager["io_manager"].values.values()) == {0, 1, 2}


def test_a_value_for_several_partitions_must_say_which_is_whose() -> None:
    @asset(partitions_def=DAYS)
    def wide() -> int:
        return 1

    tags = {f"{RANGE}start": "2024-01-02", f"{RANGE}end": "2024-01-04"}

    with pytest.raises(OutputError, match="3 partitions at once"):
        materialize_to_memory([wide], tags=tags)


@pytest.mark.parametrize(
    ("start", "end", "error"),
    [("2024-01-04", "2024-01-02", InvocationError), ("x", "y", UnknownPartitionError)],
)
def test_a_range_that_is_none_is_refused(start: str, end: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        materialize_to_memory([daily], tags={f"{RANGE}start": start, f"{RANGE}end": end})


def test_keys_of_several_dimensions_are_told_apart() -> None:
    seen = []
    countries = StaticPartitionsDefinition(["de", "fr"])

    @asset(partitions_def=MultiPartitionsDefinition({"day": DAYS, "country": countries}))
    def sales(context: AssetExecutionContext) -> None:
        key = context.partition_key
        assert isinstance(key, MultiPartitionKey)
        seen.append((key.keys_by_dimension, context.partition_time_window.start.day))

    materialize_to_memory([sales], partition_key="fr|2024-01-03")

    assert seen == [({"country": "fr", "day": "2024-01-03"}, 3)]


def test_dynamic_partitions_run_in_a_test_without_a_deployment() -> None:
    customers = DynamicPartitionsDefinition(name="customers")

    @asset(partitions_def=customers)
    def account(context: AssetExecutionContext) -> str:
        return context.partition_key

    @asset(partitions_def=customers)
    def invoice(account: str) -> str:
        return f"invoice of {account}"

    done = materialize_to_memory([account, invoice], partition_key="acme")

    assert done.output_for_node("invoice") == "invoice of acme"


def test_partitions_that_do_not_exist_upstream_are_named() -> None:
    weeks = DailyPartitionsDefinition("2023-12-31", end_date="2024-03-01")

    @asset(partitions_def=weeks)
    def early(daily: str) -> str:
        return daily

    with pytest.raises(InvocationError, match="needs 1 partitions of 'daily' that do not exist"):
        materialize([early, daily], selection="early", partition_key="2023-12-31")


def test_mappings_and_policies_are_in_the_manifest() -> None:
    regions, countries = StaticPartitionsDefinition(["eu"]), StaticPartitionsDefinition(["de"])
    mapping = StaticPartitionMapping({"de": "eu"})

    @asset(partitions_def=countries)
    def country() -> None: ...

    @asset(
        partitions_def=regions,
        deps=[AssetDep("country", partition_mapping=mapping)],
        backfill_policy=BackfillPolicy.multi_run(5),
    )
    def region() -> None: ...

    document = compile_manifest(
        Definitions(assets=[country, region]), location="here", code_version="1"
    ).assets["region"]

    assert document["mappings"] == {"country": mapping.to_json()}
    assert document["backfill_policy"] == {"max_partitions_per_run": 5}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"deps": [AssetDep("daily", partition_mapping="last")]}, "partition_mapping='last'"),  # type: ignore[arg-type]
        ({"backfill_policy": "single"}, "backfill_policy='single'"),
        (
            {"deps": [AssetDep("daily", partition_mapping=StaticPartitionMapping({"a": "b"}))]},
            "needs static partitions",
        ),
        ({"deps": ["letters"]}, "partitioned differently"),
    ],
)
def test_mappings_that_make_no_sense_are_refused_where_they_stand(
    arguments: dict[str, Any], says: str
) -> None:
    def other() -> None: ...

    letters = AssetSpec("letters", partitions_def=StaticPartitionsDefinition(["a"]))

    with pytest.raises(DefinitionError) as refused:
        Definitions(assets=[asset(partitions_def=DAYS, **arguments)(other), daily, letters])

    assert says in str(refused.value)
    assert "test_step_partitions.py:" in str(refused.value)


def test_a_policy_without_partitions_is_refused() -> None:
    def other() -> None: ...

    with pytest.raises(DefinitionError, match="without partitions"):
        asset(backfill_policy=BackfillPolicy.single_run())(other)
    with pytest.raises(DefinitionError, match="max_partitions_per_run=0"):
        BackfillPolicy.multi_run(0)


def test_an_asset_made_of_itself_needs_earlier_partitions() -> None:
    @asset(partitions_def=DAYS)
    def loop(loop: int) -> int:
        return loop

    with pytest.raises(DefinitionError, match="depends on itself"):
        Definitions(assets=[loop])
