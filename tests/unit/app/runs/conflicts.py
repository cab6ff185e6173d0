"""Settings by which runs of one job or trigger are in conflict, and what became of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.app.manifests import step_doc
from tidegate.domain.settings import JobLimit, Settings

Make = Callable[..., Any]
JOB = {"nightly": [step_doc("a")]}


def policy(on_conflict: str, limit: int = 1) -> Settings:
    return Settings(jobs={"nightly": JobLimit(limit=limit, on_conflict=on_conflict)})


def statuses(tg: Any, runs: list[str]) -> list[str]:
    return [tg.status(one) for one in runs]


def submits(tg: Any, count: int, **fields: Any) -> list[str]:
    return [tg.submit("nightly", **fields) for _ in range(count)]
