"""When a failed attempt of a step is followed by another, and after how long. Pure decisions.

Formulas are Dagster's (``_core/definitions/policy.py``): for the n-th retry, the first being 1, and the base delay d,
LINEAR waits n * d, EXPONENTIAL (2 ** n - 1) * d. FULL jitter draws between zero and that, PLUS_MINUS adds or takes up to d.
Unlike there, chance is drawn from the name of the attempt, so a repeated decision is the same decision.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tidegate.domain.task import DIED, StepFailure

MOST_DELAY = timedelta(days=365)
"""However an exponential delay grows. A Step Functions execution lasts a year at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Another attempt, ``delay`` after the failed one ended."""

    attempt: int
    delay: timedelta


def next_attempt(
    policy: Mapping[str, Any] | None, failure: StepFailure, attempt: int, *, name: str
) -> Retry | None:
    """What follows the failure of an attempt; None: the step has failed.

    What user code asked for by ``RetryRequested`` comes before the policy, and ``Failure(allow_retries=False)`` before both.
    Code that died without a word is tried again unless the policy names the exceptions it is about.

    Args:
        policy: ``RetryPolicy.to_json``.
        attempt: the number of the one that failed, the first being 1.
        name: of the attempt; the same name draws the same jitter.
    """
    if not failure.allow_retries:
        return None
    if failure.max_retries is not None:
        seconds, most = failure.retry_after_seconds or 0.0, failure.max_retries
    elif policy is not None and _is_about(policy, failure):
        seconds, most = _seconds(policy, attempt, _chance(name)), policy["max_retries"]
    else:
        return None
    if attempt > most:
        return None
    return Retry(attempt=attempt + 1, delay=bounded(seconds))


def _is_about(policy: Mapping[str, Any], failure: StepFailure) -> bool:
    kinds = policy.get("retry_on")
    if kinds is None:
        return True
    return failure.error not in DIED and not set(kinds).isdisjoint(failure.kinds)


def backed_off(seconds: float, backoff: str | None, retry: int) -> float:
    """Seconds before a retry, the first being 1, of which the delay without back-off is ``seconds``."""
    # Beyond 64 doublings it is cut off anyway, and a float has an end.
    factors: dict[str, int] = {"LINEAR": retry, "EXPONENTIAL": 2 ** min(retry, 64) - 1}
    return seconds * factors.get(backoff or "", 1)


def bounded(seconds: float) -> timedelta:
    most = MOST_DELAY.total_seconds()
    return timedelta(seconds=max(0.0, min(seconds, most)))


def _seconds(policy: Mapping[str, Any], retry: int, chance: float) -> float:
    base = float(policy["delay"] or 0)
    seconds = backed_off(base, policy["backoff"], retry)
    if policy["jitter"] == "FULL":
        return seconds * chance
    if policy["jitter"] == "PLUS_MINUS":
        return seconds + (2 * chance - 1) * base
    return seconds


def _chance(name: str) -> float:
    """A number from 0 up to 1, the same for the same name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7]) / 2**56
