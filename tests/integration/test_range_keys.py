"""A run of a range of dynamic keys is for the keys there were when it was submitted, whatever is added or deleted after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tidegate import (
    AllPartitionMapping,
    AssetExecutionContext,
    AssetIn,
    DailyPartitionsDefinition,
    Definitions,
    DynamicPartitionsDefinition,
    MultiPartitionsDefinition,
    asset,
    define_asset_job,
)
from tidegate.testing import LocalDeployment

CUSTOMERS = DynamicPartitionsDefinition(name="customers")
DAYS = DailyPartitionsDefinition("2025-01-01", end_date="2025-01-04")
SEEN: list[tuple[str, list[str]]] = []
"""Assets whose bodies ran, with the partitions they saw."""
FAILING: set[str] = set()

Deploy = Callable[..., LocalDeployment]


def _see(name: str, context: AssetExecutionContext) -> list[str]:
    keys = [*context.partition_keys]
    SEEN.append((name, keys))
    if name in FAILING:
        raise ValueError(name)
    return keys


@asset(partitions_def=CUSTOMERS)
def bill(context: AssetExecutionContext) -> dict[str, int]:
    return dict.fromkeys(_see("bill", context), 1)


@asset(partitions_def=CUSTOMERS)
def letter(context: AssetExecutionContext, bill: dict[str, int]) -> dict[str, int]:
    _see("letter", context)
    return bill


@asset(partitions_def=CUSTOMERS, ins={"bill": AssetIn(partition_mapping=AllPartitionMapping())})
def share(context: AssetExecutionContext, bill: dict[str, int]) -> dict[str, int]:
    SEEN.append(("bills", list(bill)))
    return dict.fromkeys(_see("share", context), len(bill))


@asset(partitions_def=MultiPartitionsDefinition({"customer": CUSTOMERS, "day": DAYS}))
def use(context: AssetExecutionContext) -> dict[str, int]:
    return dict.fromkeys(_see("use", context), 1)


DEFS = Definitions(
    assets=[bill, letter, share, use],
    jobs=[
        define_asset_job(
            "whole",
            selection=["bill", "letter"],
            config={"execution": {"config": {"in_process": {}}}},
        )
    ],
)
THREE = ["acme", "globex", "initech"]


@pytest.fixture
def tg() -> Iterator[LocalDeployment]:
    SEEN.clear()
    FAILING.clear()
    with LocalDeployment(DEFS, now="2026-01-01T00:00:00+00:00") as deployed:
        deployed.add_partitions("customers", THREE)
        yield deployed


def _make(tg: LocalDeployment, selection: str, between: str = "acme...initech") -> str:
    made: dict[str, Any] = tg.call("materialize", selection=selection, partition_range=between)
    return str(made["run_id"])


def _come_and_go(tg: LocalDeployment) -> None:
    """A key is deleted; another comes before the last one, which is deleted and added again."""
    tg.delete_partition("customers", "globex")
    tg.delete_partition("customers", "initech")
    tg.add_partitions("customers", ["new", "initech"])


def test_keys_that_come_and_go_while_it_waits_change_nothing(tg: LocalDeployment) -> None:
    tg.pause_limit("runs")
    run = _make(tg, "bill or letter")
    _come_and_go(tg)
    tg.resume_limit("runs")

    tg.settle()

    assert tg.run_status(run) == "SUCCESS"
    assert SEEN == [("bill", THREE), ("letter", THREE)]
    assert all(tg.latest_materialization("letter", partition=one) for one in THREE)
    assert tg.partition_status("letter") == {
        "acme": "MATERIALIZED",
        "new": "MISSING",
        "initech": "MATERIALIZED",
    }


def test_a_run_of_several_dimensions_keeps_its_keys(tg: LocalDeployment) -> None:
    tg.pause_limit("runs")
    run = _make(tg, "use", "acme|2025-01-01...globex|2025-01-02")
    tg.delete_partition("customers", "globex")
    tg.add_partitions("customers", ["new", "globex"])
    tg.resume_limit("runs")

    tg.settle()

    assert tg.run_status(run) == "SUCCESS"
    ((_, keys),) = SEEN
    assert sorted(keys) == [f"{who}|2025-01-0{n}" for who in ("acme", "globex") for n in (1, 2)]
    made = [key for key, state in tg.partition_status("use").items() if state == "MATERIALIZED"]
    assert sorted(made) == sorted(keys)


def test_a_retry_is_of_the_keys_of_the_run_that_failed(tg: LocalDeployment) -> None:
    FAILING.add("letter")
    first = _make(tg, "bill or letter")
    tg.settle()
    _come_and_go(tg)
    FAILING.clear()

    second = tg.retry(first)
    whole = tg.retry(first, strategy="ALL_STEPS")
    tg.settle()

    assert tg.run_status(second) == "SUCCESS"
    assert tg.run_status(whole) == "SUCCESS"
    assert {tuple(keys) for _, keys in SEEN} == {tuple(THREE)}
    assert tg.partition_status("letter")["new"] == "MISSING"


def test_what_it_reads_of_all_partitions_is_what_there_is_now(tg: LocalDeployment) -> None:
    _make(tg, "bill")
    tg.settle()
    tg.pause_limit("runs")
    run = _make(tg, "share", "acme...globex")
    tg.delete_partition("customers", "globex")
    SEEN.clear()
    tg.resume_limit("runs")

    tg.settle()

    assert tg.run_status(run) == "SUCCESS"
    assert SEEN == [("bills", ["acme", "initech"]), ("share", ["acme", "globex"])]


def test_a_run_in_one_execution_keeps_its_keys(tg: LocalDeployment) -> None:
    tg.pause_limit("runs")
    run = tg.submit(
        "whole",
        tags={
            "tidegate/asset_partition_range_start": "acme",
            "tidegate/asset_partition_range_end": "initech",
        },
    )
    _come_and_go(tg)
    tg.resume_limit("runs")

    tg.settle()

    assert tg.run_status(run) == "SUCCESS"
    assert SEEN == [("bill", THREE), ("letter", THREE)]


def test_a_run_that_would_make_a_key_of_the_range_waits_and_one_of_a_new_key_does_not(
    tg: LocalDeployment,
) -> None:
    tg.pause_limit("runs")
    run = _make(tg, "bill")
    tg.settle()
    _come_and_go(tg)
    one, new = (tg.materialize("bill", partition_key=key) for key in ("initech", "new"))

    tg.settle()

    assert [(who, by) for who, by, _, _ in tg.queue() if who in (one, new)] == [
        (one, "partition initech of bill"),
        (new, "runs"),
    ]
    tg.resume_limit("runs")
    tg.settle()
    assert [tg.run_status(each) for each in (run, one, new)] == ["SUCCESS"] * 3
