"""Plays a scenario with faults, and looks at what must hold when it is over, whatever failed on the way."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from tests.simulation.deployed import ASSETS, DEFS, ran
from tests.simulation.forks import Choose, Forks
from tests.simulation.scenarios import SCENARIOS, Play
from tidegate.adapters.dynamodb.models_admission import AdmissionTable
from tidegate.adapters.dynamodb.models_automation import HoldsRow
from tidegate.domain.claim import ClaimState
from tidegate.execution.container import run as run_container
from tidegate.local.containers import FunctionContainer
from tidegate.local.faults import Fault
from tidegate.local.stepper import ExecutionStatus
from tidegate.testing import LocalDeployment


def strike(name: str, choose: Choose) -> tuple[dict[str, Any], Forks]:
    """Play a scenario with faults. Answers what came of it when there were none, and what of each fault."""
    forks = Forks(choose)
    with forks.paused():
        # What is loaded and remembered at its first use is so now, and not in each child again.
        _play(name, forks)
    return forks.play(lambda: _play(name, forks)), forks


def _play(name: str, forks: Forks) -> dict[str, Any]:
    scenario = SCENARIOS[name]
    ran.clear()
    with (
        LocalDeployment(DEFS, settings=scenario.settings, step_seconds=scenario.step_seconds) as tg,
        _repairs() as repairs,
    ):
        _run_containers_here(tg, timedelta(seconds=scenario.step_seconds))
        forks.install(tg.faults)
        play = Play(tg, forks)
        scenario.play(play)
        with forks.paused():
            more = scenario.overdue if forks.fault is Fault.LOST else 0
            tg.advance(minutes=scenario.rest + more)
            return look(play) | {"repairs": dict(repairs)}


def _run_containers_here(tg: LocalDeployment, takes: timedelta) -> None:
    """As a process of its own a container would not be forked along, and take a second of the processor each time."""
    aws = tg._deployment.aws

    def main(environ: Mapping[str, str]) -> int:
        own = {**environ, "TIDEGATE_DATA_BUCKET": aws.bucket}
        return run_container(own, load=lambda: DEFS, now=aws.clock.now)

    aws.register_task(FunctionContainer(aws.loop, main, takes=lambda _: takes))


def look(play: Play) -> dict[str, Any]:
    """What came of it, as plain values."""
    tg = play.tg
    runs = [*play.runs, *sorted(set(tg.runs()) - set(play.runs))]
    store = tg._deployment.services.store
    shown: dict[str, Any] = {"runs": []}
    for run_id in runs:
        view = tg.run(run_id)
        # Whether a run comes too early for its partition is a matter of when it comes.
        told = [one for one in view.events if not one.message.startswith("It waits with no slots")]
        events = Counter(map(_shown, told))
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
        [runs.index(run_id), step, attempt, times] for (run_id, step, attempt), times in ran.items()
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
    for row in HoldsRow.scan():
        # That a run waits may stay written by a call that died before it told the holder: it means nothing, and expires.
        if row.pk.startswith("holds#") and (row.taken or row.holds or row.awaited):
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
