"""What ``AssetStore`` promises, on every engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from tidegate.adapters.dynamodb.assets import DynamoAssetStore
from tidegate.adapters.memory.assets import MemoryAssetStore
from tidegate.ports import AssetRecord, AssetStore

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def assets(engine: str) -> AssetStore:
    return MemoryAssetStore() if engine == "memory" else DynamoAssetStore()


def record(seconds: float = 0, partition: str | None = None, **changes: Any) -> AssetRecord:
    made = AssetRecord(
        asset="weather/clean",
        partition=partition,
        run_id="run-1",
        at=AT + timedelta(seconds=seconds),
    )
    return replace(made, **changes)


def test_a_record_reads_back_as_it_was(assets: AssetStore) -> None:
    whole = record(
        metadata={"rows": {"type": "int", "value": 3}, "t": {"type": "float", "value": 0.5}},
        tags={"tidegate/quality": "good"},
        data_version="d1",
        code_version="c1",
    )

    assets.materialized([whole])

    assert assets.latest("weather/clean") == whole


def test_an_asset_never_materialized_has_no_latest(assets: AssetStore) -> None:
    assert assets.latest("weather/clean") is None
    assert assets.latest("weather/clean", "2026-01-01") is None
    assert assets.partitions("weather/clean").items == ()


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("partition", [None, "2026-01-01"])
def test_the_latest_in_time_stays_whatever_is_written_last(
    assets: AssetStore, order: tuple[int, ...], partition: str | None
) -> None:
    made = [record(n, partition, data_version=str(n)) for n in range(3)]

    for n in order:
        assets.materialized([made[n]])

    assert assets.latest("weather/clean") == made[2]
    assert assets.latest("weather/clean", partition) == made[2]


def test_of_one_instant_the_greater_run_id_counts(assets: AssetStore) -> None:
    assets.materialized([record(run_id="b")])
    assets.materialized([record(run_id="a"), record(run_id="c")])
    assets.materialized([record(run_id="b")])

    assert assets.latest("weather/clean") == record(run_id="c")


def test_the_same_record_twice_changes_nothing(assets: AssetStore) -> None:
    assets.materialized([record(data_version="first")])

    assets.materialized([record(data_version="second")])

    assert assets.latest("weather/clean") == record(data_version="first")


def test_the_latest_of_a_partitioned_asset_is_that_of_its_latest_partition(
    assets: AssetStore,
) -> None:
    new = record(5, "2026-01-01", data_version="new", metadata={"n": {"type": "int", "value": 1}})
    assets.materialized([new, record(1, "2026-01-02"), record(2, "2026-01-02")])

    assert assets.latest("weather/clean") == new
    assert assets.latest("weather/clean", "2026-01-02") == record(2, "2026-01-02")


def test_an_asset_may_be_made_whole_after_its_partitions(assets: AssetStore) -> None:
    assets.materialized([record(1, "2026-01-01")])
    assets.materialized([record(2)])

    assert assets.latest("weather/clean") == record(2)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
def test_partitions_come_by_key_page_by_page(assets: AssetStore, limit: int) -> None:
    made = [record(n, f"2026-01-0{n}|ü") for n in range(1, 6)]
    assets.materialized(made[::-1])
    assets.materialized([record(9), record(9, "2026-02-01", asset="weather/raw")])

    pages, cursor = [], None
    while True:
        page = assets.partitions("weather/clean", limit=limit, cursor=cursor)
        pages.append(list(page.items))
        assert len(pages) < 100, "the cursor does not move"
        cursor = page.cursor
        if cursor is None:
            break

    assert [one for page in pages for one in page] == made
    assert all(pages)


def test_of_sixteen_at_once_the_latest_stays(assets: AssetStore, at_once: Any) -> None:
    at_once([lambda n=n: assets.materialized([record(n, "p")]) for n in range(16)])

    assert assets.latest("weather/clean") == record(15, "p")
    assert assets.partitions("weather/clean").items == (record(15, "p"),)
