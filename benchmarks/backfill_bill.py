"""Backfills end to end on the local deployment: levels that wait for no timer, and what a million partitions would take on AWS."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from unittest.mock import patch

from benchmarks.steps import CONTROL_GB_SECONDS, DOLLARS
from benchmarks.table import show
from tidegate import (
    AllPartitionMapping,
    AssetIn,
    BackfillPolicy,
    DailyPartitionsDefinition,
    Definitions,
    StaticPartitionsDefinition,
    asset,
)
from tidegate.app.upkeep import monitor
from tidegate.handlers import queue
from tidegate.local.role import Role
from tidegate.testing import LocalDeployment

LEVELS = 20
MILLION = 1_000_000
RUNS_A_SECOND = {
    "starts of executions": 300,
    "grants of the limit `runs`": 165,
}
"""What AWS allows in us-east-1, us-west-2 and eu-west-1: StartExecution, steadily; and the limit of runs, while it is full."""
KEY_UNITS = 1_000
"""Write units a second of one partition key."""
ASSET_UNITS = 9
"""Of them, what a run takes of its asset's key for states and holds of neighbouring windows; and one for each record."""
CONTROL_SECONDS = 1.0
"""Of a run's life that the control plane takes on AWS: assumed."""
BATCH = 50
"""Partitions that one run makes, where it makes several."""

DAYS = DailyPartitionsDefinition("2025-01-01", end_date="2025-07-20")


@asset(partitions_def=DAYS)
def single() -> int:
    return 1


@asset(partitions_def=DAYS, backfill_policy=BackfillPolicy.multi_run(BATCH))
def batched(context) -> dict[str, int]:  # type: ignore[no-untyped-def]
    return dict.fromkeys(context.partition_keys, 1)


def chain(levels: int) -> list[Any]:
    """Assets each of which is made of all partitions of the one before."""
    parts = StaticPartitionsDefinition(["a", "b", "c"])

    def level(number: int) -> Any:
        ins = (
            {f"level_{number - 1}": AssetIn(partition_mapping=AllPartitionMapping())}
            if number
            else {}
        )

        @asset(name=f"level_{number}", partitions_def=parts, ins=ins)
        def one(**_: Any) -> int:
            return number

        return one

    return [level(number) for number in range(levels)]


@contextmanager
def _timers() -> Iterator[Counter[str]]:
    """Counts what timers cause: sweeps, and alarms."""
    went_off: Counter[str] = Counter()

    def counted(module: Any, name: str) -> Any:
        work = getattr(module, name)

        def one(*args: Any, **kwargs: Any) -> Any:
            went_off[name] += 1
            return work(*args, **kwargs)

        return patch.object(module, name, one)

    with counted(monitor, "sweep"), counted(queue, "wake"):
        yield went_off


def deep() -> None:
    with LocalDeployment(Definitions(assets=chain(LEVELS))) as tg, _timers() as went_off:
        began, now = time.perf_counter(), tg.now
        backfill_id = tg.backfill("*", all_partitions=True)
        tg.settle()
        seconds = time.perf_counter() - began
        shown = tg.call("backfills.show", backfill_id=backfill_id)
        assert shown["status"] == "COMPLETED_SUCCESS", shown
        rows = [
            ("dependent levels, of 3 partitions each", LEVELS),
            ("partitions made", shown["totals"]["done"]),
            (
                "seconds that passed on the deployment's clock",
                f"{(tg.now - now).total_seconds():g}",
            ),
            ("sweeps, and alarms that went off", went_off.total()),
            ("seconds on this machine, a level", f"{seconds / LEVELS:.2f}"),
        ]
    show("A deep graph, on a clock that stands still", ("what", ""), rows)


@dataclass(frozen=True)
class Spent:
    """Of one run."""

    counts: dict[str, float]
    partitions: int

    @property
    def dollars(self) -> float:
        one = self.counts
        return (
            one["state transitions"] * DOLLARS["transition"]
            + one["write units"] * DOLLARS["write_unit"]
            + one["read units"] * DOLLARS["read_unit"]
            + one["Lambda invocations"] * DOLLARS["invocation"]
            + (one["Lambda invocations"] - 1) * CONTROL_GB_SECONDS * DOLLARS["gb_second"]
            + one["S3 puts (values)"] * DOLLARS["put"]
            + one["events"] * DOLLARS["event"]
        )


