"""Runs a step in this process until it succeeds or its retries are used up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from tidegate.domain.retry import next_attempt
from tidegate.domain.run import execution_name
from tidegate.domain.task import Invocation
from tidegate.execution.failure import StepStopped
from tidegate.execution.step import Outcome, Surroundings, run_step
from tidegate.sdk.step import StepDefinition

_STOPPED = (KeyboardInterrupt, StepStopped)


def run_attempts(
    step: StepDefinition,
    invocation: Invocation,
    around: Surroundings,
    *,
    retries: bool = True,
    pause: Callable[[float], None] = time.sleep,
    ended: Callable[[], None] = lambda: None,
) -> tuple[Outcome, ...]:
    """All attempts, the last one last. As in a deployment, but that the process waits.

    An interrupt ends it: somebody at the keyboard, or whoever stops the container, wants no further attempt.

    Args:
        ended: Called after each attempt.
    """
    outcomes: list[Outcome] = []
    policy = None if step.retry_policy is None else step.retry_policy.to_json()
    while True:
        attempt = invocation.attempt + len(outcomes)
        outcome = run_step(step, replace(invocation, attempt=attempt), around)
        ended()
        outcomes.append(outcome)
        failure = outcome.report.failure
        if failure is None or not retries or isinstance(outcome.error, _STOPPED):
            return tuple(outcomes)
        name = execution_name(invocation.run_id, invocation.index, attempt)
        retry = next_attempt(policy, failure, attempt, name=name)
        if retry is None:
            return tuple(outcomes)
        if retry.delay:
            pause(retry.delay.total_seconds())
