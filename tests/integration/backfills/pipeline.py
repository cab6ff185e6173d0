"""Assets by day, by month and as a whole, which count what they make and fail where they are told to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from tidegate import (
    AssetExecutionContext,
    DailyPartitionsDefinition,
    Definitions,
    MonthlyPartitionsDefinition,
    asset,
)
from tidegate.testing import LocalDeployment

Deploy = Callable[..., LocalDeployment]
DAYS = DailyPartitionsDefinition("2025-01-01", end_date="2025-03-01")
MONTHS = MonthlyPartitionsDefinition("2025-01-01", end_date="2025-03-01")
RAN: Counter[tuple[str, str]] = Counter()
FAILING: set[tuple[str, str]] = set()


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
