"""The step timeline of a run: one line for each step, with a bar from its start to its end.

::

    STEP            STATUS       TOOK  0                                   4.10 s
    raw_weather     success    0.40 s  ━━━━
    clean_weather   failure    1.20 s      ━━━━━━━━━━━
      ValueError: no rows
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidegate.cli import screen, wording

if TYPE_CHECKING:
    from rich.text import Text

SHOWN_STEPS = 50
_NAME, _STATUS, _TOOK = 26, 8, 12
_REASON_LINES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Maps moments of a run to columns of its bars."""

    start: datetime
    seconds: float
    width: int

    def column(self, at: datetime) -> int:
        part = (at - self.start).total_seconds() / self.seconds
        return round(max(0.0, min(1.0, part)) * self.width)


def chosen(steps: Sequence[Mapping[str, Any]], *, most: int) -> list[Mapping[str, Any]]:
    """At most so many steps, in plan order: those that failed, run or wait before those that went well."""
    ranks = {"FAILURE": 0, "STARTED": 1, "WAITING": 1, "UP_FOR_RETRY": 1, "SUCCESS": 2}
    ranked = sorted(range(len(steps)), key=lambda i: (ranks.get(steps[i]["status"], 3), i))
    return [steps[i] for i in sorted(ranked[:most])]


def lines(
    run: Mapping[str, Any],
    steps: Sequence[Mapping[str, Any]],
    *,
    width: int,
    now: datetime,
    ascii_only: bool = False,
) -> Iterator[Text]:
    """The timeline of ``steps``, no line wider than ``width``."""
    from rich.text import Text

    name_width = min(_NAME, max([4, *(len(one["step"]) for one in steps)]))
    bar_width = max(8, width - name_width - _STATUS - _TOOK - 5)
    axis = _axis(run, steps, bar_width, now)
    total = wording.duration(axis.seconds)
    heading = f"{'STEP':<{name_width}}  {'STATUS':<{_STATUS}} {'TOOK':>{_TOOK}}  0{total:>{bar_width - 1}}"
    yield Text(heading, style="dim")
    told: set[str] = set()
    for step in steps:
        line = Text(f"{_cut(step['step'], name_width, ascii_only):<{name_width}}  ")
        status = screen.word(step["status"])
        line.append(f"{status:<{_STATUS}}", style=screen.STYLES.get(step["status"], ""))
        line.append(f" {wording.took(step, now):>{_TOOK}}  ")
        line.append_text(_bar(step, axis, now, ascii_only))
        line.rstrip()
        yield line
        for text in textwrap.wrap(
            _reason(step, now, told), width - 2, max_lines=_REASON_LINES, placeholder=" ..."
        ):
            yield Text(f"  {text}", style="dim")


def _axis(
    run: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], width: int, now: datetime
) -> Axis:
    start = wording.moment(run.get("started_at")) or wording.moment(run["created_at"]) or now
    ends = [wording.moment(one.get("finished_at")) for one in (run, *steps)]
    end = max((one for one in ends if one is not None), default=now)
    if run.get("finished_at") is None:
        end = max(end, now)
    return Axis(start=start, seconds=max((end - start).total_seconds(), 0.01), width=width)


def _bar(step: Mapping[str, Any], axis: Axis, now: datetime, ascii_only: bool) -> Text:
    """A dotted part for the time it waited for a slot, a full one for the time it ran."""
    from rich.text import Text

    full, dotted = ("=", ".") if ascii_only else ("\u2501", "\u00b7")
    waited = wording.moment(step.get("waiting_at"))
    started = wording.moment(step.get("started_at"))
    if started is None and (waited is None or step["status"] != "WAITING"):
        return Text()
    first = axis.column(started or now)
    begin = min(first, axis.column(waited)) if waited else first
    bar = Text(" " * min(begin, axis.width - 1))
    if started is None:
        return bar.append(dotted * max(1, first - begin), style="yellow")
    last = axis.column(wording.moment(step.get("finished_at")) or now)
    bar.append(dotted * (first - begin), style="yellow")
    return bar.append(full * max(1, last - first), style=screen.STYLES.get(step["status"], ""))


def _reason(step: Mapping[str, Any], now: datetime, told: set[str]) -> str:
    """Why it waits, failed or was skipped. Who holds a limit is told once: for the first step that waits for it."""
    waiting = step.get("waiting")
    if waiting is None:
        reason = " ".join((step.get("reason") or "").split())
        again = wording.moment(step.get("retry_at"))
        return f"{wording.retries(again, step['attempt'], now)}; {reason}" if again else reason
    limit = waiting.get("blocked_by") or ""
    why = wording.why(waiting, now)
    if limit in told:
        return why
    told.add(limit)
    held = wording.holders(waiting)
    return f"{why}; {held}" if held else why


def _cut(name: str, width: int, ascii_only: bool) -> str:
    """Long names lose their beginning: asset keys differ at their end."""
    if len(name) <= width:
        return name
    return f"..{name[-(width - 2) :]}" if ascii_only else f"\u2026{name[-(width - 1) :]}"
