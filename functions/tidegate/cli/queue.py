"""``tidegate queue``: what waits, for which limit, behind whom."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli import connect, screen, wording
from tidegate.cli.options import AsJson, Target
from tidegate.cli.runs import what

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def queue(
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Read on from here (see --json).")] = None,
    as_json: AsJson = False,
    target: Target = None,
) -> None:
    """Queued runs, and for each the limit that blocks it."""
    page = connect.connect(target).call("queue", limit=limit, cursor=cursor)
    if as_json:
        return screen.print_json(page)
    console = screen.console()
    if not page["runs"]:
        return console.print("Nothing waits.")
    _show(console, page)
    if page["cursor"]:
        console.print(f"\n{limit} of the queued runs; more with --limit.", style="dim")


def _show(console: Console, page: Mapping[str, Any]) -> None:
    """The runs of one limit together: what it is full of is told once."""
    from rich.text import Text

    now, runs = wording.now(page), page["runs"]
    for position, (limit, members) in enumerate(groupby(sorted(runs, key=_order), key=_limit)):
        if position:
            console.print()
        blocked = list(members)
        console.print(_heading(limit, blocked[0]["waiting"], now))
        made = screen.table("  RUN", "JOB", "AHEAD", "FOR", right=("AHEAD", "FOR"))
        for run in blocked:
            waiting = run["waiting"] or {}
            made.add_row(
                Text(f"  {wording.short(run['run_id'])}"),
                Text(what(run)),
                Text(wording.ahead(waiting) if waiting.get("ahead") is not None else "-"),
                Text(wording.age(waiting.get("since") or run["created_at"], now)),
            )
        console.print(made)


def _limit(run: dict[str, Any]) -> str:
    return (run["waiting"] or {}).get("blocked_by") or ""


def _order(run: dict[str, Any]) -> tuple[str, int, str]:
    """By limit, and there in the order they will be admitted."""
    waiting = run["waiting"] or {}
    return _limit(run), waiting.get("ahead") or 0, run["created_at"]


def _heading(limit: str, waiting: dict[str, Any] | None, now: datetime) -> Text:
    from rich.text import Text

    if not limit or waiting is None:
        return Text("Being admitted")
    facts = [wording.fill(waiting, now), wording.holders(waiting)]
    return Text.assemble((limit, "bold"), "  ", ", ".join(one for one in facts if one))
