"""The log of a run: its events, with the lines that went to the data bucket put back in their place.

A page is bounded by its size, since a Lambda function answers 6 MB at most and one step may log more. User code wrote what is in
the bucket, so nothing there is taken for granted.
"""

from __future__ import annotations

import json
from typing import Any

from tidegate.app.services import Services
from tidegate.domain.event import EventKind
from tidegate.errors import RequestError
from tidegate.ports import Event

MOST_BYTES = 2 * 1024 * 1024
"""JSON of one page. It grows by half where it is quoted on its way."""
MOST_CAPTURED = 32 * 1024 * 1024
"""Of one step, as it is stored. What is beyond is not shown; a step of ours writes 8 MB at most."""
_BEYOND = "+"
"""Between the cursor of the events and a number of lines; not in the alphabet of such cursors."""


def log_page(services: Services, run_id: str, *, cursor: str | None, limit: int) -> dict[str, Any]:
    """``limit`` events at most, fewer when they are large.

    Raises:
        RequestError: it is no cursor of a log.
    """
    at, skip = _place(cursor)
    page = services.store.events.read(run_id, limit=limit, cursor=at)
    found: list[dict[str, Any]] = []
    size = 0
    for number, event in enumerate(page.items):
        first = skip if number == 0 else 0
        for offset, line in enumerate(_lines(services, event)[first:], first):
            size += len(json.dumps(line))
            if found and size > MOST_BYTES:
                before = _after(services, run_id, at, number)
                return {"events": found, "cursor": f"{before or ''}{_BEYOND}{offset}"}
            found.append(line)
    return {"events": found, "cursor": page.cursor}


def _place(cursor: str | None) -> tuple[str | None, int]:
    at, beyond, skip = (cursor or "").partition(_BEYOND)
    if beyond and not (skip.isascii() and skip.isdecimal()):
        raise RequestError(
            f"{(cursor or '')[:40]!r} is no cursor of a log.",
            mend="Give back that of the page before.",
        )
    return at or None, int(skip or 0)


def _after(services: Services, run_id: str, at: str | None, number: int) -> str | None:
    """The cursor after so many events."""
    if number == 0:
        return at
    return services.store.events.read(run_id, limit=number, cursor=at).cursor


def _lines(services: Services, event: Event) -> list[dict[str, Any]]:
    if event.kind != EventKind.LOGS_CAPTURED:
        return [event_document(event)]
    body = services.blobs.get(str(event.data["key"]), most=MOST_CAPTURED)
    if body is None:
        return [event_document(event)]
    return [_line(event, text) for text in body.decode(errors="replace").splitlines() if text]


def _line(event: Event, text: str) -> dict[str, Any]:
    document = event_document(event) | {"kind": EventKind.LOG.value, "data": {}}
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, list) or len(said) != 3:
        return document | {"message": text}
    at, level, message = said
    return document | {"at": str(at), "level": str(level), "message": str(message)}


def event_document(event: Event) -> dict[str, Any]:
    return {
        "at": event.at.isoformat(),
        "kind": str(event.kind),
        "step": event.step,
        "attempt": event.attempt,
        "level": event.level,
        "message": event.message,
        "data": dict(event.data),
    }
