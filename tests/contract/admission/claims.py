"""Claims of the admission contract, and the clock they come by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tidegate.app.admission.engine import Admission
from tidegate.domain.claim import Claim, ClaimState, Limit
from tidegate.ports.admission import AdmissionStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ClaimFactory = Callable[..., Claim]


class FixedClock:
    def __init__(self) -> None:
        self.moment = NOW

    def now(self) -> datetime:
        return self.moment


def ids(claims: Any) -> list[str]:
    return [one.claim_id for one in claims]


def held(claim: Claim) -> Claim:
    return replace(claim, state=ClaimState.HELD, granted_at=NOW)


def reset(store: AdmissionStore, key: str, capacity: int) -> None:
    was = store.line(key, 0).limit
    now = replace(was or Limit(key=key, capacity=capacity), capacity=capacity, source="default")
    assert store.set_limit(now, was=was)


def in_use(admission: Admission, key: str) -> int:
    limit = admission.limit(key)
    assert limit is not None
    return limit.in_use
