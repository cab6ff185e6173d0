"""Table ``admission``: what is read of it. Strongly consistent, but where an index is read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tidegate.adapters.dynamodb import write
from tidegate.adapters.dynamodb.admission_rows import (
    CLAIM,
    HOLD,
    LIMIT,
    OFFER,
    STANDING,
    WAIT,
    Item,
    before,
    claim_of,
    claim_pk,
    entry_of,
    limit_of,
    limit_pk,
    line_place,
    offer_of,
    pace_of,
    place_pk,
    queue_pk,
    row_of,
    sk_of,
    standing_of,
    value_place,
    waiting_of,
)
from tidegate.adapters.dynamodb.models_admission import SHARDS, AdmissionTable
from tidegate.adapters.dynamodb.table import translated
from tidegate.domain.claim import (
    Claim,
    ClaimState,
    Limit,
    Line,
    Queue,
    Standing,
)
from tidegate.domain.fairness import Pace


class AdmissionReads:
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
        rows = _from("line", limit_pk(key), LIMIT, count + 2)
        limit = limit_of(row_of(rows.pop(0))) if rows and sk_of(rows[0]) == LIMIT else None
        offers = [offer_of(one) for one in rows[:count] if sk_of(one).startswith(OFFER)]
        return Line(
            limit=limit,
            offers=tuple(offers),
            entries=tuple(entry_of(row) for row in rows[len(offers) : count]),
            is_whole=len(rows) <= count,
        )

    def queue(self, queue: str, count: int) -> Queue:
        """1 read unit for each 4 KB."""
        rows = _from("queue", queue_pk(queue), STANDING, count + 1)
        is_standing = bool(rows) and sk_of(rows[0]) == STANDING
        standing = standing_of(row_of(rows.pop(0))) if is_standing else None
        return Queue(standing=standing, claims=tuple(waiting_of(row) for row in rows[:count]))

    def pace(self, claim: Claim) -> Pace:
        """2 read units."""
        with translated("pace"):
            keys = [line_place(claim), value_place(claim)]
            return pace_of(claim, AdmissionTable.batch_get(keys, consistent_read=True))

    def entries(self, key: str, start: str, count: int) -> list[Claim | Standing]:
        """1 read unit for each 4 KB."""
        rows = _from("entries", place_pk(key), f"{WAIT}{start}", count)
        return [entry_of(row) for row in rows]

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


def _from(access: str, pk: str, sk: str, count: int) -> list[Item]:
    """The first rows of a partition from ``sk`` on, as of one moment, as DynamoDB has them."""
    found: list[Item] = []
    start = None
    with translated(access):
        while len(found) < count:
            page = AdmissionTable._get_connection().query(
                pk,
                AdmissionTable.sk >= sk,
                consistent_read=True,
                exclusive_start_key=start,
                limit=count - len(found),
            )
            found += page["Items"]
            start = page.get("LastEvaluatedKey")
            if start is None:
                break
    return found
