"""Findings of ``doctor`` and ``definitions validate``: one line each, and what to do about it below."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {"ok": "green", "note": "yellow", "wrong": "red"}
_LEVEL, _SUBJECT = 5, 12


class Level(StrEnum):
    OK = "ok"
    NOTE = "note"
    """Fine, and worth knowing."""
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    subject: str
    text: str
    level: Level = Level.OK
    mend: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "level": self.level.value,
            "text": self.text,
            "mend": self.mend,
        }


def is_fine(findings: Iterable[Finding]) -> bool:
    return all(one.level is not Level.WRONG for one in findings)


def show(console: Console, finding: Finding) -> None:
    from rich.text import Text

    indent = " " * (_LEVEL + 2 + _SUBJECT + 2)
    width = max(20, console.width - len(indent))
    body = textwrap.wrap(finding.text, width) + textwrap.wrap(finding.mend, width)
    head = Text(f"{finding.level:<{_LEVEL}}", style=_STYLES[finding.level])
    head.append(f"  {finding.subject:<{_SUBJECT}}  ")
    console.print(head.append(body[0] if body else ""), soft_wrap=True)
    for line in body[1:]:
        console.print(f"{indent}{line}", soft_wrap=True)
