"""Limits that are set, on every engine: no change is lost, none is undone, each is in the audit."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.contract.admission.claims import NOW, ClaimFactory, held, reset
from tidegate.adapters.dynamodb.admission import DynamoAdmissionStore
from tidegate.adapters.dynamodb.audit import DynamoAuditStore
from tidegate.adapters.memory.admission import MemoryAdmissionStore
from tidegate.adapters.memory.audit import MemoryAuditStore
from tidegate.app.admission.engine import Admission
from tidegate.domain.claim import CLOSED, Limit, Spend
from tidegate.domain.rate import Rate
from tidegate.ports import AuditStore, Change
from tidegate.ports.admission import AdmissionStore


def test_a_limit_is_set_only_by_who_knows_what_it_is_set_to(store: AdmissionStore) -> None:
    three = Limit(key="pool/db", capacity=3, source="settings")
    four = replace(three, capacity=4)

    made = store.set_limit(three, was=None)
    again = store.set_limit(four, was=None)
    other = store.set_limit(four, was=replace(three, source="override"))
    known = store.set_limit(four, was=three)
    stale = store.set_limit(three, was=three)

    assert (made, again, other, known, stale) == (True, False, False, True, False)
    assert store.line("pool/db", 0).limit == replace(four, gate=CLOSED)


def test_setting_a_limit_leaves_what_is_in_use(store: AdmissionStore, claim: ClaimFactory) -> None:
    store.admit(held(claim("a", "pool/db", capacity=5)))

    reset(store, "pool/db", 1)

    limit = store.line("pool/db", 0).limit
    assert limit is not None
    assert (limit.capacity, limit.in_use, limit.room) == (1, 1, 0)


def test_another_rate_is_set_only_by_who_knows_how_much_of_it_is_used_up(
    store: AdmissionStore, claim: ClaimFactory
) -> None:
    rate, slower = (Rate(limit=1, per=timedelta(seconds=many)) for many in (1, 2))
    new = Limit(key="api", capacity=5, rate=rate)
    store.create_limit(new)
    store.admit(held(claim("a", "api")), spend={"api": Spend(rate=rate, was=0, now=70)})
    now = replace(new, used_until=70)

    too_late = store.set_limit(replace(new, rate=slower), was=new)
    capacity = store.set_limit(replace(new, capacity=9), was=new)
    in_time = store.set_limit(
        replace(now, capacity=9, rate=slower, used_until=90), was=replace(now, capacity=9)
    )

    assert (too_late, capacity, in_time) == (False, True, True)
    limit = store.line("api", 0).limit
    assert limit is not None
    assert (limit.rate, limit.used_until) == (slower, 90)


def test_a_limit_that_is_there_is_not_created_again(store: AdmissionStore) -> None:
    first = store.create_limit(Limit(key="pool/db", capacity=3))

    second = store.create_limit(Limit(key="pool/db", capacity=9))

    assert first == second == store.line("pool/db", 0).limit


def test_a_change_made_meanwhile_is_not_undone_by_one_that_had_looked_before(
    admission: Admission,
) -> None:
    admission.set_limit("pool/db", 3)
    seen: list[int] = []

    def rename(was: Limit | None) -> tuple[Limit, None]:
        assert was is not None
        seen.append(was.capacity)
        if len(seen) == 1:
            admission.set_limit("pool/db", 7)
        return replace(was, source="renamed"), None

    admission.change_limit("pool/db", rename)

    limit = admission.limit("pool/db")
    assert limit is not None
    assert (limit.capacity, limit.source) == (7, "renamed")
    assert seen == [3, 7]


def test_of_sixteen_changes_at_once_none_is_lost(admission: Admission, at_once: Any) -> None:
    admission.set_limit("pool/db", 0)

    def one_more() -> None:
        admission.change_limit(
            "pool/db", lambda was: was and (replace(was, capacity=was.capacity + 1), None)
        )

    at_once([one_more] * 16)

    limit = admission.limit("pool/db")
    assert limit is not None
    assert limit.capacity == 16


@pytest.fixture
def recording(engine: str) -> tuple[AdmissionStore, AuditStore]:
    if engine != "memory":
        return DynamoAdmissionStore(), DynamoAuditStore()
    audit = MemoryAuditStore()
    return MemoryAdmissionStore(audit), audit


def change_of(change_id: str) -> Change:
    return Change(
        change_id=change_id,
        subject="limit/pool/db",
        action="set",
        by="ada",
        at=NOW,
        before=None,
        after={"capacity": 3},
        is_done=True,
    )


def test_a_change_is_in_the_audit_exactly_if_it_is_made(
    recording: tuple[AdmissionStore, AuditStore],
) -> None:
    store, audit = recording
    three = Limit(key="pool/db", capacity=3)

    made = store.set_limit(three, was=None, change=change_of("first"))
    stale = store.set_limit(three, was=None, change=change_of("second"))
    twice = store.set_limit(replace(three, capacity=9), was=three, change=change_of("first"))

    assert (made, stale, twice) == (True, False, False)
    assert audit.find("first") == change_of("first")
    assert audit.find("second") is None
    assert audit.history("limit/pool/db").items == (change_of("first"),)
    limit = store.line("pool/db", 0).limit
    assert limit is not None
    assert limit.capacity == 3
