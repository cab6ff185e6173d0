"""Table ``assets`` in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from threading import RLock

from tidegate.adapters.materialization import latest_of_each, order_of
from tidegate.ports import AssetRecord, Page


class MemoryAssetStore:
    """``tidegate.ports.AssetStore`` in memory."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._latest: dict[str, AssetRecord] = {}
        self._partitions: dict[str, dict[str, AssetRecord]] = {}

    def materialized(self, records: Iterable[AssetRecord]) -> None:
        partitions, latest = latest_of_each(records)
        with self._lock:
            for record in partitions:
                _keep(self._partitions.setdefault(record.asset, {}), str(record.partition), record)
            for record in latest:
                _keep(self._latest, record.asset, record)

    def latest(self, asset: str, partition: str | None = None) -> AssetRecord | None:
        if partition is None:
            return self._latest.get(asset)
        return self._partitions.get(asset, {}).get(partition)

    def partitions(
        self, asset: str, *, limit: int = 1000, cursor: str | None = None
    ) -> Page[AssetRecord]:
        limit = max(1, limit)
        with self._lock:
            keyed = sorted(self._partitions.get(asset, {}).items())
        left = [record for key, record in keyed if cursor is None or key > cursor]
        found = tuple(left[:limit])
        return Page(items=found, cursor=found[-1].partition if len(left) > limit else None)


def _keep(records: dict[str, AssetRecord], key: str, record: AssetRecord) -> None:
    stored = records.get(key)
    if stored is None or order_of(stored) < order_of(record):
        metadata, tags = json.loads(json.dumps([dict(record.metadata), dict(record.tags)]))
        records[key] = replace(record, metadata=metadata, tags=tags)
