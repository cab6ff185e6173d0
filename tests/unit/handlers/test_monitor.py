"""The metric of repairs: on AWS one line of each tick, locally never a line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tidegate.handlers import monitor


class Context:
    function_name = "monitor"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:monitor"
    aws_request_id = "1"


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(monitor, "services", lambda: None)
    monkeypatch.setattr(monitor, "observe", lambda services, event: {"stalled": 2, "failed": 1})
    return lambda many: [monitor.handler({}, Context()) for _ in range(many)]


def test_each_tick_writes_how_many_were_repaired(
    ticks: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "false")

    ticks(2)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["Repairs"] for one in lines if "Repairs" in one] == [[3.0], [3.0]]


def test_a_deployment_on_this_machine_writes_none_however_long_it_runs(
    ticks: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")

    ticks(250)

    assert "Repairs" not in capsys.readouterr().out
