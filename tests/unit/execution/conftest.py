from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tidegate import Definitions
from tidegate.domain.task import Invocation
from tidegate.execution.io_memory import InMemoryIOManager
from tidegate.execution.io_s3 import Stored
from tidegate.execution.step import Outcome, Surroundings, run_step


class MemoryBucket:
    """A data bucket in memory; ``refuses`` is raised by every put."""

    name = "data"

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.refuses: Exception | None = None

    def put_object(
        self, key: str, body: bytes, *, content_type: str, metadata: dict[str, str] | None = None
    ) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.objects[key] = Stored(body=body, metadata=metadata or {}, content_type=content_type)

    def get_object(self, key: str) -> Stored | None:
        return self.objects.get(key)


@pytest.fixture
def bucket() -> MemoryBucket:
    return MemoryBucket()


@pytest.fixture
def now() -> Callable[[], datetime]:
    """A clock that moves on by a second each time it is read."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)

    def read() -> datetime:
        nonlocal moment
        moment += timedelta(seconds=1)
        return moment

    return read


@pytest.fixture
def attempt(now: Callable[[], datetime]) -> Callable[..., Outcome]:
    """Runs one step of a job or of the assets given, alone: ``attempt(job, "step")``."""

    def run(what: Any, step: str | None = None, **fields: Any) -> Outcome:
        resources = fields.pop("resources", {})
        if hasattr(what, "step_definitions"):
            job = what
        else:
            assets = what if isinstance(what, list) else [what]
            job = Definitions(
                assets=assets, resources=resources
            ).resolve_implicit_global_asset_job_def()
        steps = {one.key: one for one in job.step_definitions()}
        chosen = steps[step or next(iter(steps))]
        invocation = Invocation(
            **{"run_id": "r1", "job": job.name, "step": chosen.key, "index": 0, **fields}
        )
        around = Surroundings(
            steps=steps,
            resources={"io_manager": InMemoryIOManager(), **job.resources, **resources},
            now=now,
        )
        return run_step(chosen, invocation, around)

    return run


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, str], Path]]:
    """Writes a file of a user's project; modules of it, and the import path, are forgotten after the test."""
    import sys

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    yield write
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
