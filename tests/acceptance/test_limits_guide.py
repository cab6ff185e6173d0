"""What docs/limits.md shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

from tidegate.cli.commands import app
from tidegate.domain.settings import JobLimit
from tidegate.settings_file import load_settings
from tidegate.testing import LocalDeployment

GUIDE = (Path(__file__).parents[2] / "docs" / "limits.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)


def settings_of(number: int) -> Any:
    import yaml

    return yaml.safe_load(blocks("yaml")[number])


def definitions_of(number: int) -> Any:
    module = ModuleType("guide")
    exec(compile(blocks("python")[number], "limits.md", "exec"), module.__dict__)  # noqa: S102
    return module.__dict__["defs"]


def test_the_settings_of_the_guide_are_valid() -> None:
    runs = load_settings(None, {}, overrides=settings_of(0))
    conflicts = load_settings(None, {}, overrides=settings_of(1))
    pools = load_settings(None, {}, overrides=settings_of(2))
    fair = load_settings(None, {}, overrides=settings_of(3))

    assert [rule.limit for rule in runs.tag_limits] == [6, 4, 3, 5]
    assert runs.jobs == {"nightly": JobLimit(limit=1)}
    assert [one.on_conflict for one in conflicts.jobs.values()] == ["skip", "queue_one"]
    assert (pools.pools, pools.granularity_of("gpu")) == ({"warehouse": 2, "gpu": 1}, "run")
    assert sorted(fair.fairness) == ["pool/warehouse", "run-tag/database", "runs"]
    assert fair.fairness["runs"].weight_of("data") == 2
    rates = load_settings(None, {}, overrides=settings_of(4)).rates
    assert {key: (one.limit, one.spacing / 1e6, one.burst) for key, one in rates.items()} == {
        "runs": (1, 1, 1),
        "run-tag/tenant=": (60, 60, 1),
        "pool/api": (100, 0.6, 20),
        "pool/warehouse": (100, 0.6, 20),
        "job/report": (1, 86_400, 1),
    }


def test_the_pools_of_the_guide_are_shared_as_it_says() -> None:
    with LocalDeployment(definitions_of(0), settings=settings_of(2), step_seconds=60) as tg:
        run_id = tg.materialize("*")
        tg.settle()

        assert sorted(tg.run(run_id).steps.values()) == ["PENDING", "STARTED", "WAITING"]
        tg.advance(minutes=5)
        assert tg.run_status(run_id) == "SUCCESS"


def test_the_executors_of_the_guide_narrow_a_run_as_it_says() -> None:
    with LocalDeployment(definitions_of(1), step_seconds=60) as tg:
        run_id = tg.submit("loads")
        tg.settle()
        assert list(tg.run(run_id).steps.values()).count("STARTED") == 2

        begun = tg.calls["stepfunctions", "StartExecution"]
        tg.submit("one_by_one")
        tg.settle()
        assert tg.calls["stepfunctions", "StartExecution"] == begun + 1


def test_the_commands_of_the_guide_exist() -> None:
    import typer.main

    known = typer.main.get_command(app)
    limits = known.commands["limits"].commands  # type: ignore[attr-defined]

    named = re.findall(r"^\$ tidegate limits (\w+)", GUIDE, flags=re.MULTILINE)
    assert named == ["set", "set", "pause", "resume", "history"]
    assert set(named) <= set(limits)
