"""What a deployment answers, as the API forms it, and a client that answers what a test sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tidegate.errors import TidegateError

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RUN = "01957f2e-5c00-7000-8000-0000a1b2c3d4"


@dataclass
class FakeClient:
    """Answers each action with what is set for it: a result, an error, or a list of either, one after the other."""

    answers: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def call(self, action: str, **fields: Any) -> dict[str, Any]:
        self.calls.append((action, {k: v for k, v in fields.items() if v is not None}))
        answer = self.answers[action]
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, TidegateError):
            raise answer
        result: dict[str, Any] = answer
        return result


@dataclass(frozen=True)
class Printed:
    code: int
    out: str
    err: str


Tidegate = Callable[..., Printed]
"""Runs a command line."""


def at(seconds: float) -> str:
    """So many seconds after noon."""
    return (NOW + timedelta(seconds=seconds)).isoformat()


def run_of(**changes: Any) -> dict[str, Any]:
    return {
        "run_id": RUN,
        "job": "seattle_weather",
        "status": "SUCCESS",
        "tags": {"team": "weather"},
        "partition_key": None,
        "assets": None,
        "run_key": None,
        "reason": None,
        "skipped": False,
        "lost_to": [],
        "on_conflict": {},
        "manifest": "m" * 64,
        "created_at": at(-20),
        "started_at": at(-20),
        "finished_at": at(-10),
    } | changes


def step_of(step: str, status: str = "SUCCESS", **changes: Any) -> dict[str, Any]:
    return {
        "step": step,
        "index": 0,
        "status": status,
        "attempt": 1,
        "reason": None,
        "started_at": at(-20),
        "finished_at": at(-15),
        "waiting": None,
        "upstream": [],
    } | changes


def status_of(**changes: Any) -> dict[str, Any]:
    return run_of(counts={"SUCCESS": 4}, total=4, running=[], waiting=None) | changes


WAITING: dict[str, Any] = {
    "blocked_by": "pool/db",
    "capacity": 3,
    "in_use": 3,
    "holders": [
        "step/01957f2e-5c00-7000-8000-0000b1b2c3d4/2/1",
        "step/01957f2e-5c00-7000-8000-0000c1b2c3d4/5/1",
        "run/01957f2e-5c00-7000-8000-0000d1b2c3d4",
    ],
    "ahead": 4,
    "since": at(-72),
}
