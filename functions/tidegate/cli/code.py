"""The definitions on this machine: load them, and make their manifest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegate.errors import InvocationError

if TYPE_CHECKING:
    from tidegate.manifest.document import Manifest, StepDoc

DEFAULT_MODULE = "definitions"


def location(module: str | None, file: Path | None) -> str:
    """Where the definitions are: a module, or the path of a file, in a form that no module has.

    Raises:
        InvocationError: both were given.
    """
    if module is not None and file is not None:
        raise InvocationError(
            "Both a module and a file are given.", mend="Give -m or -f, not both."
        )
    if file is None:
        return module or DEFAULT_MODULE
    return str(file) if os.sep in str(file) else os.path.join(".", file)


def compile_location(place: str, *, code_version: str = "local") -> Manifest:
    """Load user code and compile it.

    Raises:
        DefinitionError: it cannot be imported, or what it declares is wrong.
    """
    from tidegate.execution.code_location import load_definitions
    from tidegate.manifest.compiler import compile_manifest

    name = Path(place).stem if os.sep in place else place.partition(":")[0]
    return compile_manifest(load_definitions(place), location=name, code_version=code_version)


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
