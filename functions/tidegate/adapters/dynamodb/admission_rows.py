"""Rows of table ``admission`` and the values they hold, both ways."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from tidegate.adapters.dynamodb.models_admission import SHARDS, AdmissionTable
from tidegate.adapters.dynamodb.packed import pack
from tidegate.domain.claim import (
    Claim,
    ClaimState,
    Limit,
    Offer,
    Standing,
    Want,
)
from tidegate.domain.fairness import Pace, Share
from tidegate.domain.rate import Rate

Item = Mapping[str, Mapping[str, Any]]
"""A row as DynamoDB has it: for each attribute, its type and value."""

_MOMENT = AdmissionTable.offered_at

LIMIT = "limit"
FAIR = "fair#"
HOLD = "hold#"
OFFER = "offer#"
WAIT = "wait#"
STANDING = "standing"
CLAIM = "claim"


def limit_pk(key: str) -> str:
    return f"limit#{key}"


def queue_pk(queue: str) -> str:
    return f"queue#{queue}"


def place_pk(key: str) -> str:
    """Partition of a limit's line, or of a queue of several slots."""
    return queue_pk(key) if key.startswith("several/") else limit_pk(key)


def claim_pk(claim_id: str) -> str:
    return f"claim#{claim_id}"


def before(key: str) -> str:
    """The last sort key before this one: ``between`` takes both its ends."""
    return f"{key[:-1]}{chr(ord(key[-1]) - 1)}\U0010ffff"


def kind_of_limit(key: str) -> str | None:
    """What puts a limit into the index of limits: those of single runs come and go, and are left out."""
    return None if key.startswith("run/") else LIMIT


def shard_of(claim_id: str) -> str:
    return str(zlib.crc32(claim_id.encode()) % SHARDS)


def asked_of(claim: Claim) -> bytes:
    asked: dict[str, Any] = {
        "wants": [
            [want.limit, want.units, want.capacity, want.rate and rate_text(want.rate)]
            for want in claim.wants
        ],
        "priority": claim.priority,
        "enqueued_at": claim.enqueued_at.isoformat(),
        "launch": claim.launch,
    }
    if claim.fair is not None:
        fair = claim.fair
        lead = fair.lead // timedelta(microseconds=1)
        asked["fair"] = [fair.limit, fair.value, fair.weight, lead, claim.place]
    if claim.goes_on:
        asked["goes_on"] = True
    return pack(asked)


def claim_row(claim: Claim) -> AdmissionTable:
    needs_launch = claim.state is ClaimState.HELD and not claim.launched
    return AdmissionTable(
        claim_pk(claim.claim_id),
        CLAIM,
        state=claim.state.value,
        asked=asked_of(claim),
        queue=claim.queue if claim.wants else None,
        waiting_on=claim.waiting_on,
        waiting_since=claim.waiting_since,
        granted_at=claim.granted_at,
        unlaunched=shard_of(claim.claim_id) if needs_launch else None,
        launched=claim.launched or None,
        lost_to=set(claim.lost_to) or None,
    )


def wait_place(claim: Claim) -> tuple[str, str]:
    pk = queue_pk(claim.queue) if claim.wants_several else limit_pk(claim.queue)
    return pk, f"{WAIT}{claim.order_key}"


def wait_row(claim: Claim) -> AdmissionTable:
    pk, sk = wait_place(claim)
    return AdmissionTable(
        pk,
        sk,
        asked=asked_of(claim),
        waiting_on=claim.waiting_on,
        waiting_since=claim.waiting_since,
    )


def hold_row(claim_id: str, want: Want) -> AdmissionTable:
    return AdmissionTable(limit_pk(want.limit), f"{HOLD}{claim_id}", units=want.units)


def offer_row(key: str, offer: Offer) -> AdmissionTable:
    return AdmissionTable(
        limit_pk(key),
        f"{OFFER}{offer.order_key}",
        offered_at=offer.since,
        offered_until=offer.until,
    )


def offer_of(item: Item) -> Offer:
    # offer#<time>#<claim id>, and a claim id may have any character.
    claim_id = sk_of(item).split("#", 2)[2]
    since, until = (
        _MOMENT.deserialize(item[name]["S"]) for name in ("offered_at", "offered_until")
    )
    return Offer(claim_id=claim_id, since=since, until=until)


def standing_row(standing: Standing) -> AdmissionTable:
    """Where a queue stands, under the queue."""
    return AdmissionTable(queue_pk(standing.queue), STANDING, **_standing_values(standing))


