"""Config that a step is given, and what does not fit it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.execution.jobs import job_of
from tidegate import (
    Config,
    OpExecutionContext,
    job,
    op,
)


def test_config_is_given_as_its_class_with_defaults(attempt: Any) -> None:
    seen = []

    class Load(Config):
        rows: int = 10
        url: str

    @op
    def load(context: OpExecutionContext, config: Load) -> None:
        seen.extend([config.rows, config.url, context.op_config])

    attempt(job_of(load), run_config={"ops": {"load": {"config": {"url": "u"}}}})

    assert seen == [10, "u", {"rows": 10, "url": "u"}]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "ops.load.config.url is missing. Load needs it."),
        ({"url": 1}, "ops.load.config.url does not fit: Input should be a valid string."),
        (
            {"url": "u", "row": 1},
            "ops.load.config.row is given, and Load has no such field. Did you mean 'rows'? Fields: rows, url.",
        ),
    ],
)
def test_config_that_does_not_fit_names_field_and_mend(
    attempt: Any, config: Any, message: str
) -> None:
    class Load(Config):
        rows: int = 10
        url: str

    @op
    def load(config: Load) -> None:
        raise AssertionError

    failure = attempt(job_of(load), run_config={"ops": {"load": {"config": config}}}).report.failure

    assert (failure.error, failure.message, failure.stack) == ("ConfigError", message, "")
    assert failure.allow_retries is False


def test_config_of_a_step_of_a_nested_graph_is_found_by_path_and_by_key(attempt: Any) -> None:
    from tidegate import graph

    @op(config_schema={"rows": int})
    def load(context: OpExecutionContext) -> int:
        return int(context.op_config["rows"])

    @graph
    def inner() -> Any:
        return load()

    @job
    def outer() -> None:
        inner()

    nested = {"ops": {"inner": {"ops": {"load": {"config": {"rows": 3}}}}}}
    flat = {"ops": {"inner.load": {"config": {"rows": 4}}}}

    assert attempt(outer, run_config=nested).values == {"result": 3}
    assert attempt(outer, run_config=flat).values == {"result": 4}
