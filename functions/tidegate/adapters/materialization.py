"""Which of several materializations counts."""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.adapters.text import stamp
from tidegate.ports import AssetRecord


def order_of(record: AssetRecord) -> str:
    """Sorts as time, then run: the greater one is the later materialization, whichever is written last."""
    return f"{stamp(record.at)}#{record.run_id}"


def latest_of_each(
    records: Iterable[AssetRecord],
) -> tuple[list[AssetRecord], list[AssetRecord]]:
    """Of each partition, and of each asset whatever the partition, the latest record."""
    partitions: dict[tuple[str, str], AssetRecord] = {}
    assets: dict[str, AssetRecord] = {}
    for record in sorted(records, key=order_of):
        assets[record.asset] = record
        if record.partition is not None:
            partitions[record.asset, record.partition] = record
    return list(partitions.values()), list(assets.values())
