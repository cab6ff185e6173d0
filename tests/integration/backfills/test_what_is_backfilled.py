"""What a backfill may be of: jobs and assets, partitions of every kind, one or many in a run."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.integration.backfills.pipeline import (
    DAYS,
    FAILING,
    MONTHS,
    QUICK,
    RAN,
    Deploy,
    clean,
    monthly,
    ran,
    raw,
)
from tidegate import (
    AssetExecutionContext,
    AssetIn,
    BackfillPolicy,
    Config,
    Definitions,
    DynamicPartitionsDefinition,
    MultiPartitionsDefinition,
    OpExecutionContext,
    StaticPartitionsDefinition,
    TimeWindowPartitionMapping,
    asset,
    define_asset_job,
    job,
    multi_asset,
    op,
)
from tidegate.errors import (
    InvocationError,
    RequestError,
)


def test_policies_say_how_many_partitions_a_run_makes(deploy: Deploy) -> None:
    @asset(partitions_def=DAYS, backfill_policy=BackfillPolicy.single_run())
    def whole(context: AssetExecutionContext) -> dict[str, int]:
        ran("whole", context)
        return dict.fromkeys(context.partition_keys, 1)

    @asset(partitions_def=DAYS, backfill_policy=BackfillPolicy.multi_run(10))
    def some(context: AssetExecutionContext, whole: dict[str, int]) -> dict[str, int]:
        ran("some", context)
        return whole

    tg = deploy(Definitions(assets=[whole, some]), settings=QUICK)

    backfill = tg.backfill("*", range=("2025-01-01", "2025-01-25"))
    tg.settle()

    done = tg.backfill_status(backfill)
    assert done.status == "COMPLETED_SUCCESS"
    assert done.runs == 1 + 3
    assert tg.value("some", partition="2025-01-25") == 1
    ranges = {
        (
            run.tags["tidegate/asset_partition_range_start"],
            run.tags["tidegate/asset_partition_range_end"],
        )
        for run in map(tg.run, tg.runs())
    }
    assert ("2025-01-21", "2025-01-25") in ranges


def test_an_asset_made_of_its_own_past_goes_day_by_day(deploy: Deploy) -> None:
    lagged = TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)

    @asset(partitions_def=DAYS, ins={"running": AssetIn(partition_mapping=lagged)})
    def running(running: dict[str, int]) -> int:
        return 1 + sum(running.values())

    tg = deploy(Definitions(assets=[running]), settings=QUICK)

    backfill = tg.backfill("running", range=("2025-01-01", "2025-01-12"))
    tg.settle()

    assert tg.backfill_status(backfill).status == "COMPLETED_SUCCESS"
    assert tg.value("running", partition="2025-01-12") == 12


def test_assets_of_one_step_go_together(deploy: Deploy) -> None:
    from tidegate import AssetSpec, MaterializeResult

    @multi_asset(specs=[AssetSpec("left"), AssetSpec("right", deps=["left"])], partitions_def=DAYS)
    def both() -> tuple[MaterializeResult[None], MaterializeResult[None]]:
        return MaterializeResult(asset_key="left"), MaterializeResult(asset_key="right")

    tg = deploy(Definitions(assets=[both]), settings=QUICK)

    backfill = tg.backfill("*", range=("2025-01-01", "2025-01-03"))
    tg.settle()

    assert tg.backfill_status(backfill).runs == 3
    assert tg.backfill_status(backfill).totals["done"] == 6
    with pytest.raises(InvocationError, match="all of its assets at once"):
        tg.backfill("left", range=("2025-01-01", "2025-01-03"))


def test_an_output_left_out_counts_as_skipped(deploy: Deploy) -> None:
    @asset(partitions_def=DAYS, output_required=False)
    def maybe() -> Any:
        yield from ()

    @asset(partitions_def=MONTHS)
    def after(maybe: dict[str, Any]) -> int:
        return len(maybe)

    tg = deploy(Definitions(assets=[maybe, after]), settings=QUICK)

    backfill = tg.backfill("*", range=("2025-01-01", "2025-01-02"))
    tg.settle()

    done = tg.backfill_status(backfill)
    assert done.status == "COMPLETED_SUCCESS"
    assert done.assets["maybe"]["skipped"] == 2
    assert done.assets["after"]["skipped"] == 1
    assert set(tg.partition_status("maybe").values()) == {"MISSING"}


class Limit(Config):
    most: int = 0


def test_a_job_of_ops_and_a_job_of_assets_are_backfilled(deploy: Deploy) -> None:
    @op
    def load(context: OpExecutionContext, config: Limit) -> int:
        ran("load", context)
        return config.most

    @job(partitions_def=DAYS, config={"ops": {"load": {"config": {"most": 3}}}})
    def loading() -> None:
        load()

    daily = define_asset_job("daily", selection=[raw, clean], tags={"team": "y"})
    tg = deploy(Definitions(assets=[raw, clean], jobs=[loading, daily]), settings=QUICK)
    FAILING.add(("load", "2025-01-02"))

    ops = tg.backfill(job="loading", range=("2025-01-01", "2025-01-03"))
    assets = tg.backfill(job="daily", partitions=["2025-01-01"])
    tg.settle()

    assert tg.backfill_status(ops).totals == {
        "target": 3,
        "requested": 3,
        "done": 2,
        "failed": 1,
        "skipped": 0,
    }
    assert tg.backfill_status(assets).status == "COMPLETED_SUCCESS"
    assert {tg.run(one).tags.get("team") for one in tg.runs()} == {None, "y"}


def test_partitions_of_several_dimensions_and_dynamic_ones(deploy: Deploy) -> None:
    customers = DynamicPartitionsDefinition(name="customers")
    countries = StaticPartitionsDefinition(["de", "fr"])
    cube = MultiPartitionsDefinition({"day": DAYS, "country": countries, "customer": customers})

    @asset(partitions_def=cube)
    def sales(context: AssetExecutionContext) -> str:
        ran("sales", context)
        return "+".join(sorted(context.partition_key.keys_by_dimension))  # type: ignore[attr-defined]

    @asset(partitions_def=customers)
    def account(context: AssetExecutionContext) -> str:
        ran("account", context)
        return context.partition_key

    @asset
    def everyone(account: dict[str, str]) -> list[str]:
        return list(account)

    tg = deploy(Definitions(assets=[sales, account, everyone]), settings=QUICK)
    tg.add_partitions("customers", ["globex", "acme"])

    one = tg.backfill("sales", range=("de|acme|2025-01-01", "fr|acme|2025-01-02"))
    two = tg.backfill("+everyone", all_partitions=True)
    tg.settle()

    assert tg.backfill_status(one).totals["done"] == 4
    assert tg.value("sales", partition="fr|acme|2025-01-02") == "country+customer+day"
    assert tg.partition_status("sales")["fr|acme|2025-01-02"] == "MATERIALIZED"
    assert Counter(tg.partition_status("sales").values())["MATERIALIZED"] == 4
    assert tg.backfill_status(two).status == "COMPLETED_SUCCESS"
    assert tg.value("everyone") == ["globex", "acme"]
    assert tg.partition_status("account") == {"globex": "MATERIALIZED", "acme": "MATERIALIZED"}


def test_a_partition_deleted_meanwhile_is_recorded_and_the_rest_is_made(deploy: Deploy) -> None:
    customers = DynamicPartitionsDefinition(name="customers")

    @asset(partitions_def=customers)
    def account(context: AssetExecutionContext) -> None:
        ran("account", context)

    tg = deploy(Definitions(assets=[account]), settings=QUICK, step_seconds=10)
    tg.add_partitions("customers", ["a", "b", "c", "d"])
    backfill = tg.backfill("account", all_partitions=True, max_outstanding=2)
    tg.settle()

    tg.delete_partition("customers", "d")
    tg.advance(minutes=2)

    done = tg.backfill_status(backfill)
    assert done.status == "COMPLETED_FAILED"
    assert done.totals["done"] == 3
    assert done.totals["failed"] == 1
    assert set(RAN.values()) == {1}


def test_a_run_of_a_range_and_bad_partitions_of_runs(deploy: Deploy) -> None:
    @asset(partitions_def=DAYS)
    def wide(context: AssetExecutionContext) -> dict[str, int]:
        return dict.fromkeys(context.partition_keys, 7)

    tg = deploy(Definitions(assets=[wide, monthly, clean, raw]))

    run = tg.call("materialize", selection="wide", partition_range="2025-01-01...2025-01-03")
    tg.settle()

    assert tg.run_status(run["run_id"]) == "SUCCESS"
    assert tg.value("wide", partition="2025-01-02") == 7
    made = tg.latest_materialization("wide", partition="2025-01-03")
    assert made is not None
    assert Counter(tg.partition_status("wide").values())["MATERIALIZED"] == 3
    with pytest.raises(RequestError, match="no range"):
        tg.call("materialize", selection="wide", partition_range="2025-01-01")
    with pytest.raises(RequestError, match="partitioned differently"):
        tg.materialize(["monthly", "clean"][0] + " or clean", partition_key="2025-01-01")
    with pytest.raises(RequestError, match="not for both"):
        tg.call(
            "materialize",
            selection="wide",
            partition_range="2025-01-01...2025-01-03",
            partition_key="2025-01-01",
        )
