"""``tidegate limits``: every limit in one list, who holds one, and changing it at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli import connect, screen, wording
from tidegate.cli.options import AsJson, Target
from tidegate.errors import RequestError

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(help="Look at limits and change them.", no_args_is_help=True)

Key = Annotated[
    str, typer.Argument(metavar="KEY", help="runs, pool/NAME, run-tag/KEY=VALUE, job/NAME, ...")
]
BAR = 10


@app.command("list")
def list_limits(as_json: AsJson = False, target: Target = None) -> None:
    """All limits: how much of each is in use, and how many wait for it."""
    answer = connect.connect(target).call("limits.list")
    if as_json:
        return screen.print_json(answer)
    console = screen.console()
    if not answer["limits"]:
        return console.print("No limit has been set, and none was wanted yet.")
    console.print(_table(answer["limits"], ascii_only=console.options.ascii_only))


def _table(limits: list[dict[str, Any]], *, ascii_only: bool) -> Any:
    from rich.text import Text

    made = screen.table(
        "LIMIT", "", "IN USE", "OF", "WAITING", "SET BY", right=("IN USE", "OF", "WAITING")
    )
    for one in limits:
        made.add_row(
            Text(one["key"]),
            _bar(one, ascii_only=ascii_only),
            Text(f"{one['in_use']:,}"),
            Text(wording.capacity(one["capacity"])),
            Text(f"{one['waiting']:,}", style="yellow" if one["waiting"] else "dim"),
            Text(one["source"]),
        )
    return made


def _bar(limit: dict[str, Any], *, ascii_only: bool) -> Any:
    """How full it is; nothing for what has no limit."""
    from rich.text import Text

    full, rest = ("=", "-") if ascii_only else ("\u2501", "\u2500")
    capacity, in_use = limit["capacity"], limit["in_use"]
    if capacity < 0:
        return Text(" " * BAR)
    filled = min(BAR, -(-BAR * in_use // capacity)) if capacity else 0
    style = "yellow" if in_use >= capacity else "green"
    return Text.assemble((full * filled, style), (rest * (BAR - filled), "dim"))


@app.command()
def show(key: Key, as_json: AsJson = False, target: Target = None) -> None:
    """One limit: who holds it, and who waits first."""
    limit = connect.connect(target).call("limits.show", key=key)
    if as_json:
        return screen.print_json(limit)
    console, now = screen.console(), wording.now(limit)
    console.print(_line(limit))
    holders = [wording.holder(one) for one in limit["holders"]]
    waits = [
        f"{wording.holder(one['claim_id']):<20}  {wording.age(one['since'], now):>12}"
        for one in limit["waits"]
    ]
    _list(console, "held by", holders, limit["in_use"] - len(holders))
    _list(console, "next", waits, limit["waiting"] - len(waits))


def _list(console: Console, heading: str, entries: list[str], rest: int) -> None:
    if not entries:
        return
    console.print()
    for position, entry in enumerate(entries):
        console.print(f"{'' if position else heading:<10}{entry}")
    if rest > 0:
        console.print(f"{'':<10}and {rest:,} more", style="dim")


@app.command("set", context_settings={"ignore_unknown_options": True})
def set_limit(
    key: Key,
    capacity: Annotated[
        str, typer.Argument(metavar="N", help="-1 is no limit, 0 admits nothing, n admits n.")
    ],
    as_json: AsJson = False,
    target: Target = None,
) -> None:
    """Change a limit now, without a deploy."""
    limit = connect.connect(target).call("limits.set", key=key, capacity=_capacity(capacity))
    if as_json:
        return screen.print_json(limit)
    screen.console().print(_line(limit) if limit else f"{key} is no longer limited.")


def _line(limit: dict[str, Any]) -> str:
    if limit["capacity"] < 0:
        of = "no limit"
    else:
        of = f"{wording.capacity(limit['capacity'])} at most"
    return f"{limit['key']}: {of}, {limit['in_use']:,} in use, {limit['waiting']:,} waiting"


def _capacity(text: str) -> int:
    """Words are checked here; which numbers may be set is for the deployment to say."""
    try:
        return int(text)
    except ValueError:
        raise RequestError(
            f"A limit cannot be {text!r}.", mend="-1 is no limit, 0 admits nothing, n admits n."
        ) from None
