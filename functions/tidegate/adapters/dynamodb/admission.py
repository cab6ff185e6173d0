"""Table ``admission``: what is asked of it, one function for each. Costs are for rows of up to 1 KB."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from tidegate.adapters.dynamodb import write
from tidegate.adapters.dynamodb.admission_conditions import (
    ABSENT,
    EXISTS,
    HOLDS,
    WAITS,
    closing_actions,
    holds_as,
    is_gated_as,
    is_set_as,
    is_turn,
    opening,
    refuses,
    set_actions,
    stands_as,
)
from tidegate.adapters.dynamodb.admission_reads import AdmissionReads
from tidegate.adapters.dynamodb.admission_rows import (
    CLAIM,
    HOLD,
    LIMIT,
    claim_pk,
    claim_row,
    hold_row,
    limit_of,
    limit_pk,
    line_place,
    offer_row,
    standing_entry,
    standing_row,
    value_place,
    wait_place,
    wait_row,
)
from tidegate.adapters.dynamodb.admission_writes import (
    done_actions,
    leave_queue,
    refusal_of,
    settle_counts,
    take,
)
from tidegate.adapters.dynamodb.audit import record
from tidegate.adapters.dynamodb.models_admission import AdmissionTable
from tidegate.adapters.dynamodb.table import translated
from tidegate.adapters.dynamodb.transaction import Transaction
from tidegate.domain.claim import (
    NOTHING,
    Claim,
    Limit,
    Offer,
    Refusal,
    Spend,
    Standing,
)
from tidegate.domain.fairness import Turn, at_nanos
from tidegate.ports import Change

REMEMBERED = timedelta(days=90)
"""How long after its last place a row of fairness is kept. A value whose row is gone begins where the line is."""


class DynamoAdmissionStore(AdmissionReads):
    def offer(self, key: str, offer: Offer, *, believed: Claim | None = None) -> bool:
        """1 write unit; 4 if the claim is believed to hold the slot."""
        row = offer_row(key, offer)
        row.expires_at = offer.since + timedelta(days=1)
        if believed is None:
            write.put("offer", row)
            return True
        transaction = Transaction("offer")
        transaction.put(row)
        transaction.check(
            "claim", AdmissionTable, claim_pk(believed.claim_id), CLAIM, holds_as(believed)
        )
        return not transaction.commit()

    def retract(self, key: str, offer: Offer) -> None:
        """1 write unit."""
        with translated("retract"):
            offer_row(key, offer).delete()

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
