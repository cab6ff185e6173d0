"""What the stack takes from the product: the manifest of the user's definitions, and the settings, compiled into ``build/``.

This is the one step of a synthesis that imports user code, and a process of its own; the CDK app reads files.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

from infra import ROOT
from infra.settings import InfraSettings, SynthError, read_context, top_level
from tidegate.errors import TidegateError
from tidegate.execution.code_location import load_definitions
from tidegate.manifest.compiler import compile_manifest
from tidegate.settings_file import find_settings, load_settings


def write_inputs(definitions: str, build: Path) -> str:
    """Write ``manifest.json`` and ``settings.json``. Answers what to tell.

    Raises:
        TidegateError: the definitions or the settings are wrong. Nothing was written.
    """
    manifest = compile_manifest(
        load_definitions(definitions), location=definitions, code_version=code_version(definitions)
    )
    settings = load_settings(find_settings(ROOT), os.environ)
    build.mkdir(exist_ok=True)
    (build / "manifest.json").write_text(manifest.text, encoding="utf-8")
    (build / "settings.json").write_text(
        json.dumps(settings.to_json(), sort_keys=True), encoding="utf-8"
    )
    return f"{definitions}: {len(manifest.assets)} assets, manifest {manifest.hash[:12]}"


def code_version(definitions: str) -> str:
    """``TIDEGATE_CODE_VERSION`` (a commit, say), else a hash of the definitions' source."""
    given = os.environ.get("TIDEGATE_CODE_VERSION")
    if given:
        return given
    top = ROOT / top_level(definitions)
    digest = hashlib.sha256()
    for path in sorted(top.rglob("*.py")) if top.is_dir() else [top.with_suffix(".py")]:
        source = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT).as_posix()} {len(source)}\n".encode() + source)
    return digest.hexdigest()[:12]


def main() -> None:
    try:
        settings = InfraSettings.read(read_context().get)
        print(write_inputs(settings.definitions, ROOT / "build"))
    except (SynthError, TidegateError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
