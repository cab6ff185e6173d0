"""What commands print on. Plain text when nobody watches, at most a few colours when somebody does."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

STYLES = {
    "SUCCESS": "green",
    "FAILURE": "red",
    "STARTED": "cyan",
    "STARTING": "cyan",
    "WAITING": "yellow",
    "QUEUED": "yellow",
    "UP_FOR_RETRY": "yellow",
    "CANCELING": "magenta",
    "CANCELED": "magenta",
    "SKIPPED": "dim",
    "PENDING": "dim",
}
WORDS = {"UP_FOR_RETRY": "retrying"}
PIPE_WIDTH = 120
"""Columns when the output is no terminal: nothing is cut short that a pipe may want."""


def console() -> Console:
    """Standard output. No markup and no emoji codes: names come from users and are printed as they are."""
    from rich.console import Console

    width = None
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        width = PIPE_WIDTH
    return Console(highlight=False, markup=False, emoji=False, width=width)


def print_json(document: Any) -> None:
    """The document alone, for machines."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def word(status: str) -> str:
    return WORDS.get(status, status.lower())


def table(*headings: str, right: tuple[str, ...] = ()) -> Table:
    """A table of words and space. ``right`` names the columns of numbers."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        made.add_column(
            heading,
            justify="right" if heading in right else "left",
            no_wrap=heading in right,
            overflow="ellipsis" if heading in right else "fold",
        )
    return made
