"""Backfills: how fast they are accepted and expanded, that their size costs nothing, and what a million partitions would take.

Run with ``python -m benchmarks.backfills``. Expanding is measured with its ends played by hand: what is timed is the deciding on
chunks, the creating of their runs, and the word to the queue that admits them.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from benchmarks.backfill_bill import deep, million
from benchmarks.table import show
from tidegate import (
    BackfillPolicy,
    DailyPartitionsDefinition,
    Definitions,
    HourlyPartitionsDefinition,
    asset,
)
from tidegate.adapters.backfill_document import backfill_document
from tidegate.adapters.dynamodb.models import AutomationTable, RunsTable
from tidegate.adapters.dynamodb.packed import pack
from tidegate.adapters.dynamodb.store import DynamoStore
from tidegate.adapters.dynamodb.table import bind
from tidegate.adapters.ids import TimeOrderedIds
from tidegate.adapters.memory.blobs import MemoryBlobs
from tidegate.adapters.memory.bus import MemoryBus
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.launcher import MemoryLauncher
from tidegate.adapters.memory.store import MemoryStore
from tidegate.app.admission.engine import Admission
from tidegate.app.backfills.backfill import launch_backfill
from tidegate.app.backfills.drive import drive
from tidegate.app.backfills.target import BackfillRequest
from tidegate.app.services import Manifests, Services
from tidegate.domain.partitions.partition_set import PartitionSet
from tidegate.domain.settings import Settings
from tidegate.local.dynoxide import Dynoxide
from tidegate.manifest.compiler import compile_manifest
from tidegate.manifest.document import Manifest

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EXPANDED = 2_000
"""Runs that are asked for while it is measured how fast that goes."""
TOGETHER = 10
"""Days in one run, where there are several."""
CHUNKS = 80
"""Chunks of a backfill whose bookkeeping is measured."""
SIZES = (1_000, 10_000, 100_000, 1_000_000)


class _Quiet:
    """Ports that nothing comes of."""

    def __init__(self) -> None:
        self.enqueued = 0

    def enqueue(self, run_id: str) -> None:
        self.enqueued += 1

    def enqueue_all(self, run_ids: Sequence[str]) -> None:
        self.enqueued += len(run_ids)

    def set(self, at: datetime, task: Any) -> None:
        """No alarm goes off."""


@dataclass
class _Events:
    waiting: list[dict[str, Any]] = field(default_factory=list)

    def wake(self, event: Any) -> None:
        self.waiting.append(dict(event))


@dataclass
class Counted:
    """A store whose calls are counted."""

    store: Any
    calls: Counter[str]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.store, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            return found(*args, **kwargs)

        return counted


class Bench:
    """A control plane on one store, with one backfill."""

    def __init__(self, store: Any, manifest: Manifest) -> None:
        clock, blobs, quiet = ManualClock(NOW), MemoryBlobs(), _Quiet()
        self.calls: Counter[str] = Counter()
        self.store, self.events = store, _Events()
        self.automation = store.automation
        store.automation = Counted(store.automation, self.calls)
        store.runs = Counted(store.runs, self.calls)
        self.services = Services(
            store=store,
            admission=Admission(store.admission, clock, alarms=quiet),
            blobs=blobs,
            launcher=MemoryLauncher(),
            queue=quiet,
            backfills=self.events,
            alarms=quiet,
            bus=MemoryBus(),
            clock=clock,
            ids=TimeOrderedIds(random.Random(0).randbytes),
            settings=Settings(),
            manifests=Manifests(manifest, blobs),
        )
        self.backfill_id = ""

    def launch(self, name: str) -> tuple[int, float]:
        """Answers how many partitions were accepted, and seconds."""
        asked = BackfillRequest(selection=name, all_partitions=True)
        began = time.perf_counter()
        launched = launch_backfill(self.services, asked)
        seconds = time.perf_counter() - began
        self.backfill_id = launched.backfill_id
        return len(launched.target[name]), seconds

    @property
    def backfill(self) -> Any:
        return self.automation.backfill(self.backfill_id)

    def expand(self, runs: int) -> Spent:
        """Ask for so many runs. Each time no more are asked for, all that are under way have ended, which is not timed."""
        spent = Spent()
        self.calls.clear()
        while self.backfill.runs < runs:
            event = self.events.waiting.pop(0) if self.events.waiting else self._end()
            before, wall, processor = self.backfill.runs, time.perf_counter(), time.process_time()
            drive(self.services, event)
            spent.add(
                runs=self.backfill.runs - before,
                wall=time.perf_counter() - wall,
                processor=time.process_time() - processor,
            )
        spent.chunks = self.backfill.next_chunk
        return spent

    def _end(self) -> dict[str, Any]:
        for chunk in self.automation.chunks(self.backfill_id):
            for place in chunk.open:
                self.automation.run_ended(
                    self.backfill_id, chunk.number, place, done=(0,), failed=(), skipped=()
                )
        return {"backfill_id": self.backfill_id, "cause": "ended"}


@dataclass
class Spent:
    wall: float = 0.0
    processor: float = 0.0
    runs: int = 0
    chunks: int = 0
    best: float = 0.0
    """Runs a second in the call that was least disturbed."""

    def add(self, *, runs: int, wall: float, processor: float) -> None:
        self.wall, self.processor = self.wall + wall, self.processor + processor
        self.runs += runs
        self.best = max(self.best, runs / wall)


def memory() -> Any:
    return MemoryStore(clock=ManualClock(NOW))


@contextmanager
def dynoxide() -> Iterator[Any]:
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "local")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "local")
    engine = Dynoxide()
    try:
        bind(region="us-east-1", host=engine.url, retries=0)
        for table in (RunsTable, AutomationTable):
            table.create_table(wait=True)
        yield DynamoStore(clock=ManualClock(NOW))
    finally:
        engine.stop()


def days(together: int) -> Manifest:
    """10,000 days, so many of them in a run."""
    policy = None if together == 1 else BackfillPolicy.multi_run(together)
    definition = DailyPartitionsDefinition("1998-08-16", end_date="2026-01-01")

    @asset(partitions_def=definition, backfill_policy=policy)
    def daily() -> None:
        """Never run here."""

    return compile_manifest(Definitions(assets=[daily]), location="here", code_version="1")


def hours(count: int) -> Manifest:
    start = datetime.fromtimestamp((int(NOW.timestamp()) // 3600 - count) * 3600, UTC)

    @asset(partitions_def=HourlyPartitionsDefinition(start))
    def hourly() -> int:
        return 1

    return compile_manifest(Definitions(assets=[hourly]), location="here", code_version="1")


def main() -> None:
    logging.getLogger("tidegate").setLevel(logging.WARNING)
    expansion()
    bookkeeping()
    sets()
    deep()
    million()


def expansion() -> None:
    rows = []
    for together in (1, TOGETHER):
        rows.append(("memory", *_expanded(memory(), together)))
        with dynoxide() as store:
            rows.append(("dynoxide", *_expanded(store, together)))
    show(
        "A backfill of days, asked for",
        (
            "store",
            "partitions",
            "accepted, s (target 2)",
            "days a run",
            "partitions a second (target 500)",
            "in the fastest call",
            "processor, ms a run",
            "calls of the store a run",
        ),
        rows,
    )


def _expanded(store: Any, together: int) -> tuple[str, ...]:
    bench = Bench(store, days(together))
    count, accepted = bench.launch("daily")
    spent = bench.expand(min(EXPANDED, count // together))
    return (
        f"{count:,}",
        f"{accepted:.3f}",
        f"{together}",
        f"{spent.runs * together / spent.wall:,.0f}",
        f"{spent.best * together:,.0f}",
        f"{spent.processor / spent.runs * 1000:.2f}",
        f"{bench.calls.total() / spent.runs:.2f}",
    )


def bookkeeping() -> None:
    rows = []
    for size in SIZES:
        bench = Bench(memory(), hours(size))
        count, accepted = bench.launch("hourly")
        spent = bench.expand(min(size, CHUNKS * 25))
        largest = len(pack(backfill_document(bench.backfill)))
        rows.append(
            (
                f"{count:,}",
                f"{accepted * 1000:.0f}",
                f"{spent.processor / spent.chunks * 1000:.1f}",
                f"{bench.calls.total() / spent.chunks:.1f}",
                f"{largest:,}",
                f"{_scattered(bench):,}",
            )
        )
    show(
        "Bookkeeping of a backfill by its size, in memory",
        (
            "partitions",
            "accepted, ms",
            "a chunk of 25, processor ms",
            "calls of the store a chunk",
            "its row, bytes",
            "its row if every third had failed, bytes",
        ),
        rows,
    )


def _scattered(bench: Bench) -> int:
    """The row of the backfill in the worst case but noise: every third partition failed, all others are made."""
    known = bench.backfill
    target = known.target["hourly"]
    failed = PartitionSet.of(one for one in target if one % 3 == 0)
    worst = replace(
        known,
        requested={"hourly": target},
        done={"hourly": target - failed},
        failed={"hourly": failed},
    )
    return len(pack(backfill_document(worst)))


def sets() -> None:
    count = 1_000_000
    start = int(NOW.timestamp()) // 3600
    whole = PartitionSet.range(start, start + count)
    drawn = random.Random(1).sample(range(start, start + count), count // 2)
    scattered = PartitionSet.of(drawn)
    kinds = (
        ("all", whole),
        ("all but every hundredth", whole - PartitionSet.of(range(start, start + count, 100))),
        ("every other", PartitionSet.of(range(start, start + count, 2))),
        ("half of them, at random", scattered),
    )
    rows = [
        (
            name,
            f"{len(one.to_bytes()) / 1024:.1f}",
            *(
                f"{_timed(work) * 1000:.2f}"
                for work in (
                    lambda one=one: one | scattered,
                    lambda one=one: one & scattered,
                    lambda one=one: whole - one,
                    lambda one=one: len(one),
                )
            ),
        )
        for name, one in kinds
    ]
    show(
        "Sets of 1,000,000 hours, with one of half of them at random",
        ("set", "KB, written down", "union, ms", "intersection, ms", "difference, ms", "count, ms"),
        rows,
    )


def _timed(work: Callable[[], object]) -> float:
    times = []
    for _ in range(9):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


if __name__ == "__main__":
    main()
