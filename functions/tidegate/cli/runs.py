"""``tidegate runs``: list, show, logs, wait and cancel."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli import connect, screen, wording
from tidegate.cli.options import AsJson, Target
from tidegate.errors import RequestError, UnknownRunError

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(help="Look at runs, and cancel them.", no_args_is_help=True)

RunId = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN", help="A run id, or its beginning or end. The latest if left out."
    ),
]
SEARCHED = 500
"""Latest runs among which a shortened id is looked for."""
EVENTS_IN_A_PAGE = 500


@app.command("list")
def list_runs(
    job: Annotated[str | None, typer.Option(help="Only runs of this job.")] = None,
    status: Annotated[str | None, typer.Option(help="Only runs of this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Read on from here (see --json).")] = None,
    as_json: AsJson = False,
    target: Target = None,
) -> None:
    """The latest runs, newest first."""
    client = connect.connect(target)
    page = client.call("runs.list", job=job, status=status, limit=limit, cursor=cursor)
    if as_json:
        return screen.print_json(page)
    console = screen.console()
    if not page["runs"]:
        return console.print("No runs." if job or status else "No runs yet.")
    console.print(_table(page))
    if page["cursor"]:
        console.print(f"The latest {limit}; more with --limit.", style="dim")


def _table(page: Mapping[str, Any]) -> Any:
    from rich.text import Text

    now, runs = wording.now(page), page["runs"]
    has_partitions = any(one["partition_key"] for one in runs)
    made = screen.table("RUN", "JOB", "STATUS", "CREATED", "TOOK", right=("TOOK",))
    if has_partitions:
        made.add_column("PARTITION", overflow="fold")
    for one in runs:
        cells = [
            Text(wording.short(one["run_id"])),
            Text(what(one)),
            Text(screen.word(one["status"]), style=screen.STYLES.get(one["status"], "")),
            Text(wording.clock(one["created_at"], now)),
            Text(wording.took(one, now)),
        ]
        made.add_row(*cells, *([Text(one["partition_key"] or "")] if has_partitions else []))
    return made


def what(run: Mapping[str, Any]) -> str:
    """The job; for a run of assets without one, the assets."""
    if not run["job"].startswith("__"):
        return str(run["job"])
    assets = run["assets"] or []
    if not assets:
        return "all assets"
    rest = f" and {len(assets) - 1} more" if len(assets) > 1 else ""
    return f"{assets[-1]}{rest}"


@app.command()
def show(
    run: RunId = None,
    every: Annotated[bool, typer.Option("--all", help="All steps, however many.")] = False,
    as_json: AsJson = False,
    target: Target = None,
) -> None:
    """One run and the timeline of its steps."""
    client = connect.connect(target)
    document = client.call("runs.show", run_id=resolve(client, run))
    if as_json:
        return screen.print_json(document)
    _show(screen.console(), document, every=every)


def _show(console: Console, run: dict[str, Any], *, every: bool) -> None:
    from rich.text import Text

    from tidegate.cli import timeline

    now = wording.now(run)
    head = Text.assemble(("Run ", "dim"), run["run_id"], "  ", (what(run), "bold"))
    if run["partition_key"]:
        head.append(f"  {run['partition_key']}")
    console.print(head)
    console.print(_state(run))
    if run["waiting"] is not None:
        console.print(f"It {wording.why(run['waiting'], now)}.")
        held = wording.holders(run["waiting"])
        if held:
            console.print(f"{held.capitalize()}.")
    elif run["reason"]:
        console.print(run["reason"])
    tags = {key: value for key, value in run["tags"].items() if key != "tidegate/partition"}
    if tags:
        console.print(
            "  ".join(f"{key}={value}" for key, value in sorted(tags.items())), style="dim"
        )
    steps = run["steps"]
    shown = timeline.chosen(steps, most=len(steps) if every else timeline.SHOWN_STEPS)
    console.print()
    for line in timeline.lines(
        run, shown, width=console.width, now=now, ascii_only=console.options.ascii_only
    ):
        console.print(line, soft_wrap=True)
    if len(shown) < len(steps):
        kinds = Counter(one["status"] for one in steps)
        counts = ", ".join(f"{n:,} {screen.word(kind)}" for kind, n in kinds.items())
        console.print(
            f"{len(shown)} of {len(steps):,} steps ({counts}); --all shows them.", style="dim"
        )


def _state(run: Mapping[str, Any]) -> Any:
    from rich.text import Text

    now = wording.now(run)
    line = Text(screen.word(run["status"]), style=screen.STYLES.get(run["status"], ""))
    line.append(f"  created {wording.clock(run['created_at'], now)}", style="dim")
    if run["started_at"]:
        line.append(f", started {wording.clock(run['started_at'], now)}", style="dim")
        verb = "took" if run["finished_at"] else "running for"
        line.append(f", {verb} {wording.took(run, now)}", style="dim")
    return line


def _events(client: connect.Client, run_id: str) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    while True:
        page = client.call("runs.logs", run_id=run_id, cursor=cursor, limit=EVENTS_IN_A_PAGE)
        yield from page["events"]
        cursor = page.get("cursor")
        if cursor is None:
            return


@app.command()
def logs(
    run: RunId = None,
    step: Annotated[str | None, typer.Option(help="Only this step.")] = None,
    as_json: AsJson = False,
    target: Target = None,
) -> None:
    """Everything that happened in a run, in order: events and what user code logged."""
    client = connect.connect(target)
    events = list(_events(client, resolve(client, run)))
    if step is not None:
        named = {one["step"] for one in events} - {None}
        if step not in named:
            known = ", ".join(sorted(named)[:12]) or "none yet"
            raise RequestError(
                f"No event is of a step {step!r}.", mend=f"Steps with events: {known}."
            )
        events = [one for one in events if one["step"] == step]
    if as_json:
        return screen.print_json({"events": events})
    console = screen.console()
    for event in events:
        console.print(_event(event), soft_wrap=True)
    if not events:
        console.print("Nothing happened yet.")


_TIME_WIDTH = len("12:00:00.000  ")
_LEVELS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}


def _event(event: Mapping[str, Any]) -> Any:
    from rich.text import Text

    at = wording.moment(event["at"])
    time = at.astimezone().strftime("%H:%M:%S.%f")[:-3] if at else ""
    line = Text.assemble((time, "dim"), "  ")
    if event["step"]:
        line.append(f"{event['step']}  ")
    level = event["level"] or "INFO"
    message = event["message"].rstrip().replace("\n", "\n" + " " * _TIME_WIDTH)
    if event["kind"] == "LOG":
        if level != "INFO":
            line.append(f"{level}  ", style=_LEVELS.get(level, "dim"))
        return line.append(message)
    line.append(event["kind"], style=_LEVELS.get(level, "dim"))
    return line.append(f"  {message}") if message else line


@app.command()
def wait(
    run: RunId = None,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Stop waiting after so many seconds.")
    ] = None,
    as_json: AsJson = False,
    target: Target = None,
) -> None:
    """Wait for a run to end. The exit code is 0 only if it succeeded."""
    from tidegate.cli.follow import follow

    client = connect.connect(target)
    raise typer.Exit(follow(client, resolve(client, run), as_json=as_json, timeout=timeout))


@app.command()
def cancel(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN]...", help="Ids, or their beginning or end.")
    ] = None,
    job: Annotated[str | None, typer.Option(help="All runs of this job.")] = None,
    status: Annotated[
        str | None, typer.Option(help="All that are queued, starting or started.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="All that carry the tag, KEY=VALUE or KEY.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All runs that are not over.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why, for the record.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
    target: Target = None,
) -> None:
    """Cancel runs: those named, or all that fit every option and are not over."""
    from tidegate.cli import cancel as cancelling

    wanted = {"job": job, "status": status, "tags": cancelling.read_tags(tag or [])}
    is_filtered = every or any(wanted.values())
    if bool(runs) == is_filtered:
        raise RequestError(
            "Say which runs." if not runs else "Name runs, or say which fit; not both.",
            mend="Like `runs cancel ID`, `runs cancel --job NAME`, or `runs cancel --all`.",
        )
    client = connect.connect(target)
    why = {"reason": reason, "by": connect.caller(target)}
    if runs:
        ids = [resolve(client, one) for one in runs]
        raise typer.Exit(cancelling.cancel_named(client, ids, why, as_json=as_json))
    cancelling.cancel_fitting(client, wanted, why, is_sure=yes, as_json=as_json)


def resolve(client: connect.Client, text: str | None) -> str:
    """The full id that ``text`` stands for; the latest run if None.

    Raises:
        UnknownRunError: no run, or more than one.
    """
    if text is not None and _is_id(text):
        return text
    latest = client.call("runs.list", limit=1 if text is None else SEARCHED)["runs"]
    if text is None:
        if not latest:
            raise UnknownRunError(
                "There are no runs yet.", mend="`tidegate materialize --select NAME` makes one."
            )
        return str(latest[0]["run_id"])
    found = [
        str(one["run_id"])
        for one in latest
        if one["run_id"].startswith(text.lower()) or one["run_id"].endswith(text.lower())
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownRunError(
            f"{len(found)} runs have an id that begins or ends with {text!r}.",
            mend=f"Say more of it: {', '.join(found[:3])}.",
        )
    raise UnknownRunError(
        f"None of the latest {SEARCHED} runs has an id that begins or ends with {text!r}.",
        mend="`tidegate runs list` shows them; the full id finds any run.",
    )


def _is_id(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
