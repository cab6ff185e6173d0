"""The store of runs on each engine in turn, and runs to put there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.contract.runs.times import AT
from tidegate.adapters.dynamodb.runs import DynamoRunStore
from tidegate.adapters.memory.runs import MemoryRunStore
from tidegate.domain.run import Run, RunStatus
from tidegate.ports import RunStore


@pytest.fixture
def runs(engine: str) -> RunStore:
    return MemoryRunStore() if engine == "memory" else DynamoRunStore()


@pytest.fixture
def new_run() -> Callable[..., Run]:
    def make(run_id: str = "run-1", **changes: Any) -> Run:
        run = Run(
            run_id=run_id,
            job="daily",
            manifest="abc123",
            status=RunStatus.QUEUED,
            created_at=AT,
            function="weather:7",
            location="weather",
            tags={"team": "tides", "empty": ""},
            run_config={"ops": {"fetch": {"config": {"n": 3, "ratio": 0.5, "on": None}}}},
            partition_key="2026-01-01",
            range_keys="5e" * 32,
            assets=("raw/weather", "clean"),
            run_key="k-1",
            held_pools=("gpu", "warehouse"),
            on_conflict={"job/daily": "skip", "trigger/tide": "queue"},
        )
        return replace(run, **changes)

    return make
