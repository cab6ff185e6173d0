"""A month of simulated time: 10,000 runs, random faults, deploys, cancels, retries, fan-outs and rates. Ends with nothing left over."""

from __future__ import annotations

import time

from benchmarks.table import show
from tests.simulation.month import Month

SEED = 1
RUNS = 10_000


def main() -> None:
    month, began = Month(seed=SEED, runs=RUNS), time.process_time()
    month.play()
    wrong = month.wrong()
    seconds = time.process_time() - began
    rows = [
        ("seed", SEED),
        ("runs submitted", len(month.runs)),
        ("attempts of steps", len(month.played)),
        ("calls of the control plane", month.trouble.calls),
        ("faults", month.trouble.struck.total()),
        *sorted(month.counts.items()),
        *((f"the sweep repaired: {kind}", count) for kind, count in sorted(month.repairs.items())),
        ("left over, or otherwise wrong", len(wrong)),
        ("seconds of one core", f"{seconds:.0f}"),
    ]
    show("A month of simulated time, with faults", ("", "count"), [(a, str(b)) for a, b in rows])
    assert not wrong, wrong[:20]


if __name__ == "__main__":
    main()
