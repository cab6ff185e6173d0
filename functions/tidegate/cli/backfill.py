"""``tidegate backfill``: launch backfills, see how far they are, change them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli import connect, screen, wording
from tidegate.cli.grid import picture
from tidegate.cli.launch import OnRunning, on_running_tag, read_config, read_tags
from tidegate.cli.options import AsJson, Target
from tidegate.errors import RequestError, UnknownBackfillError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

app = typer.Typer(help="Launch backfills, look at them, change them.", no_args_is_help=True)

PAUSE_SECONDS = 0.5
STYLES = {
    "COMPLETED_SUCCESS": "green",
    "COMPLETED_FAILED": "red",
    "FAILED": "red",
    "REQUESTED": "cyan",
    "PAUSED": "yellow",
    "CANCELING": "magenta",
    "CANCELED": "magenta",
}
ENDED = {"COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED"}

Id = Annotated[
    str,
    typer.Argument(metavar="ID", help="The backfill, or the end of its id; last is the latest."),
]


Select = Annotated[
    str | None, typer.Option("--select", "-s", help="Which assets: '*', 'name', 'name+'.")
]
Job = Annotated[str | None, typer.Option("--job", help="Or the job.")]
Partitions = Annotated[
    list[str] | None, typer.Option("--partition", help="A partition; may be given again.")
]
Between = Annotated[
    str | None, typer.Option("--partition-range", metavar="A...B", help="From A to B.")
]
Everything = Annotated[bool, typer.Option("--all", help="All there are.")]
Missing = Annotated[bool, typer.Option("--missing", help="Only what is not made.")]
Failed = Annotated[bool, typer.Option("--failed", help="Only what failed.")]
Stale = Annotated[
    bool, typer.Option("--stale", help="Only what another version of its code has made.")
]
Order = Annotated[str, typer.Option(help="asc or desc.")]
Most = Annotated[int | None, typer.Option("--max-outstanding", help="Runs under way at most.")]
Config = Annotated[Path | None, typer.Option("--config", "-c", help="Run config, YAML or JSON.")]
Tags = Annotated[
    list[str] | None, typer.Option("--tags", metavar="KEY=VALUE", help="A tag of its runs.")
]
Title = Annotated[str | None, typer.Option(help="What it is for.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what it would come to; launch nothing.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Show progress until it ends.")]


@app.command()
def launch(
    select: Select = None,
    job: Job = None,
    partition: Partitions = None,
    partition_range: Between = None,
    all_partitions: Everything = False,
    missing: Missing = False,
    failed: Failed = False,
    stale: Stale = False,
    order: Order = "asc",
    max_outstanding: Most = None,
    config: Config = None,
    tags: Tags = None,
    title: Title = None,
    on_running: OnRunning = None,
    dry_run: DryRun = False,
    wait: Wait = False,
    as_json: AsJson = False,
    target: Target = None,
) -> None:
    """Make partitions: of the selected assets, upstream first, or of a job."""
    fields: dict[str, Any] = {
        "selection": select,
        "job": job,
        "partition_keys": partition or None,
        "partition_range": partition_range,
        "all_partitions": all_partitions,
        "only": _only(missing=missing, failed=failed, stale=stale),
        "order": order,
        "max_outstanding": max_outstanding,
        "run_config": None if config is None else read_config(config),
        "tags": read_tags(tags or []) | on_running_tag(on_running),
        "title": title,
    }
    client = connect.connect(target)
    if dry_run:
        return _estimate(client, fields, as_json=as_json)
    fields |= {"backfill_id": str(uuid.uuid4()), "by": connect.caller(target)}
    _launch(client, fields, wait=wait, as_json=as_json)


def _only(**given: bool) -> str | None:
    chosen = [name for name, is_given in given.items() if is_given]
    if len(chosen) > 1:
        named = " and ".join(f"--{one}" for one in chosen)
        raise RequestError(f"Both {named} are given.", mend="Give one.")
    return chosen[0] if chosen else None


def _estimate(client: connect.Client, fields: dict[str, Any], *, as_json: bool) -> None:
    said = client.call("backfills.launch", dry_run=True, **fields)
    if as_json:
        screen.print_json(said)
    else:
        _say_estimate(said)


def _launch(client: connect.Client, fields: dict[str, Any], *, wait: bool, as_json: bool) -> None:
    said = client.call("backfills.launch", **fields)
    if wait:
        raise typer.Exit(_follow(client, said["backfill_id"], as_json=as_json))
    if as_json:
        return screen.print_json(said)
    _say(said)
    typer.echo(f"See how far it is: tidegate backfill show {wording.short(said['backfill_id'])}")


def _say(one: dict[str, Any]) -> None:
    count = wording.count(one["totals"]["target"], "partition")
    typer.echo(f"Backfill {one['backfill_id']} is {one['status'].lower()}: {count}.")


def _say_estimate(said: dict[str, Any]) -> None:
    for asset, counts in said["assets"].items():
        typer.echo(f"{asset:<32} {wording.count(counts['target'], 'partition')}")
    at_once = f"at most {said['runs_at_once']:,} at once"
    typer.echo(
        f"{wording.count(said['runs'], 'run')}, {wording.count(said['steps'], 'step')}, {at_once}"
    )
    typer.echo(f"time: {_lasts(said)}")
    cents = ",.2f" if said["dollars"] >= 1 else ",.4f"
    typer.echo(
        f"control plane on AWS: about ${said['dollars']:{cents}}, without your code's own seconds"
    )


def _lasts(said: dict[str, Any]) -> str:
    if said["blocked_by"]:
        return f"not known: {said['blocked_by']} admits nothing now"
    if said["never_made"]:
        return f"not known: never made was {', '.join(said['never_made'][:3])}"
    lasts = wording.duration(said["seconds"])
    return f"{lasts} or more, each taking as long as it took last; bound by {said['bound_by']}"


@app.command("list")
def list_backfills(
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Read on from here (see --json).")] = None,
    as_json: AsJson = False,
    target: Target = None,
) -> None:
    """Backfills, the newest first."""
    from rich.text import Text

    page = connect.connect(target).call("backfills.list", limit=limit, cursor=cursor)
    if as_json:
        return screen.print_json(page)
    console, now = screen.console(), wording.now(page)
    if not page["backfills"]:
        return console.print("There has been no backfill.")
    made = screen.table(
        "BACKFILL",
        "STATUS",
        "CREATED",
        "DONE",
        "FAILED",
        "OF",
        "TITLE",
        right=("DONE", "FAILED", "OF"),
    )
    for one in page["backfills"]:
        totals = one["totals"]
        made.add_row(
            Text(wording.short(one["backfill_id"])),
            Text(one["status"].lower(), style=STYLES[one["status"]]),
            Text(wording.clock(one["created_at"], now)),
            Text(f"{totals['done']:,}"),
            Text(f"{totals['failed']:,}", style="red" if totals["failed"] else "dim"),
            Text(f"{totals['target']:,}"),
            Text(one["title"]),
        )
    console.print(made)


@app.command()
def show(backfill_id: Id = "last", as_json: AsJson = False, target: Target = None) -> None:
    """One backfill: how far each asset is, and its partitions as a grid."""
    client = connect.connect(target)
    shown = client.call("backfills.show", backfill_id=_find(client, backfill_id))
    if as_json:
        return screen.print_json(shown)
    _draw(shown)


def _draw(shown: dict[str, Any]) -> None:
    console, now = screen.console(), wording.now(shown)
    end = wording.moment(shown["finished_at"]) or now
    began = wording.moment(shown["created_at"]) or now
    lasted = wording.duration((end - began).total_seconds())
    console.print(
        f"Backfill {shown['backfill_id']}  {shown['status'].lower()}  {lasted}",
        style=STYLES[shown["status"]],
    )
    console.print(_picture(console, shown))
    for note in shown["notes"]:
        console.print(f"\n{note}", style="yellow")


def _picture(console: Console, shown: dict[str, Any]) -> RenderableType:
    made: RenderableType = picture(
        shown, ascii_only=console.options.ascii_only, columns=console.width
    )
    return made


@app.command()
def pause(backfill_id: Id, as_json: AsJson = False, target: Target = None) -> None:
    """Ask for no more runs until it is resumed. Those under way go on."""
    _change("pause", backfill_id, as_json, target)


@app.command()
def resume(backfill_id: Id, as_json: AsJson = False, target: Target = None) -> None:
    """Go on with one that is paused."""
    _change("resume", backfill_id, as_json, target)


@app.command()
def cancel(backfill_id: Id, as_json: AsJson = False, target: Target = None) -> None:
    """Ask for no more runs, and cancel those under way. What was made stays."""
    _change("cancel", backfill_id, as_json, target)


@app.command()
def retry(
    backfill_id: Id,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only of what failed, and was left out for it.")
    ] = False,
    as_json: AsJson = False,
    target: Target = None,
) -> None:
    """Launch a new one, of all that this one has not made."""
    by, as_id = connect.caller(target), str(uuid.uuid4())
    _change("retry", backfill_id, as_json, target, by=by, only_failed=failed, as_id=as_id)


def _change(action: str, given: str, as_json: bool, target: str | None, **fields: Any) -> None:
    client = connect.connect(target)
    said = client.call(f"backfills.{action}", backfill_id=_find(client, given), **fields)
    if as_json:
        return screen.print_json(said)
    _say(said)


def _find(client: connect.Client, given: str) -> str:
    """The whole id.

    Raises:
        UnknownBackfillError: no backfill of the latest 500 ends so, or several do.
    """
    if len(given) >= 32:
        return given
    ids = [one["backfill_id"] for one in client.call("backfills.list", limit=500)["backfills"]]
    found = ids[:1] if given == "last" else [one for one in ids if one.endswith(given)]
    if len(found) != 1:
        what = (
            "There has been no backfill."
            if not ids
            else f"{len(found)} backfills end in {given!r}."
        )
        raise UnknownBackfillError(what, mend="`tidegate backfill list --json` shows whole ids.")
    return str(found[0])


def _follow(client: connect.Client, backfill_id: str, *, as_json: bool) -> int:
    """Show progress until it ends. Answers the exit code."""
    from rich.live import Live

    console = screen.console()
    if as_json:
        shown = _poll(client, backfill_id, lambda _: None)
    elif console.is_terminal:
        with Live(console=console, transient=True, auto_refresh=False) as live:
            shown = _poll(
                client,
                backfill_id,
                lambda one: live.update(_picture(console, one), refresh=True),
            )
    else:
        shown = _poll(client, backfill_id, _Lines())
    if as_json:
        screen.print_json(shown)
    else:
        _draw(shown)
    return 0 if shown["status"] == "COMPLETED_SUCCESS" else 1


def _poll(
    client: connect.Client, backfill_id: str, tell: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    while True:
        shown: dict[str, Any] = client.call("backfills.show", backfill_id=backfill_id)
        tell(shown)
        if shown["status"] in ENDED:
            return shown
        time.sleep(PAUSE_SECONDS)


class _Lines:
    """Progress where nothing can be redrawn: a line when something has changed."""

    def __init__(self) -> None:
        self._told = ""

    def __call__(self, shown: dict[str, Any]) -> None:
        totals = shown["totals"]
        line = f"{totals['done']:,} of {totals['target']:,} made, {totals['failed']:,} failed"
        if line != self._told:
            typer.echo(line)
        self._told = line
