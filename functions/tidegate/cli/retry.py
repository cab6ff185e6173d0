"""``tidegate runs retry``: another run in place of one that is over."""

from __future__ import annotations

import uuid
from typing import Annotated

import typer

from tidegate.cli import connect
from tidegate.cli.launch import Wait, told
from tidegate.cli.options import AsJson, Target
from tidegate.cli.runs import RunId, resolve
from tidegate.errors import RequestError


def retry(
    run: RunId = None,
    from_failure: Annotated[
        bool, typer.Option("--from-failure", help="What failed and what is below it (default).")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="All steps.")] = False,
    from_asset_failure: Annotated[
        bool, typer.Option("--from-asset-failure", help="Assets that were not materialized.")
    ] = False,
    steps: Annotated[
        str | None,
        typer.Option(metavar="A,B+", help="These steps; A+ with all that depends on A."),
    ] = None,
    run_key: Annotated[
        str | None, typer.Option("--run-key", help="The same key asks for the same run.")
    ] = None,
    wait: Wait = False,
    as_json: AsJson = False,
    target: Target = None,
) -> None:
    """Retry a run that is over, as a run of its own, on the code that is deployed now."""
    if sum((from_failure, every, from_asset_failure, steps is not None)) > 1:
        raise RequestError(
            "Only one of --from-failure, --all, --from-asset-failure and --steps can be given.",
            mend="Choose one.",
        )
    strategy = "ALL_STEPS" if every else "FROM_ASSET_FAILURE" if from_asset_failure else None
    client = connect.connect(target)
    child = client.call(
        "runs.retry",
        run_id=resolve(client, run),
        strategy=strategy,
        steps=None if steps is None else [one.strip() for one in steps.split(",") if one.strip()],
        run_key=run_key or f"cli-{uuid.uuid4()}",
    )
    told(client, child, wait=wait, as_json=as_json)
