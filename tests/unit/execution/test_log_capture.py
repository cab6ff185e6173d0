"""How much of a step's log is kept."""

from __future__ import annotations

import json
from typing import Any

from tidegate.execution.log_capture import LogCapture, json_lines


def test_of_a_very_long_log_the_beginning_and_the_end_are_kept_with_a_note(now: Any) -> None:
    capture = LogCapture(now, most=20_000)

    for number in range(1000):
        capture.add("INFO", f"line {number:04d} {'x' * 100}")

    lines = [one.message for one in capture.lines()]
    (note,) = [place for place, one in enumerate(lines) if "left out" in one]
    assert lines[0].startswith("line 0000")
    assert lines[-1].startswith("line 0999")
    assert lines[note].startswith(f"{1000 - len(lines) + 1:,} lines (0.2 MB) are left out here")
    assert sum(map(len, lines)) < 20_000


def test_lines_stay_in_order_around_a_line_that_does_not_fit_the_beginning(now: Any) -> None:
    capture = LogCapture(now, most=2_000)

    for message in ("a", "b" * 1500, "c"):
        capture.add("INFO", message)

    kept = [one.message[0] for one in capture.lines() if "left out" not in one.message]
    assert kept == sorted(kept)
    assert kept[0] == "a"
    assert kept[-1] == "c"


def test_a_very_long_line_is_cut(now: Any) -> None:
    capture = LogCapture(now)

    capture.add("INFO", "x" * 1_000_000)

    (line,) = capture.lines()
    assert len(line.message) < 70_000
    assert line.message.endswith("... (1,000,000 characters)")


def test_a_hundred_megabytes_of_log_take_a_few(now: Any) -> None:
    capture = LogCapture(now)
    line = "x" * 60_000

    for _ in range(2_000):
        capture.add("INFO", line)

    assert sum(len(one.message) for one in capture.lines()) < 9_000_000


def test_stored_lines_are_read_like_those_of_a_report(now: Any) -> None:
    capture = LogCapture(now)
    capture.add("INFO", "a\nb")

    assert [json.loads(one) for one in json_lines(capture.lines()).splitlines()] == [
        ["2026-01-01T00:00:01+00:00", "INFO", "a\nb"]
    ]
