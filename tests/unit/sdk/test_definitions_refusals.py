"""Definitions that make no sense are refused with what is wrong and how to mend it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.unit.sdk.assets import Database, Lake, chain, plain
from tidegate import (
    AssetIn,
    AssetOut,
    AssetSelection,
    AssetSpec,
    ConfigurableResource,
    DailyPartitionsDefinition,
    DefinitionError,
    Definitions,
    InMemoryIOManager,
    ResourceParam,
    StaticPartitionsDefinition,
    asset,
    define_asset_job,
    multi_asset,
    op,
    resource,
)
from tidegate.errors import UnknownJobError


def refused(**arguments: Any) -> str:
    with pytest.raises(DefinitionError) as error:
        Definitions(**arguments)
    assert error.value.mend, error.value
    assert re.search(r"(assets|test_definitions_refusals)\.py:\d+", str(error.value)), error.value
    return str(error.value)


def test_a_circle_of_a_thousand_is_told() -> None:
    assets = [plain(f"a{n}", f"a{(n + 1) % 1500}") for n in range(1500)]

    assert "in a circle" in refused(assets=assets)


def test_an_unknown_upstream_asset_is_refused_with_the_nearest_name() -> None:
    @asset
    def report(claen: int) -> None: ...

    said = refused(assets=[*chain()[1:], report])

    assert "Asset 'report'" in said
    assert "upstream asset 'claen' (argument 'claen')" in said
    assert "Did you mean 'clean'?" in said
    assert "AssetSpec('claen')" in said


def test_an_unknown_upstream_asset_of_another_prefix_is_suggested() -> None:
    said = refused(assets=[plain("a", "x/daily"), plain("daily", key_prefix="weather")])

    assert "Did you mean 'weather/daily'?" in said


def test_an_unresolved_annotation_is_offered_as_the_reason() -> None:
    @asset
    def report(database: Databse) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    assert "annotation 'Databse' is not defined there" in refused(assets=[report])


def test_an_external_asset_with_unknown_deps_is_refused() -> None:
    assert "upstream asset 'b' (deps)" in refused(assets=[AssetSpec("a", deps=["b"])])


def test_a_circle_is_refused_with_its_members() -> None:
    said = refused(assets=[plain("a", "c"), plain("b", "a"), plain("c", "b"), plain("d", "c")])

    assert re.search(r"in a circle: (a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c)", said)


def test_an_asset_upstream_of_itself_is_refused() -> None:
    assert "Asset 'a'" in refused(assets=[plain("a", "a")])


def test_steps_that_need_each_other_are_refused() -> None:
    @multi_asset(specs=[AssetSpec("a"), AssetSpec("c", deps=["b"])])
    def both() -> Any: ...

    said = refused(assets=[both, plain("b", "a")])

    assert "Steps need each other's assets in a circle" in said


def test_two_assets_of_one_key_are_refused_with_both_places() -> None:
    said = refused(assets=[plain("a"), plain("a")])

    assert said.count("assets.py:") == 2
    assert "Asset 'a'" in refused(assets=[plain("a"), AssetSpec("a")])


def test_two_keys_of_one_step_name_are_refused() -> None:
    assert "same step name 'a__b'" in refused(assets=[plain("a__b"), plain("b", key_prefix="a")])


def test_two_jobs_of_one_name_are_refused() -> None:
    said = refused(assets=chain(), jobs=[define_asset_job("j"), define_asset_job("j", "raw")])

    assert "Job 'j'" in said


def test_the_name_of_the_implicit_job_is_taken() -> None:
    assert "__ASSET_JOB" in refused(assets=chain(), jobs=[define_asset_job("__ASSET_JOB")])


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        ("claen", "Did you mean 'clean'?"),
        ("group:nope", "selects no asset"),
        ("outside", "selects no asset that is made here"),
        (AssetSelection.keys("nope"), "no asset 'nope'"),
        (["raw", "nope"], "no asset 'nope'"),
    ],
)
def test_a_selection_that_selects_nothing_is_refused(selection: Any, said: str) -> None:
    jobs = [define_asset_job("j", selection)]

    assert said in refused(assets=[*chain(), AssetSpec("outside")], jobs=jobs)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": "a b"}, "has the name 'a b'"),
        ({"selection": "raw clean"}, "Asset job 'j' ("),
        ({"selection": 3}, "3 is not a selection"),
        ({"config": {"ops": {"raw": {"config": {"a": {1}}}}}}, "config that JSON cannot hold"),
        ({"partitions_def": "daily"}, "partitions_def='daily'"),
        ({"op_retry_policy": 3}, "op_retry_policy=3"),
        ({"select": "raw"}, "Did you mean 'selection'?"),
    ],
)
def test_an_asset_job_that_makes_no_sense_is_refused(arguments: Any, said: str) -> None:
    with pytest.raises(DefinitionError) as error:
        define_asset_job(**{"name": "j", **arguments})

    assert said in str(error.value)
    assert "test_definitions_refusals.py:" in str(error.value)
    assert error.value.mend


def test_a_job_of_other_definitions_is_refused() -> None:
    other = Definitions(assets=chain(), jobs=[define_asset_job("j")])

    assert "among its jobs" in refused(assets=chain(), jobs=[other.resolve_job_def("j")])


def test_part_of_a_step_that_makes_all_at_once_is_refused() -> None:
    @multi_asset(outs={"a": AssetOut(), "b": AssetOut()})
    def both() -> Any: ...

    said = refused(assets=[both], jobs=[define_asset_job("j", "a")])

    assert "makes all of its assets at once, and b is not selected" in said
    neighbours = AssetSelection.keys("a").required_multi_asset_neighbors()
    whole = Definitions(assets=[both], jobs=[define_asset_job("j", neighbours)])
    assert whole.resolve_job_def("j").asset_keys == ("a", "b")


def test_an_asset_job_of_different_partitions_is_refused() -> None:
    days, names = DailyPartitionsDefinition("2024-01-01"), StaticPartitionsDefinition(["x"])
    assets = [
        plain("a", partitions_def=days),
        plain("b", partitions_def=names),
        plain("c"),
        plain("d", partitions_def=DailyPartitionsDefinition("2024-01-01")),
    ]

    said = refused(assets=assets, jobs=[define_asset_job("j")])
    fine = Definitions(assets=assets, jobs=[define_asset_job("j", ["a", "c", "d"])])

    assert "'b' has other partitions than 'a'" in said
    assert fine.resolve_job_def("j").partitions_def == days
    assert "than the job's partitions_def" in refused(
        assets=assets, jobs=[define_asset_job("j", "a", partitions_def=names)]
    )


def test_a_missing_resource_is_refused() -> None:
    @asset(required_resource_keys={"databse"})
    def by_key() -> None: ...

    @asset
    def by_type(database: Database) -> None: ...

    said = refused(assets=[by_key], resources={"database": Database()})

    assert "needs the resource 'databse'" in said
    assert "Did you mean 'database'?" in said
    assert "needs the resource 'database'" in refused(assets=[by_type])


def test_a_resource_of_another_class_is_refused() -> None:
    class Other(ConfigurableResource):
        x: int = 1

    @asset
    def typed(database: Database) -> None: ...

    @asset
    def given(database: ResourceParam[dict[str, int]], client: ResourceParam[str]) -> None: ...

    assert "wants the resource 'database' to be Database, and it is Other" in refused(
        assets=[typed], resources={"database": Other()}
    )
    assert "to be str, and it is int" in refused(
        assets=[given], resources={"database": {}, "client": 3}
    )
    assert Definitions(assets=[given], resources={"database": {}, "client": "x"})


def test_a_resource_made_by_a_function_is_believed() -> None:
    @resource
    def database() -> Database:
        return Database()

    @asset
    def typed(database: Database) -> None: ...

    assert Definitions(assets=[typed], resources={"database": database})


def test_a_resource_that_lacks_another_is_refused() -> None:
    @resource(required_resource_keys={"secrets"})
    def database() -> Database:
        return Database()

    with pytest.raises(DefinitionError, match="Resource 'database' needs the resource 'secrets'"):
        Definitions(resources={"database": database})


def test_a_class_is_no_resource() -> None:
    with pytest.raises(DefinitionError, match=r"is the class Database. Give an instance"):
        Definitions(resources={"database": Database})


def test_io_managers_are_there_and_are_io_managers() -> None:
    @asset(ins={"raw": AssetIn(input_manager_key="csv")})
    def clean(raw: int) -> None: ...

    assert "needs the IO manager 'lake'" in refused(assets=[plain("a", io_manager_key="lake")])
    assert "needs the IO manager 'csv'" in refused(assets=[plain("raw"), clean])
    assert "is no IO manager but" in refused(
        assets=[plain("a", io_manager_key="lake")], resources={"lake": Database()}
    )
    assert Definitions(
        assets=[plain("a", io_manager_key="lake"), plain("b")],
        resources={"lake": Lake(), "io_manager": InMemoryIOManager()},
    )


def test_config_for_steps_or_resources_that_are_not_there_is_refused() -> None:
    said = refused(
        assets=chain(), jobs=[define_asset_job("j", config={"ops": {"rwa": {"config": {}}}})]
    )

    assert "config for ops.rwa" in said
    assert "Did you mean 'raw'?" in said
    assert "config for resources.db" in refused(
        assets=chain(), jobs=[define_asset_job("j", config={"resources": {"db": {}}})]
    )


def test_metadata_that_cannot_be_stored_is_refused() -> None:
    assert "Asset 'a'" in refused(assets=[plain("a", metadata={"x": object()})])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"asset": []}, "Did you mean 'assets'?"),
        ({"schedules": []}, "not offered yet"),
        ({"assets": "raw"}, "has assets='raw'"),
        ({"assets": [3]}, "has 3 among its assets"),
        ({"assets": [[AssetSpec("a")]]}, "Unpack lists"),
        ({"assets": [len]}, "among its assets"),
        ({"jobs": ["j"]}, "has 'j' among its jobs"),
        ({"jobs": 3}, "has jobs=3"),
        ({"resources": ["db"]}, "has resources="),
        ({"resources": {3: 4}}, "has resources="),
    ],
)
def test_an_argument_that_makes_no_sense_is_refused(arguments: Any, said: str) -> None:
    assert said in refused(**arguments)


def test_an_op_among_assets_is_told_its_place() -> None:
    @op
    def one() -> int:
        return 1

    assert "has op 'one' among its assets. Call ops in a @job" in refused(assets=[one])


def test_an_unknown_job_is_told_with_those_there_are() -> None:
    defs = Definitions(assets=chain(), jobs=[define_asset_job("nightly")])

    with pytest.raises(
        UnknownJobError, match=r"'nigthly'. Did you mean 'nightly'\? Jobs: nightly."
    ):
        defs.resolve_job_def("nigthly")
