from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.domain.retry import MOST_DELAY, Retry, next_attempt
from tidegate.domain.task import DIED, StepFailure


def policy(**changes: Any) -> dict[str, Any]:
    return {
        "max_retries": 5,
        "delay": 10.0,
        "backoff": None,
        "jitter": None,
        "retry_on": None,
        **changes,
    }


BROKEN = StepFailure(error="ValueError", message="no", kinds=("builtins.ValueError",))


def delays(said: dict[str, Any], failure: StepFailure = BROKEN) -> list[float]:
    found, attempt = [], 1
    while (retry := next_attempt(said, failure, attempt, name=f"run-0-{attempt}")) is not None:
        assert retry.attempt == attempt + 1
        found.append(retry.delay.total_seconds())
        attempt = retry.attempt
    return found


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [10, 10, 10, 10, 10]),
        ({"backoff": "LINEAR"}, [10, 20, 30, 40, 50]),
        ({"backoff": "EXPONENTIAL"}, [10, 30, 70, 150, 310]),
        ({"delay": None}, [0, 0, 0, 0, 0]),
        ({"max_retries": 0}, []),
        ({"max_retries": 1}, [10]),
    ],
)
def test_retries_are_spaced_by_the_policy(changes: dict[str, Any], expected: list[float]) -> None:
    assert delays(policy(**changes)) == expected


@given(
    retry=st.integers(1, 10_000),
    name=st.text(max_size=9),
    backoff=st.sampled_from(["LINEAR", "EXPONENTIAL", None]),
)
def test_jitter_stays_within_its_bounds_and_is_drawn_once(
    retry: int, name: str, backoff: str | None
) -> None:
    plain = policy(max_retries=10_000, backoff=backoff)

    whole = next_attempt(plain, BROKEN, retry, name=name)
    full = next_attempt(plain | {"jitter": "FULL"}, BROKEN, retry, name=name)
    around = next_attempt(plain | {"jitter": "PLUS_MINUS"}, BROKEN, retry, name=name)
    again = next_attempt(plain | {"jitter": "FULL"}, BROKEN, retry, name=name)

    assert whole and full and around
    assert timedelta(0) <= full.delay <= whole.delay <= MOST_DELAY
    assert abs(around.delay - whole.delay) <= timedelta(seconds=10)
    assert again == full


def test_different_attempts_draw_different_jitter() -> None:
    said = policy(jitter="FULL")

    drawn = {next_attempt(said, BROKEN, 1, name=f"run-{n}-1") for n in range(20)}

    assert len(drawn) == 20


def test_what_user_code_asks_for_comes_before_the_policy() -> None:
    asked = StepFailure(error="RetryRequested", message="", max_retries=2, retry_after_seconds=3.5)

    assert delays(policy(), asked) == [3.5, 3.5]
    assert next_attempt(None, asked, 1, name="") == Retry(attempt=2, delay=timedelta(seconds=3.5))


def test_a_failure_that_forbids_retries_is_final() -> None:
    final = StepFailure(error="Failure", message="", allow_retries=False, max_retries=3)

    assert next_attempt(policy(), final, 1, name="") is None


def test_no_policy_is_no_retry() -> None:
    assert next_attempt(None, BROKEN, 1, name="") is None


@pytest.mark.parametrize(
    ("kinds", "is_retried"),
    [
        (("builtins.TimeoutError", "builtins.OSError", "builtins.Exception"), True),
        (("builtins.OSError", "builtins.Exception"), True),
        (("builtins.ValueError", "builtins.Exception"), False),
        ((), False),
    ],
)
def test_only_the_named_exceptions_and_those_derived_from_them_are_retried(
    kinds: tuple[str, ...], is_retried: bool
) -> None:
    failure = StepFailure(error=kinds[0] if kinds else "Other", message="", kinds=kinds)

    retry = next_attempt(policy(retry_on=["builtins.OSError"]), failure, 1, name="")

    assert (retry is not None) is is_retried


@pytest.mark.parametrize("error", sorted(DIED))
def test_code_that_died_is_retried_unless_the_policy_names_exceptions(error: str) -> None:
    died = StepFailure(error=error, message="")

    assert delays(policy(), died) == [10] * 5
    assert delays(policy(retry_on=["builtins.Exception"]), died) == []
