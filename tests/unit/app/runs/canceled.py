"""Runs to be cancelled, and what a cancelled run may leave: nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.app.manifests import DIAMOND, step_doc
from tests.unit.app.seen import in_use, kinds
from tidegate.domain.run import StepStatus
from tidegate.domain.settings import Settings

Make = Callable[..., Any]

SETTINGS = Settings(max_concurrent_runs=1, pools={"db": 1})
CHAIN = [step_doc("a"), step_doc("b", "a"), step_doc("c", "b")]


def running_diamond(world: Make) -> Any:
    """Run a: ``top`` is done, ``left`` runs, ``right`` waits for the pool, ``foot`` for both. Run b is queued behind it."""
    tg = world(SETTINGS, diamond=DIAMOND)
    tg.runs = [tg.submit("diamond", run_key=name) for name in ("a", "b")]
    tg.settle_wake_ups()
    (top,) = tg.launcher.started
    tg.play(top)
    return tg


def left_of(tg: Any, run_id: str) -> str:
    (name,) = (
        name
        for name, state in tg.launcher.started.items()
        if state["run_id"] == run_id and state["invocation"]["step"] == "left"
    )
    return str(name)


def in_line(tg: Any) -> list[str]:
    """Every claim that waits, in whatever line."""
    tg.trouble.at = -1
    limits = tg.store.admission.limits()
    return [wait.claim_id for one in limits for wait in tg.services.admission.waiting(one.key)]


def assert_nothing_is_left(tg: Any) -> None:
    """No slot is held, nobody waits, no step is under way, and what was stopped was stopped."""
    assert in_use(tg) == {}
    assert in_line(tg) == []
    for run_id in tg.runs:
        assert tg.store.runs.get(run_id).status.is_finished
        for row in tg.store.runs.steps(run_id):
            assert row.status.is_resolved
            name = f"{run_id}-{row.index}-{row.attempt}"
            was_under_way = row.status is StepStatus.CANCELED and row.retry_at is None
            if was_under_way and name in tg.launcher.started:
                assert name in tg.launcher.stopped
        told = kinds(tg, run_id)
        assert len([one for one in told if one.startswith("RUN_")]) == len(
            {one for one in told if one.startswith("RUN_")}
        )
