"""Admission: what a grant and a hand-off cost, in calls and units of DynamoDB and in time, and that queues do not change it.

Run with ``python -m benchmarks.admission``. On dynoxide the client does most of the work, so many callers are processes of their
own, and what their processors spend is shown beside the rate.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.distant import DistantStore
from benchmarks.releasers import Rate, in_processes, in_threads
from benchmarks.table import machine, show
from benchmarks.turns import Turns
from tidegate.adapters.dynamodb.admission import DynamoAdmissionStore
from tidegate.adapters.dynamodb.admission_rows import claim_row, wait_row
from tidegate.adapters.dynamodb.models_admission import AdmissionTable
from tidegate.adapters.dynamodb.table import bind, connection
from tidegate.adapters.memory.admission import MemoryAdmissionStore
from tidegate.app.admission.engine import Admission
from tidegate.domain.claim import Claim, Standing, Want
from tidegate.domain.fairness import Share
from tidegate.local.dynoxide import Dynoxide
from tidegate.ports.admission import AdmissionStore

START = datetime(2026, 1, 1, tzinfo=UTC)
REGION = "us-east-1"
POOL = "pool/db"
MOST_GRANTED = 2000
"""Claims that wait in a line and are granted while something is measured, at most."""


class Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class Bill:
    """Calls and units of DynamoDB."""

    calls: int = 0
    units: float = 0.0

    def ask(self, params: dict[str, Any], **_: Any) -> None:
        params["ReturnConsumedCapacity"] = "TOTAL"

    def add(self, parsed: dict[str, Any], **_: Any) -> None:
        shown = parsed.get("ConsumedCapacity") or []
        self.calls += 1
        self.units += sum(
            one["CapacityUnits"] for one in (shown if isinstance(shown, list) else [shown])
        )


class Bench:
    """One engine, with as many claims as a measurement asks for."""

    def __init__(self, name: str, store: AdmissionStore, host: str | None = None) -> None:
        self.name = name
        self.host = host
        self.store = store
        self.admission = Admission(store, Clock())
        self._made = 0

    def claim(self, *limits: str) -> Claim:
        self._made += 1
        return Claim(
            claim_id=f"c{self._made:08}",
            wants=tuple(Want(limit=key) for key in limits),
            enqueued_at=START + timedelta(milliseconds=self._made),
            launch={"kind": "step", "run_id": "0198-benchmark", "index": self._made, "attempt": 1},
        )

    def hold(self, count: int, *limits: str) -> list[str]:
        claims = [self.claim(*limits) for _ in range(count)]
        for claim in claims:
            self.admission.acquire(claim)
        return [claim.claim_id for claim in claims]

    def wait(self, count: int, *limits: str, on: str) -> None:
        """Put claims into a line without asking for each. On DynamoDB only the first, which are granted, get rows of their own."""
        claims = [
            replace(self.claim(*limits), waiting_on=on, waiting_since=START) for _ in range(count)
        ]
        if isinstance(self.store, MemoryAdmissionStore):
            for claim in claims:
                self.store.park(claim)
        else:
            with AdmissionTable.batch_write() as batch:
                for claim in claims[:MOST_GRANTED]:
                    batch.save(claim_row(claim))
                for claim in claims:
                    batch.save(wait_row(claim))
        if len(limits) > 1:
            first = claims[0]
            self.store.stand(None, Standing(queue=first.queue, limit=on, rank=first.order_key))


@contextmanager
def dynoxide() -> Iterator[Bench]:
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "local")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "local")
    engine = Dynoxide()
    try:
        bind(region=REGION, host=engine.url, retries=0)
        AdmissionTable.create_table(wait=True)
        yield Bench("dynoxide", DynamoAdmissionStore(), engine.url)
    finally:
        engine.stop()


@contextmanager
def memory() -> Iterator[Bench]:
    yield Bench("memory", MemoryAdmissionStore(lock=Turns()))


ENGINES = (memory, dynoxide)


@contextmanager
def billed() -> Iterator[Bill]:
    bill = Bill()
    events = connection().client.meta.events
    events.register("provide-client-params.dynamodb", bill.ask)
    events.register("after-call.dynamodb", bill.add)
    try:
        yield bill
    finally:
        events.unregister("provide-client-params.dynamodb", bill.ask)
        events.unregister("after-call.dynamodb", bill.add)


def bills() -> None:
    with dynoxide() as bench:
        admission = bench.admission
        rows = []

        def row(what: str, call: Callable[[], object]) -> None:
            with billed() as bill:
                call()
            rows.append((what, bill.calls, f"{bill.units:g}"))

        admission.set_limit(POOL, 1)
        admission.set_limit("runs", 10)
        first, second, third, fourth = (bench.claim(POOL) for _ in range(4))
        row("grant, one limit", lambda: admission.acquire(first))
        row("it has been launched", lambda: admission.launched(first.claim_id))
        row("has to wait", lambda: admission.acquire(second))
        admission.acquire(third)
        row("release, handed on", lambda: admission.release(first.claim_id))
        admission.launched(second.claim_id)
        row("the same, it is known what it held", lambda: _known(admission, second))
        admission.launched(third.claim_id)
        row("release, nobody waits", lambda: admission.release(third.claim_id))
        admission.acquire(fourth)
        admission.launched(fourth.claim_id)
        row("the same, it is known what it held", lambda: _known(admission, fourth))
        admission.acquire(first := bench.claim(POOL))
        admission.acquire(second := bench.claim(POOL))
        admission.launched(first.claim_id)
        row("release, handed on, wrongly known", lambda: _wrongly_known(admission, first))
        fair = [bench.claim("fair") for _ in range(4)]
        fair = [replace(one, fair=Share(limit="fair", value="a")) for one in fair]
        admission.set_limit("fair", 1)
        admission.acquire(fair[0])
        row("has to wait, by fairness, the first", lambda: admission.acquire(fair[1]))
        row("has to wait, by fairness, behind others", lambda: admission.acquire(fair[2]))
        admission.release(fair[0].claim_id)
        row("the same, when the line has moved", lambda: admission.acquire(fair[3]))
        row("release, handed on by fairness", lambda: admission.release(fair[1].claim_id))
        run, other, last = (bench.claim("runs", "tag/a", "tag/b") for _ in range(3))
        admission.set_limit("tag/a", 1)
        row("grant, three limits", lambda: admission.acquire(run))
        row("has to wait, three limits, first of its kind", lambda: admission.acquire(other))
        admission.acquire(last)
        admission.launched(run.claim_id)
        row("release, handed on, three limits", lambda: admission.release(run.claim_id))
        admission.launched(other.claim_id)
        row("the same, it is known what it held", lambda: _known(admission, other))
    show("Admission: the bill", ("call", "DynamoDB calls", "units read or written"), rows)


def _known(admission: Admission, claim: Claim) -> None:
    admission.release(claim.claim_id, wants=claim.wants)


def _wrongly_known(admission: Admission, claim: Claim) -> None:
    admission.release(claim.claim_id, wants=[*claim.wants, Want(limit="runs")])


def grants() -> None:
    rows = []
    for engine in ENGINES:
        with engine() as bench:
            count = 4000 if bench.name == "memory" else 200
            claims = [bench.claim(POOL) for _ in range(count)]
            seconds = _timed(lambda: [bench.admission.acquire(claim) for claim in claims])  # noqa: B023
            rows.append((bench.name, f"{seconds / count * 1000:.2f}", f"{count / seconds:,.0f}"))
    show("Grants without contention, one caller", ("engine", "ms each", "a second"), rows)


def hand_offs() -> None:
    rows = []
    for engine in ENGINES:
        for pools in (1, 16):
            for releasers in (1, 8, 32):
                with engine() as bench:
                    count = 3000 if bench.name == "memory" else 1200
                    rate = _rate(bench, count, releasers, pools)
                spent = rate.client_seconds / rate.done * 1000
                rows.append((bench.name, pools, releasers, f"{rate.a_second:,.0f}", f"{spent:.2f}"))
    show(
        "Hand-offs at full pools",
        ("engine", "pools", "releasers", "a second, in all", "ms of the callers' processors each"),
        rows,
    )


def _rate(bench: Bench, count: int, releasers: int, pools: int, *, knows: bool = True) -> Rate:
    keys = [f"{POOL}-{number}" for number in range(pools)]
    holders = []
    for number in range(max(releasers, pools)):
        key = keys[number % pools]
        bench.admission.set_limit(key, 99)
        holders += bench.hold(1, key)
    for key in keys:
        limit = bench.admission.limit(key)
        assert limit is not None
        bench.admission.set_limit(key, limit.in_use)
        bench.wait(count // pools, key, on=key)
    holders = holders[:releasers] if releasers < pools else holders
    if isinstance(bench.store, DistantStore):
        bench.store.is_distant = True
    if bench.host is None:
        return in_threads(bench.admission, holders, knows=knows)
    return in_processes(holders, Clock, REGION, bench.host)


def at_a_distance() -> None:
    rows = []
    many = ((1, 1), (1, 2), (1, 8), (1, 32), (16, 32))
    for pools, releasers, knows in ((*one, knows) for knows in (False, True) for one in many):
        store = DistantStore()
        rate = _rate(Bench("distant", store), 640, releasers, pools, knows=knows)
        calls = [f"{store.calls[one] / rate.done:.1f}" for one in ("read", "offer", "transaction")]
        said = "known" if knows else "read"
        rows.append((said, pools, releasers, f"{rate.a_second:,.0f}", *calls))
    show(
        "Hand-offs at full pools, of a store with the distances of DynamoDB",
        (
            "what is held is",
            "pools",
            "releasers",
            "a second, in all",
            "reads each",
            "offers",
            "transactions",
        ),
        rows,
    )


def waiters() -> None:
    rows = []
    for engine in ENGINES:
        for count in (10, 1000, 100_000):
            with engine() as bench:
                holder = bench.hold(1, POOL)[0]
                bench.admission.set_limit(POOL, 1)
                bench.wait(count, POOL, on=POOL)
                spent = []
                for _ in range(8 if count == 10 else 300):
                    granted: list[tuple[Claim, ...]] = []
                    spent.append(
                        _timed(lambda: granted.append(bench.admission.release(holder)))  # noqa: B023
                    )
                    holder = granted[0][0].claim_id
                rows.append((bench.name, f"{count:,}", f"{statistics.median(spent) * 1000:.3f}"))
    show("A hand-off by how many wait, one releaser", ("engine", "waiting", "ms, median"), rows)


def blocked() -> None:
    """Runs of a full tag wait; runs of another come and go, through the same limit on runs."""
    rows = []
    for engine in ENGINES:
        for count in (10, 100_000):
            with engine() as bench:
                bench.admission.set_limit("runs", 10)
                bench.admission.set_limit("tag/full", 4)
                bench.hold(4, "runs", "tag/full")
                bench.wait(count, "runs", "tag/full", on="tag/full")
                spent = []
                for _ in range(100):
                    claim = bench.claim("runs", "tag/free")
                    spent.append(_timed(lambda: bench.admission.acquire(claim)))  # noqa: B023
                    bench.admission.release(claim.claim_id)
                rows.append((bench.name, f"{count:,}", f"{statistics.median(spent) * 1000:.3f}"))
    show(
        "Admission of a run while others wait for a tag it does not have",
        ("engine", "blocked", "ms, median"),
        rows,
    )


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    bills()
    grants()
    hand_offs()
    at_a_distance()
    waiters()
    blocked()


if __name__ == "__main__":
    print(machine())
    main()
