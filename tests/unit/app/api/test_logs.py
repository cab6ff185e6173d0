"""Pages of a log: bounded, in order, and robust against what user code may have put in the bucket."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tidegate.app.api import logs
from tidegate.app.api.logs import log_page
from tidegate.domain.event import EventKind
from tidegate.ports import Event

Make = Callable[..., Any]
KEY = "logs/run/0/1.jsonl"


def run_with(tg: Any, captured: bytes | None) -> None:
    """Events ``start``, the captured lines, ``end``."""
    at = tg.clock.now()
    kinds: list[tuple[EventKind, dict[str, Any]]] = [
        (EventKind.STEP_START, {}),
        (EventKind.LOGS_CAPTURED, {"key": KEY}),
        (EventKind.STEP_SUCCESS, {}),
    ]
    events = [
        Event(run_id="run", at=at + timedelta(seconds=n), kind=kind, step="a", attempt=1, data=data)
        for n, (kind, data) in enumerate(kinds)
    ]
    tg.store.events.append("run", "step", events)
    if captured is not None:
        tg.services.blobs.put(KEY, captured)


def jsonl(*messages: str) -> bytes:
    lines = [["2026-01-01T00:00:00+00:00", "INFO", one] for one in messages]
    return "\n".join(json.dumps(one) for one in lines).encode()


def pages(tg: Any, limit: int = 100) -> list[list[str]]:
    """What each page says: messages of lines, kinds of other events."""
    found: list[list[str]] = []
    cursor = None
    while True:
        page = log_page(tg.services, "run", cursor=cursor, limit=limit)
        found.append([one["message"] or one["kind"] for one in page["events"]])
        cursor = page["cursor"]
        if cursor is None:
            return found


def test_captured_lines_stand_where_they_were_captured(world: Make) -> None:
    tg = world()
    run_with(tg, jsonl("one", "two"))

    (page,) = pages(tg)

    assert page == ["STEP_START", "one", "two", "STEP_SUCCESS"]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("most", [1, 400, 1_000, 100_000])
def test_whatever_the_size_of_pages_each_line_is_in_one(
    world: Make, monkeypatch: pytest.MonkeyPatch, limit: int, most: int
) -> None:
    monkeypatch.setattr(logs, "MOST_BYTES", most)
    tg = world()
    lines = [f"line {n}" for n in range(20)]
    run_with(tg, jsonl(*lines))

    found = [one for page in pages(tg, limit) for one in page]

    assert found == ["STEP_START", *lines, "STEP_SUCCESS"]


@pytest.mark.parametrize(
    ("captured", "shown"),
    [
        (b"\xff\xfe not text\n[1, 2]", ["\ufffd\ufffd not text", "[1, 2]"]),
        (b'{"at": 1}\n3\n"abc"', ['{"at": 1}', "3", '"abc"']),
        (b"", []),
        (None, ["LOGS_CAPTURED"]),
    ],
)
def test_what_is_no_log_is_shown_as_it_is(
    world: Make, captured: bytes | None, shown: list[str]
) -> None:
    tg = world()
    run_with(tg, captured)

    (page,) = pages(tg)

    assert page == ["STEP_START", *shown, "STEP_SUCCESS"]


def test_of_an_endless_object_no_more_is_read_than_a_log_may_have(
    world: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MOST_CAPTURED", 10)
    tg = world()
    run_with(tg, b"x" * 1_000)

    (page,) = pages(tg)

    assert page == ["STEP_START", "x" * 10, "STEP_SUCCESS"]
