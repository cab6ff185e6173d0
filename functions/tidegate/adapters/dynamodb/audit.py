"""Table ``audit``: what is asked of it, one function for each."""

from __future__ import annotations

from datetime import timedelta

from pynamodb.expressions.condition import Condition

from tidegate.adapters.dynamodb import write
from tidegate.adapters.dynamodb.models import AuditRow
from tidegate.adapters.dynamodb.table import translated
from tidegate.adapters.dynamodb.transaction import Transaction
from tidegate.adapters.text import stamp
from tidegate.ports import Change, Page

CHANGE = "change"
KEPT = timedelta(days=730)
"""Who changed what is known for two years."""
ABSENT: Condition = AuditRow.pk.does_not_exist()
EXISTS: Condition = AuditRow.pk.exists()


def change_pk(change_id: str) -> str:
    return f"change#{change_id}"


def record(transaction: Transaction, change: Change) -> None:
    """A change that is made in this transaction. Condition: there is none of its id."""
    for pk, sk in ((change_pk(change.change_id), CHANGE), (change.subject, _order(change))):
        row = _row(pk, sk, change)
        row.is_done = True
        transaction.put(row, name=("change", sk), condition=ABSENT)


class DynamoAuditStore:
    """``tidegate.ports.AuditStore`` on DynamoDB."""

    def begin(self, change: Change) -> Change:
        """Key: pk ``change#<id>``, sk ``change``, then pk subject, sk ``<time>#<id>``. Condition: not there yet.

        1 write unit for each KB of both. The first row decides which of two equal requests counts, so that a
        repeat has the time, and what was before, of the first.
        """
        row, _ = write.put("audit.begin", _row(change_pk(change.change_id), CHANGE, change), ABSENT)
        first = _change(row, change.change_id)
        stored, _ = write.put("audit.begin", _row(first.subject, _order(first), first), ABSENT)
        return _change(stored, change.change_id)

    def done(self, change: Change) -> None:
        """Key: pk subject, sk ``<time>#<id>``. Condition: it is there. 1 write unit for each KB."""
        write.update(
            "audit.done",
            AuditRow,
            change.subject,
            _order(change),
            [AuditRow.is_done.set(True)],
            EXISTS,
        )

    def find(self, change_id: str) -> Change | None:
        """Key: pk ``change#<id>``, sk ``change``, then pk subject. Strongly consistent: 1 read unit for each 4 KB of both."""
        first = write.get("audit.find", AuditRow, change_pk(change_id), CHANGE)
        if first is None:
            return None
        known = _change(first, change_id)
        row = write.get("audit.find", AuditRow, known.subject, _order(known))
        return known if row is None else _change(row, change_id)

    def history(self, subject: str, *, limit: int = 50, cursor: str | None = None) -> Page[Change]:
        """Key: pk subject, backwards from the cursor. Strongly consistent: 1 read unit for each 4 KB."""
        limit = max(1, limit)
        with translated("audit.history"):
            rows = list(
                AuditRow.query(
                    subject,
                    None if cursor is None else AuditRow.sk < cursor,
                    consistent_read=True,
                    scan_index_forward=False,
                    limit=limit + 1,
                )
            )
        found = tuple(_change(row, row.sk.split("#", 1)[1]) for row in rows[:limit])
        return Page(items=found, cursor=rows[limit - 1].sk if len(rows) > limit else None)


def _order(change: Change) -> str:
    return f"{stamp(change.at)}#{change.change_id}"


def _row(pk: str, sk: str, change: Change) -> AuditRow:
    return AuditRow(
        pk,
        sk,
        action=change.action,
        by=change.by,
        at=change.at,
        subject=change.subject,
        expires_at=change.at + KEPT,
        said={
            "before": None if change.before is None else dict(change.before),
            "after": dict(change.after),
        },
    )


def _change(row: AuditRow, change_id: str) -> Change:
    return Change(
        change_id=change_id,
        subject=row.subject or row.pk,
        action=row.action,
        by=row.by,
        at=row.at,
        before=row.said["before"],
        after=row.said["after"],
        is_done=bool(row.is_done),
    )
