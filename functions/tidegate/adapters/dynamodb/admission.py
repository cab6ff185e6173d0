"""Table ``admission``: what is asked of it, one function for each. Costs are for rows of up to 1 KB."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from datetime import datetime

from pynamodb.expressions.update import Action

from tidegate.adapters.dynamodb import write
from tidegate.adapters.dynamodb.admission_rows import (
    ABSENT,
    CLAIM,
    EXISTS,
    HOLD,
    HOLDS,
    LIMIT,
    STANDING,
    WAIT,
    WAITS,
    before,
    can_take,
    claim_of,
    claim_pk,
    claim_row,
    entry_of,
    gate_action,
    has_room,
    hold_row,
    kind_of_limit,
    limit_of,
    limit_pk,
    queue_pk,
    refuses,
    shard_of,
    standing_entry,
    standing_of,
    standing_row,
    stands_as,
    take_actions,
    wait_place,
    wait_row,
    waiting_of,
)
from tidegate.adapters.dynamodb.models_admission import SHARDS, AdmissionTable
from tidegate.adapters.dynamodb.table import translated
from tidegate.adapters.dynamodb.transaction import Transaction
from tidegate.domain.claim import (
    CLOSED,
    Claim,
    ClaimState,
    Limit,
    Line,
    Queue,
    Refusal,
    Standing,
    room_of,
)


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
        return Line(
            limit=limit,
            entries=tuple(entry_of(row) for row in rows[:count]),
            is_whole=len(rows) <= count,
        )

    def queue(self, queue: str, count: int) -> Queue:
        """1 read unit for each 4 KB."""
        rows = self._from("queue", queue_pk(queue), STANDING, count + 1)
        standing = standing_of(rows.pop(0)) if rows and rows[0].sk == STANDING else None
        return Queue(standing=standing, claims=tuple(waiting_of(row) for row in rows[:count]))

    def admit(self, claim: Claim) -> Refusal | None:
        """A transaction, since claim, counts and holds must agree: 2 write units for the claim, 4 for each limit."""
        transaction = Transaction("admit")
        transaction.put(claim_row(claim), name=("claim", claim.claim_id), condition=ABSENT)
        for want in claim.wants:
            transaction.put(hold_row(claim.claim_id, want))
            transaction.update(
                AdmissionTable(limit_pk(want.limit), LIMIT),
                take_actions(want, want.units),
                name=("limit", want.limit),
                condition=can_take(want, want.units, claim, gated=True),
            )
        return _refusal(transaction)

    def park(self, claim: Claim) -> bool:
        """A transaction, since a claim waits exactly while it is in its queue: 4 write units."""
        transaction = Transaction("park")
        transaction.put(claim_row(claim), name="claim", condition=ABSENT)
        transaction.put(wait_row(claim))
        return not transaction.commit()

    def refuse(self, claim: Claim, *, expires_at: datetime) -> bool:
        """1 write unit."""
        row = claim_row(claim)
        row.expires_at = expires_at
        _, is_new = write.put("refuse", row, ABSENT)
        return is_new

    def grant(self, claim: Claim, *, served: str, by: str | None = None) -> Refusal | None:
        """4 write units for the claim and its place in the queue, 4 for each limit, 2 to record it."""
        transaction = Transaction("grant")
        self._leave_queue(transaction, claim)
        for want in claim.wants:
            transaction.put(hold_row(claim.claim_id, want))
            transaction.update(
                AdmissionTable(limit_pk(want.limit), LIMIT),
                take_actions(want, want.units),
                name=("limit", want.limit),
                condition=can_take(want, want.units, claim, gated=want.limit != served),
            )
        if by is not None and by != claim.claim_id:
            transaction.update(
                AdmissionTable(claim_pk(by), CLAIM),
                [AdmissionTable.handed_to.add({claim.claim_id})],
                name=("claim", by),
                condition=EXISTS,
            )
        return _refusal(transaction)

    def release(
        self,
        claim: Claim,
        *,
        to: Claim | None,
        closing: Collection[str],
        expires_at: datetime,
    ) -> Refusal | None:
        """A hand-off at one limit: 10 write units, and no row that other hand-offs write. Else 2, and 4 for each limit."""
        transaction = Transaction("release")
        actions = _done(expires_at)
        if to is not None:
            actions.append(AdmissionTable.handed_to.add({to.claim_id}))
            self._leave_queue(transaction, to)
            for want in to.wants:
                transaction.put(hold_row(to.claim_id, want))
        transaction.update(
            AdmissionTable(claim_pk(claim.claim_id), CLAIM),
            actions,
            name=("claim", claim.claim_id),
            condition=HOLDS,
        )
        for want in claim.wants:
            transaction.delete(AdmissionTable(limit_pk(want.limit), f"{HOLD}{claim.claim_id}"))
        self._settle_counts(transaction, claim, to, closing)
        return _refusal(transaction)

    def withdraw(self, claim: Claim, *, expires_at: datetime) -> bool:
        """4 write units."""
        transaction = Transaction("withdraw")
        transaction.delete(AdmissionTable(*wait_place(claim)))
        transaction.update(
            AdmissionTable(claim_pk(claim.claim_id), CLAIM),
            _done(expires_at),
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
        self, was: Standing | None, now: Standing | None, *, refused: Claim | None = None
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
                    refuses(refused, refused.units_of(now.limit)),
                )
        return not transaction.commit()

    def set_limit(self, key: str, capacity: int, *, source: str, only_new: bool = False) -> Limit:
        """1 write unit."""
        kind = kind_of_limit(key)
        row, _ = write.update(
            "set_limit",
            AdmissionTable,
            limit_pk(key),
            LIMIT,
            [
                AdmissionTable.capacity.set(capacity),
                AdmissionTable.source.set(source),
                AdmissionTable.in_use.set(AdmissionTable.in_use | 0),
                AdmissionTable.room.set(room_of(capacity) - (AdmissionTable.in_use | 0)),
                *([] if only_new else [gate_action(CLOSED)]),
                *([] if kind is None else [AdmissionTable.kind.set(kind)]),
            ],
            ABSENT if only_new else None,
        )
        assert row is not None
        return limit_of(row)

    def set_gate(self, key: str, was: str | None, now: str | None) -> bool:
        """1 write unit."""
        is_as_it_was = (
            EXISTS & AdmissionTable.gate.does_not_exist()
            if was is None
            else AdmissionTable.gate == was
        )
        _, is_set = write.update(
            "set_gate", AdmissionTable, limit_pk(key), LIMIT, [gate_action(now)], is_as_it_was
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
            pk = queue_pk(key) if key.startswith("several/") else limit_pk(key)
            return AdmissionTable.count(
                pk,
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

    @staticmethod
    def _leave_queue(transaction: Transaction, claim: Claim) -> None:
        assert claim.granted_at is not None
        transaction.delete(AdmissionTable(*wait_place(claim)))
        transaction.update(
            AdmissionTable(claim_pk(claim.claim_id), CLAIM),
            [
                AdmissionTable.state.set(ClaimState.HELD.value),
                AdmissionTable.granted_at.set(claim.granted_at),
                AdmissionTable.unlaunched.set(shard_of(claim.claim_id)),
            ],
            name=("claim", claim.claim_id),
            condition=WAITS,
        )

    @staticmethod
    def _settle_counts(
        transaction: Transaction, claim: Claim, to: Claim | None, closing: Collection[str]
    ) -> None:
        """Change the counts of the limits of which the two do not want the same."""
        for want in claim.wants:
            more = (0 if to is None else to.units_of(want.limit)) - want.units
            if more == 0:
                continue
            actions: list[Action] = [
                AdmissionTable.in_use.add(more),
                AdmissionTable.room.add(-more),
            ]
            if want.limit in closing:
                actions.append(gate_action(CLOSED))
            is_free = more < 0 and want.limit in closing
            transaction.update(
                AdmissionTable(limit_pk(want.limit), LIMIT),
                actions,
                name=("limit", want.limit),
                condition=None if is_free else has_room(max(more, 1)),
            )
        if to is None:
            return
        for want in to.wants:
            if not claim.units_of(want.limit):
                transaction.update(
                    AdmissionTable(limit_pk(want.limit), LIMIT),
                    take_actions(want, want.units),
                    name=("limit", want.limit),
                    condition=can_take(want, want.units, to, gated=True),
                )


def _done(expires_at: datetime) -> list[Action]:
    return [
        AdmissionTable.state.set(ClaimState.DONE.value),
        AdmissionTable.unlaunched.remove(),
        AdmissionTable.expires_at.set(expires_at),
    ]


def _refusal(transaction: Transaction) -> Refusal | None:
    refused = transaction.commit()
    if not refused:
        return None
    return Refusal(
        claims=_named("claim", refused),
        limits=_named("limit", refused),
        absent=tuple(key for key in _named("limit", refused) if not refused["limit", key]),
    )


def _named(kind: str, refused: Mapping[Hashable, object]) -> tuple[str, ...]:
    return tuple(name[1] for name in refused if isinstance(name, tuple) and name[0] == kind)
