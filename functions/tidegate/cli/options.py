"""Options that many commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Target = Annotated[
    str | None,
    typer.Option(
        "--target",
        envvar="TIDEGATE_TARGET",
        help="dev, aws, a function name, or http://HOST:PORT. Found by itself if left out.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Module = Annotated[
    str | None, typer.Option("--module", "-m", help="The module that holds the definitions.")
]
File = Annotated[
    Path | None, typer.Option("--file", "-f", help="The file that holds the definitions.")
]
SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", help="The settings file. The nearest tidegate.yaml if left out."),
]
