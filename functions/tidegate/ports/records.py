"""Values that several ports answer or take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    items: tuple[T, ...]
    cursor: str | None = None
    """Give it back to read on; None at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something a person, or a deploy, changed."""

    change_id: str
    """Of the request: asked for twice, it is one change."""
    subject: str
    """What was changed: ``limit/pool/db``."""
    action: str
    """``set``, ``pause``, ``resume``, or ``settings`` when a deploy did it."""
    by: str
    at: datetime
    before: Mapping[str, Any] | None
    """None: it was not there."""
    after: Mapping[str, Any]
    is_done: bool = False
    """False: it was asked for, and whoever did it has not come back to say that it is done."""
