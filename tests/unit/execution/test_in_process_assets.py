"""Assets made in this process: in order, where their files go, and which are made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.execution.ops import raw
from tidegate import (
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetSelection,
    AssetSpec,
    DailyPartitionsDefinition,
    Definitions,
    FilesystemIOManager,
    InMemoryIOManager,
    Output,
    StaticPartitionsDefinition,
    asset,
    define_asset_job,
    job,
    materialize,
    materialize_to_memory,
    op,
)
from tidegate.errors import (
    DefinitionError,
    InvocationError,
    UnknownAssetError,
    UnknownPartitionError,
)


@asset
def total(context: AssetExecutionContext, raw: list[int]) -> Output[int]:
    return Output(sum(raw), metadata={"rows": len(raw)})


def test_assets_are_materialized_upstream_first_with_their_metadata() -> None:
    result = materialize([total, raw])

    assert result.asset_value("total") == 3
    events = result.get_asset_materialization_events()
    assert [one.asset_key for one in events] == [AssetKey("raw"), AssetKey("total")]
    assert events[1].materialization.metadata["rows"].value == 2
    assert [one.asset_key for one in result.asset_materializations_for_node("raw")] == [
        AssetKey("raw")
    ]


def test_materialize_stores_files_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path))

    materialize([raw])
    result = materialize([raw, total], selection=[total])

    assert (tmp_path / "storage/assets/raw/_.json").read_text() == "[1,2]"
    assert result.asset_value("total") == 3


def test_materialize_without_a_place_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    monkeypatch.delenv("TIDEGATE_HOME", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    materialize([raw, total])

    assert list(tmp_path.iterdir()) == []


def test_materialize_uses_the_manager_given(tmp_path: Path) -> None:
    materialize([raw], resources={"io_manager": FilesystemIOManager(tmp_path)})

    assert (tmp_path / "assets/raw/_.json").exists()


def test_in_memory_no_manager_of_an_asset_is_used() -> None:
    @asset(io_manager_key="warehouse")
    def stored() -> object:
        return object()

    result = materialize_to_memory([stored])

    assert result.success


def test_selection_may_be_text_keys_or_a_selection() -> None:
    memory = {"io_manager": InMemoryIOManager()}
    materialize([raw], resources=memory)

    for selection in ("total", ["total"], [total], AssetSelection.assets("total")):
        result = materialize([raw, total], selection=selection, resources=memory)

        assert [str(one.asset_key) for one in result.get_asset_materialization_events()] == [
            "total"
        ]


def test_external_assets_are_not_made() -> None:
    @asset(deps=["outside"])
    def inside() -> int:
        return 1

    result = materialize([AssetSpec("outside"), inside])

    assert [str(one.asset_key) for one in result.get_asset_materialization_events()] == ["inside"]
    with pytest.raises(InvocationError, match="There is no asset to make"):
        materialize([AssetSpec("outside")])


def test_a_job_of_assets_runs_its_selection_or_less() -> None:
    defs = Definitions(assets=[raw, total], jobs=[define_asset_job("both")])
    both = defs.resolve_job_def("both")

    assert both.execute_in_process().asset_value("total") == 3
    assert both.execute_in_process(asset_selection=["raw"]).is_node_success("raw")
    with pytest.raises(UnknownAssetError, match="'gone'"):
        both.execute_in_process(asset_selection=["gone"])


def test_a_partition_is_checked_before_anything_runs() -> None:
    ran = []

    @asset(partitions_def=StaticPartitionsDefinition(["de", "fr"]))
    def by_country(context: AssetExecutionContext) -> str:
        ran.append(context.partition_key)
        return context.partition_key

    assert materialize([by_country], partition_key="de").asset_value("by_country") == "de"
    with pytest.raises(
        UnknownPartitionError, match="There is no partition 'dee'. Did you mean 'de'?"
    ):
        materialize([by_country], partition_key="dee")
    with pytest.raises(InvocationError, match="is partitioned. Give partition_key"):
        materialize([by_country])
    with pytest.raises(UnknownPartitionError, match="has no partitions, and was given 'de'"):
        materialize([raw], partition_key="de")
    assert ran == ["de"]


def test_assets_of_different_partitions_do_not_run_together() -> None:
    @asset(partitions_def=StaticPartitionsDefinition(["de"]))
    def by_country() -> int:
        return 1

    @asset(partitions_def=DailyPartitionsDefinition("2024-01-01"))
    def by_day() -> int:
        return 1

    with pytest.raises(InvocationError, match="assets of different partitions"):
        materialize([by_country, by_day], partition_key="de")


def test_what_is_wrong_with_definitions_is_found_before_anything_runs() -> None:
    with pytest.raises(DefinitionError, match="upstream asset 'raw'"):
        materialize([total])


def test_materializations_of_other_assets_are_in_the_result() -> None:
    @op
    def load() -> Iterator[Any]:
        yield AssetMaterialization("elsewhere")
        yield Output(1)

    @job
    def loading() -> None:
        load()

    result = loading.execute_in_process()

    assert [one.asset_key for one in result.asset_materializations_for_node("load")] == [
        AssetKey("elsewhere")
    ]
