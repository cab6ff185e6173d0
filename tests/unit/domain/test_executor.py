"""What ``execution.config`` asks for, in each shape Dagster accepts."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.domain.executor import Executor, executor_of
from tidegate.domain.settings import TagLimit
from tidegate.errors import ConfigError

THREE = Executor(max_concurrent=3)


@pytest.mark.parametrize(
    "execution",
    [
        {"config": {"max_concurrent": 3}},
        {"config": {"multiprocess": {"max_concurrent": 3}}},
        {"multiprocess": {"config": {"max_concurrent": 3}}},
        {"config": {"max_concurrent": 3, "start_method": {"spawn": {}}}},
        {"config": {"max_concurrent": 3, "retries": {"enabled": {}}}},
        {"config": {"multiprocess": {"max_concurrent": 3, "tag_concurrency_limits": []}}},
        {
            "config": {
                "max_concurrent": 3,
                "step_dependency_config": {"require_upstream_step_success": True},
            }
        },
    ],
)
def test_max_concurrent_is_read_from_every_shape(execution: dict[str, Any]) -> None:
    assert executor_of(None, {"execution": execution}) == THREE


@pytest.mark.parametrize(
    "execution",
    [None, {}, {"config": None}, {"config": {}}, {"config": {"max_concurrent": 0}}],
)
def test_nothing_and_zero_are_no_limit(execution: Any) -> None:
    executor = executor_of(None, {"execution": execution})

    assert executor == Executor()
    assert not executor.is_limited


@pytest.mark.parametrize(
    "execution",
    [
        {"config": {"in_process": {}}},
        {"in_process": {}},
        {"in_process": {"config": {"retries": {"enabled": {}}}}},
    ],
)
def test_in_process_is_the_whole_run_in_one_execution(execution: dict[str, Any]) -> None:
    assert executor_of(None, {"execution": execution}) == Executor(is_in_process=True)


def test_tag_limits_have_the_shape_of_those_on_runs() -> None:
    rules = [
        {"key": "database", "limit": 5},
        {"key": "dagster/tier", "value": "gold", "limit": 1},
        {"key": "team", "value": {"applyLimitPerUniqueValue": True}, "limit": 0},
        {"key": "team", "value": {"applyLimitPerUniqueValue": False}, "limit": -1},
    ]

    executor = executor_of(None, {"execution": {"config": {"tag_concurrency_limits": rules}}})

    assert executor.is_limited
    assert executor.tag_limits == (
        TagLimit(key="database", limit=5),
        TagLimit(key="tidegate/tier", value="gold", limit=1),
        TagLimit(key="team", per_unique_value=True, limit=0),
        TagLimit(key="team", limit=-1),
    )


def test_retries_can_be_disabled() -> None:
    execution = {"config": {"retries": {"disabled": {}}}}

    assert not executor_of(None, {"execution": execution}).retries


@pytest.mark.parametrize(
    ("job", "execution", "expected"),
    [
        ({"multiprocess": {"max_concurrent": 3}}, None, 3),
        ({"multiprocess": {"max_concurrent": 3}}, {"config": {"max_concurrent": 5}}, 5),
        ({"multiprocess": {"max_concurrent": 3}}, {"config": {"retries": {"enabled": {}}}}, 3),
        ({"multiprocess": {"max_concurrent": 3}}, {"config": {"in_process": {}}}, None),
        ({"in_process": {}}, None, None),
        ({"in_process": {}}, {"config": {"multiprocess": {}}}, None),
        ({"in_process": {}}, {"config": {"multiprocess": {"max_concurrent": 2}}}, 2),
    ],
)
def test_what_a_run_says_wins_over_its_job_key_by_key(
    job: dict[str, Any], execution: Any, expected: int | None
) -> None:
    assert executor_of(job, {"execution": execution}).max_concurrent == expected


@pytest.mark.parametrize(
    ("execution", "says"),
    [
        ([], "execution must be a mapping"),
        ({"max_concurrent": 3}, "unknown key 'max_concurrent'"),
        ({"config": 3}, "execution.config must be a mapping"),
        ({"config": {"max": 3}}, "unknown key 'max'"),
        ({"config": {"multiprocess": {}, "in_process": {}}}, "unknown key 'multiprocess'"),
        ({"config": {"in_process": {"max_concurrent": 3}}}, "unknown key 'max_concurrent'"),
        ({"multiprocess": {"max_concurrent": 3}}, "execution.multiprocess has the unknown key"),
        ({"config": {"max_concurrent": -1}}, "max_concurrent=-1"),
        ({"config": {"max_concurrent": True}}, "max_concurrent=True"),
        ({"config": {"max_concurrent": "3"}}, "max_concurrent='3'"),
        ({"config": {"tag_concurrency_limits": {}}}, "must be a list"),
        ({"config": {"tag_concurrency_limits": [3]}}, "tag_concurrency_limits[0] is 3"),
        ({"config": {"tag_concurrency_limits": [{"key": "a"}]}}, "tag_concurrency_limits[0] is"),
        (
            {"config": {"tag_concurrency_limits": [{"key": "a", "limit": 1, "values": "b"}]}},
            "tag_concurrency_limits[0] is",
        ),
        (
            {"config": {"tag_concurrency_limits": [{"key": "a", "limit": -2}]}},
            "tag_concurrency_limits[0].limit is -2",
        ),
        (
            {"config": {"tag_concurrency_limits": [{"key": "a", "value": 3, "limit": 1}]}},
            "tag_concurrency_limits[0].value is 3",
        ),
        (
            {"config": {"tag_concurrency_limits": [{"key": "", "limit": 1}]}},
            "tag_concurrency_limits[0].key is ''",
        ),
        (
            {
                "config": {
                    "tag_concurrency_limits": [
                        {"key": "dagster/a", "limit": 1},
                        {"key": "tidegate/a", "limit": 2},
                    ]
                }
            },
            "second rule of one kind for the tag tidegate/a",
        ),
        ({"config": {"retries": {"sometimes": {}}}}, "retries is {'sometimes': {}}"),
        (
            {"config": {"step_dependency_config": {"require_upstream_step_success": False}}},
            "step_dependency_config is",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(execution: Any, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        executor_of(None, {"execution": execution})

    assert says in str(caught.value)
