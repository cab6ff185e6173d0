"""``tidegate backfill`` and ``tidegate partitions``, on what a deployment really answers."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.unit.cli.answers import Tidegate
from tidegate import (
    AssetExecutionContext,
    DailyPartitionsDefinition,
    Definitions,
    DynamicPartitionsDefinition,
    asset,
)
from tidegate.cli import backfill, connect, wording
from tidegate.testing import LocalDeployment

DAYS = DailyPartitionsDefinition("2025-01-01", end_date="2025-01-07")


@asset(partitions_def=DAYS)
def days(context: AssetExecutionContext) -> str:
    if context.partition_key == "2025-01-04":
        raise ValueError("no fourth")
    return context.partition_key


@asset(partitions_def=DynamicPartitionsDefinition(name="customers"))
def account(context: AssetExecutionContext) -> str:
    return context.partition_key


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalDeployment]:
    with LocalDeployment(Definitions(assets=[days, account]), step_seconds=2) as deployment:
        monkeypatch.setattr(connect, "connect", lambda target: deployment)
        monkeypatch.setattr(connect, "caller", lambda target: "ada")
        monkeypatch.setattr(wording, "now", lambda answer=None: deployment.now)
        monkeypatch.setattr(backfill.time, "sleep", lambda _: deployment.advance(seconds=5))
        yield deployment


def test_a_backfill_is_launched_followed_and_drawn(
    deployed: LocalDeployment, tidegate: Tidegate
) -> None:
    printed = tidegate("backfill", "launch", "--select", "days", "--all", "--wait")

    assert printed.code == 1
    assert "5 of 6 made, 1 failed" in printed.out
    assert "completed_failed" in printed.out
    assert "days  5 of 6, 1 failed" in printed.out
    assert "2025-01-01" in printed.out
    assert "2025-01-06" in printed.out


def test_its_partitions_are_shown_as_a_grid_and_as_json(
    deployed: LocalDeployment, tidegate: Tidegate
) -> None:
    tidegate("backfill", "launch", "--select", "days", "--all")
    deployed.advance(minutes=1)

    shown = tidegate("partitions", "status", "days")
    document = json.loads(tidegate("partitions", "status", "days", "--json").out)
    listed = tidegate("backfill", "list")
    last = json.loads(tidegate("backfill", "show", "--json").out)

    assert "days  6 partitions: 5 materialized, 1 failed" in shown.out
    assert ["2025-01-04", "2025-01-04", 1, "FAILED"] in document["ranges"]
    assert "completed_failed" in listed.out
    assert last["totals"]["done"] == 5


def test_it_is_paused_resumed_cancelled_and_retried_by_the_end_of_its_id(
    deployed: LocalDeployment, tidegate: Tidegate
) -> None:
    launched = tidegate(
        "backfill", "launch", "-s", "days", "--all", "--max-outstanding", "1", "--json"
    )
    short = wording.short(json.loads(launched.out)["backfill_id"])

    paused = tidegate("backfill", "pause", short)
    resumed = tidegate("backfill", "resume", short)
    cancelled = tidegate("backfill", "cancel", "last")
    deployed.advance(minutes=1)
    retried = tidegate("backfill", "retry", short)

    assert "is paused" in paused.out
    assert "is requested" in resumed.out
    assert "is canceling" in cancelled.out
    assert retried.code == 0
    assert "is requested" in retried.out


def test_a_dry_run_says_partitions_runs_time_and_price(
    deployed: LocalDeployment, tidegate: Tidegate
) -> None:
    printed = tidegate(
        "backfill",
        "launch",
        "-s",
        "days",
        "--partition-range",
        "2025-01-01...2025-01-03",
        "--dry-run",
    )

    assert "3 partitions" in printed.out
    assert "3 runs, 3 steps, at most 10 at once" in printed.out
    assert "time: not known" in printed.out
    assert "control plane on AWS: about $0.00" in printed.out
    assert deployed.runs() == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["backfill", "launch", "-s", "days"], "Which partitions?"),
        (
            ["backfill", "launch", "-s", "days", "--missing", "--failed"],
            "Both --missing and --failed",
        ),
        (["backfill", "launch", "-s", "days", "--partition", "x"], "There is no partition 'x'"),
        (["backfill", "show"], "There has been no backfill."),
        (["backfill", "show", "abc"], "There has been no backfill."),
        (["partitions", "add", "clients", "a"], "No dynamic partitions have the name 'clients'"),
        (["partitions", "add", "customers", "a|b"], "'a|b' cannot be a partition"),
        (["partitions", "delete", "customers", "a"], "has no partition 'a'"),
        (["partitions", "status", "nothing"], "There is no asset 'nothing'"),
        (["materialize", "-s", "days", "--partition-range", "x"], "'x' is no range"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    deployed: LocalDeployment, tidegate: Tidegate, arguments: list[str], says: str
) -> None:
    printed = tidegate(*arguments)

    assert printed.code == 2
    assert says in printed.err


def test_dynamic_partitions_are_added_listed_and_deleted(
    deployed: LocalDeployment, tidegate: Tidegate
) -> None:
    added = tidegate("partitions", "add", "customers", "globex", "acme")
    again = tidegate("partitions", "add", "customers", "acme")
    tidegate("partitions", "delete", "customers", "globex")

    assert "Added 2 partitions to customers." in added.out
    assert "Added 0 partitions" in again.out
    assert tidegate("partitions", "list", "customers").out.split() == ["acme"]