def standing_entry(standing: Standing) -> AdmissionTable:
    """The same, in the line of the limit."""
    return AdmissionTable(
        limit_pk(standing.limit),
        f"{WAIT}{standing.rank}#{standing.queue}",
        **_standing_values(standing),
    )


def _standing_values(standing: Standing) -> dict[str, Any]:
    return {
        "queue": standing.queue,
        "limit_key": standing.limit,
        "rank": standing.rank,
        "version": standing.version,
    }


def row_of(item: Item) -> AdmissionTable:
    return AdmissionTable.from_raw_data(dict(item))


def sk_of(item: Item) -> str:
    text: str = item["sk"]["S"]
    return text


def entry_of(item: Item) -> Claim | Standing:
    """What waits in a line."""
    return standing_of(row_of(item)) if "queue" in item else waiting_of(item)


def standing_of(row: AdmissionTable) -> Standing:
    return Standing(queue=row.queue, limit=row.limit_key, rank=row.rank, version=int(row.version))


def waiting_of(item: Item) -> Claim:
    on, since = (item.get(name, {}).get("S") for name in ("waiting_on", "waiting_since"))
    return _waiting(sk_of(item), item["asked"]["B"], on, since)


@lru_cache(maxsize=1024)
def _waiting(sk: str, asked: bytes, on: str | None, since: str | None) -> Claim:
    """Remembered: who waits is read again and again, by every release while others come before, and never changes."""
    texts = {"sk": sk, "waiting_on": on, "waiting_since": since}
    item = {name: {"S": text} for name, text in texts.items() if text is not None}
    # wait#<priority>#<time>#<claim id>, and a claim id may have any character.
    claim_id = sk.split("#", 3)[3]
    return _claim(row_of({**item, "asked": {"B": asked}}), claim_id, ClaimState.WAITING)


def claim_of(row: AdmissionTable) -> Claim:
    return _claim(row, row.pk.removeprefix("claim#"), ClaimState(row.state))


def _claim(row: AdmissionTable, claim_id: str, state: ClaimState) -> Claim:
    has = row.attribute_values.get
    asked, handed_to, lost_to = row.asked, has("handed_to"), has("lost_to")
    fair = asked.get("fair")
    return Claim(
        claim_id=claim_id,
        wants=tuple(
            Want(limit=limit, units=units, capacity=capacity, rate=rate_of(rate))
            for limit, units, capacity, rate in asked["wants"]
        ),
        priority=asked["priority"],
        enqueued_at=datetime.fromisoformat(asked["enqueued_at"]),
        fair=None if fair is None else _share_of(fair),
        place=None if fair is None else fair[4],
        goes_on=asked.get("goes_on", False),
        launch=asked["launch"],
        state=state,
        waiting_on=has("waiting_on"),
        waiting_since=has("waiting_since"),
        granted_at=has("granted_at"),
        launched=bool(has("launched")),
        handed_to=tuple(sorted(handed_to)) if handed_to else (),
        lost_to=tuple(sorted(lost_to)) if lost_to else (),
    )


def _share_of(fair: Sequence[Any]) -> Share:
    limit, value, weight, lead, _ = fair
    return Share(limit=limit, value=value, weight=weight, lead=timedelta(microseconds=lead))


def line_place(claim: Claim) -> tuple[str, str]:
    """Where it is kept how far the line of the claim's fairness has come."""
    assert claim.fair is not None
    return limit_pk(claim.fair.limit), f"{FAIR}{claim.fair_class}"


def value_place(claim: Claim) -> tuple[str, str]:
    """Where it is kept until when the turns of its value are used up."""
    assert claim.fair is not None
    pk, sk = line_place(claim)
    return pk, f"{sk}#{claim.fair.name}"


def pace_of(claim: Claim, rows: Iterable[AdmissionTable]) -> Pace:
    found = {(row.pk, row.sk): int(row.fair_until) for row in rows}
    return Pace(
        reached=found.get(line_place(claim)),
        used_until=found.get(value_place(claim)),
    )


def limit_of(row: AdmissionTable) -> Limit:
    return Limit(
        key=row.pk.removeprefix("limit#"),
        capacity=int(row.capacity),
        in_use=int(row.in_use),
        source=row.source,
        gate=row.gate,
        closings=int(row.closings or 0),
        rate=rate_of(row.rate),
        used_until=int(row.used_until or 0),
    )


def rate_text(rate: Rate) -> str:
    return f"{rate.limit} {rate.per // timedelta(microseconds=1)} {rate.burst}"


def rate_of(text: str | None) -> Rate | None:
    if text is None:
        return None
    limit, per, burst = (int(number) for number in text.split())
    return Rate(limit=limit, per=timedelta(microseconds=per), burst=burst)
