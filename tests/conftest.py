"""Settings all tests share, and what is said when they are done."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import settings

# The machines differ; what a property says does not depend on how long it takes.
settings.register_profile("tidegate", deadline=None, max_examples=60, print_blob=True)
settings.load_profile("tidegate")


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: the collector need not look at it, which is a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The faults that ``tests/simulation`` has injected into whole runs, and what the sweep repaired of them."""
    said = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name == "faults"
    ]
    for line in _faults(said):
        terminalreporter.write_line(line)


def _faults(said: Iterable[Mapping[str, object]]) -> Iterable[str]:
    faults: Counter[str] = Counter()
    repairs: Counter[str] = Counter()
    for one in said:
        now, mended = Counter(one["faults"]), Counter(one["repairs"])
        faults, repairs = faults + now, repairs + mended
        yield f"{one['of']}: {one['calls']} calls, {now.total():,} faults; repaired: {_shown(mended)}"
    if faults:
        yield f"{faults.total():,} faults in whole runs ({_shown(faults)})"
        yield f"the sweep repaired {repairs.total():,} ({_shown(repairs)})"


def _shown(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in sorted(counts.items())) or "nothing"
