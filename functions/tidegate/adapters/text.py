"""Text as stores keep it."""

from __future__ import annotations

from datetime import UTC, datetime

MAX_REASON = 2000
"""Characters of a reason: it is one sentence, and every change of its row pays for it."""


def stamp(moment: datetime) -> str:
    """The moment in UTC, in 27 characters that sort as the moments do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"


def moment_of(stamped: str) -> datetime:
    return datetime.fromisoformat(stamped)


def storable(reason: str | None) -> str | None:
    """The reason, cut to ``MAX_REASON`` and without the halves of surrogate pairs, which UTF-8 cannot carry.

    A reason often quotes an error of user code, and nothing in it may keep a run from finishing.
    """
    if reason is None:
        return None
    cut = reason if len(reason) <= MAX_REASON else reason[: MAX_REASON - 3] + "..."
    return cut.encode("utf-8", "replace").decode()
