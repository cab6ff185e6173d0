"""``--wait``: watch a run until it ends, and say how it went."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import typer

from tidegate.cli import screen, wording
from tidegate.cli.main import INTERRUPTED
from tidegate.cli.runs import what
from tidegate.errors import DeploymentError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from tidegate.cli.connect import Client

FIRST_PAUSE, LONGEST_PAUSE, GROWTH = 0.1, 1.0, 1.3
RESOLVED = ("SUCCESS", "FAILURE", "SKIPPED", "CANCELED")
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
SHOWN_RUNNING = 3


class Clock(Protocol):
    """The time to wait with; tests hand in their own."""

    def monotonic(self) -> float: ...
    def sleep(self, seconds: float, /) -> None: ...


def follow(
    client: Client,
    run_id: str,
    *,
    as_json: bool = False,
    timeout: float | None = None,
    clock: Clock = time,
) -> int:
    """Show the run's progress until it ends. Answers the exit code: 0 only if it succeeded.

    Raises:
        DeploymentError: it did not end within ``timeout`` seconds.
    """
    console = screen.console()
    show: Callable[[dict[str, Any]], None]
    try:
        if as_json:
            status = _poll(client, run_id, lambda _: None, timeout, clock)
            screen.print_json(status)
        elif console.is_terminal:
            status = _watch(client, run_id, console, timeout, clock)
            _summary(console, status)
        else:
            show = _Lines(console).show
            status = _poll(client, run_id, show, timeout, clock)
            _summary(console, status)
    except KeyboardInterrupt:
        console.show_cursor(True)  # a second Ctrl-C may have cut short what restores it
        typer.echo(
            f"Stopped waiting; the run goes on. `tidegate runs wait {wording.short(run_id)}` waits again.",
            err=True,
        )
        return INTERRUPTED
    return 0 if status["status"] == "SUCCESS" else 1


def _poll(
    client: Client,
    run_id: str,
    show: Callable[[dict[str, Any]], None],
    timeout: float | None,
    clock: Clock,
) -> dict[str, Any]:
    """Ask again after 0.1 seconds, then ever later, up to 1 second."""
    pause, begin = FIRST_PAUSE, clock.monotonic()
    while True:
        status = client.call("runs.status", run_id=run_id)
        show(status)
        if status["status"] in ENDED:
            return status
        if timeout is not None and clock.monotonic() - begin + pause > timeout:
            raise DeploymentError(
                f"Run {run_id} is {screen.word(status['status'])} after {timeout:g} seconds.",
                mend=f"It goes on; `tidegate runs show {wording.short(run_id)}` says where it is.",
            )
        clock.sleep(pause)
        pause = min(LONGEST_PAUSE, pause * GROWTH)


def _watch(
    client: Client, run_id: str, console: Console, timeout: float | None, clock: Clock
) -> dict[str, Any]:
    from rich.live import Live

    with Live(console=console, transient=True, auto_refresh=False) as live:
        ascii_only = console.options.ascii_only

        def show(status: dict[str, Any]) -> None:
            live.update(progress(status, width=console.width, ascii_only=ascii_only), refresh=True)

        return _poll(client, run_id, show, timeout, clock)


def progress(status: dict[str, Any], *, width: int, ascii_only: bool = False) -> RenderableType:
    """Three calm lines: what and since when, how far, and what it does or waits for."""
    from rich.text import Text

    now = wording.now(status)
    head = Text(f"{what(status)}  {wording.short(status['run_id'])}  ")
    head.append(screen.word(status["status"]), style=screen.STYLES.get(status["status"], ""))
    head.append(f"  {wording.age(status['created_at'], now)}", style="dim")
    done, total = _done(status), status["total"]
    label = f"  {done:,}/{total:,} steps"
    cells = max(10, min(48, width - len(label) - 1))
    filled = cells * done // total if total else cells
    full, rest = ("=", "-") if ascii_only else ("\u2501", "\u2500")
    bar = Text.assemble((full * filled, "green"), (rest * (cells - filled), "dim"), label)
    return Text("\n").join([head, bar, Text(_doing(status)[: width - 1], style="dim")])


def _doing(status: dict[str, Any]) -> str:
    now = wording.now(status)
    parts = []
    if status["running"]:
        names = ", ".join(status["running"][:SHOWN_RUNNING])
        rest = len(status["running"]) - SHOWN_RUNNING
        parts.append(f"running {names}" + (f" and {rest:,} more" if rest > 0 else ""))
    waiting, waiters = status.get("waiting"), status["counts"].get("WAITING", 0)
    if waiting is not None:
        parts.append(wording.why(waiting, now))
    elif waiters:
        parts.append(f"{wording.count(waiters, 'step')} waiting for a slot")
    return "; ".join(parts)


def _done(status: dict[str, Any]) -> int:
    return sum(status["counts"].get(kind, 0) for kind in RESOLVED)


class _Lines:
    """Progress where nothing can be redrawn: a line when something worth a line has changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: tuple[Any, ...] = ()

    def show(self, status: dict[str, Any]) -> None:
        waiting = status.get("waiting") or {}
        tenth = 10 * _done(status) // max(1, status["total"])
        told = (status["status"], waiting.get("blocked_by"), tenth)
        if told == self._told or status["status"] in ENDED:
            return
        self._told = told
        doing = _doing(status)
        line = f"{screen.word(status['status'])}, {_done(status):,}/{status['total']:,} steps"
        self._console.print(f"{line}, {doing}" if doing else line, soft_wrap=True)


def _summary(console: Console, status: dict[str, Any]) -> None:
    from rich.text import Text

    now = wording.now(status)
    verbs = {"SUCCESS": "succeeded", "FAILURE": "failed", "CANCELED": "was cancelled"}
    verb, style = verbs[status["status"]], screen.STYLES[status["status"]]
    line = Text.assemble(f"Run {status['run_id']} ", (verb, style))
    if status["started_at"]:
        line.append(f" in {wording.took(status, now)}")
    counts = ", ".join(f"{n:,} {screen.word(kind)}" for kind, n in sorted(status["counts"].items()))
    line.append(f": {wording.count(status['total'], 'step')} ({counts}).")
    console.print(line, soft_wrap=True)
    if status["status"] != "SUCCESS":
        if status["reason"]:
            console.print(status["reason"], soft_wrap=True)
        console.print(f"See: tidegate runs show {wording.short(status['run_id'])}", style="dim")
