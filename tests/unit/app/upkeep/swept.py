"""Runs for the sweep to look at, and what it may have changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.unit.app.manifests import step_doc
from tidegate.app.upkeep.sweep import GRACE
from tidegate.domain.settings import Settings

Make = Callable[..., Any]
SETTINGS = Settings(max_concurrent_runs=1, pools={"db": 1})
ONE = [step_doc("a")]


def later(tg: Any, by: timedelta = GRACE + timedelta(seconds=1)) -> None:
    tg.clock.advance(by)


def kinds(tg: Any, run_id: str) -> list[str]:
    found = [str(one.kind) for one in tg.store.events.read(run_id).items]
    return sorted(one for one in found if one != "RUN_ENQUEUED")


def play(tg: Any, step: str) -> Any:
    """Complete the execution of a step, as Step Functions does."""
    (name,) = [
        name
        for name, state in tg.launcher.started.items()
        if state["invocation"]["step"] == step and name not in tg._completed
    ]
    tg._completed.add(name)
    return tg.outcome_of(name)
