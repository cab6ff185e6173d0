"""``tidegate dev``: the whole deployment on this machine, which other commands find through ``.tidegate/dev.json``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from tidegate.cli import code, connect
from tidegate.cli.options import File, Module, SettingsFile
from tidegate.errors import DeploymentError


def dev(
    persist: Annotated[
        Path | None, typer.Option(help="Keep state in this directory; it survives a restart.")
    ] = None,
    module: Module = None,
    file: File = None,
    settings: SettingsFile = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: any free one.")] = 0,
    speed: Annotated[
        float, typer.Option(min=0.001, help="How many seconds of the deployment pass in one.")
    ] = 1.0,
) -> None:
    """The whole deployment on this machine, until Ctrl-C."""
    from tidegate.settings_file import find_settings

    path = Path.cwd() / connect.DEV_FILE
    _refuse_second(path)
    definitions = code.location(module, file)
    settings_path = settings or find_settings(Path.cwd())

    def on_ready(where: dict[str, Any]) -> None:
        _write(path, {"pid": os.getpid()} | where)
        _greet(where, definitions, settings_path, persist)

    from tidegate.local.dev import serve

    try:
        serve(
            definitions=definitions,
            settings_path=settings_path,
            persist=persist,
            port=port,
            speed=speed,
            environ=dict(os.environ),
            on_ready=on_ready,
        )
    except KeyboardInterrupt:
        typer.echo("\nStopped.")
    finally:
        _remove(path)


def _refuse_second(path: Path) -> None:
    """One for each directory: a second would take the place of the first, and its runs could not be found."""
    try:
        running = connect.running_dev(path.parent.parent) if path.is_file() else None
    except DeploymentError:
        return
    if running is not None:
        raise DeploymentError(
            f"A tidegate dev already runs here: process {running.pid} at {running.endpoint}.",
            mend="Use it, or stop it with Ctrl-C where it runs.",
        )


def _write(path: Path, document: dict[str, Any]) -> None:
    """Whole or not at all: another terminal may be reading."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(document))
    draft.replace(path)


def _remove(path: Path) -> None:
    """Only what this process wrote."""
    try:
        if json.loads(path.read_text())["pid"] == os.getpid():
            path.unlink()
    except (OSError, ValueError, KeyError, TypeError):
        return


def _greet(
    where: dict[str, Any], definitions: str, settings: Path | None, persist: Path | None
) -> None:
    typer.echo("Tidegate runs on this machine. Ctrl-C stops it.\n")
    typer.echo(f"  definitions  {definitions}")
    typer.echo(f"  settings     {settings or 'the defaults'}")
    typer.echo(
        f"  state        {f'kept in {persist}' if persist else 'in memory, gone when it stops'}"
    )
    typer.echo(f"  endpoint     {where['endpoint']}")
    typer.echo("\nIn another terminal:\n")
    typer.echo("  tidegate definitions list")
    typer.echo("  tidegate materialize --select NAME --wait")
    typer.echo("  tidegate runs show")
