"""Table ``audit`` in memory."""

from __future__ import annotations

from dataclasses import replace
from threading import RLock

from tidegate.adapters.text import stamp
from tidegate.ports import Change, Page


class MemoryAuditStore:
    """``tidegate.ports.AuditStore`` in memory."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._changes: dict[str, Change] = {}

    def begin(self, change: Change) -> Change:
        with self._lock:
            return self._changes.setdefault(change.change_id, replace(change, is_done=False))

    def done(self, change: Change) -> None:
        with self._lock:
            stored = self._changes.get(change.change_id)
            if stored is not None:
                self._changes[change.change_id] = replace(stored, is_done=True)

    def find(self, change_id: str) -> Change | None:
        with self._lock:
            return self._changes.get(change_id)

    def record(self, change: Change) -> bool:
        """Write a change that is made. False: there is one of its id."""
        with self._lock:
            return self._changes.setdefault(change.change_id, change) is change

    def history(self, subject: str, *, limit: int = 50, cursor: str | None = None) -> Page[Change]:
        limit = max(1, limit)
        with self._lock:
            found = sorted(
                (one for one in self._changes.values() if one.subject == subject),
                key=_order,
                reverse=True,
            )
        found = [one for one in found if cursor is None or _order(one) < cursor]
        more = len(found) > limit
        return Page(items=tuple(found[:limit]), cursor=_order(found[limit - 1]) if more else None)


def _order(change: Change) -> str:
    return f"{stamp(change.at)}#{change.change_id}"
