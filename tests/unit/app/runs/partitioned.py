"""Partitioned assets, runs of them, and a world in which no two may make the same partition at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from tidegate import (
    DailyPartitionsDefinition,
    Definitions,
    DynamicPartitionsDefinition,
    asset,
    define_asset_job,
)
from tidegate.app.runs.submit import RunRequest, submit
from tidegate.domain.partitions.hold import ON_RUNNING_TAG
from tidegate.domain.settings import Settings
from tidegate.manifest.compiler import compile_manifest

DAYS = DailyPartitionsDefinition("2025-02-01", end_date="2025-02-04")
KEYS = [f"2025-02-0{day}" for day in (1, 2, 3)]
RANGE = {
    "tidegate/asset_partition_range_start": KEYS[0],
    "tidegate/asset_partition_range_end": KEYS[2],
}
SKIP = {ON_RUNNING_TAG: "skip"}
OPEN = Settings(max_concurrent_runs=10)
MakeWorld = Callable[[Any, Settings], Any]


@asset(partitions_def=DAYS)
def raw() -> int:
    return 1


@asset(partitions_def=DAYS)
def clean(raw: int) -> int:
    return raw


@asset(partitions_def=DynamicPartitionsDefinition(name="customers"))
def bill() -> int:
    return 1


@asset
def whole() -> int:
    return 1


ALL = compile_manifest(
    Definitions(
        assets=[raw, clean, bill, whole],
        jobs=[define_asset_job("days", selection=["raw", "clean"])],
    ),
    location="here",
    code_version="1",
)


def guarded(tg: Any) -> Any:
    """A world in which two executions of the same partition at once are an error."""
    play = tg.play

    def checked(name: str) -> None:
        under_way = Counter(
            (one["invocation"]["step"], key)
            for started, one in tg.launcher.started.items()
            if started not in tg._completed and started not in tg.launcher.stopped
            for key in _keys(tg, one)
        )
        assert not under_way or max(under_way.values()) == 1, under_way
        play(name)

    tg.play = checked
    return tg


def _keys(tg: Any, state: Any) -> list[str]:
    run = tg.store.runs.get(state["run_id"])
    return KEYS if run.partition_key is None else [run.partition_key]


def make(
    tg: Any, *assets: str, key: str | None = KEYS[0], run_key: str | None = None, **tags: str
) -> str:
    named = {f"tidegate/{name}": value for name, value in tags.items()}
    tags = named if key is not None else RANGE | named
    request = RunRequest(assets=assets or ("raw",), partition_key=key, tags=tags, run_key=run_key)
    return tg.again(lambda: submit(tg.services, request)).run_id


def statuses(tg: Any, *runs: str) -> list[str]:
    return [tg.status(one) for one in runs]


def left(tg: Any) -> Any:
    """All that is still held or waited for."""
    holds = tg.store.partition_holds
    rows = [row for key in ALL.assets for row in holds.rows(key)]
    waits = [waits for waits in holds._waits.values() if waits]
    return [row for row in rows if row.taken or row.holds or row.awaited], waits


NOTHING: Any = ([], [])


def backfilled(tg: Any, *assets: str, key: str | None = KEYS[0], **tags: str) -> str:
    return make(tg, *assets, key=key, backfill="b", **tags)


def play(tg: Any, run_id: str) -> None:
    """To the end of what the run does now, and what the queue function makes of it."""
    tg.play(
        next(
            name
            for name, one in tg.launcher.started.items()
            if one["run_id"] == run_id and name not in tg._completed
        )
    )
    tg.settle_wake_ups()
