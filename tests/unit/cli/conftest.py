"""A deployment that answers what a test tells it to, and a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from tidegate.cli import connect, wording
from tidegate.cli.main import app
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


Run = Callable[..., Printed]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    fake = FakeClient()
    monkeypatch.setattr(connect, "connect", lambda target: fake)
    return fake


@pytest.fixture(autouse=True)
def calm_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Noon in UTC, 80 columns, no colour and no settings from outside."""
    for name in ("TIDEGATE_TARGET", "TIDEGATE_API_FUNCTION", "FORCE_COLOR", "TIDEGATE_EVENT_BATCH_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr(wording, "now", lambda: NOW)
    yield


@pytest.fixture
def tidegate() -> Run:
    """Run a command line. No line it prints may be wider than the terminal."""

    def _run(*arguments: str, input: str | None = None) -> Printed:
        result = CliRunner().invoke(app, list(arguments), input=input)
        assert "Traceback" not in result.output
        return Printed(result.exit_code, result.stdout, result.stderr)

    return _run


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


WAITING = {
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
