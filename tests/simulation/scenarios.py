"""Scenarios of whole runs: what is deployed, and what happens to it. Each is short, and ends with nothing under way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from tests.simulation.forks import Forks
from tidegate.domain.rate import Rate
from tidegate.errors import TidegateError
from tidegate.testing import LocalDeployment

T = TypeVar("T")

TIGHT = {"concurrency": {"runs": {"max_concurrent_runs": 1}, "pools": {"limits": {"db": 1}}}}
TWO = {"concurrency": {"runs": {"max_concurrent_runs": 2}}}


def in_a_line(on_conflict: str) -> dict[str, Any]:
    return {"concurrency": {"jobs": {"lonely": {"limit": 1, "on_conflict": on_conflict}}}}


RETRIED = {**TIGHT, "run_retries": {"max_retries": 1, "delay": 30}}


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

    def make(self, partition: str, tags: Any = None) -> None:
        """Submit a run of a partitioned asset."""
        asked: dict[str, Any] = {
            "partition_key": partition,
            "run_key": f"key {len(self.runs)}",
            "tags": tags,
        }
        self.runs.append(self.persist(lambda: self.tg.materialize("coin", **asked)))

    def cancel(self, run_id: str) -> None:
        self.persist(lambda: self.tg.cancel(run_id))

    def persist(self, call: Callable[[], T]) -> T:
        for _ in range(5):
            try:
                return call()
            except TidegateError:
                continue
        return call()


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """``play`` is struck at every call; then time passes, in which retries and sweeps happen."""

    play: Callable[[Play], None]
    settings: Mapping[str, Any] = field(default_factory=lambda: TIGHT)
    step_seconds: float = 2
    one_of: int = 6
    """Where faults take turns, one write of so many is struck."""
    rest: float = 16
    """Minutes in which all is repaired: three sweeps, and the time-out of a Complete that was abandoned."""
    overdue: float = 50
    """Minutes more after which the sweep looks for the execution of a step."""


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


def skip(play: Play) -> None:
    """Of two runs of a job that lets one be, the second is skipped."""
    play.submit("lonely")
    play.tg.advance(seconds=1)
    play.submit("lonely")
    play.tg.advance(seconds=30)


def cancel_oldest(play: Play) -> None:
    """A run takes the place of the one that runs, which is cancelled, of a job that lets one be."""
    with play.calm():
        play.submit("lonely")
        play.tg.settle()
        play.tg.advance(seconds=30)
    play.submit("lonely")
    play.tg.advance(minutes=2)


def run_retry(play: Play) -> None:
    """A run fails, and 30 s later another does what failed, with the outputs of what did not. Another waits behind both."""
    play.submit("unlucky")
    play.submit("jewels")
    play.tg.settle()
    play.tg.advance(seconds=70)


def in_process(play: Play) -> None:
    """Two runs that are one execution each, with a retry and a fan-out in one and a failure in the other."""
    play.submit("packed")
    play.submit("packed_and_failing")
    play.tg.settle()
    play.tg.advance(seconds=30)


def on_ecs(play: Play) -> None:
    """A step in a container, whose slot is another run's next."""
    play.submit("boxed")
    play.submit("jewels")
    play.tg.settle()
    play.tg.advance(seconds=60)


def partition(play: Play) -> None:
    """A run of a backfill is granted a slot for a partition that a live run makes: it gives the slot to another, and waits."""
    with play.calm():
        play.make("north")
        play.tg.settle()
    play.make("north", {"tidegate/backfill": "none"})
    play.make("south", {"tidegate/backfill": "none"})
    play.tg.settle()
    play.tg.advance(seconds=30)


SCENARIOS: dict[str, Scenario] = {
    "hand-over": Scenario(play=hand_over),
    "failure": Scenario(play=failure),
    "retry": Scenario(play=retry),
    "fan-out": Scenario(play=fan_out),
    "rate": Scenario(play=rate),
    "cancel": Scenario(play=cancel, step_seconds=800, rest=30, one_of=3),
    "cancel a retry": Scenario(play=cancel_retry, one_of=2),
    "skip": Scenario(play=skip, settings=in_a_line("skip")),
    "cancel oldest": Scenario(
        play=cancel_oldest, settings=in_a_line("cancel_oldest"), step_seconds=60, rest=30
    ),
    "retry of a run": Scenario(play=run_retry, settings=RETRIED),
    "in_process": Scenario(play=in_process),
    "ECS": Scenario(play=on_ecs),
    "partition": Scenario(play=partition, settings=TWO),
}
