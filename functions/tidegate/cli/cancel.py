"""``tidegate runs cancel``: the named runs one by one, or all that fit, batch by batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import typer

from tidegate.cli import screen, wording
from tidegate.cli.connect import Client
from tidegate.errors import RequestError

_STOPPED = frozenset({"CANCELING", "CANCELED"})


def cancel_named(
    client: Client, run_ids: list[str], why: Mapping[str, Any], *, as_json: bool
) -> int:
    """Answers the exit code: 1 if one of them had ended before it could be cancelled."""
    runs = [client.call("runs.cancel", run_id=run_id, **why) for run_id in run_ids]
    if as_json:
        screen.print_json({"runs": runs})
    for run in runs:
        if not as_json:
            typer.echo(_said(run))
    return 0 if all(run["status"] in _STOPPED for run in runs) else 1


def _said(run: Mapping[str, Any]) -> str:
    word = screen.word(run["status"])
    if run["status"] == "CANCELING":
        return f"Run {run['run_id']} is {word}: its steps are being stopped."
    if run["status"] == "CANCELED":
        return f"Run {run['run_id']} is {word}."
    ended = wording.clock(run["finished_at"], wording.now(run))
    return f"Run {run['run_id']} was over before, at {ended}: {word}."


def cancel_fitting(
    client: Client,
    wanted: Mapping[str, Any],
    why: Mapping[str, Any],
    *,
    is_sure: bool,
    as_json: bool,
) -> None:
    """Ask, unless ``is_sure``, with the number of runs that fit; then cancel them.

    Raises:
        RequestError: the deployment refused, or asking would spoil the output.
    """
    if not is_sure:
        if as_json:
            raise RequestError("With --json nobody can be asked.", mend="Add --yes.")
        counts = _all_batches(client, wanted, {"only_count": True})
        if not counts:
            return typer.echo("No run fits that is not over.")
        typer.confirm(f"Cancel {_counted(counts)}?", abort=True)
    counts = _all_batches(client, wanted, why)
    if as_json:
        return screen.print_json({"runs": dict(counts)})
    typer.echo(f"Cancelled: {_counted(counts)}." if counts else "No run fits that is not over.")


def _all_batches(
    client: Client, wanted: Mapping[str, Any], more: Mapping[str, Any]
) -> Counter[str]:
    counts: Counter[str] = Counter()
    cursor: str | None = None
    while True:
        answer = client.call("runs.cancel_many", cursor=cursor, **wanted, **more)
        counts.update(answer["runs"])
        cursor = answer["cursor"]
        if cursor is None:
            return counts


def _counted(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    kinds = ", ".join(f"{number:,} {screen.word(kind)}" for kind, number in sorted(counts.items()))
    return f"{total:,} {'run' if total == 1 else 'runs'} ({kinds})"


def read_tags(given: list[str]) -> dict[str, str]:
    """KEY=VALUE, or KEY for any value.

    Raises:
        RequestError: one of them has no key, or two have the same.
    """
    tags: dict[str, str] = {}
    for one in given:
        key, _, value = one.partition("=")
        if not key:
            raise RequestError(f"The tag {one!r} has no key.", mend="Like --tag team=data.")
        if key in tags:
            raise RequestError(
                f"The tag {key!r} is given twice.", mend="A run has one value of it."
            )
        tags[key] = value
    return tags
