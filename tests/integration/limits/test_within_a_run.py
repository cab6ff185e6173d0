"""Limits within one run: steps at once by its executor and by tags."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.limits.concurrency import EACH, pools
from tests.integration.limits.jobs import Deploy, query, work
from tidegate import (
    ConfigError,
    Definitions,
    job,
    multiprocess_executor,
    op,
)
from tidegate.errors import UnknownLimitError
from tidegate.testing import LocalDeployment


@op(tags={"team": "blue"})
def blue() -> None: ...


@op(tags={"team": "red"})
def red() -> None: ...


@job
def teams() -> None:
    for number in range(3):
        blue.alias(f"blue{number}")()
        red.alias(f"red{number}")()


@job(executor_def=multiprocess_executor.configured({"max_concurrent": 2}))
def two_at_once() -> None:
    for number in range(4):
        work.alias(f"w{number}")()


@job(executor_def=multiprocess_executor.configured({"max_concurrent": 1}))
def one_at_once() -> None:
    for number in range(3):
        work.alias(f"w{number}")()


@job(executor_def=multiprocess_executor.configured({"max_concurrent": 2}))
def queries() -> None:
    for number in range(3):
        query.alias(f"q{number}")()
    work()


within = Definitions(jobs=[teams, two_at_once, one_at_once, queries])


def started(tg: LocalDeployment, run_id: str) -> list[str]:
    return sorted(name for name, status in tg.run(run_id).steps.items() if status == "STARTED")


def config(**executor: Any) -> dict[str, Any]:
    return {"execution": {"config": executor}}


@pytest.mark.parametrize(
    ("name", "run_config", "most"),
    [
        ("two_at_once", None, 2),
        ("one_at_once", None, 1),
        ("two_at_once", config(max_concurrent=3), 3),
        ("two_at_once", config(max_concurrent=0), 4),
        ("teams", config(max_concurrent=5), 5),
        ("teams", config(multiprocess={"max_concurrent": 4}), 4),
        ("teams", None, 6),
    ],
)
def test_so_many_steps_of_a_run_as_its_executor_says(
    deploy: Deploy, name: str, run_config: dict[str, Any] | None, most: int
) -> None:
    tg = deploy(within, step_seconds=60)

    first, second = (tg.submit(name, run_config=run_config) for _ in range(2))
    tg.settle()

    assert (len(started(tg, first)), len(started(tg, second))) == (most, most)
    tg.advance(minutes=10)
    assert {tg.run_status(first), tg.run_status(second)} == {"SUCCESS"}


@pytest.mark.parametrize(
    ("rules", "running"),
    [
        ([{"key": "team", "limit": 2}], 2),
        ([{"key": "team", "value": "blue", "limit": 1}], 1 + 3),
        ([{"key": "team", "value": EACH, "limit": 2}], 2 + 2),
        (
            [
                {"key": "team", "value": EACH, "limit": 1},
                {"key": "team", "value": "red", "limit": 3},
            ],
            1 + 3,
        ),
        ([{"key": "team", "limit": 3}, {"key": "team", "value": EACH, "limit": 2}], 3),
        ([{"key": "other", "limit": 0}], 6),
        ([{"key": "team", "limit": -1}], 6),
    ],
)
def test_so_many_steps_of_a_run_as_its_tag_limits_say(
    deploy: Deploy, rules: list[dict[str, Any]], running: int
) -> None:
    tg = deploy(within, step_seconds=60)

    run_id = tg.submit("teams", run_config=config(tag_concurrency_limits=rules))
    tg.settle()

    assert len(started(tg, run_id)) == running
    tg.advance(minutes=10)
    assert tg.run_status(run_id) == "SUCCESS"


def test_a_step_blocked_by_its_pool_takes_no_slot_within_its_run(deploy: Deploy) -> None:
    settings = {"concurrency": {"pools": {"limits": {"db": 1}}}}
    tg = deploy(within, settings=settings, step_seconds=60)

    run_id = tg.submit("queries")
    tg.settle()

    assert started(tg, run_id) == ["q0", "work"]


def test_a_step_that_waits_within_its_run_says_for_what(deploy: Deploy) -> None:
    tg = deploy(within, step_seconds=60)

    run_id = tg.submit("one_at_once")
    tg.settle()

    steps = {one["step"]: one for one in tg.call("runs.show", run_id=run_id)["steps"]}
    assert steps["w1"]["waiting"]["blocked_by"] == f"run/{run_id}"
    assert steps["w1"]["waiting"]["holders"] == [f"step/{run_id}/0/1"]
    assert [steps[one]["waiting"]["ahead"] for one in ("w1", "w2")] == [0, 1]


def test_limits_within_a_run_can_be_changed_and_are_forgotten_when_it_ends(deploy: Deploy) -> None:
    tg = deploy(within, step_seconds=60)
    run_id = tg.submit("two_at_once")
    tg.settle()

    tg.set_limit(f"run/{run_id}", 3)
    tg.settle()

    assert len(started(tg, run_id)) == 3
    tg.advance(minutes=10)
    assert tg.run_status(run_id) == "SUCCESS"
    with pytest.raises(UnknownLimitError):
        tg.call("limits.show", key=f"run/{run_id}")


def test_a_failed_step_gives_its_slots_on(deploy: Deploy) -> None:
    @op(pool="db")
    def breaks() -> None:
        raise ValueError("no")

    @job(executor_def=multiprocess_executor.configured({"max_concurrent": 1}))
    def breaking() -> None:
        for number in range(3):
            breaks.alias(f"b{number}")()

    tg = deploy(
        Definitions(jobs=[breaking]), settings={"concurrency": pools(db=1)}, step_seconds=60
    )

    run_id = tg.submit("breaking")
    tg.advance(minutes=10)

    assert set(tg.run(run_id).steps.values()) == {"FAILURE"}
    assert [one.in_use for one in tg.limits.values()] == [0] * len(tg.limits)


@pytest.mark.parametrize(
    ("execution", "says"),
    [
        ({"config": {"max_concurrent": -1}}, "max_concurrent=-1"),
        ({"config": {"most": 3}}, "unknown key 'most'"),
        (
            {"config": {"tag_concurrency_limits": [{"key": "a", "limit": 1}] * 2}},
            "second rule of one kind for the tag a",
        ),
    ],
)
def test_config_of_an_executor_that_does_not_fit_creates_nothing(
    deploy: Deploy, execution: dict[str, Any], says: str
) -> None:
    tg = deploy(within)

    with pytest.raises(ConfigError, match=says):
        tg.submit("teams", run_config={"execution": execution})

    assert tg.runs() == []
