"""What a run does about others of its job, or of its trigger, that came before it and are not over.

``queue`` waits for them. The other policies decide at submit, so the run takes, beside the slots it runs on, a place in a
*line* of at most so many runs, from submit to its end; that one write is the decision. Each policy has a line of its own
for each limit, so a deploy that changes the policy changes nothing for the runs that are in the old one's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from tidegate.domain.settings import UNLIMITED

TRIGGER, LINE = "trigger", "line"
SKIPPED = "skipped: "
NAMED = 3
"""Runs that came first which a reason names."""


class OnConflict(StrEnum):
    QUEUE = "queue"
    """Wait for them."""
    SKIP = "skip"
    """Do not run."""
    CANCEL_OLDEST = "cancel_oldest"
    """Cancel the oldest of them, and run when it is over."""
    QUEUE_ONE = "queue_one"
    """Wait for them, unless a run waits already."""


def line_key(limit: str, policy: str) -> str:
    """The line of runs that came with this policy: ``line/job/nightly/skip``."""
    return f"{LINE}/{limit}/{policy}"


def limit_of_line(line: str) -> str:
    """The limit a line goes with: ``job/nightly``."""
    return line.removeprefix(f"{LINE}/").rpartition("/")[0]


def policy_of_line(line: str) -> OnConflict:
    return OnConflict(line.rpartition("/")[2])


def gives_way(line: str) -> bool:
    """The oldest of a full line goes when another run comes."""
    return policy_of_line(line) is OnConflict.CANCEL_OLDEST


def is_line(key: str) -> bool:
    return key.startswith(f"{LINE}/")


def lines_of(on_conflict: Mapping[str, str]) -> tuple[str, ...]:
    """The lines a run stands in, by its policy for each limit. Those at which it may be skipped come last."""
    lines = [line_key(key, one) for key, one in on_conflict.items() if one != OnConflict.QUEUE]
    return tuple(sorted(lines, key=lambda one: (not gives_way(one), one)))


def line_capacity(line: str, capacity: int) -> int:
    """How many runs may be in a line, when the limit it goes with lets so many run."""
    policy = policy_of_line(line)
    if capacity == UNLIMITED:
        return UNLIMITED
    if policy is OnConflict.QUEUE_ONE:
        return capacity + 1
    if policy is OnConflict.CANCEL_OLDEST:
        # Where nothing may run, the latest waits until something may.
        return max(capacity, 1)
    return capacity


def superseded(by: str) -> str:
    """Why the oldest run of a line is cancelled, as half a sentence."""
    return f"superseded by run {by}"


def skipped(line: str, winners: Sequence[str]) -> str:
    """Why a run that was refused by a line did not run, in one sentence."""
    limit = limit_of_line(line)
    if not winners:
        return f"{SKIPPED}{limit} admits nothing"
    if gives_way(line):
        return f"{SKIPPED}{superseded(winners[-1])}"
    kind, _, name = limit.partition("/")
    runs = "run" if len(winners) == 1 else "runs"
    named = ", ".join(winners[:NAMED])
    more = f" and {len(winners) - NAMED} more" if len(winners) > NAMED else ""
    return f"{SKIPPED}{runs} {named}{more} of {kind} {name} came first"
