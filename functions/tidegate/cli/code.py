"""The definitions on this machine: load them, and make their manifest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegate.errors import InvocationError

if TYPE_CHECKING:
    from tidegate.manifest.document import Manifest, StepDoc

DEFAULT_MODULE = "definitions"


def location(module: str | None, file: Path | None) -> str:
    """The name of the code location: a module, or the path of a file.

    Raises:
        InvocationError: both were given.
    """
    if module is not None and file is not None:
        raise InvocationError(
            "Both a module and a file are given.", mend="Give -m or -f, not both."
        )
    return str(file) if file is not None else module or DEFAULT_MODULE


def compile_location(name: str) -> Manifest:
    """Load user code and compile it.

    Raises:
        DefinitionError: it cannot be imported, or what it declares is wrong.
    """
    from tidegate.execution.code_location import load_definitions
    from tidegate.manifest.compiler import compile_manifest

    return compile_manifest(load_definitions(name), location=name, code_version="local")


def steps_of(manifest: Manifest) -> Iterator[StepDoc]:
    """All steps, those of assets and those of op jobs."""
    yield from manifest.document["steps"].values()
    for job in manifest.document["jobs"].values():
        yield from job["steps"] or ()


def description(manifest: Manifest) -> dict[str, Any]:
    """What the API answers to ``definitions``, made from the code instead."""
    document = manifest.document
    return {
        "location": document["location"],
        "manifest": manifest.hash,
        "code_version": document["code_version"],
        "assets": list(document["assets"].values()),
        "jobs": [
            {"name": one["name"], "description": one["description"], "tags": one["tags"]}
            for one in document["jobs"].values()
        ],
        "resources": sorted(document["resources"]),
    }
