"""All commands of ``tidegate``, and what becomes of their errors.

Exit codes: 0 success; 1 a run that failed, or a deployment that does not answer; 2 bad input or an unknown name; 130 Ctrl-C.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tidegate.cli import (
    backfill,
    definitions,
    dev,
    doctor,
    launch,
    limits,
    partitions,
    queue,
    retry,
    runs,
)
from tidegate.cli.main import INTERRUPTED
from tidegate.errors import (
    ConfigError,
    DefinitionError,
    InvocationError,
    NotFoundError,
    RequestError,
    SettingsError,
    TidegateError,
)

BAD_INPUT = (
    ConfigError,
    DefinitionError,
    InvocationError,
    NotFoundError,
    RequestError,
    SettingsError,
)
# Typer raises these for its own purposes; its versions define them in different modules.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]


class Commands(TyperGroup):
    """Turns every error of a command into a sentence, a mend and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, _UsageError, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            typer.echo("Stopped.", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:  # noqa: BLE001  whatever it is, the user gets a sentence
            if ctx.params.get("debug"):
                import traceback

                traceback.print_exc()
            else:
                _tell(error)
            raise typer.Exit(2 if isinstance(error, BAD_INPUT) else 1) from None


def _tell(error: Exception) -> None:
    if isinstance(error, TidegateError):
        message, mend = error.message, error.mend
    else:
        message = f"Unexpected {type(error).__name__}: {error}".rstrip(": ")
        mend = "This is a fault in Tidegate; --debug shows where."
    typer.echo(f"Error: {message}", err=True)
    if mend:
        typer.echo(mend, err=True)


app = typer.Typer(
    cls=Commands,
    help="Tidegate: assets, jobs and exact concurrency limits, with no daemon.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"tidegate {version('tidegate')}")
        except PackageNotFoundError:
            typer.echo("tidegate, run from its source without being installed")
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options of every command. ``debug`` is read by ``Commands.invoke``."""


app.command("dev")(dev.dev)
app.command("materialize")(launch.materialize)
app.add_typer(launch.app, name="job")
runs.app.command("retry")(retry.retry)
app.add_typer(runs.app, name="runs")
app.command("queue")(queue.queue)
app.add_typer(limits.app, name="limits")
app.add_typer(backfill.app, name="backfill")
app.add_typer(partitions.app, name="partitions")
app.add_typer(definitions.app, name="definitions")
app.command("compile")(definitions.compile_definitions)
app.command("doctor")(doctor.doctor)
