"""Table ``admission``: what is asked of it, one function for each. Costs are for rows of up to 1 KB."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from tidegate.adapters.dynamodb import write
from tidegate.adapters.dynamodb.admission_rows import (
    ABSENT,
    CLAIM,
    EXISTS,
    HOLD,
    HOLDS,
    LIMIT,
    OFFER,
    STANDING,
    WAIT,
    WAITS,
    before,
    claim_of,
    claim_pk,
    claim_row,
    closing_actions,
    entry_of,
    hold_row,
    is_gated_as,
    is_set_as,
    is_turn,
    limit_of,
    limit_pk,
    line_place,
    offer_of,
    offer_row,
    opening,
    pace_of,
    place_pk,
    queue_pk,
    refuses,
    set_actions,
    standing_entry,
    standing_of,
    standing_row,
    stands_as,
    value_place,
    wait_place,
    wait_row,
    waiting_of,
)
from tidegate.adapters.dynamodb.admission_writes import (
    done_actions,
    holds_as,
    leave_queue,
    refusal_of,
    settle_counts,
    take,
)
from tidegate.adapters.dynamodb.audit import record
from tidegate.adapters.dynamodb.models_admission import SHARDS, AdmissionTable
from tidegate.adapters.dynamodb.table import translated
from tidegate.adapters.dynamodb.transaction import Transaction
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
)
from tidegate.domain.fairness import Pace, Turn, at_nanos
from tidegate.ports import Change

REMEMBERED = timedelta(days=90)
"""How long after its last place a row of fairness is kept. A value whose row is gone begins where the line is."""


class DynamoAdmissionStore:
    def claim(self, claim_id: str) -> Claim | None:
        """1 read unit."""
        row = write.get("claim", AdmissionTable, claim_pk(claim_id), CLAIM)
        return None if row is None else claim_of(row)

    def claims(self, claim_ids: Sequence[str]) -> list[Claim]:
        """1 read unit for each."""
        with translated("claims"):
            keys = [(claim_pk(one), CLAIM) for one in claim_ids]
            return [claim_of(row) for row in AdmissionTable.batch_get(keys, consistent_read=True)]

    def line(self, key: str, count: int) -> Line:
        """1 read unit for each 4 KB: at most 2 for the pages the protocol reads."""
        rows = self._from("line", limit_pk(key), LIMIT, count + 2)
        limit = limit_of(rows.pop(0)) if rows and rows[0].sk == LIMIT else None
        offers = [offer_of(row) for row in rows[:count] if row.sk.startswith(OFFER)]
        return Line(
            limit=limit,
            offers=tuple(offers),
            entries=tuple(entry_of(row) for row in rows[len(offers) : count]),
            is_whole=len(rows) <= count,
        )

    def offer(self, key: str, offer: Offer) -> None:
        """1 write unit."""
        row = offer_row(key, offer)
        row.expires_at = offer.since + timedelta(days=1)
        write.put("offer", row)

    def retract(self, key: str, offer: Offer) -> None:
        """1 write unit."""
        with translated("retract"):
            offer_row(key, offer).delete()

    def queue(self, queue: str, count: int) -> Queue:
        """1 read unit for each 4 KB."""
        rows = self._from("queue", queue_pk(queue), STANDING, count + 1)
        standing = standing_of(rows.pop(0)) if rows and rows[0].sk == STANDING else None
        return Queue(standing=standing, claims=tuple(waiting_of(row) for row in rows[:count]))

    def admit(self, claim: Claim, *, spend: Mapping[str, Spend] = NOTHING) -> Refusal | None:
        """A transaction, since claim, counts and holds must agree: 2 write units for the claim, 4 for each limit."""
        transaction = Transaction("admit")
        transaction.put(claim_row(claim), name=("claim", claim.claim_id), condition=ABSENT)
        for want in claim.wants:
            transaction.put(hold_row(claim.claim_id, want))
            take(transaction, want, claim, spend.get(want.limit))
        return refusal_of(transaction)

    def park(self, claim: Claim, *, turn: Turn | None = None) -> bool:
        """A transaction, since a claim waits exactly while it is in its queue: 4 write units, and 2 with a turn."""
        transaction = Transaction("park")
        transaction.put(claim_row(claim), name="claim", condition=ABSENT)
        transaction.put(wait_row(claim))
        if turn is not None:
            transaction.update(
                AdmissionTable(*value_place(claim)),
                [
                    AdmissionTable.fair_until.set(turn.now),
                    AdmissionTable.expires_at.set(at_nanos(turn.now) + REMEMBERED),
                ],
                name="turn",
                condition=is_turn(turn),
            )
        return not transaction.commit()

    def pace(self, claim: Claim) -> Pace:
        """2 read units."""
        with translated("pace"):
            keys = [line_place(claim), value_place(claim)]
            return pace_of(claim, AdmissionTable.batch_get(keys, consistent_read=True))

    def reached(self, claim: Claim, place: int) -> None:
        """1 write unit."""
        write.update(
            "reached",
            AdmissionTable,
            *line_place(claim),
            [
                AdmissionTable.fair_until.set(place),
                AdmissionTable.expires_at.set(at_nanos(place) + REMEMBERED),
            ],
            ABSENT | (AdmissionTable.fair_until < place),
        )

    def entries(self, key: str, start: str, count: int) -> list[Claim | Standing]:
        """1 read unit for each 4 KB."""
        rows = self._from("entries", place_pk(key), f"{WAIT}{start}", count)
        return [entry_of(row) for row in rows]

    def refuse(self, claim: Claim, *, expires_at: datetime) -> bool:
        """1 write unit."""
        row = claim_row(claim)
        row.expires_at = expires_at
        _, is_new = write.put("refuse", row, ABSENT)
        return is_new

    def grant(
        self,
        claim: Claim,
        *,
        served: str,
        spend: Mapping[str, Spend] = NOTHING,
        by: str | None = None,
    ) -> Refusal | None:
        """4 write units for the claim and its place in the queue, 4 for each limit, 2 to record it."""
        transaction = Transaction("grant")
        leave_queue(transaction, claim)
        for want in claim.wants:
            transaction.put(hold_row(claim.claim_id, want))
            is_gated = want.limit != served
            take(transaction, want, claim, spend.get(want.limit), gated=is_gated)
        if by is not None and by != claim.claim_id:
            transaction.update(
                AdmissionTable(claim_pk(by), CLAIM),
                [AdmissionTable.handed_to.add({claim.claim_id})],
                name=("claim", by),
                condition=EXISTS,
            )
        return refusal_of(transaction)

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
        """A hand-off at one limit: 10 write units, and no row that other hand-offs write. Else 2, and 4 for each limit.

        2 more if the slot was offered. The same if it is refused.
        """
        transaction = Transaction("release")
        actions = done_actions(expires_at)
        if to is not None:
            actions.append(AdmissionTable.handed_to.add({to.claim_id}))
            leave_queue(transaction, to)
            for want in to.wants:
                transaction.put(hold_row(to.claim_id, want))
        transaction.update(
            AdmissionTable(claim_pk(claim.claim_id), CLAIM),
            actions,
            name=("claim", claim.claim_id),
            condition=holds_as(claim) if believed else HOLDS,
        )
        for want in claim.wants:
            transaction.delete(AdmissionTable(limit_pk(want.limit), f"{HOLD}{claim.claim_id}"))
        if offer is not None:
            transaction.delete(offer_row(claim.wants[0].limit, offer))
        settle_counts(transaction, claim, to, spend, closing)
        return refusal_of(transaction)

    def withdraw(self, claim: Claim, *, expires_at: datetime) -> bool:
        """4 write units, and 2 if it had a place by fairness."""
        transaction = Transaction("withdraw")
        transaction.delete(AdmissionTable(*wait_place(claim)))
        if claim.place is not None and claim.fair is not None:
            transaction.update(
                AdmissionTable(*value_place(claim)),
                [
                    AdmissionTable.fair_until.add(-claim.fair.cost),
                    AdmissionTable.expires_at.set(
                        AdmissionTable.expires_at | (at_nanos(claim.place) + REMEMBERED)
                    ),
                ],
            )
        transaction.update(
            AdmissionTable(claim_pk(claim.claim_id), CLAIM),
            done_actions(expires_at),
            name="claim",
            condition=WAITS,
        )
        return not transaction.commit()

    def launched(self, claim_id: str) -> None:
        """1 write unit, and 1 for the index."""
        write.update(
            "launched",
            AdmissionTable,
            claim_pk(claim_id),
            CLAIM,
            [AdmissionTable.launched.set(True), AdmissionTable.unlaunched.remove()],
            EXISTS & ~WAITS,
        )

    def stand(
        self,
        was: Standing | None,
        now: Standing | None,
        *,
        refused: Claim | None = None,
        used_until: int | None = None,
    ) -> bool:
        """A transaction, since a queue stands in one line: 2 write units for each row, and for the limit if it must refuse."""
        transaction = Transaction("stand")
        is_as_it_was = ABSENT if was is None else stands_as(was)
        if was is not None and (now is None or (was.limit, was.rank) != (now.limit, now.rank)):
            transaction.delete(standing_entry(was))
        if now is None:
            assert was is not None
            transaction.delete(standing_row(was), name="standing", condition=is_as_it_was)
        else:
            transaction.put(standing_row(now), name="standing", condition=is_as_it_was)
            transaction.put(standing_entry(now))
            if refused is not None:
                transaction.check(
                    "limit",
                    AdmissionTable,
                    limit_pk(now.limit),
                    LIMIT,
                    refuses(refused, refused.units_of(now.limit), used_until),
                )
        return not transaction.commit()

    def create_limit(self, new: Limit) -> Limit:
        """1 write unit."""
        row, _ = write.update(
            "create_limit",
            AdmissionTable,
            limit_pk(new.key),
            LIMIT,
            set_actions(new, None),
            ABSENT,
        )
        assert row is not None
        return limit_of(row)

    def set_limit(self, now: Limit, *, was: Limit | None, change: Change | None = None) -> bool:
        """A transaction, since what is changed is what the audit says: 2 write units, and 4 for the change."""
        transaction = Transaction("set_limit")
        if change is not None:
            record(transaction, change)
        transaction.update(
            AdmissionTable(limit_pk(now.key), LIMIT),
            [*set_actions(now, was), *closing_actions()],
            name="limit",
            condition=is_set_as(was, now),
        )
        return not transaction.commit()

    def set_gate(self, was: Limit, now: str | None) -> bool:
        """1 write unit."""
        action = opening(now)
        _, is_set = write.update(
            "set_gate", AdmissionTable, limit_pk(was.key), LIMIT, [action], is_gated_as(was)
        )
        return is_set

    def drop_limit(self, key: str) -> bool:
        """2 write units."""
        transaction = Transaction("drop_limit")
        transaction.delete(
            AdmissionTable(limit_pk(key), LIMIT),
            name="limit",
            condition=ABSENT | (AdmissionTable.in_use == 0),
        )
        return not transaction.commit()

    def limits(self) -> list[Limit]:
        """1 read unit for each limit, and half of one for each 4 KB of keys."""
        with translated("limits"):
            keys = [(row.pk, LIMIT) for row in AdmissionTable.by_kind.query(LIMIT)]
            rows = AdmissionTable.batch_get(keys, consistent_read=True)
            return sorted((limit_of(row) for row in rows), key=lambda limit: limit.key)

    def holders(self, key: str, count: int) -> list[str]:
        """1 read unit for each 4 KB."""
        with translated("holders"):
            found = AdmissionTable.query(
                limit_pk(key),
                AdmissionTable.sk.startswith(HOLD),
                consistent_read=True,
                limit=count,
            )
            return [row.sk.removeprefix(HOLD) for row in found]

    def ahead(self, key: str, order_key: str, at_most: int) -> int:
        """1 read unit for each 4 KB of rows counted."""
        with translated("ahead"):
            return AdmissionTable.count(
                place_pk(key),
                AdmissionTable.sk.between(WAIT, before(f"{WAIT}{order_key}")),
                consistent_read=True,
                limit=at_most,
            )

    def unlaunched(self, before: datetime, count: int) -> list[Claim]:
        """Half a read unit for each partition of the index when nothing is there."""
        keys: list[str] = []
        with translated("unlaunched"):
            for shard in range(SHARDS):
                found = AdmissionTable.by_launch.query(
                    str(shard), AdmissionTable.granted_at < before, limit=count
                )
                keys += [row.pk.removeprefix("claim#") for row in found]
        claims = [one for one in self.claims(keys) if one.state is ClaimState.HELD]
        claims = [one for one in claims if not one.launched and one.granted_at is not None]
        return sorted(claims, key=lambda one: (one.granted_at, one.claim_id))[:count]

    @staticmethod
    def _from(access: str, pk: str, sk: str, count: int) -> list[AdmissionTable]:
        """The first rows of a partition from ``sk`` on, as of one moment."""
        with translated(access):
            found = AdmissionTable.query(
                pk, AdmissionTable.sk >= sk, consistent_read=True, limit=count
            )
            return list(found)
