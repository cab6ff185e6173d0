"""Table ``assets``: what is asked of it, one function for each."""

from __future__ import annotations

from collections.abc import Iterable

from pynamodb.expressions.condition import Condition

from tidegate.adapters.dynamodb import write
from tidegate.adapters.dynamodb.models import AssetRow
from tidegate.adapters.dynamodb.packed import MAX_BYTES, pack, unpack
from tidegate.adapters.dynamodb.table import translated
from tidegate.adapters.materialization import latest_of_each, order_of
from tidegate.ports import AssetRecord, Page

LATEST = "latest"
PARTITION = "partition#"
ABSENT: Condition = AssetRow.pk.does_not_exist()


def earlier_than(order: str) -> Condition:
    """There is no row, or that of an earlier materialization."""
    condition: Condition = ABSENT | (AssetRow.order < order)
    return condition


class DynamoAssetStore:
    """``tidegate.ports.AssetStore`` on DynamoDB."""

    def materialized(self, records: Iterable[AssetRecord]) -> None:
        """Key: pk asset, sk ``partition#<partition>``, then ``latest``. Condition: none stored, or an earlier one.

        1 write unit for each KB, whether or not the condition holds. A partition's row comes before row ``latest``,
        which only points to it: 1 unit once per asset and call. Metadata that does not fit is left out, because a
        step that said too much must still complete.
        """
        partitions, latest = latest_of_each(records)
        for record in partitions:
            self._put(_full_row(record, f"{PARTITION}{record.partition}"))
        for record in latest:
            self._put(_full_row(record, LATEST) if record.partition is None else _pointer(record))

    def latest(self, asset: str, partition: str | None = None) -> AssetRecord | None:
        """Key: pk asset, sk ``latest`` or ``partition#<partition>``. 1 read unit for each 4 KB; of a partitioned asset's
        latest one more, since ``latest`` only points to the partition."""
        key = LATEST if partition is None else f"{PARTITION}{partition}"
        row = write.get("assets.latest", AssetRow, asset, key)
        if row is None:
            return None
        if partition is None and row.partition is not None:
            return self.latest(asset, row.partition)
        return _record(row)

    def partitions(
        self, asset: str, *, limit: int = 1000, cursor: str | None = None
    ) -> Page[AssetRecord]:
        """Key: pk asset, sk from ``partition#``, by partition key. Strongly consistent: 1 read unit for each 4 KB."""
        limit = max(1, limit)
        with translated("assets.partitions"):
            rows = list(
                AssetRow.query(
                    asset,
                    AssetRow.sk.startswith(PARTITION),
                    consistent_read=True,
                    limit=limit + 1,
                    last_evaluated_key=None
                    if cursor is None
                    else {"pk": {"S": asset}, "sk": {"S": f"{PARTITION}{cursor}"}},
                )
            )
        found = tuple(_record(row) for row in rows[:limit])
        return Page(items=found, cursor=found[-1].partition if len(rows) > limit else None)

    def _put(self, row: AssetRow) -> None:
        write.put("assets.materialized", row, earlier_than(row.order))


def _full_row(record: AssetRecord, key: str) -> AssetRow:
    said = pack({"metadata": dict(record.metadata), "tags": dict(record.tags)})
    if len(said) > MAX_BYTES:
        omitted = f"{len(said) // 1024} KB of metadata, compressed: more than a row holds"
        said = pack(
            {"metadata": {"tidegate/omitted": {"type": "text", "value": omitted}}, "tags": {}}
        )
    return AssetRow(
        record.asset,
        key,
        order=order_of(record),
        run_id=record.run_id,
        at=record.at,
        partition=record.partition,
        data_version=record.data_version,
        code_version=record.code_version,
        said=said,
    )


def _pointer(record: AssetRecord) -> AssetRow:
    return AssetRow(
        record.asset,
        LATEST,
        order=order_of(record),
        run_id=record.run_id,
        at=record.at,
        partition=record.partition,
    )


def _record(row: AssetRow) -> AssetRecord:
    said = row.said if isinstance(row.said, dict) else unpack(row.said)
    return AssetRecord(
        asset=row.pk,
        partition=row.partition,
        run_id=row.run_id,
        at=row.at,
        metadata=said["metadata"],
        tags=said["tags"],
        data_version=row.data_version,
        code_version=row.code_version,
    )
