"""How a benchmark says what it measured."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence


def show(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table, ready for docs/performance.md."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(head), *cells]) for i in range(len(head))]
    print(f"\n### {title}\n")
    print(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(head, widths, strict=True))
        + " |"
    )
    print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    for line in cells:
        print("| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |")


def machine() -> str:
    """What it was measured on."""
    return f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def best(work: Callable[[], object], *, times: int) -> float:
    """Seconds of the fastest of so many runs: the one least disturbed."""
    return min(_timed(work) for _ in range(times))


def median(work: Callable[[], object], *, times: int) -> float:
    return statistics.median(_timed(work) for _ in range(times))


def fresh_process(code: str, *, times: int = 5) -> float:
    """Seconds that ``python -c code`` takes, the fastest of so many, byte code compiled and disk warm."""
    return best(
        lambda: subprocess.run([sys.executable, "-c", code], check=True, capture_output=True),
        times=times,
    )


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
