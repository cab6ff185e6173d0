"""Signs of life of a step on ECS: an object that its container writes anew each minute, once it has run for one.

User code cannot write the control tables, so the sign is in the data bucket. It says something only once it has been
there: a container that has not begun, or that is of a release without it, is not taken for lost.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

BEAT_SECONDS = 60.0
MOST_BYTES = 1_000
"""Of such an object. User code may have written anything there."""


def beat_key(run_id: str, index: int, attempt: int) -> str:
    """Where in the data bucket it is."""
    return f"heartbeats/{run_id}/{index}/{attempt}.json"


def beat_of(at: datetime) -> bytes:
    return json.dumps({"at": at.isoformat()}).encode()


def silent_since(body: bytes | None, now: datetime, timeout_seconds: int) -> datetime | None:
    """The last sign of life, if it is longer ago than that; None: there is one, or there never was."""
    try:
        said = json.loads(body or b"null")
        at = datetime.fromisoformat(said["at"])
        is_long = at + timedelta(seconds=timeout_seconds) <= now
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    return at if is_long else None
