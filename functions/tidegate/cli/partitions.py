"""``tidegate partitions``: how the partitions of an asset stand, and dynamic partitions."""

from __future__ import annotations

from typing import Annotated

import typer

from tidegate.cli import connect, screen, wording
from tidegate.cli.grid import grid
from tidegate.cli.options import AsJson, Target

app = typer.Typer(help="Look at partitions; add and delete dynamic ones.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the dynamic partitions.")]


@app.command()
def status(
    asset: Annotated[str, typer.Argument(metavar="ASSET", help="The key of the asset.")],
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many ranges.")] = 200,
    cursor: Annotated[str | None, typer.Option(help="Read on from here (see --json).")] = None,
    as_json: AsJson = False,
    target: Target = None,
) -> None:
    """How the partitions of an asset stand: counts, and a grid."""
    shown = connect.connect(target).call(
        "partitions.status", asset=asset, limit=limit, cursor=cursor
    )
    if as_json:
        return screen.print_json(shown)
    console = screen.console()
    counts = [
        f"{number:,} {screen.word(name)}" for name, number in shown["counts"].items() if number
    ]
    console.print(f"{asset}  {wording.count(shown['total'], 'partition')}: {', '.join(counts)}")
    console.print(
        grid(shown["ranges"], ascii_only=console.options.ascii_only, columns=console.width)
    )


@app.command("list")
def list_keys(name: Name, as_json: AsJson = False, target: Target = None) -> None:
    """The keys of dynamic partitions, in the order in which they were added."""
    shown = connect.connect(target).call("partitions.list", name=name)
    if as_json:
        return screen.print_json(shown)
    if not shown["keys"]:
        typer.echo(f"{name} has no partitions yet.")
    for key in shown["keys"]:
        typer.echo(key)


@app.command()
def add(
    name: Name,
    keys: Annotated[list[str], typer.Argument(metavar="KEY...", help="Keys to add.")],
    as_json: AsJson = False,
    target: Target = None,
) -> None:
    """Add keys; those that are there stay as they are."""
    said = connect.connect(target).call("partitions.add", name=name, keys=keys)
    if as_json:
        return screen.print_json(said)
    typer.echo(f"Added {wording.count(len(said['added']), 'partition')} to {name}.")


@app.command()
def delete(
    name: Name,
    key: Annotated[str, typer.Argument(metavar="KEY")],
    as_json: AsJson = False,
    target: Target = None,
) -> None:
    """Forget a key. What was made of it stays."""
    said = connect.connect(target).call("partitions.delete", name=name, key=key)
    if as_json:
        return screen.print_json(said)
    typer.echo(f"Deleted {key} from {name}.")
