"""``make demo``: the example from its raw data to its report, on a whole deployment in this process."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from definitions import defs
from tidegate.local.dev import DevDeployment
from tidegate.settings_file import load_settings

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "build" / "seattle_weather.png"
DAYS = [f"2015-12-{day:02}" for day in range(1, 32)]
"""The partitions of the demo; `tidegate materialize --select daily_conditions --partition ...` makes any other."""
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
PAUSE_SECONDS = 0.1


def main() -> int:
    console = Console(highlight=False)
    began = time.monotonic()
    console.print("Starting the deployment: tables, functions, state machine, bucket ...")
    with DevDeployment(defs, settings=load_settings(ROOT / "tidegate.yaml", {})) as dev:
        console.print(
            f"Ready after {time.monotonic() - began:.1f} s. No AWS account is involved.\n"
        )
        runs = [
            _watch(console, dev, "the report", [dev.call("submit", job="seattle_weather")]),
            _watch(
                console,
                dev,
                "four checks, one verdict",
                [dev.call("submit", job="weather_quality")],
            ),
            _watch(
                console,
                dev,
                "the days of December 2015",
                [dev.call("submit", job="conditions_of_a_day", partition_key=day) for day in DAYS],
            ),
        ]
        shown = [dev.call("runs.show", run_id=one) for group in runs for one in group]
        failed = [run for run in shown if run["status"] != "SUCCESS"]
        for run in failed:
            _explain(console, run)
        if not failed:
            PICTURE.parent.mkdir(exist_ok=True)
            PICTURE.write_bytes(dev.value("weather_report"))
        _summary(console, dev, shown, time.monotonic() - began)
    return 1 if failed else 0


def _explain(console: Console, run: dict[str, Any]) -> None:
    console.print(f"\nRun {run['run_id']} of {run['job']}: {run['reason']}", style="red")
    for step in run["steps"]:
        if step["reason"]:
            console.print(f"  {step['step']}: {step['reason']}")


def _watch(
    console: Console, dev: DevDeployment, title: str, submitted: list[dict[str, Any]]
) -> list[str]:
    """Show progress until all the runs have ended; answers their ids."""
    runs = {run["run_id"]: run for run in submitted}
    began = time.monotonic()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            for run_id, run in runs.items():
                if run["status"] not in ENDED:
                    runs[run_id] = dev.call("runs.status", run_id=run_id)
            live.update(_progress(title, list(runs.values())), refresh=True)
            if all(run["status"] in ENDED for run in runs.values()):
                break
            time.sleep(PAUSE_SECONDS)
    failed = sum(run["status"] != "SUCCESS" for run in runs.values())
    outcome = f"{failed} failed" if failed else "done"
    steps = sum(run["total"] for run in runs.values())
    console.print(
        f"  {title:<28} {len(runs):>3} run{'s' if len(runs) > 1 else ' '}"
        f" {steps:>3} steps  {time.monotonic() - began:5.1f} s  {outcome}"
    )
    return list(runs)


def _progress(title: str, runs: list[dict[str, Any]]) -> Text:
    ended = sum(run["status"] in ENDED for run in runs)
    queued = sum(run["status"] == "QUEUED" for run in runs)
    running = sorted({name for run in runs for name in run.get("running", [])})
    text = f"  {title:<28} "
    if len(runs) > 1:
        text += f"{ended}/{len(runs)} runs, {queued} queued"
    if running:
        text += f"  running {', '.join(running[:3])}"
    return Text(text, style="dim", overflow="ellipsis", no_wrap=True)


def _summary(
    console: Console, dev: DevDeployment, runs: list[dict[str, Any]], seconds: float
) -> None:
    steps = [step for run in runs for step in run["steps"] if step["started_at"]]
    limits = {one["key"]: one["capacity"] for one in dev.call("limits.list")["limits"]}
    pooled = [step for step in steps if step["step"] in ("monthly_summary", "yearly_summary")]
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_row(
        "runs", f"{len(runs)}, {sum(run['status'] == 'SUCCESS' for run in runs)} succeeded"
    )
    table.add_row("steps", f"{len(steps)}, one of them in a container of its own")
    table.add_row("partitions", f"{sum(run['partition_key'] is not None for run in runs)}")
    table.add_row("runs at once, at most", f"{_most_at_once(runs)} of {limits['runs']}")
    table.add_row(
        "pool warehouse, at most", f"{_most_at_once(pooled)} of {limits['pool/warehouse']}"
    )
    table.add_row("seconds", f"{seconds:.1f}")
    console.print()
    console.print(table)
    if PICTURE.exists():
        console.print(f"\nThe report: {PICTURE.relative_to(ROOT)}")
    console.print("Next: `make dev` keeps such a deployment running; in a second terminal")
    console.print("  .venv/bin/tidegate materialize --select '+weather_report' --wait")
    console.print("  .venv/bin/tidegate runs show")


def _most_at_once(spans: list[dict[str, Any]]) -> int:
    """From the recorded times. What ends at the instant another starts does not overlap it."""
    edges = [(span["started_at"], 1) for span in spans] + [
        (span["finished_at"], -1) for span in spans
    ]
    most = now = 0
    for _, change in sorted(edges):
        now += change
        most = max(most, now)
    return most


if __name__ == "__main__":
    sys.exit(main())
