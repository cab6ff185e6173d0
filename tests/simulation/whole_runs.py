"""Scenarios of whole runs, and what must hold when they are over, whatever failed on the way."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from tests.simulation.forks import Choose, Forks
from tidegate import (
    Definitions,
    DynamicOut,
    DynamicOutput,
    OpExecutionContext,
    RetryPolicy,
    asset,
    define_asset_job,
    job,
    op,
)
from tidegate.adapters.dynamodb.models_admission import AdmissionTable
from tidegate.domain.claim import ClaimState
from tidegate.domain.rate import Rate
from tidegate.errors import TidegateError
from tidegate.local.faults import Fault
from tidegate.local.stepper import ExecutionStatus
from tidegate.testing import LocalDeployment

T = TypeVar("T")

_ran: Counter[tuple[str, str, int]] = Counter()
"""(run, step, attempt) -> how often its user code ran to its end."""


def note(context: OpExecutionContext) -> None:
    _ran[context.run_id, context.step_key, context.retry_number] += 1
    context.log.info("here")


@op
def top(context: OpExecutionContext) -> int:
    note(context)
    return 1


@op(pool="db")
def left(context: OpExecutionContext, number: int) -> int:
    note(context)
    return number


@op(pool="db")
def right(context: OpExecutionContext, number: int) -> int:
    note(context)
    return number


@op(pool="db")
def broken(context: OpExecutionContext, number: int) -> int:
    note(context)
    raise ValueError("not today")


@op(pool="db", retry_policy=RetryPolicy(max_retries=1, delay=20))
def flaky(context: OpExecutionContext, number: int) -> int:
    note(context)
    if context.retry_number == 0:
        raise ConnectionError("not yet")
    return number


@op(retry_policy=RetryPolicy(max_retries=1, delay=840))
def patient(context: OpExecutionContext, number: int) -> int:
    note(context)
    raise ConnectionError("not yet")


@op
def foot(context: OpExecutionContext, one: int, other: int) -> int:
    note(context)
    return one + other


@op(out=DynamicOut(int))
def several(context: OpExecutionContext) -> Iterator[DynamicOutput[int]]:
    note(context)
    yield DynamicOutput(1, "one")
    yield DynamicOutput(2, "two")


@op
def gather(context: OpExecutionContext, numbers: list[int]) -> int:
    note(context)
    return sum(numbers)


@job
def fanning() -> None:
    gather(several().map(left).collect())


@job
def diamond() -> None:
    number = top()
    foot(left(number), right(number))


@job
def failing() -> None:
    number = top()
    foot(left(number), broken(number))


@job
def trying() -> None:
    number = top()
    foot(flaky(number), right(number))


@job
def quick() -> None:
    top()


@job
def pair() -> None:
    foot(left(top.alias("one")()), right(top.alias("other")()))


@job
def waiting() -> None:
    foot(patient(top()), top.alias("other")())


@asset(pool="db")
def gold(context: OpExecutionContext) -> int:
    note(context)
    return 1


@asset
def ring(context: OpExecutionContext, gold: int) -> int:
    note(context)
    return gold + 1


ASSETS = ("gold", "ring")
DEFS = Definitions(
    assets=[gold, ring],
    jobs=[
        diamond,
        failing,
        trying,
        fanning,
        quick,
        pair,
        waiting,
        define_asset_job("jewels", selection="*ring"),
    ],
)
TIGHT = {"concurrency": {"runs": {"max_concurrent_runs": 1}, "pools": {"limits": {"db": 1}}}}


class Play:
    """What a scenario does with a deployment. A client that gets no answer asks again."""

    def __init__(self, tg: LocalDeployment, forks: Forks) -> None:
        self.tg = tg
        self.calm = forks.paused
        self.runs: list[str] = []

    def submit(self, job_name: str, **fields: Any) -> str:
        key = f"key {len(self.runs)}"
        run_id = self.persist(lambda: self.tg.submit(job_name, run_key=key, **fields))
        self.runs.append(run_id)
        return run_id

    def cancel(self, run_id: str) -> None:
        self.persist(lambda: self.tg.cancel(run_id))

    def persist(self, call: Callable[[], T]) -> T:
        for _ in range(5):
            try:
                return call()
            except TidegateError:
                continue
        return call()


OVERDUE = 50
"""Minutes after which the sweep looks for the execution of a step on Lambda."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """``play`` is struck at every call; then time passes, in which retries and sweeps happen."""

    play: Callable[[Play], None]
    settings: Mapping[str, Any] = field(default_factory=lambda: TIGHT)
    step_seconds: float = 2
    one_of: int = 4
    """Where faults take turns, one write of so many is struck."""
    rest: float = 16
    """Minutes in which all is repaired: three sweeps, and the time-out of a Complete that was abandoned."""


def hand_over(play: Play) -> None:
    """Two diamonds whose middles share one slot, the second of which waits for the first."""
    play.submit("diamond")
    play.submit("diamond")
    play.tg.settle()
    play.tg.advance(seconds=30)


def failure(play: Play) -> None:
    """A step fails, what is below it is skipped, and the next run gets its turn."""
    play.submit("failing")
    play.submit("jewels")
    play.tg.settle()
    play.tg.advance(seconds=30)


def retry(play: Play) -> None:
    """A step fails and is tried again 20 s later; meanwhile its slot is another step's."""
    play.submit("trying")
    play.submit("jewels")
    play.tg.settle()
    play.tg.advance(seconds=60)