def million() -> None:
    with LocalDeployment(Definitions(assets=[single, batched])) as tg:
        runs = [
            _spent(tg, "single", short=50, long=150, partitions=1),
            _spent(tg, "batched", short=BATCH, long=4 * BATCH, partitions=BATCH),
        ]
    names = ["a run of one partition", f"a run of {BATCH}"]
    rows = [(key, *(f"{one.counts[key]:.2f}" for one in runs)) for key in runs[0].counts]
    rows.append(("dollars", *(f"{one.dollars:.6f}" for one in runs)))
    show("One more run of a backfill, counted", ("", *names), rows)
    _estimate(names, runs)


def _estimate(names: Sequence[str], runs: Sequence[Spent]) -> None:
    rows = []
    for name, one in zip(names, runs, strict=True):
        count = MILLION / one.partitions
        for outstanding, lasts in ((200, 10), (5_000, 10), (5_000, 60)):
            rates = {
                **RUNS_A_SECOND,
                "max_outstanding_runs": outstanding / (lasts + CONTROL_SECONDS),
                "rows of the asset": KEY_UNITS / (ASSET_UNITS + one.partitions),
            }
            why = min(rates, key=lambda key: rates[key])
            rate = rates[why]
            rows.append(
                (
                    name,
                    f"{count:,.0f}",
                    f"{one.dollars * count:,.2f}",
                    f"{outstanding:,}",
                    lasts,
                    f"{rate:,.1f}",
                    why,
                    _lasting(count / rate),
                )
            )
    show(
        "1,000,000 partitions on AWS, on paper",
        (
            "runs of",
            "runs",
            "dollars without the user's own seconds",
            "outstanding at most",
            "a run lasts, s",
            "runs a second",
            "held back by",
            "duration",
        ),
        rows,
    )


def _lasting(seconds: float) -> str:
    if seconds < 7_200:
        return f"{seconds / 60:,.0f} min"
    return f"{seconds / 3600:,.1f} h"


def _spent(tg: LocalDeployment, name: str, *, short: int, long: int, partitions: int) -> Spent:
    """Of one run: what a long backfill spends more than a short one, by the runs it has more."""
    keys = [f"{one:%Y-%m-%d}" for one in _days(long)]
    _run(tg, name, keys[:1])
    less, more = _run(tg, name, keys[:short]), _run(tg, name, keys)
    runs = (long - short) / partitions
    return Spent({key: (more[key] - less[key]) / runs for key in more}, partitions)


def _days(count: int) -> list[Any]:
    return [date(2025, 1, 1) + timedelta(days=one) for one in range(count)]


def _run(tg: LocalDeployment, name: str, keys: list[str]) -> dict[str, float]:
    aws = tg._deployment.aws
    aws.calls.clear()
    before, began = aws.step_functions.transitions, time.process_time()
    backfill_id = tg.backfill(name, partitions=keys)
    tg.settle()
    assert tg.backfill_status(backfill_id).status == "COMPLETED_SUCCESS"
    processor = time.process_time() - began
    control, user, states = (aws.calls.of(role) for role in (Role.CONTROL, Role.USER, Role.STATES))
    tables = [n for (service, _), n in control.calls.items() if service == "dynamodb"]
    return {
        "DynamoDB calls": sum(tables),
        "write units": control.write_units,
        "read units": control.read_units,
        "state transitions": aws.step_functions.transitions - before,
        "StartExecution calls": control.calls["stepfunctions", "StartExecution"],
        "Lambda invocations": states.calls["lambda", "Invoke"] + control.calls["lambda", "Invoke"],
        "S3 puts (values)": user.calls["s3", "PutObject"],
        "events": control.calls["events", "PutEvents"],
        "processor on this machine, ms": processor * 1000,
    }
