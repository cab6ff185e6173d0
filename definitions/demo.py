"""``make demo``: the example from its raw data to its report, on a whole deployment in this process."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from definitions import defs
from tidegate.cli.grid import picture
from tidegate.local.dev import DevDeployment
from tidegate.settings_file import load_settings

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "build" / "seattle_weather.png"
DAYS = [f"2015-12-{day:02}" for day in range(1, 32)]
"""Each made by a run of its own; the backfill that follows makes all days, a month or so in a run."""
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
PAUSE_SECONDS = 0.1
LONGER_PAUSE_SECONDS = 0.5


def main() -> int:
    console = Console(highlight=False)
    began = time.monotonic()
    console.print("Starting the deployment: tables, functions, state machine, bucket ...")
    with DevDeployment(defs, settings=load_settings(ROOT / "tidegate.yaml", {})) as dev:
        console.print(
            f"Ready after {time.monotonic() - began:.1f} s. No AWS account is involved.\n"
        )
        runs = [
            _watch(console, dev, "the report", [{"job": "seattle_weather"}]),
            _watch(console, dev, "four checks, one verdict", [{"job": "weather_quality"}]),
            _watch(
                console,
                dev,
                "the days of December 2015",
                [{"job": "conditions_of_a_day", "partition_key": day} for day in DAYS],
            ),
            _backfill(console, dev, "four years, by backfill", "daily_conditions+"),
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
    console: Console, dev: DevDeployment, title: str, asked: list[dict[str, Any]]
) -> list[str]:
    """Submit runs, and show progress until all have ended; answers their ids."""
    began = time.monotonic()
    runs = {run["run_id"]: run for run in (dev.call("submit", **one) for one in asked)}
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


def _backfill(console: Console, dev: DevDeployment, title: str, selection: str) -> list[str]:
    """Make all partitions of the selection, upstream first, and show how far it is; answers the ids of its runs."""
    began = time.monotonic()
    backfill_id = dev.call("backfills.launch", selection=selection, all_partitions=True)[
        "backfill_id"
    ]
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            shown = dev.call("backfills.show", backfill_id=backfill_id)
            live.update(_drawn(console, shown), refresh=True)
            if shown["finished_at"] is not None:
                break
            time.sleep(LONGER_PAUSE_SECONDS)
    totals = shown["totals"]
    left = totals["target"] - totals["done"]
    console.print(
        f"  {title:<28} {shown['runs']:>3} runs {shown['runs']:>3} steps"
        f"  {time.monotonic() - began:5.1f} s  {f'{left:,} not made' if left else 'done'}\n"
    )
    console.print(_drawn(console, shown))
    return [one["run_id"] for one in _runs_of(dev, backfill_id)]


def _drawn(console: Console, shown: dict[str, Any]) -> Padding:
    drawn = picture(shown, ascii_only=console.options.ascii_only, columns=console.width - 4)
    return Padding(drawn, (0, 2), expand=False)


def _runs_of(dev: DevDeployment, backfill_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    page: dict[str, Any] = {"cursor": None}
    while not found or page["cursor"]:
        page = dev.call("runs.list", limit=500, cursor=page["cursor"])
        found += page["runs"]
    return [one for one in found if one["tags"].get("tidegate/backfill") == backfill_id]


def _made(dev: DevDeployment) -> int:
    """Partitions that are made, of all assets that have some."""
    assets = ("daily_conditions", "monthly_conditions")
    shown = [dev.call("partitions.status", asset=one, limit=1) for one in assets]
    return sum(one["counts"]["MATERIALIZED"] for one in shown)


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
    table.add_row("partitions made", f"{_made(dev):,}")
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
    console.print("  .venv/bin/tidegate backfill launch --select 'daily_conditions+' --all --wait")


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
