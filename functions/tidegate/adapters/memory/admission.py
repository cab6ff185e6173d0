"""Admission in memory: every access of the port under one lock, so each is one atomic step."""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime

from tidegate.adapters.memory.audit import MemoryAuditStore
from tidegate.adapters.memory.fair_rows import FairRows
from tidegate.adapters.memory.limit_rows import (
    LimitRows,
    QueueRows,
    entry_key,
    is_set_as,
    refusal_of,
    refusal_of_change,
    refuses,
)
from tidegate.adapters.memory.sorted_rows import SortedRows
from tidegate.domain.claim import (
    NOTHING,
    Claim,
    ClaimState,
    Limit,
    Line,
    Offer,
    Queue,
    Refusal,
    Spend,
    Standing,
    Want,
    new_limit,
)
from tidegate.domain.fairness import Pace, Turn
from tidegate.ports import Change


class MemoryAdmissionStore:
    def __init__(
        self,
        audit: MemoryAuditStore | None = None,
        *,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        """``audit`` takes the changes of limits. ``lock`` may be entered again by the thread that has it."""
        self._audit = audit or MemoryAuditStore()
        self._lock = threading.RLock() if lock is None else lock
        self._limits: dict[str, LimitRows] = {}
        self._queues: dict[str, QueueRows] = {}
        self._claims: dict[str, Claim] = {}
        self._unlaunched: dict[str, datetime] = {}
        self._fair = FairRows()

    def claim(self, claim_id: str) -> Claim | None:
        with self._lock:
            return self._claims.get(claim_id)

    def claims(self, claim_ids: Sequence[str]) -> list[Claim]:
        with self._lock:
            return [self._claims[one] for one in claim_ids if one in self._claims]

    def line(self, key: str, count: int) -> Line:
        with self._lock:
            rows = self._limits.get(key)
            if rows is None:
                return Line(limit=None)
            offers = rows.offers[:count]
            return Line(
                limit=rows.limit,
                offers=tuple(offers),
                entries=tuple(rows.line.first(count - len(offers))),
                is_whole=len(rows.offers) + len(rows.line) <= count,
            )

    def offer(self, key: str, offer: Offer, *, believed: Claim | None = None) -> bool:
        with self._lock:
            if believed is not None and self._not_as_believed(believed):
                return False
            self.retract(key, offer)
            insort(self._rows(key).offers, offer, key=lambda one: one.order_key)
            return True

    def retract(self, key: str, offer: Offer) -> None:
        with self._lock:
            offers = self._rows(key).offers
            place = bisect_left(offers, offer.order_key, key=lambda one: one.order_key)
            if place < len(offers) and offers[place].order_key == offer.order_key:
                del offers[place]

    def queue(self, queue: str, count: int) -> Queue:
        with self._lock:
            rows = self._queues.get(queue)
            if rows is None:
                return Queue(standing=None)
            return Queue(standing=rows.standing, claims=tuple(rows.claims.first(count)))

    def admit(self, claim: Claim, *, spend: Mapping[str, Spend] = NOTHING) -> Refusal | None:
        with self._lock:
            if claim.claim_id in self._claims:
                return Refusal(claims=(claim.claim_id,))
            takes = {want: want.units for want in claim.wants}
            refusal = refusal_of(self._limits, takes, claim, spend)
            if refusal is None:
                self._hold(claim)
                for want in claim.wants:
                    self._take(want, want.units)
                self._spend(spend)
            return refusal

    def park(self, claim: Claim, *, turn: Turn | None = None) -> bool:
        with self._lock:
            if claim.claim_id in self._claims:
                return False
            if turn is not None and not self._fair.take(claim, turn):
                return False
            self._claims[claim.claim_id] = claim
            self._places(claim).put(claim.order_key, claim)
            return True

    def pace(self, claim: Claim) -> Pace:
        with self._lock:
            return self._fair.pace(claim)

    def reached(self, claim: Claim, place: int) -> None:
        with self._lock:
            self._fair.reach(claim, place)

    def entries(self, key: str, start: str, count: int) -> list[Claim | Standing]:
        with self._lock:
            queue, limit = self._queues.get(key), self._limits.get(key)
            if queue is not None:
                return list(queue.claims.first_from(start, count))
            return [] if limit is None else limit.line.first_from(start, count)

    def refuse(self, claim: Claim, *, expires_at: datetime) -> bool:
        with self._lock:
            return self._claims.setdefault(claim.claim_id, claim) is claim

    def grant(
        self,
        claim: Claim,
        *,
        served: str,
        spend: Mapping[str, Spend] = NOTHING,
        by: str | None = None,
    ) -> Refusal | None:
        with self._lock:
            gone = self._not_waiting(claim)
            if by is not None and by != claim.claim_id and by not in self._claims:
                gone += (by,)
            if gone:
                return Refusal(claims=gone)
            takes = {want: want.units for want in claim.wants}
            refusal = refusal_of(self._limits, takes, claim, spend, ungated=frozenset({served}))
            if refusal is None:
                self._leave_queue(claim)
                self._hold(claim)
                for want, units in takes.items():
                    self._take(want, units)
                self._spend(spend)
                if by is not None and by != claim.claim_id:
                    self._record(by, claim.claim_id)
            return refusal

    def release(
        self,
        claim: Claim,
        *,
        to: Claim | None,
        closing: Collection[str],
        expires_at: datetime,
        spend: Mapping[str, Spend] = NOTHING,
        offer: Offer | None = None,
        believed: bool = False,
    ) -> Refusal | None:
        with self._lock:
            gone = () if to is None else self._not_waiting(to)
            gone += self._not_as_believed(claim) if believed else self._not_holding(claim)
            if gone:
                return Refusal(claims=gone)
            changes = {want.limit: -want.units for want in claim.wants}
            for want in () if to is None else to.wants:
                changes[want.limit] = changes.get(want.limit, 0) + want.units
            refusal = refusal_of_change(self._limits, claim, to, changes, spend, closing)
            if refusal is not None:
                return refusal
            self._let_go(claim, to)
            if offer is not None:
                self.retract(claim.wants[0].limit, offer)
            if to is not None:
                self._leave_queue(to)
                self._hold(to)
                for want in to.wants:
                    self._create(want)
            for key, change in changes.items():
                if change:
                    self._limits[key].change(in_use=change, close=key in closing)
            self._spend(spend)
            return None

    def withdraw(self, claim: Claim, *, expires_at: datetime) -> bool:
        with self._lock:
            if self._not_waiting(claim):
                return False
            self._leave_queue(claim)
            self._fair.give_back(claim)
            self._claims[claim.claim_id] = replace(
                self._claims[claim.claim_id], state=ClaimState.DONE
            )
            return True

    def launched(self, claim_id: str) -> None:
        with self._lock:
            claim = self._claims.get(claim_id)
            if claim is not None and claim.state is not ClaimState.WAITING:
                self._unlaunched.pop(claim_id, None)
                self._claims[claim_id] = replace(claim, launched=True)

    def stand(
        self,
        was: Standing | None,
        now: Standing | None,
        *,
        refused: Claim | None = None,
        used_until: int | None = None,
    ) -> bool:
        with self._lock:
            one = was or now
            assert one is not None
            rows = self._queues.setdefault(one.queue, QueueRows())
            if rows.standing != was:
                return False
            if refused is not None and now is not None:
                limit = self._rows(now.limit).limit
                if limit is None or not refuses(limit, refused, used_until):
                    return False
            if was is not None:
                self._rows(was.limit).line.discard(entry_key(was))
            if now is not None:
                self._rows(now.limit).line.put(entry_key(now), now)
            rows.standing = now
            self._forget_empty(one.queue)
            return True

    def create_limit(self, new: Limit) -> Limit:
        with self._lock:
            rows = self._rows(new.key)
            if rows.limit is None:
                rows.limit = new
            return rows.limit

    def set_limit(self, now: Limit, *, was: Limit | None, change: Change | None = None) -> bool:
        with self._lock:
            rows = self._rows(now.key)
            if not is_set_as(rows.limit, was, now):
                return False
            if change is not None and not self._audit.record(change):
                return False
            rows.set(now)
            return True

    def set_gate(self, was: Limit, now: str | None) -> bool:
        with self._lock:
            rows = self._limits.get(was.key)
            if rows is None or rows.limit is None or not self._is_gated_as(rows.limit, was):
                return False
            rows.limit = replace(rows.limit, gate=now)
            return True

    @staticmethod
    def _is_gated_as(limit: Limit, was: Limit) -> bool:
        return (limit.gate, limit.closings) == (was.gate, was.closings)

    def drop_limit(self, key: str) -> bool:
        with self._lock:
            rows = self._limits.get(key)
            if rows is None or rows.limit is None:
                return True
            if rows.limit.in_use > 0:
                return False
            rows.limit = None
            if not rows.line and not rows.offers:
                del self._limits[key]
            return True

    def limits(self) -> list[Limit]:
        with self._lock:
            return [
                rows.limit
                for key, rows in sorted(self._limits.items())
                if rows.limit is not None and not key.startswith("run/")
            ]

    def holders(self, key: str, count: int) -> list[str]:
        with self._lock:
            rows = self._limits.get(key)
            return [] if rows is None else sorted(rows.holds)[:count]

    def ahead(self, key: str, order_key: str, at_most: int) -> int:
        with self._lock:
            if key in self._queues:
                return self._queues[key].claims.count_before(order_key, at_most)
            rows = self._limits.get(key)
            return 0 if rows is None else rows.line.count_before(order_key, at_most)

    def unlaunched(self, before: datetime, count: int) -> list[Claim]:
        with self._lock:
            found = sorted((at, one) for one, at in self._unlaunched.items() if at < before)
            return [self._claims[one] for _, one in found[:count]]

    def _rows(self, key: str) -> LimitRows:
        rows = self._limits.get(key)
        if rows is None:
            rows = self._limits[key] = LimitRows()
        return rows

    def _places(self, claim: Claim) -> SortedRows[Claim] | SortedRows[Claim | Standing]:
        if claim.wants_several:
            return self._queues.setdefault(claim.queue, QueueRows()).claims
        return self._rows(claim.queue).line

    def _not_waiting(self, claim: Claim) -> tuple[str, ...]:
        stored = self._claims.get(claim.claim_id)
        waits = stored is not None and stored.state is ClaimState.WAITING
        return () if waits else (claim.claim_id,)

    def _not_holding(self, claim: Claim) -> tuple[str, ...]:
        stored = self._claims.get(claim.claim_id)
        holds = stored is not None and stored.state is ClaimState.HELD
        return () if holds else (claim.claim_id,)

    def _not_as_believed(self, claim: Claim) -> tuple[str, ...]:
        stored = self._claims.get(claim.claim_id)
        is_as = stored is not None and stored.wants_as(claim) and not stored.handed_to
        return self._not_holding(claim) if is_as else (claim.claim_id,)

    def _spend(self, spend: Mapping[str, Spend]) -> None:
        for key, one in spend.items():
            self._limits[key].spend(one)

    def _create(self, want: Want) -> None:
        rows = self._rows(want.limit)
        if rows.limit is None:
            rows.limit = new_limit(want)

    def _take(self, want: Want, units: int) -> None:
        self._create(want)
        self._rows(want.limit).change(in_use=units, close=False)

    def _hold(self, claim: Claim) -> None:
        stored = self._claims.get(claim.claim_id)
        handed = () if stored is None else stored.handed_to
        self._claims[claim.claim_id] = replace(claim, handed_to=handed) if handed else claim
        assert claim.granted_at is not None
        if not claim.launched:
            self._unlaunched[claim.claim_id] = claim.granted_at
        for want in claim.wants:
            self._rows(want.limit).holds[claim.claim_id] = want.units

    def _let_go(self, claim: Claim, to: Claim | None) -> None:
        was = self._claims[claim.claim_id]
        known = to is None or to.claim_id in was.handed_to
        handed_to = was.handed_to if known or to is None else (*was.handed_to, to.claim_id)
        done = replace(was, state=ClaimState.DONE, handed_to=handed_to)
        self._claims[claim.claim_id] = done
        self._unlaunched.pop(claim.claim_id, None)
        for want in claim.wants:
            self._limits[want.limit].holds.pop(claim.claim_id, None)

    def _record(self, by: str, granted: str) -> None:
        one = self._claims[by]
        if granted not in one.handed_to:
            self._claims[by] = replace(one, handed_to=(*one.handed_to, granted))

    def _leave_queue(self, claim: Claim) -> None:
        self._places(claim).discard(claim.order_key)
        self._forget_empty(claim.queue)

    def _forget_empty(self, queue: str) -> None:
        rows = self._queues.get(queue)
        if rows is not None and rows.standing is None and not rows.claims:
            del self._queues[queue]
