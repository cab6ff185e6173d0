"""Entry point of the ``tidegate`` command. Imports the commands late, so that Ctrl-C is clean from the first moment."""

from __future__ import annotations

import sys
from collections.abc import Sequence

INTERRUPTED = 130
"""Exit code of a command ended by Ctrl-C, as shells have it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """``--debug`` may stand anywhere: it is what one adds to the command that just failed."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = given[: given.index("--")] if "--" in given else given
    if "--debug" in options:
        given.remove("--debug")
        given.insert(0, "--debug")
    try:
        from tidegate.cli.commands import app

        app(given, prog_name="tidegate")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
