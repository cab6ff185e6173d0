"""Backfills, end to end: the real handlers, tables and state machine, on simulated time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tidegate import (
    AssetExecutionContext,
    AssetIn,
    BackfillPolicy,
    Config,
    DailyPartitionsDefinition,
    Definitions,
    DynamicPartitionsDefinition,
    MonthlyPartitionsDefinition,
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
    UnknownAssetError,
    UnknownBackfillError,
    UnknownPartitionError,
)
from tidegate.testing import LocalDeployment

Deploy = Callable[..., LocalDeployment]

DAYS = DailyPartitionsDefinition("2025-01-01", end_date="2025-03-01")
MONTHS = MonthlyPartitionsDefinition("2025-01-01", end_date="2025-03-01")
RAN: Counter[tuple[str, str]] = Counter()
FAILING: set[tuple[str, str]] = set()


@pytest.fixture(autouse=True)
def _calm() -> None:
    RAN.clear()
    FAILING.clear()


def ran(name: str, context: Any) -> None:
    for key in context.partition_keys if context.has_partition_key_range else [""]:
        RAN[name, key] += 1
        if (name, key) in FAILING:
            raise ValueError(f"no {key}")


@asset(partitions_def=DAYS)
def raw(context: AssetExecutionContext) -> str:
    ran("raw", context)
    return context.partition_key


@asset(partitions_def=DAYS)
def clean(context: AssetExecutionContext, raw: str) -> str:
    ran("clean", context)
    return raw


@asset(partitions_def=MONTHS)
def monthly(context: AssetExecutionContext, clean: dict[str, str]) -> int:
    ran("monthly", context)
    return len(clean)


@asset
def report(context: AssetExecutionContext, monthly: dict[str, int]) -> dict[str, int]:
    ran("report", context)
    return monthly


PIPELINE = Definitions(assets=[raw, clean, monthly, report])
QUICK = {"concurrency": {"runs": {"max_concurrent_runs": 50}}}


def test_days_then_months_then_the_report_each_partition_once(deploy: Deploy) -> None:
    tg = deploy(PIPELINE, settings=QUICK)

    backfill = tg.backfill("*", all_partitions=True)
    tg.settle()

    done = tg.backfill_status(backfill)
    assert done.status == "COMPLETED_SUCCESS"
    assert {key: count["done"] for key, count in done.assets.items()} == {
        "raw": 59,
        "clean": 59,
        "monthly": 2,
        "report": 1,
    }
    assert done.runs == 59 + 2 + 1
    assert set(RAN.values()) == {1}
    assert len(RAN) == 59 + 59 + 2 + 1
    assert tg.value("report") == {"2025-01-01": 31, "2025-02-01": 28}
    assert set(tg.partition_status("clean").values()) == {"MATERIALIZED"}
    assert done.grid["raw"] == [["2025-01-01", "2025-02-28", 59, "done"]]


def test_runs_say_which_backfill_and_partition_they_are_of(deploy: Deploy) -> None:
    tg = deploy(PIPELINE, settings=QUICK)

    backfill = tg.backfill("raw", partitions=["2025-01-05"], tags={"team": "x"})
    tg.settle()

    (run_id,) = tg.runs()
    tags = tg.run(run_id).tags
    assert tags["tidegate/backfill"] == backfill
    assert tags["tidegate/partition"] == "2025-01-05"
    assert tags["team"] == "x"


def test_a_failed_partition_leaves_out_what_depends_on_it_and_nothing_else(deploy: Deploy) -> None:
    tg = deploy(PIPELINE, settings=QUICK)
    FAILING.add(("raw", "2025-02-03"))

    backfill = tg.backfill("*", all_partitions=True)
    tg.settle()

    done = tg.backfill_status(backfill)
    assert done.status == "COMPLETED_FAILED"
    assert done.assets["raw"] == {
        "target": 59,
        "requested": 59,
        "done": 58,
        "failed": 1,
        "skipped": 0,
    }
    assert done.assets["monthly"]["done"] == 1
    assert done.assets["monthly"]["failed"] == 1
    assert done.assets["report"]["failed"] == 1
    assert ("report", "") not in RAN
    assert tg.partition_status("raw")["2025-02-03"] == "FAILED"
    assert ["2025-02-03", "2025-02-03", 1, "failed"] in done.grid["clean"]


def test_a_retry_makes_what_was_not_made_and_nothing_else(deploy: Deploy) -> None:
    tg = deploy(PIPELINE, settings=QUICK)
    FAILING.add(("raw", "2025-02-03"))
    backfill = tg.backfill("*", all_partitions=True)
    tg.settle()
    FAILING.clear()
    RAN.clear()

    again = tg.call("backfills.retry", backfill_id=backfill)["backfill_id"]
    tg.settle()

    done = tg.backfill_status(again)
    assert done.status == "COMPLETED_SUCCESS"
    assert done.tags["tidegate/parent_backfill_id"] == backfill
    assert set(RAN) == {
        ("raw", "2025-02-03"),
        ("clean", "2025-02-03"),
        ("monthly", "2025-02-01"),
        ("report", ""),
    }


def test_only_what_failed_or_is_missing_is_asked_for(deploy: Deploy) -> None:
    tg = deploy(PIPELINE, settings=QUICK)
    FAILING.add(("raw", "2025-02-03"))
    tg.backfill("raw", range=("2025-02-01", "2025-02-10"))
    tg.settle()
    FAILING.clear()
    RAN.clear()

    failed = tg.backfill("raw", only="failed")
    tg.settle()
    missing = tg.backfill("raw", range=("2025-02-08", "2025-02-12"), only="missing")
    tg.settle()

    assert tg.backfill_status(failed).totals["done"] == 1
    assert tg.backfill_status(missing).totals["done"] == 2
    assert set(RAN) == {("raw", f"2025-02-{day}") for day in ("03", "11", "12")}


def test_a_backfill_never_has_more_runs_under_way_than_it_may(deploy: Deploy) -> None:
    tg = deploy(PIPELINE, settings=QUICK, step_seconds=10)

    backfill = tg.backfill("raw", all_partitions=True, max_outstanding=4)
    most = 0
    for _ in range(40):
        tg.advance(seconds=5)
        most = max(most, tg.backfill_status(backfill).outstanding)
    tg.advance(minutes=5)

    assert most == 4
    assert tg.backfill_status(backfill).status == "COMPLETED_SUCCESS"
    assert set(RAN.values()) == {1}


def test_the_latest_partitions_come_first_when_asked_for(deploy: Deploy) -> None:
    tg = deploy(PIPELINE, settings={"concurrency": {"runs": {"max_concurrent_runs": 1}}})

    tg.backfill("raw", range=("2025-01-01", "2025-01-05"), order="desc")
    tg.settle()

    assert [key for _, key in RAN] == [f"2025-01-0{day}" for day in (5, 4, 3, 2, 1)]


def test_pausing_asks_for_no_more_and_resuming_goes_on(deploy: Deploy) -> None:
    tg = deploy(PIPELINE, settings=QUICK, step_seconds=10)
    backfill = tg.backfill("raw", all_partitions=True, max_outstanding=4)
    tg.advance(seconds=15)

    tg.call("backfills.pause", backfill_id=backfill)
    tg.advance(minutes=10)
    paused = tg.backfill_status(backfill)
    made = len(RAN)
    tg.call("backfills.resume", backfill_id=backfill)
    tg.advance(minutes=10)

    assert paused.status == "PAUSED"
    assert paused.outstanding == 0
    assert 4 <= made < 20
    assert tg.backfill_status(backfill).status == "COMPLETED_SUCCESS"
    assert set(RAN.values()) == {1}


def test_cancelling_ends_its_runs_and_keeps_what_was_made(deploy: Deploy) -> None:
    tg = deploy(
        PIPELINE, settings={"concurrency": {"runs": {"max_concurrent_runs": 2}}}, step_seconds=10
    )
    backfill = tg.backfill("raw", all_partitions=True)
    tg.advance(seconds=25)

    tg.call("backfills.cancel", backfill_id=backfill)
    tg.advance(minutes=2)

    done = tg.backfill_status(backfill)
    assert done.status == "CANCELED"
    assert done.totals["done"] == 4
    assert set(tg.partition_status("raw").values()) == {"MATERIALIZED", "MISSING"}
    with pytest.raises(RequestError, match="is CANCELED"):
        tg.call("backfills.resume", backfill_id=backfill)


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


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"selection": "raw"}, RequestError, "Which partitions?"),
        ({"selection": "raw", "partitions": ["2024-01-01"]}, UnknownPartitionError, "2024-01-01"),
        (
            {"selection": "raw", "range": ("2025-02-01", "2025-01-01")},
            InvocationError,
            "ends before",
        ),
        (
            {"selection": "raw", "range": ("2025-02-01", "2026-01-01")},
            UnknownPartitionError,
            "2026",
        ),
        (
            {"selection": "raw", "range": ("2025-01-01", "2025-01-02"), "all_partitions": True},
            RequestError,
            "several ways",
        ),
        ({"selection": "gold", "all_partitions": True}, UnknownAssetError, "gold"),
        ({"selection": "raw", "job": "x", "all_partitions": True}, RequestError, "Backfill what?"),
        ({"selection": "raw", "only": "stale"}, RequestError, "neither missing nor failed"),
        ({"selection": "raw", "only": "failed"}, RequestError, "nothing to backfill"),
        ({"selection": "raw", "all_partitions": True, "order": "up"}, RequestError, "'order'"),
        (
            {"selection": "raw", "all_partitions": True, "max_outstanding": 0},
            RequestError,
            "max_outstanding",
        ),
        ({"selection": "report", "partitions": ["2025-01-01"]}, UnknownPartitionError, "None of"),
        ({"job": "nothing", "all_partitions": True}, Exception, "There is no job"),
    ],
)
def test_what_cannot_be_backfilled_is_refused_and_nothing_is_created(
    deploy: Deploy, asked: dict[str, Any], error: type[Exception], says: str
) -> None:
    tg = deploy(PIPELINE)

    with pytest.raises(error, match=says):
        tg.backfill(**asked)

    assert tg.call("backfills.list")["backfills"] == []


def test_backfills_that_do_not_exist_are_said_to(deploy: Deploy) -> None:
    tg = deploy(PIPELINE)

    for action in ("show", "pause", "resume", "cancel", "retry"):
        with pytest.raises(UnknownBackfillError, match="There is no backfill 'x'"):
            tg.call(f"backfills.{action}", backfill_id="x")


def test_a_dry_run_says_what_it_would_come_to_and_does_nothing(deploy: Deploy) -> None:
    tg = deploy(PIPELINE, settings=QUICK, step_seconds=4)
    tg.materialize("raw", partition_key="2025-01-01")
    tg.advance(seconds=10)

    said = tg.call("backfills.launch", selection="raw", all_partitions=True, dry_run=True)

    assert said["runs"] == said["steps"] == 59
    assert said["runs_at_once"] == 50
    assert said["seconds"] == round(59 * 4 / 50, 1)
    assert 0 < said["dollars"] < 1
    assert tg.call("backfills.list")["backfills"] == []


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
