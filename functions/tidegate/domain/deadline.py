"""The clocks of a run: how long it may wait for its slots, take to start, and run. A step's own is its execution's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate.domain.run import LIVE, Run, RunStatus, StopCause
from tidegate.domain.settings import Settings
from tidegate.errors import RequestError

QUEUE_TIMEOUT_TAG = "tidegate/queue_timeout"
MAX_RUNTIME_TAGS = ("tidegate/max_runtime", "tidegate/max_runtime_seconds")
"""The second is Dagster's other name for it."""
FAIL_FAST_TAG = "tidegate/fail_fast"
MOST_SECONDS = 31_536_000
"""A year: no alarm is set for later."""

CLOCKS = (StopCause.QUEUE_TIMEOUT, StopCause.START_TIMEOUT, StopCause.RUN_TIMEOUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """When a clock of a run runs out."""

    clock: StopCause
    at: datetime
    seconds: int

    @property
    def leaves(self) -> frozenset[RunStatus]:
        """Statuses in which the clock runs."""
        return _LEAVES[self.clock]

    @property
    def reason(self) -> str:
        return _REASONS[self.clock].format(f"{self.seconds:,} seconds")


_LEAVES = {
    StopCause.QUEUE_TIMEOUT: frozenset({RunStatus.QUEUED}),
    StopCause.START_TIMEOUT: frozenset({RunStatus.STARTING}),
    StopCause.RUN_TIMEOUT: LIVE,
}
_REASONS = {
    StopCause.QUEUE_TIMEOUT: "It waited in the queue for longer than {}.",
    StopCause.START_TIMEOUT: "Its first steps were not started within {}.",
    StopCause.RUN_TIMEOUT: "It ran for longer than {}.",
}


def deadline_of(clock: StopCause, run: Run, settings: Settings) -> Deadline | None:
    """None: this clock does not run in the status of the run, or is not set."""
    since = run.created_at if clock is StopCause.QUEUE_TIMEOUT else run.started_at
    seconds = _seconds(clock, run.tags, settings)
    if since is None or seconds <= 0 or run.status not in _LEAVES[clock]:
        return None
    return Deadline(clock=clock, at=since + timedelta(seconds=seconds), seconds=seconds)


def fails_fast(tags: Mapping[str, str], settings: Settings) -> bool:
    """Whether the first step of a run that fails stops the rest. Its tag wins over the setting."""
    tag = tags.get(FAIL_FAST_TAG)
    return settings.fail_fast if tag is None else tag == "true"


def check_tags(tags: Mapping[str, str]) -> None:
    """Raises:
    RequestError: a tag that sets a clock is no number of seconds, or that of fail-fast neither true nor false.
    """
    for name in (QUEUE_TIMEOUT_TAG, *MAX_RUNTIME_TAGS):
        value = tags.get(name, "0")
        if not re.fullmatch(r"[0-9]{1,8}", value) or int(value) > MOST_SECONDS:
            raise RequestError(
                f"The tag {name} is {value!r}.",
                mend=f"It is a whole number of seconds, at most {MOST_SECONDS:,}; 0 is no limit.",
            )
    if tags.get(FAIL_FAST_TAG, "true") not in ("true", "false"):
        raise RequestError(
            f"The tag {FAIL_FAST_TAG} is {tags[FAIL_FAST_TAG]!r}.", mend="It is true or false."
        )


def _seconds(clock: StopCause, tags: Mapping[str, str], settings: Settings) -> int:
    if clock is StopCause.START_TIMEOUT:
        return settings.start_timeout_seconds
    if clock is StopCause.QUEUE_TIMEOUT:
        return int(tags.get(QUEUE_TIMEOUT_TAG, settings.queue_timeout_seconds))
    said = (int(tags[name]) for name in MAX_RUNTIME_TAGS if name in tags)
    return next(said, settings.max_runtime_seconds)
