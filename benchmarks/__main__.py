"""All measurements: ``make bench``."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime

from benchmarks.table import machine

MODULES = ("start_up", "steps", "admission", "holds", "backfills", "month")


def main() -> None:
    print(f"{datetime.now(UTC):%Y-%m-%d}, {machine()}")
    for name in MODULES:
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
