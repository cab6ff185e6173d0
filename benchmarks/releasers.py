"""Many callers that release at once. On dynoxide each is a process of its own, as each call of a Lambda function is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from typing import Any

from tidegate.adapters.dynamodb.admission import DynamoAdmissionStore
from tidegate.adapters.dynamodb.table import bind
from tidegate.app.admission.engine import Admission
from tidegate.domain.claim import Want
from tidegate.ports import Clock

MOST_PROCESSES = 8


@dataclass(frozen=True)
class Rate:
    """What came of it."""

    done: int
    seconds: float
    client_seconds: float
    """Processor time of the callers."""

    @property
    def a_second(self) -> float:
        return self.done / self.seconds


def in_threads(admission: Admission, holders: Sequence[str], *, knows: bool = True) -> Rate:
    """One caller for each holder: it releases what it holds, then what it was handed, until nobody waits.

    ``knows``: it says what it was handed, as whoever ends a step does.
    """
    cpu, began = time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(len(holders)) as pool:
        done = sum(pool.map(lambda one: _chain(admission, one, knows), holders))
    return Rate(done, time.perf_counter() - began, time.process_time() - cpu)


def in_processes(holders: Sequence[str], clock: type[Clock], region: str, host: str) -> Rate:
    """The same, each caller in a process of its own, or, if they are many, in a thread of one of eight."""
    context = get_context("spawn")
    shares = [
        holders[number::MOST_PROCESSES] for number in range(min(len(holders), MOST_PROCESSES))
    ]
    ready, answers = context.Barrier(len(shares) + 1), context.Queue()
    arguments = (ready, answers, clock, region, host)
    workers = [context.Process(target=_work, args=(share, *arguments)) for share in shares]
    for worker in workers:
        worker.start()
    ready.wait()
    began = time.perf_counter()
    rates = [answers.get() for _ in workers]
    seconds = time.perf_counter() - began
    for worker in workers:
        worker.join()
    return Rate(sum(one.done for one in rates), seconds, sum(one.client_seconds for one in rates))


def _work(
    holders: Sequence[str], ready: Barrier, answers: Any, clock: type[Clock], region: str, host: str
) -> None:
    bind(region=region, host=host, retries=0)
    admission = Admission(DynamoAdmissionStore(), clock())
    admission.limits()  # The client is made, and connected.
    ready.wait()
    answers.put(in_threads(admission, holders))


def _chain(admission: Admission, claim_id: str, knows: bool) -> int:
    done, wants = 0, tuple[Want, ...]()
    while granted := admission.release(claim_id, wants=wants):
        claim_id = granted[0].claim_id
        wants = granted[0].wants if knows else ()
        done += len(granted)
    return done
