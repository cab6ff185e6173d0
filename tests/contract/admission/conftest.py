"""Admission on each engine in turn, at a time that stands still, and claims that come one second apart."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from tests.contract.admission.claims import NOW, ClaimFactory, FixedClock
from tidegate.adapters.dynamodb.admission import DynamoAdmissionStore
from tidegate.adapters.memory.admission import MemoryAdmissionStore
from tidegate.app.admission.engine import Admission
from tidegate.domain.claim import Claim, Want
from tidegate.ports.admission import AdmissionStore


@pytest.fixture
def store(engine: str) -> AdmissionStore:
    return MemoryAdmissionStore() if engine == "memory" else DynamoAdmissionStore()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def admission(store: AdmissionStore, clock: FixedClock) -> Admission:
    return Admission(store, clock, pause=lambda seconds: None)


@pytest.fixture
def claim() -> ClaimFactory:
    """``claim("a", "pool/db", runs=2, priority=1)``: claims come one second apart, in the order they are made."""
    made = Counter[str]()

    def make(claim_id: str, *limits: str, capacity: int | None = 1, **fields: Any) -> Claim:
        made["claims"] += 1
        wants = fields.pop("wants", None) or tuple(
            Want(limit=one, capacity=capacity) for one in limits
        )
        return Claim(
            claim_id=claim_id,
            wants=wants,
            enqueued_at=NOW + timedelta(seconds=made["claims"]),
            launch={"kind": "run", "run_id": claim_id},
            **fields,
        )

    return make
