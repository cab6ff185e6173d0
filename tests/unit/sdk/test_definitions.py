"""``Definitions``: what is put together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.sdk.assets import Database, Lake, chain, plain
from tidegate import (
    AssetSpec,
    Config,
    DailyPartitionsDefinition,
    DefinitionError,
    Definitions,
    EnvVar,
    InvocationError,
    RetryPolicy,
    RunConfig,
    SourceAsset,
    asset,
    define_asset_job,
    job,
    op,
)
from tidegate.errors import UnknownAssetError, UnknownJobError


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


def test_config_of_a_job_keeps_names_of_environment_variables() -> None:
    declared = define_asset_job("j", config={"ops": {"raw": {"config": {"url": EnvVar("URL")}}}})

    found = Definitions(assets=chain(), jobs=[declared]).resolve_job_def("j")

    assert found.run_config == {"ops": {"raw": {"config": {"url": {"env": "URL"}}}}}


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
