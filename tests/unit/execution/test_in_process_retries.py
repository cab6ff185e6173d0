"""Steps that are tried again in this process."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import (
    Backoff,
    Failure,
    OpExecutionContext,
    RetryPolicy,
    RetryRequested,
    job,
    op,
)
from tidegate.domain.task import Invocation
from tidegate.execution.attempts import run_attempts
from tidegate.execution.step import Surroundings


def flaky(failures: int, policy: RetryPolicy | None, error: Exception | None = None) -> Any:
    """A job of one op that fails so many times first."""
    seen: list[int] = []

    @op(retry_policy=policy)
    def once(context: OpExecutionContext) -> int:
        seen.append(context.retry_number)
        if len(seen) <= failures:
            raise error or ValueError("not yet")
        return len(seen)

    @job
    def only() -> None:
        once()

    return only, seen


def test_a_failed_op_is_tried_again_as_its_policy_says() -> None:
    only, seen = flaky(2, RetryPolicy(max_retries=2))

    result = only.execute_in_process()

    assert result.output_for_node("once") == 3
    assert seen == [0, 1, 2]
    assert result.retry_attempts_for_node("once") == 2
    kinds = [one.event_type_value for one in result.all_events if one.step_key == "once"]
    assert kinds.count("STEP_UP_FOR_RETRY") == kinds.count("STEP_RESTARTED") == 2


def test_the_last_failure_is_raised() -> None:
    only, seen = flaky(9, RetryPolicy(max_retries=2))

    with pytest.raises(ValueError, match="not yet"):
        only.execute_in_process()

    assert len(seen) == 3


def test_a_retry_that_is_asked_for_needs_no_policy() -> None:
    only, seen = flaky(1, None, RetryRequested(max_retries=1))

    assert only.execute_in_process().success
    assert seen == [0, 1]


def test_a_failure_that_forbids_it_is_not_tried_again() -> None:
    only, seen = flaky(1, RetryPolicy(max_retries=5), Failure("no", allow_retries=False))

    result = only.execute_in_process(raise_on_error=False)

    assert not result.success
    assert seen == [0]


def test_only_the_named_exceptions_are_tried_again() -> None:
    only, seen = flaky(5, RetryPolicy(max_retries=5, retry_on=(OSError,)), KeyError("k"))
    other, seen_other = flaky(2, RetryPolicy(max_retries=5, retry_on=(OSError,)), TimeoutError())

    assert not only.execute_in_process(raise_on_error=False).success
    assert other.execute_in_process().success
    assert (seen, seen_other) == ([0], [0, 1, 2])


def test_an_executor_without_retries_tries_once() -> None:
    only, seen = flaky(1, RetryPolicy(max_retries=5))
    config = {"execution": {"config": {"retries": {"disabled": {}}}}}

    result = only.execute_in_process(run_config=config, raise_on_error=False)

    assert not result.success
    assert seen == [0]


def test_a_process_waits_as_long_as_the_policy_says() -> None:
    only, _ = flaky(2, RetryPolicy(max_retries=2, delay=3, backoff=Backoff.LINEAR))
    (step,) = only.step_definitions(None)
    waited: list[float] = []
    around = Surroundings(steps={step.key: step}, resources={})

    outcomes = run_attempts(
        step,
        Invocation(run_id="r", job="only", step=step.key, index=0),
        around,
        pause=waited.append,
    )

    assert waited == [3, 6]
    assert [one.report.attempt for one in outcomes] == [1, 2, 3]
