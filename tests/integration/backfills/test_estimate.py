"""A dry run is honest: what it says of time and price is what the backfill then comes to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from tidegate import Definitions, StaticPartitionsDefinition, asset, job, op
from tidegate.local.role import Role
from tidegate.testing import LocalDeployment

Deploy = Callable[..., LocalDeployment]

TRANSITION, INVOCATION, EVENT = 0.025 / 1_000, 0.20 / 1_000_000, 1.0 / 1_000_000
WRITE_UNIT, READ_UNIT, PUT = 0.625 / 1_000_000, 0.125 / 1_000_000, 0.005 / 1_000
CONTROL = 0.05 * 0.5 * 0.0000133334
"""Of one invocation of the control plane: 50 ms at 512 MB, assumed. Prices of docs/performance.md."""
KEYS = [f"k{number:02}" for number in range(24)]


@asset(partitions_def=StaticPartitionsDefinition(KEYS))
def first() -> int:
    return 1


@asset(partitions_def=StaticPartitionsDefinition(KEYS), pool="db")
def second(first: int) -> int:
    return first


@asset
def total(second: dict[str, int]) -> int:
    return sum(second.values())


@op
def work() -> None:
    return None


@job(partitions_def=StaticPartitionsDefinition(KEYS))
def nightly() -> None:
    work()


DEFS = Definitions(assets=[first, second, total], jobs=[nightly])


def runs(most: int = 50, **more: Any) -> dict[str, Any]:
    return {"concurrency": {"runs": {"max_concurrent_runs": most, **more}}}


def estimate(tg: LocalDeployment, **fields: Any) -> dict[str, Any]:
    return tg.call("backfills.launch", all_partitions=True, dry_run=True, **fields)


@pytest.mark.parametrize(("selection", "steps"), [("first", 1), ("first+1", 2)])
def test_the_price_is_that_of_the_calls(deploy: Deploy, selection: str, steps: int) -> None:
    tg = deploy(DEFS, settings=runs(10))
    said = estimate(tg, selection=selection.replace("+1", " or second"))
    aws = tg._deployment.aws
    aws.calls.clear()
    before = aws.step_functions.transitions

    tg.backfill("first" if steps == 1 else "first or second", partitions=KEYS)
    tg.settle()

    made: dict[tuple[str, str], int] = {}
    for role in Role:
        for call, count in aws.calls.of(role).calls.items():
            made[call] = made.get(call, 0) + count
    control = aws.calls.of(Role.CONTROL)
    dollars = (
        (aws.step_functions.transitions - before) * TRANSITION
        + control.write_units * WRITE_UNIT
        + control.read_units * READ_UNIT
        + made["lambda", "Invoke"] * (INVOCATION + CONTROL)
        + made["s3", "PutObject"] * PUT
        + made["events", "PutEvents"] * EVENT
    )
    assert (said["runs"], said["steps"]) == (24, 24 * steps)
    assert dollars == pytest.approx(said["dollars"], rel=0.15)


@pytest.mark.parametrize(
    ("settings", "selection", "seconds", "bound_by"),
    [
        (runs(50), "first", 4, "what depends on what"),
        (runs(6), "first", 24 * 4 / 6, "runs"),
        (runs(50), "first or second", 8, "what depends on what"),
        (
            runs() | {"concurrency": {"pools": {"limits": {"db": 2}}}},
            "first or second",
            24 * 4 / 2,
            "pool/db",
        ),
        (runs(50, rate={"limit": 1, "per": "second"}), "first", 23, "rate of runs"),
        (
            runs(50, tag_concurrency_limits=[{"key": "tidegate/backfill", "limit": 4}]),
            "first",
            24 * 4 / 4,
            "run-tag/tidegate/backfill",
        ),
        (runs(50), "*", 12, "what depends on what"),
    ],
)
def test_the_time_is_what_the_limits_and_the_last_times_come_to(
    deploy: Deploy, settings: Any, selection: str, seconds: float, bound_by: str
) -> None:
    tg = deploy(DEFS, settings=settings, step_seconds=4)
    tg.backfill("*", all_partitions=True)
    tg.advance(minutes=10)

    said = estimate(tg, selection=selection)
    backfill = tg.backfill(selection, all_partitions=True)
    tg.advance(minutes=5)

    assert (said["seconds"], said["bound_by"]) == (seconds, bound_by)
    one = tg.call("backfills.show", backfill_id=backfill)
    took = _moment(one["finished_at"]) - _moment(one["created_at"])
    assert one["status"] == "COMPLETED_SUCCESS"
    assert seconds <= took <= seconds * 1.25 + 4


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_what_was_never_made_and_what_admits_nothing_is_named_and_no_time_is_guessed(
    deploy: Deploy,
) -> None:
    tg = deploy(DEFS, settings=runs(50))

    never = estimate(tg, selection="first or second")
    tg.set_limit("pool/db", 0)
    blocked = estimate(tg, selection="second")

    assert (never["seconds"], never["never_made"]) == (None, ["first", "second"])
    assert (blocked["seconds"], blocked["blocked_by"]) == (None, "pool/db")


def test_a_job_of_ops_is_taken_to_last_as_its_last_run_did(deploy: Deploy) -> None:
    tg = deploy(DEFS, settings=runs(6), step_seconds=3)
    tg.submit("nightly", partition_key=KEYS[0])
    tg.advance(seconds=5)

    said = tg.call("backfills.launch", job="nightly", all_partitions=True, dry_run=True)

    assert (said["runs"], said["seconds"], said["bound_by"]) == (24, 24 * 3 / 6, "runs")
