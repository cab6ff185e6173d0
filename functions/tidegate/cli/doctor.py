"""``tidegate doctor``: is everything here that a deployment needs, and if not, what to do."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import typer

from tidegate.cli import code, connect, screen
from tidegate.cli.checklist import Finding, Level, is_fine
from tidegate.cli.options import AsJson, File, Module, SettingsFile, Target
from tidegate.errors import TidegateError

NEEDED = ("boto3", "pydantic", "pynamodb", "PyYAML")
LOCAL = ("moto",)
OLDEST_PYTHON = (3, 11)


def doctor(
    module: Module = None,
    file: File = None,
    settings: SettingsFile = None,
    as_json: AsJson = False,
    target: Target = None,
) -> None:
    """Check that everything is here, and say what to do."""
    from tidegate.cli import checklist

    console = screen.console()
    findings = []
    for one in _findings(module, file, settings, target):
        findings.append(one)
        if not as_json:
            checklist.show(console, one)
    if as_json:
        screen.print_json(
            {"ok": is_fine(findings), "findings": [one.to_json() for one in findings]}
        )
    if not is_fine(findings):
        raise typer.Exit(1)


def _findings(
    module: str | None, file: Path | None, settings: Path | None, target: str | None
) -> Iterator[Finding]:
    """Shown as they come: loading definitions may take a while."""
    yield python()
    yield from packages()
    yield from _settings(settings)
    yield _definitions(module, file)
    yield _deployment(target)


def python(found: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    text = ".".join(str(part) for part in found)
    if found < OLDEST_PYTHON:
        mend = "Tidegate needs Python 3.11 or later."
        return Finding(subject="Python", text=text, level=Level.WRONG, mend=mend)
    return Finding(subject="Python", text=text)


def packages(needed: tuple[str, ...] = NEEDED, local: tuple[str, ...] = LOCAL) -> Iterator[Finding]:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in (*needed, *local):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            is_needed = name in needed
            what = "Everything" if is_needed else "`tidegate dev`"
            extra = "tidegate" if is_needed else "tidegate[local]"
            yield Finding(
                subject="packages",
                text=f"{name} is not installed.",
                level=Level.WRONG if is_needed else Level.NOTE,
                mend=f"{what} needs it: pip install '{extra}'.",
            )
    yield Finding(subject="packages", text=", ".join(found))


def _settings(path: Path | None) -> Iterator[Finding]:
    try:
        from tidegate.settings_file import find_settings, read_settings

        loaded = read_settings(path or find_settings(Path.cwd()), os.environ)
    except TidegateError as error:
        yield _wrong("settings", error)
        return
    yield Finding(
        subject="settings",
        text="no tidegate.yaml: the defaults hold" if loaded.path is None else str(loaded.path),
    )
    for note in loaded.notes:
        yield Finding(subject="settings", text=note, level=Level.NOTE)


def _definitions(module: str | None, file: Path | None) -> Finding:
    from tidegate.cli.definitions import summary

    try:
        manifest = code.compile_location(code.location(module, file))
    except TidegateError as error:
        return _wrong("definitions", error)
    return Finding(subject="definitions", text=summary(code.description(manifest)))


def _deployment(target: str | None) -> Finding:
    try:
        begin = time.perf_counter()
        document = connect.connect(target).call("definitions")
    except TidegateError as error:
        return _wrong("deployment", error)
    millis = (time.perf_counter() - begin) * 1000
    text = (
        f"{document['location']}, manifest {document['manifest'][:12]}, answers in {millis:.0f} ms"
    )
    return Finding(subject="deployment", text=text)


def _wrong(subject: str, error: TidegateError) -> Finding:
    return Finding(subject=subject, text=error.message, level=Level.WRONG, mend=error.mend)
