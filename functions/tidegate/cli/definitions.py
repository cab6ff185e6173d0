"""``tidegate definitions`` and ``tidegate compile``: what the code declares, and whether it may be deployed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli import code, connect, screen, wording
from tidegate.cli.checklist import Finding, Level, is_fine
from tidegate.cli.options import AsJson, File, Module, SettingsFile, Target
from tidegate.errors import InvocationError

if TYPE_CHECKING:
    from tidegate.domain.settings import Settings
    from tidegate.manifest.document import Manifest

app = typer.Typer(help="Look at what the code declares.", no_args_is_help=True)

MANIFEST_FILE = Path(".tidegate") / "manifest.json"


@app.command()
def validate(
    module: Module = None,
    file: File = None,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Load the definitions and the settings here, and check that they fit each other."""
    from tidegate.cli import checklist

    manifest = code.compile_location(code.location(module, file))
    findings = [Finding(subject="definitions", text=summary(code.description(manifest)))]
    findings += check_settings(manifest, settings)
    if as_json:
        screen.print_json(
            {"ok": is_fine(findings), "findings": [one.to_json() for one in findings]}
        )
    else:
        console = screen.console()
        for one in findings:
            checklist.show(console, one)
    if not is_fine(findings):
        raise typer.Exit(2)


def summary(document: dict[str, Any]) -> str:
    jobs = [one for one in document["jobs"] if not one["name"].startswith("__")]
    parts = [
        wording.count(len(document["assets"]), "asset"),
        wording.count(len(jobs), "job"),
        wording.count(len(document["resources"]), "resource"),
    ]
    return f"{document['location']}: {', '.join(parts)}"


def check_settings(manifest: Manifest, path: Path | None) -> list[Finding]:
    """Raises:
    SettingsError: the settings file is wrong.
    """
    import os

    from tidegate.settings_file import find_settings, read_settings

    loaded = read_settings(path or find_settings(Path.cwd()), os.environ)
    where = "no tidegate.yaml: the defaults hold" if loaded.path is None else str(loaded.path)
    findings = [Finding(subject="settings", text=where)]
    findings += [Finding(subject="settings", text=n, level=Level.NOTE) for n in loaded.notes]
    findings += _pools(manifest, loaded.settings)
    findings += _names(manifest, loaded.settings)
    return findings


def _pools(manifest: Manifest, settings: Settings) -> Iterator[Finding]:
    """Each pool that code or settings name: whether it is set, and whether every step fits into it."""
    most: dict[str, tuple[int, str]] = {}
    for step in code.steps_of(manifest):
        for pool, slots in step["pools"].items():
            most[pool] = max(most.get(pool, (0, "")), (slots, step["key"]))
    default = settings.default_pool_limit
    for pool, (slots, step_key) in sorted(most.items()):
        limit = settings.pools.get(pool, default)
        is_held_by_runs = settings.granularity_of(pool) == "run"
        if limit is not None and 0 < limit < slots and not is_held_by_runs:
            yield Finding(
                subject="pool",
                text=f"{pool} has {wording.count(limit, 'slot')}, and step {step_key!r} needs {slots}.",
                level=Level.WRONG,
                mend=f"Raise concurrency.pools.limits.{pool}, or let the step take fewer slots.",
            )
        elif pool not in settings.pools:
            what = "no limit" if default is None else wording.count(default, "slot")
            text = f"{pool} is set nowhere: it uses the default ({what})."
            yield Finding(subject="pool", text=text, level=Level.NOTE)
        else:
            yield Finding(subject="pool", text=f"{pool}: {_slots(settings.pools[pool])}")
    for pool in sorted(set(settings.pools) - set(most)):
        text = f"{pool} is set, and no step uses it."
        yield Finding(subject="pool", text=text, level=Level.NOTE)


def _slots(limit: int) -> str:
    return "no limit" if limit < 0 else wording.count(limit, "slot")


def _names(manifest: Manifest, settings: Settings) -> Iterator[Finding]:
    for name in sorted(set(settings.jobs) - set(manifest.document["jobs"])):
        text = f"The settings limit job {name!r}, and no job of these definitions has that name."
        yield Finding(subject="job", text=text, level=Level.NOTE)


@app.command("list")
def list_definitions(
    module: Module = None, file: File = None, as_json: AsJson = False, target: Target = None
) -> None:
    """Assets and jobs: those that are deployed; with -m or -f, those in the code here."""
    if module is None and file is None:
        document = connect.connect(target).call("definitions")
    elif target is not None:
        raise InvocationError("Both code and a deployment are given.", mend="Give one of them.")
    else:
        document = code.description(code.compile_location(code.location(module, file)))
    if as_json:
        return screen.print_json(document)
    _show(document)


def _show(document: dict[str, Any]) -> None:
    from rich.text import Text

    console = screen.console()
    console.print(summary(document), style="dim")
    if document["assets"]:
        console.print()
        made = screen.table("ASSET", "GROUP", "KIND", "PARTITIONS", "MADE FROM")
        for one in sorted(document["assets"], key=lambda one: (one["group"], one["key"])):
            partitions = str((one["partitions"] or {}).get("kind", "")).replace("_", " ")
            cells = (one["key"], one["group"], ", ".join(one["kinds"]), partitions)
            made.add_row(*(Text(str(cell)) for cell in cells), Text(", ".join(one["deps"])))
        console.print(made)
    jobs = [one for one in document["jobs"] if not one["name"].startswith("__")]
    if jobs:
        console.print()
        made = screen.table("JOB", "WHAT IT DOES")
        for one in sorted(jobs, key=lambda one: str(one["name"])):
            made.add_row(Text(one["name"]), Text(one["description"] or ""))
        console.print(made)


def compile_definitions(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where to write it; - is standard output.")
    ] = MANIFEST_FILE,
    module: Module = None,
    file: File = None,
    code_version: Annotated[
        str, typer.Option(help="What runs and partitions record as the code that made them.")
    ] = "local",
) -> None:
    """Write the manifest of the code here."""
    manifest = code.compile_location(code.location(module, file), code_version=code_version)
    if str(output) == "-":
        return typer.echo(manifest.text)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(manifest.text, encoding="utf-8")
    except OSError as error:
        raise InvocationError(
            f"{output} cannot be written: {error.strerror}.", mend="Name another file with -o."
        ) from None
    typer.echo(f"{summary(code.description(manifest))}")
    typer.echo(f"Wrote {output} ({manifest.hash[:12]}).")
