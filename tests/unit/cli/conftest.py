"""A deployment that answers what a test tells it to, and a terminal of 80 columns."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from tests.unit.cli.answers import NOW, FakeClient, Printed, Tidegate
from tidegate.cli import connect, wording
from tidegate.cli.commands import app


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    fake = FakeClient()
    monkeypatch.setattr(connect, "connect", lambda target: fake)
    monkeypatch.setattr(connect, "caller", lambda target: "ada")
    return fake


@pytest.fixture(autouse=True)
def calm_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Noon in UTC, 80 columns, no colour and no settings from outside."""
    for name in (
        "TIDEGATE_TARGET",
        "TIDEGATE_API_FUNCTION",
        "FORCE_COLOR",
        "TIDEGATE_EVENT_BATCH_SIZE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr(wording, "now", lambda answer=None: NOW)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def tidegate() -> Tidegate:
    """Run a command line, as the shell would."""

    def _run(*arguments: str, input: str | None = None) -> Printed:
        result = CliRunner().invoke(app, list(arguments), input=input)
        assert "Traceback" not in result.output
        return Printed(result.exit_code, result.stdout, result.stderr)

    return _run
