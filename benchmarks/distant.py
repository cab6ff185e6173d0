"""A store in memory that answers as late as DynamoDB does, and refuses as it does two transactions at one row.

What many callers reach on AWS is bounded by waiting for answers, not by the processor of this machine. The distances are
assumed, not measured: about what is seen within a region for rows of this size.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

from tidegate.adapters.memory.admission import MemoryAdmissionStore
from tidegate.domain.claim import Claim, Line, Offer, Refusal
from tidegate.errors import ConflictError

READ, WRITE, TRANSACTION = 0.003, 0.004, 0.008
"""Seconds until the answer."""


class DistantStore(MemoryAdmissionStore):
    """Distant while ``is_distant``, so that a line can be laid quickly."""

    def __init__(self) -> None:
        super().__init__()
        self.is_distant = False
        self.calls = Counter[str]()
        self._at: set[str] = set()
        self._at_lock = threading.Lock()

    def claim(self, claim_id: str) -> Claim | None:
        self._wait("read", READ)
        return super().claim(claim_id)

    def line(self, key: str, count: int) -> Line:
        self._wait("read", READ)
        return super().line(key, count)

    def offer(self, key: str, offer: Offer, *, believed: Claim | None = None) -> bool:
        self._wait("offer", WRITE if believed is None else TRANSACTION)
        return super().offer(key, offer, believed=believed)

    def release(self, claim: Claim, *, to: Claim | None, **fields: Any) -> Refusal | None:
        rows = {claim.claim_id} if to is None else {claim.claim_id, to.claim_id}
        with self._at_lock:
            is_met = bool(rows & self._at)
            if not is_met:
                self._at |= rows
        if is_met:
            self._wait("transaction", TRANSACTION / 2)
            raise ConflictError("another transaction is at the same row")
        try:
            self._wait("transaction", TRANSACTION)
            return super().release(claim, to=to, **fields)
        finally:
            with self._at_lock:
                self._at -= rows

    def _wait(self, call: str, seconds: float) -> None:
        if self.is_distant:
            self.calls[call] += 1
            time.sleep(seconds)
