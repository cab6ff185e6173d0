"""``tidegate limits``: every limit in one list, who holds one, and changing it at run time."""

from __future__ import annotations

from datetime import datetime
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
    now = wording.now(answer)
    console.print(_table(answer["limits"], now, ascii_only=console.options.ascii_only))


def _table(limits: list[dict[str, Any]], now: datetime, *, ascii_only: bool) -> Any:
    from rich.text import Text

    made = screen.table(
        "LIMIT", "", "IN USE", "OF", "WAITING", "SET BY", right=("IN USE", "OF", "WAITING")
    )
    has_rates = any(one.get("rate") for one in limits)
    for heading in ("RATE", "NEXT START") if has_rates else ():
        made.add_column(heading, overflow="fold")
    for one in limits:
        cells = [
            Text(one["key"]),
            _bar(one, ascii_only=ascii_only),
            Text(f"{one['in_use']:,}"),
            Text(_set_to(one | {"rate": None})),
            Text(f"{one['waiting']:,}", style="yellow" if one["waiting"] else "dim"),
            Text(one["source"]),
        ]
        paces = [Text(wording.rate(one.get("rate"))), Text(_next(one, now))]
        made.add_row(*cells, *(paces if has_rates else []))
    return made


def _next(limit: dict[str, Any], now: datetime) -> str:
    """When the rate lets the next one start; nothing if it does so now."""
    at = limit.get("next_start")
    return wording.clock(at, now) if at else ""


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
    console.print(_line(limit, now))
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
        str | None,
        typer.Argument(metavar="[N]", help="-1 is no limit, 0 admits nothing, n admits n."),
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(help="So many starts in a time: 100/minute, 5/second, 1/30 (seconds)."),
    ] = None,
    burst: Annotated[
        int | None, typer.Option(min=1, help="With --rate: so many may start at once.")
    ] = None,
    no_rate: Annotated[bool, typer.Option("--no-rate", help="Take its rate away.")] = False,
    as_json: AsJson = False,
    target: Target = None,
) -> None:
    """Change a limit now, without a deploy: how many at once, how often, or both."""
    if no_rate and rate is not None:
        raise RequestError("--rate and --no-rate are both given.", mend="Leave one of them out.")
    if burst is not None and rate is None:
        raise RequestError("--burst is given without --rate.", mend="Give the rate it is of.")
    values = {
        "capacity": None if capacity is None else _capacity(capacity),
        "rate": None if rate is None else _rate(rate, burst or 1),
        "no_rate": no_rate,
    }
    _change("set", key, as_json, target, **values)


@app.command()
def pause(key: Key, as_json: AsJson = False, target: Target = None) -> None:
    """Let nothing more in, until it is resumed. What holds a slot goes on."""
    _change("pause", key, as_json, target)


@app.command()
def resume(key: Key, as_json: AsJson = False, target: Target = None) -> None:
    """Let in again what the limit allows, at once."""
    _change("resume", key, as_json, target)


def _change(action: str, key: str, as_json: bool, target: str | None, **values: Any) -> None:
    """The id makes a request whose answer is lost, and which is made again, one change."""
    from uuid import uuid4

    limit = connect.connect(target).call(
        f"limits.{action}", key=key, by=connect.caller(target), change_id=str(uuid4()), **values
    )
    if as_json:
        return screen.print_json(limit)
    line = _line(limit, wording.now(limit)) if limit else f"{key} is no longer limited."
    screen.console().print(line)


@app.command()
def history(
    key: Key,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Read on from here (see --json).")] = None,
    as_json: AsJson = False,
    target: Target = None,
) -> None:
    """Who changed a limit, from what to what, and when. The newest first."""
    from rich.text import Text

    page = connect.connect(target).call("limits.history", key=key, limit=limit, cursor=cursor)
    if as_json:
        return screen.print_json(page)
    console, now = screen.console(), wording.now(page)
    if not page["changes"]:
        return console.print(f"{key} has not been changed.")
    made = screen.table("WHEN", "WHO", "WHAT", "FROM", "TO")
    for one in page["changes"]:
        what = one["action"] if one["done"] else f"{one['action']} (not known to be done)"
        cells = (wording.clock(one["at"], now), one["by"], what)
        made.add_row(*map(Text, cells), Text(_set_to(one["before"])), Text(_set_to(one["after"])))
    console.print(made)


def _set_to(setting: dict[str, Any] | None) -> str:
    if setting is None:
        return "-"
    rate = wording.rate(setting.get("rate"))
    facts = [rate] if rate else []
    if setting["capacity"] >= 0 or not rate:
        facts.insert(0, wording.capacity(setting["capacity"]))
    if setting["paused"]:
        facts.append("paused")
    return ", ".join(facts)


def _line(limit: dict[str, Any], now: datetime) -> str:
    of, pace = f"{wording.capacity(limit['capacity'])} at most", wording.pace(limit, now)
    if limit["capacity"] < 0:
        of = "no limit"
    if pace:
        of = pace if limit["capacity"] < 0 else f"{of}, {pace}"
    if limit["paused"]:
        of += ", paused"
    return f"{limit['key']}: {of}, {limit['in_use']:,} in use, {limit['waiting']:,} waiting"


def _rate(text: str, burst: int) -> dict[str, Any]:
    """``100/minute``; which times there are is for the deployment to say, but for numbers."""
    limit, _, per = text.partition("/")
    try:
        return {"limit": int(limit), "per": _period(per.strip()), "burst": burst}
    except ValueError:
        raise RequestError(
            f"A rate cannot be {text!r}.",
            mend="Write it as 100/minute; a number in place of minute is seconds.",
        ) from None


def _period(text: str) -> str | float:
    if not text:
        raise ValueError
    if text[0].isdigit():
        return float(text)
    return text


def _capacity(text: str) -> int:
    """Words are checked here; which numbers may be set is for the deployment to say."""
    try:
        return int(text)
    except ValueError:
        raise RequestError(
            f"A limit cannot be {text!r}.", mend="-1 is no limit, 0 admits nothing, n admits n."
        ) from None
