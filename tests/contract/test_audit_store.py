"""What ``AuditStore`` promises, on every engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.adapters.dynamodb.audit import DynamoAuditStore
from tidegate.adapters.memory.audit import MemoryAuditStore
from tidegate.ports import AuditStore, Change

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
DB = "limit/pool/db"


@pytest.fixture
def audit(engine: str) -> AuditStore:
    return MemoryAuditStore() if engine == "memory" else DynamoAuditStore()


def change_of(change_id: str = "c-1", **changes: Any) -> Change:
    change = Change(
        change_id=change_id,
        subject=DB,
        action="set",
        by="ada",
        at=AT,
        before={"capacity": 3, "paused": False},
        after={"capacity": 5, "paused": False},
    )
    return replace(change, **changes)


def ids(audit: AuditStore, **page: Any) -> list[str]:
    return [one.change_id for one in audit.history(DB, **page).items]


def test_a_change_is_written_before_it_is_made(audit: AuditStore) -> None:
    change = change_of()

    begun = audit.begin(change)

    assert begun == change
    assert audit.history(DB).items == (change,)
    assert not begun.is_done


def test_a_change_that_was_made_says_so(audit: AuditStore) -> None:
    change = audit.begin(change_of())

    audit.done(change)
    audit.done(change)

    assert audit.history(DB).items == (replace(change, is_done=True),)


def test_a_limit_that_was_not_there_has_no_before(audit: AuditStore) -> None:
    change = audit.begin(change_of(before=None))

    assert audit.history(DB).items == (change,)


def test_a_repeated_request_is_the_first_one(audit: AuditStore) -> None:
    first = audit.begin(change_of())
    audit.done(first)

    again = audit.begin(change_of(at=AT + timedelta(seconds=3), before={"capacity": 5}))

    assert again == replace(first, is_done=True)
    assert audit.history(DB).items == (replace(first, is_done=True),)


def test_a_change_nobody_began_is_not_done(audit: AuditStore) -> None:
    audit.done(change_of())

    assert audit.history(DB).items == ()


def test_history_is_newest_first_and_of_one_subject(audit: AuditStore) -> None:
    for number in (2, 1, 3):
        audit.begin(change_of(f"c-{number}", at=AT + timedelta(seconds=number)))
    audit.begin(change_of("other", subject="limit/pool/db2"))

    assert ids(audit) == ["c-3", "c-2", "c-1"]


def test_history_is_read_in_pages_that_miss_and_repeat_nothing(audit: AuditStore) -> None:
    for number in range(7):
        audit.begin(change_of(f"c-{number}", at=AT + timedelta(microseconds=number // 2)))
    whole = ids(audit)

    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = audit.history(DB, limit=3, cursor=cursor)
        seen += [one.change_id for one in page.items]
        cursor = page.cursor
        if cursor is None:
            break

    assert seen == whole
    assert len(seen) == 7


def test_the_last_page_that_is_full_has_no_cursor(audit: AuditStore) -> None:
    audit.begin(change_of("c-1"))
    audit.begin(change_of("c-2"))

    assert audit.history(DB, limit=2).cursor is None


def test_the_same_request_sixteen_times_at_once_is_one_change(
    audit: AuditStore, at_once: Callable[..., Any]
) -> None:
    asked = [change_of(at=AT + timedelta(seconds=number)) for number in range(16)]

    answers = at_once([lambda one=one: audit.begin(one) for one in asked])

    (stored,) = audit.history(DB).items
    assert {one.at for one in answers} == {stored.at}
