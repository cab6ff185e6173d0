"""Partitions as a bar: as many cells as there is room for, each as the worst of the partitions it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tidegate.cli import wording

WIDTH, NARROWEST = 60, 10
_ORDER = (
    "failed",
    "requested",
    "in_progress",
    "waiting",
    "missing",
    "stale",
    "skipped",
    "done",
    "materialized",
)
_SHOWN = {
    "done": ("\u2588", "#", "green"),
    "materialized": ("\u2588", "#", "green"),
    "failed": ("\u2588", "x", "red"),
    "requested": ("\u2592", ">", "cyan"),
    "in_progress": ("\u2592", ">", "cyan"),
    "stale": ("\u2593", "~", "yellow"),
    "skipped": ("\u2591", "-", "dim"),
    "waiting": ("\u2591", ".", "dim"),
    "missing": ("\u2591", ".", "dim"),
}


def grid(ranges: Sequence[Sequence[Any]], *, ascii_only: bool, columns: int) -> Any:
    """A bar of ranges ``[first key, last key, how many, state]``, with the keys at its ends, in so many columns."""
    from rich.text import Text

    total = sum(count for _, _, count, _ in ranges)
    if not total:
        return Text("none", style="dim")
    first, last = ranges[0][0], ranges[-1][1]
    width = min(WIDTH, total, max(NARROWEST, columns - len(first) - len(last) - 2))
    bar = Text()
    for state in _cells(ranges, total, width):
        full, plain, style = _SHOWN[state]
        bar.append(plain if ascii_only else full, style=style)
    return Text.assemble(
        (first, "dim"), " " if first else "", bar, " " if last else "", (last, "dim")
    )


def picture(shown: dict[str, Any], *, ascii_only: bool, columns: int) -> Any:
    """How far a backfill is, as ``backfills.show`` says it: its runs, and each asset with its partitions as a bar."""
    from rich.console import Group
    from rich.text import Text

    runs = f"{wording.count(shown['runs'], 'run')}, {shown['outstanding']:,} under way"
    lines = [Text(f"{runs}, {shown['max_outstanding']:,} at most", style="dim")]
    for asset, counts in shown["assets"].items():
        said = [f"{counts['done']:,} of {counts['target']:,}"]
        said += [f"{counts[name]:,} {name}" for name in ("failed", "skipped") if counts[name]]
        lines += [
            Text(),
            Text(f"{asset}  {', '.join(said)}"),
            grid(shown["grid"].get(asset, []), ascii_only=ascii_only, columns=columns),
        ]
    return Group(*lines)


def _cells(ranges: Sequence[Sequence[Any]], total: int, width: int) -> list[str]:
    cells: list[str | None] = [None] * width
    start = 0
    for _, _, count, state in ranges:
        name = str(state).lower()
        for cell in range(start * width // total, (start + count - 1) * width // total + 1):
            known = cells[cell]
            if known is None or _ORDER.index(name) < _ORDER.index(known):
                cells[cell] = name
        start += count
    return [one or "missing" for one in cells]
