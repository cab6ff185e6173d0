"""Holds: what it costs a run to hold its partitions, in calls and units of DynamoDB, and how large the rows are.

Run with ``python -m benchmarks.holds``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime

from benchmarks.admission import REGION, billed
from benchmarks.table import show
from tidegate import HourlyPartitionsDefinition
from tidegate.adapters.dynamodb.models import AutomationTable
from tidegate.adapters.dynamodb.partition_holds import HOLDS, DynamoPartitionHolds
from tidegate.adapters.dynamodb.table import bind, connection
from tidegate.domain.partitions.definition import PartitionKeyRange
from tidegate.domain.partitions.dynamic import DynamicPartitionsDefinition
from tidegate.domain.partitions.hold import Hold
from tidegate.domain.partitions.state import Place, by_row, place_of, places_of_windows
from tidegate.local.dynoxide import Dynoxide

RUN = "0198a2f4-6c00-7000-8000-3f2a9c51d7e4"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = HourlyPartitionsDefinition("2020-01-01-00:00")
SIZES = (1, 10, 100, 500, 2_000, 10_000)


def of_keys(count: int) -> list[Place]:
    """Of dynamic keys of 12 characters."""
    customers = DynamicPartitionsDefinition(name="customers")
    found = (place_of(customers, f"customer{number:04}") for number in range(count))
    return [one for one in found if one is not None]


def of_hours(count: int) -> list[Place]:
    """Of hours that follow each other."""
    keys = HOURS.get_partition_keys(NOW)
    given = PartitionKeyRange(keys[0], keys[count - 1])
    return places_of_windows(HOURS, HOURS.subset_of_range(given, NOW))


def cost(places: Sequence[Place]) -> tuple[object, ...]:
    """Rows, the largest of them, calls and units to take the partitions and to give them up, as ``app/runs/holding.py`` does."""
    holds, asset = DynamoPartitionHolds(), f"asset{len(places)}{places[0].row}"
    wanted = [
        (row, Hold(holder=RUN, members=frozenset(map(str, members))))
        for row, members in sorted(by_row(places).items())
    ]
    with billed() as taking:
        for row, hold in wanted:
            if len(hold.members) > 1:
                version = holds.row(asset, row).version
                holds.take(asset, row, hold, version=version)
            else:
                holds.take(asset, row, hold)
    largest = max(_bytes(asset, row) for row, _ in wanted)
    with billed() as giving:
        if len(places) > 1:
            holds.rows(asset)
        for row, hold in wanted:
            holds.give_up(asset, row, hold)
    return (
        f"{len(places):,}",
        len(wanted),
        f"{largest:,}",
        taking.calls,
        f"{taking.units:g}",
        giving.calls,
        f"{giving.units:g}",
    )


def beside(others: int) -> tuple[object, ...]:
    """Units of a run of one hour, while others hold theirs in the same row."""
    holds, asset, (place,) = DynamoPartitionHolds(), f"beside{others}", of_hours(1)
    for number in range(others):
        other = Hold(holder=f"{RUN[:-4]}{number:04}", members=frozenset({str(number + 1)}))
        holds.take(asset, place.row, other)
    own = Hold(holder=RUN, members=frozenset({"0"}))
    with billed() as bill:
        holds.take(asset, place.row, own)
        holds.give_up(asset, place.row, own)
    return others, bill.calls, f"{bill.units:g}"


def _bytes(asset: str, row: str) -> int:
    """As DynamoDB counts: names, and values as UTF-8."""
    item = connection().get_item(AutomationTable.Meta.table_name, f"{HOLDS}{asset}", row)["Item"]
    return sum(
        len(name) + sum(len(one) for one in (text if isinstance(text, list) else [text]))
        for name, value in item.items()
        for text in value.values()
    )


def main() -> None:
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "local")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "local")
    engine = Dynoxide()
    try:
        bind(region=REGION, host=engine.url, retries=0)
        AutomationTable.create_table(wait=True)
        head = (
            "partitions",
            "rows",
            "largest, bytes",
            "calls to take",
            "units",
            "calls to give up",
            "units",
        )
        show("A run of dynamic keys, of one asset", head, [cost(of_keys(one)) for one in SIZES])
        show("A run of hours, of one asset", head, [cost(of_hours(one)) for one in SIZES])
        rows = [beside(one) for one in (0, 10, 50, 200, 1_000)]
        show("A run of one hour, beside others in its row", ("others", "calls", "units"), rows)
    finally:
        engine.stop()


if __name__ == "__main__":
    main()
