"""``Definitions``: what is put together, and what is refused when it is built."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tidegate import (
    AssetIn,
    AssetOut,
    AssetSelection,
    AssetSpec,
    Config,
    ConfigurableIOManager,
    ConfigurableResource,
    DailyPartitionsDefinition,
    DefinitionError,
    Definitions,
    EnvVar,
    InMemoryIOManager,
    InputContext,
    InvocationError,
    OutputContext,
    ResourceParam,
    RetryPolicy,
    RunConfig,
    SourceAsset,
    StaticPartitionsDefinition,
    asset,
    define_asset_job,
    job,
    multi_asset,
    op,
    resource,
)
from tidegate.errors import UnknownAssetError, UnknownJobError


def plain(name: str, *deps: str, **arguments: Any) -> Any:
    @asset(name=name, deps=list(deps), **arguments)
    def made() -> int:
        return 1

    return made


def chain() -> list[Any]:
    """raw -> clean -> report, listed in the wrong order; and other, alone."""
    return [
        plain("report", "clean", group_name="out"),
        plain("other"),
        plain("clean", "raw"),
        plain("raw"),
    ]


class Database(ConfigurableResource):
    url: str = "memory"


class Lake(ConfigurableIOManager):
    def handle_output(self, context: OutputContext, obj: Any) -> None: ...

    def load_input(self, context: InputContext) -> Any: ...


def test_steps_are_in_order_and_otherwise_as_declared() -> None:
    defs = Definitions(assets=chain())

    assert [step.key for step in defs.asset_steps] == ["other", "raw", "clean", "report"]
    assert list(defs.specs) == ["other", "raw", "clean", "report"]


def test_the_implicit_job_materializes_any_asset() -> None:
    defs = Definitions(assets=chain())

    steps = defs.resolve_job_def("__ASSET_JOB").step_definitions(("report", "raw"))

    assert [step.key for step in steps] == ["raw", "report"]
    assert steps[1].inputs[0].sources == ()
    assert str(steps[1].inputs[0].asset_key) == "clean"


def test_definitions_without_assets_have_no_implicit_job() -> None:
    with pytest.raises(UnknownJobError, match=r"There is no job '__ASSET_JOB'. No job is defined."):
        Definitions().resolve_implicit_global_asset_job_def()


def test_an_asset_job_has_its_selection_tags_and_config() -> None:
    class Load(Config):
        rows: int

    policy = RetryPolicy(max_retries=9)
    defs = Definitions(
        assets=chain(),
        jobs=[
            define_asset_job(
                "clean_up",
                "+clean",
                tags={"dagster/priority": "3"},
                config=RunConfig(ops={"raw": Load(rows=5)}),
                op_retry_policy=policy,
                description="Cleans.",
            )
        ],
    )

    found = defs.resolve_job_def("clean_up")

    assert found.asset_keys == ("raw", "clean")
    assert found.tags == {"tidegate/priority": "3"}
    assert found.run_config == {"ops": {"raw": {"config": {"rows": 5}}}}
    assert [step.retry_policy for step in found.step_definitions()] == [policy, policy]
    assert found.description == "Cleans."


def test_an_asset_job_without_a_selection_makes_everything_but_external_assets() -> None:
    defs = Definitions(assets=[*chain(), AssetSpec("outside")], jobs=[define_asset_job("all")])

    assert defs.resolve_job_def("all").asset_keys == ("other", "raw", "clean", "report")


def test_assets_of_another_job_are_not_materialized() -> None:
    defs = Definitions(assets=chain(), jobs=[define_asset_job("some", "raw")])

    with pytest.raises(UnknownAssetError, match="does not materialize an asset 'clean'"):
        defs.resolve_job_def("some").step_definitions(("clean",))
    with pytest.raises(UnknownAssetError, match="Did you mean 'clean'"):
        defs.resolve_job_def("__ASSET_JOB").step_definitions(("claen",))


def test_a_job_of_ops_has_no_assets_to_select() -> None:
    @op
    def one() -> int:
        return 1

    @job
    def ops() -> None:
        one()

    defs = Definitions(jobs=[ops])

    assert [step.key for step in defs.resolve_job_def("ops").step_definitions()] == ["one"]
    with pytest.raises(InvocationError, match="made of ops"):
        defs.resolve_job_def("ops").step_definitions(("raw",))


def test_a_job_has_the_resources_of_the_definitions_beside_its_own() -> None:
    @op(required_resource_keys={"a", "b"})
    def one() -> None: ...

    @job(resource_defs={"a": 1})
    def ops() -> None:
        one()

    defs = Definitions(jobs=[ops], resources={"a": 2, "b": 3})

    assert defs.resolve_job_def("ops").resources == {"a": 1, "b": 3}
    assert defs.resources == {"a": 2, "b": 3}


def test_an_upstream_asset_is_found_by_the_same_prefix_or_group() -> None:
    @asset(key_prefix="p", deps=["b"])
    def c(a: int) -> None: ...

    defs = Definitions(
        assets=[
            c,
            plain("a", key_prefix="p"),
            plain("a", key_prefix="q"),
            plain("b", key_prefix="r"),
        ]
    )

    assert [str(key) for key in defs.specs["p/c"].deps] == ["p/a", "r/b"]


def test_a_whole_key_wins_over_one_of_the_same_prefix() -> None:
    @asset(key_prefix="p")
    def c(a: int) -> None: ...

    defs = Definitions(assets=[c, plain("a", key_prefix="p"), plain("a")])

    assert [str(key) for key in defs.specs["p/c"].deps] == ["a"]


def test_an_upstream_asset_of_the_same_name_as_its_reader_is_another() -> None:
    @asset(key_prefix="clean")
    def orders(orders: int) -> None: ...

    defs = Definitions(assets=[orders, AssetSpec("orders")])

    assert [str(key) for key in defs.specs["clean/orders"].deps] == ["orders"]
    with pytest.raises(DefinitionError, match="upstream asset 'orders'"):
        Definitions(assets=[orders])


def test_inputs_know_the_upstream_asset_that_is_made_elsewhere() -> None:
    days = DailyPartitionsDefinition("2024-01-01")
    source = SourceAsset("raw", io_manager_key="lake", metadata={"a": 1}, partitions_def=days)

    @asset
    def clean(raw: int) -> None: ...

    defs = Definitions(assets=[source, clean], resources={"lake": Lake()})
    one = defs.asset_steps[0].inputs[0]

    assert one.upstream is not None
    assert (one.upstream.io_manager_key, one.upstream.metadata) == ("lake", {"a": 1})
    assert (one.sources, one.partitions_def) == ((), days)


def test_the_same_object_listed_twice_is_one_asset() -> None:
    raw = plain("raw")

    assert list(Definitions(assets=[raw, raw]).specs) == ["raw"]


def test_a_chain_longer_than_python_may_recurse_is_put_in_order() -> None:
    longest = sys.getrecursionlimit() + 500
    assets = [plain(f"a{n}", f"a{n - 1}") for n in range(longest, 0, -1)] + [plain("a0")]

    defs = Definitions(assets=assets)

    assert [step.key for step in defs.asset_steps] == [f"a{n}" for n in range(longest + 1)]


def test_a_circle_of_a_thousand_is_told() -> None:
    assets = [plain(f"a{n}", f"a{(n + 1) % 1500}") for n in range(1500)]

    assert "in a circle" in refused(assets=assets)


def refused(**arguments: Any) -> str:
    with pytest.raises(DefinitionError) as error:
        Definitions(**arguments)
    assert error.value.mend, error.value
    assert re.search(r"test_definitions\.py:\d+", str(error.value)), error.value
    return str(error.value)


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

    assert said.count("test_definitions.py:") == 2
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
    assert "test_definitions.py:" in str(error.value)
    assert error.value.mend


def test_config_of_a_job_keeps_names_of_environment_variables() -> None:
    declared = define_asset_job("j", config={"ops": {"raw": {"config": {"url": EnvVar("URL")}}}})

    found = Definitions(assets=chain(), jobs=[declared]).resolve_job_def("j")

    assert found.run_config == {"ops": {"raw": {"config": {"url": {"env": "URL"}}}}}


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


def test_merged_definitions_have_all_of_each() -> None:
    raw, database = plain("raw"), Database()
    first = Definitions(assets=[raw], resources={"db": database})
    second = Definitions(assets=[AssetSpec("outside"), raw], resources={"db": database, "x": 1})

    merged = Definitions.merge(first, second)

    assert list(merged.specs) == ["outside", "raw"]
    assert merged.resources == {"db": database, "x": 1}
    with pytest.raises(DefinitionError, match="the resource 'x'"):
        Definitions.merge(second, Definitions(resources={"x": 2}))
    with pytest.raises(DefinitionError, match="is merged"):
        Definitions.merge(first, 3)  # type: ignore[arg-type]


def test_another_process_finds_the_definitions_again(tmp_path: Path) -> None:
    """Also when a function of another module built them."""
    (tmp_path / "builder.py").write_text(
        "from tidegate import Definitions\n\ndef build():\n    return Definitions()\n"
    )
    (tmp_path / "pipeline.py").write_text(
        "from builder import build\nfrom tidegate import Definitions\n"
        "mine = build()\nours = Definitions.merge(mine)\nlost = [Definitions()]\n"
    )
    script = "import pipeline\nfor one in (pipeline.mine, pipeline.ours, *pipeline.lost):\n    print(*one.origin)"

    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[3] / 'functions'}"},
        capture_output=True,
        text=True,
        check=True,
    )

    where = tmp_path / "pipeline.py"
    assert done.stdout.splitlines() == [f"{where} mine", f"{where} ours", f"{where} None"]
