"""Runs that fail and are retried, and what is asked of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.app.manifests import step_doc
from tidegate.domain.run_retry import retry_id
from tidegate.domain.settings import Settings

Make = Callable[..., Any]
CHAIN = [step_doc("a"), step_doc("b", "a"), step_doc("c", "b")]


def retries(most: int, **more: Any) -> Settings:
    return Settings(max_run_retries=most, pools={"db": 1}, **more)


def child_of(tg: Any, run_id: str) -> Any:
    return tg.store.runs.get(retry_id(tg.store.runs.get(run_id)))


def fails_then_works(tg: Any, step: str, job: str = "diamond", **fields: Any) -> Any:
    """Answers the run that failed, and its retry."""
    tg.failing.add(step)
    run_id = tg.submit(job, **fields)
    tg.settle()
    tg.failing.discard(step)
    tg.advance(days=1)
    return tg.store.runs.get(run_id), child_of(tg, run_id)


def invocations(tg: Any, run_id: str) -> dict[str, Any]:
    states = [one for one in tg.launcher.started.values() if one["run_id"] == run_id]
    return {one["invocation"]["step"]: one["invocation"] for one in states}


def runs(tg: Any) -> list[Any]:
    return sorted(tg.store.runs.find(limit=100).items, key=lambda one: one.created_at)