def fan_out(play: Play) -> None:
    """A step for each of two values, which share one slot with another run."""
    play.submit("fanning")
    play.submit("jewels")
    play.tg.settle()
    play.tg.advance(seconds=30)


def rate(play: Play) -> None:
    """Three runs, which may start 20 s apart: the second and the third are woken by alarms."""
    with play.calm():
        pace = Rate(limit=1, per=timedelta(seconds=20))
        play.tg._deployment.services.admission.set_rate("runs", pace)
    for _ in range(3):
        play.submit("quick")
    play.tg.settle()
    play.tg.advance(seconds=70)


def cancel(play: Play) -> None:
    """Cancelled are a run of which a step runs and one waits, and one that is queued; the one behind them has its turn."""
    with play.calm():
        for name in ("pair", "quick", "quick"):
            play.submit(name)
        play.tg.settle()
        play.tg.advance(minutes=15)
    for run_id in play.runs[1::-1]:
        play.cancel(run_id)
    play.tg.settle()


def cancel_retry(play: Play) -> None:
    """Cancelled is a run with a step that is to be tried again, later; the run behind it has its turn."""
    with play.calm():
        for name in ("waiting", "quick"):
            play.submit(name)
        play.tg.settle()
        play.tg.advance(seconds=30)
    play.cancel(play.runs[0])
    play.tg.settle()


SCENARIOS: dict[str, Scenario] = {
    "hand-over": Scenario(play=hand_over),
    "failure": Scenario(play=failure),
    "retry": Scenario(play=retry),
    "fan-out": Scenario(play=fan_out),
    "rate": Scenario(play=rate),
    "cancel": Scenario(play=cancel, step_seconds=800, rest=30, one_of=2),
    "cancel a retry": Scenario(play=cancel_retry, one_of=1),
}


# -- Playing one, and looking


def strike(name: str, choose: Choose) -> tuple[dict[str, Any], Forks]:
    """Play a scenario with faults. Answers what came of it when there were none, and what of each fault."""
    scenario, forks = SCENARIOS[name], Forks(choose)

    def played() -> dict[str, Any]:
        _ran.clear()
        with (
            LocalDeployment(
                DEFS, settings=scenario.settings, step_seconds=scenario.step_seconds
            ) as tg,
            _repairs() as repairs,
        ):
            forks.install(tg.faults)
            play = Play(tg, forks)
            scenario.play(play)
            with forks.paused():
                tg.advance(minutes=scenario.rest + (OVERDUE if forks.fault is Fault.LOST else 0))
                return look(play) | {"repairs": dict(repairs)}

    return forks.play(played), forks


def look(play: Play) -> dict[str, Any]:
    """What came of it, as plain values."""
    tg, runs = play.tg, play.runs
    store = tg._deployment.services.store
    shown: dict[str, Any] = {"runs": []}
    for run_id in runs:
        view = tg.run(run_id)
        events = Counter(_shown(one) for one in view.events)
        shown["runs"].append(
            {
                "status": view.status,
                "reason": view.reason,
                "steps": view.steps,
                "reasons": view.reasons,
                "events": dict(sorted(events.items())),
            }
        )
    shown["assets"] = {
        key: runs.index(latest.run_id)
        for key in ASSETS
        if (latest := store.assets.latest(key)) is not None
    }
    shown["ran"] = sorted(
        [runs.index(run_id), step, attempt, times]
        for (run_id, step, attempt), times in _ran.items()
    )
    shown["left over"] = sorted(left_over(tg))
    shown["limits"] = {key: one.capacity for key, one in tg.limits.items()}
    return shown


def _shown(event: Any) -> str:
    attempt = "" if event.attempt is None else f" {event.attempt}"
    return f"{event.kind} {event.step or ''}{attempt}".strip()


def left_over(tg: LocalDeployment) -> Iterator[str]:
    """What holds, waits, or runs, although nothing should."""
    for row in AdmissionTable.scan():
        if row.sk == "claim" and row.state != ClaimState.DONE:
            yield f"{row.pk} is {row.state}"
        if row.sk == "limit" and row.in_use:
            yield f"{row.pk} has {row.in_use} in use"
        if row.sk == "limit" and row.pk.startswith("limit#run/"):
            yield f"{row.pk} is kept"
        if row.sk.startswith(("hold#", "wait#")) or row.sk == "standing":
            yield f"{row.pk} {row.sk}"
    for execution in tg._deployment.aws.step_functions.executions.values():
        if execution.status is ExecutionStatus.RUNNING:
            yield f"{execution.name} runs"


class _Repairs(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == "sweep_repairs":
            self.seen[record.__dict__["kind"]] += 1
        elif record.msg == "sweep_failed":
            self.seen["failed"] += 1


@contextmanager
def _repairs() -> Iterator[Counter[str]]:
    """What the sweep says it repairs, by kind. All else it is silent about: faults make much noise."""
    handler, logger = _Repairs(), logging.getLogger("tidegate")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield handler.seen
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
