"""Steps that fail and are tried again, through the real handlers, tables and state machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest

from tidegate import (
    Backoff,
    Definitions,
    Ecs,
    Failure,
    OpExecutionContext,
    RetryPolicy,
    RetryRequested,
    asset,
    job,
    op,
)
from tidegate.testing import LocalDeployment
from tidegate.testing.views import RunView

Deploy = Callable[..., LocalDeployment]

_tried: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _forget() -> None:
    _tried.clear()


@op(retry_policy=RetryPolicy(max_retries=3, delay=10, backoff=Backoff.EXPONENTIAL), pool="db")
def flaky(context: OpExecutionContext) -> int:
    _tried[context.run_id] += 1
    if context.retry_number < 2:
        raise ConnectionError("the other side hung up")
    return context.retry_number


@op
def double(number: int) -> int:
    return 2 * number


@job
def flaky_job() -> None:
    double(flaky())


@op
def asks_again(context: OpExecutionContext) -> None:
    if context.retry_number == 0:
        raise RetryRequested(max_retries=1, seconds_to_wait=90)


@job
def asking() -> None:
    asks_again()


@op(retry_policy=RetryPolicy(max_retries=5))
def final() -> None:
    raise Failure("never", allow_retries=False)


@op(retry_policy=RetryPolicy(max_retries=1, retry_on=(OSError,)))
def other_kind() -> None:
    raise KeyError("k")


@job
def no_retries() -> None:
    final()
    other_kind()


@asset(compute=Ecs(), retry_policy=RetryPolicy(max_retries=1, delay=5))
def heavy(context: OpExecutionContext) -> int:
    if context.retry_number == 0:
        raise ValueError("first")
    return 1


DEFS = Definitions(assets=[heavy], jobs=[flaky_job, asking, no_retries])
SETTINGS = {"concurrency": {"pools": {"limits": {"db": 1}}}}


def kinds(view: RunView, step: str) -> list[str]:
    return [one.kind for one in view.events if one.step == step]


def test_attempts_are_spaced_exactly_and_no_slot_is_held_between_them(deploy: Deploy) -> None:
    tg = deploy(DEFS, settings=SETTINGS)
    run = tg.submit("flaky_job")
    tg.settle()

    assert tg.run(run).steps == {"flaky": "UP_FOR_RETRY", "double": "PENDING"}
    assert tg.limits["pool/db"].in_use == 0

    tg.advance(seconds=9.9)
    assert _tried[run] == 1
    tg.advance(seconds=0.2)
    assert _tried[run] == 2
    tg.advance(seconds=31)

    view = tg.run(run)
    assert view.status == "SUCCESS"
    begun = [e.at for e in view.events if e.kind in ("STEP_START", "STEP_RESTARTED")][:3]
    gaps = [(after - before).total_seconds() for before, after in pairwise(begun)]
    assert gaps == [10, 30]


def test_nothing_is_called_while_a_step_waits_for_its_next_attempt(deploy: Deploy) -> None:
    tg = deploy(DEFS, settings=SETTINGS)
    tg.submit("asking")
    tg.settle()
    before = sum(tg.calls.values())

    tg.advance(seconds=89)

    assert sum(tg.calls.values()) == before


def test_a_retry_that_is_asked_for_comes_when_it_was_asked_for(deploy: Deploy) -> None:
    tg = deploy(DEFS, settings=SETTINGS)
    run = tg.submit("asking")
    tg.advance(seconds=91)

    view = tg.run(run)

    assert view.status == "SUCCESS"
    assert kinds(view, "asks_again") == [
        "STEP_START",
        "STEP_UP_FOR_RETRY",
        "STEP_RESTARTED",
        "STEP_SUCCESS",
    ]


def test_what_is_not_to_be_retried_fails_at_once(deploy: Deploy) -> None:
    tg = deploy(DEFS, settings=SETTINGS)
    run = tg.submit("no_retries")
    tg.settle()

    view = tg.run(run)

    assert view.status == "FAILURE"
    assert view.steps == {"final": "FAILURE", "other_kind": "FAILURE"}


def test_a_step_on_ecs_is_tried_again_in_a_container_of_its_own(deploy: Deploy) -> None:
    tg = deploy(DEFS, settings=SETTINGS)
    run = tg.materialize("heavy")
    tg.advance(minutes=2)

    view = tg.run(run)

    assert view.status == "SUCCESS"
    assert kinds(view, "heavy")[:3] == ["STEP_START", "STEP_UP_FOR_RETRY", "STEP_RESTARTED"]
