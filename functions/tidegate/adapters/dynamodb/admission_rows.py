"""Rows of table ``admission`` and the values they hold, both ways; and the conditions on them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from tidegate.adapters.dynamodb.models_admission import SHARDS, AdmissionTable
from tidegate.adapters.dynamodb.packed import pack
from tidegate.domain.claim import (
    CLOSED,
    Claim,
    ClaimState,
    Limit,
    Offer,
    Spend,
    Standing,
    Want,
    new_limit,
    room_of,
)
from tidegate.domain.fairness import Pace, Share, Turn
from tidegate.domain.rate import Rate

LIMIT = "limit"
FAIR = "fair#"
HOLD = "hold#"
OFFER = "offer#"
WAIT = "wait#"
STANDING = "standing"
CLAIM = "claim"

ABSENT: Condition = AdmissionTable.pk.does_not_exist()
EXISTS: Condition = AdmissionTable.pk.exists()
WAITS: Condition = AdmissionTable.state == ClaimState.WAITING
HOLDS: Condition = AdmissionTable.state == ClaimState.HELD


def limit_pk(key: str) -> str:
    return f"limit#{key}"


def queue_pk(queue: str) -> str:
    return f"queue#{queue}"


def place_pk(key: str) -> str:
    """Partition of a limit's line, or of a queue of several slots."""
    return queue_pk(key) if key.startswith("several/") else limit_pk(key)


def claim_pk(claim_id: str) -> str:
    return f"claim#{claim_id}"


def has_room(units: int) -> Condition:
    condition: Condition = AdmissionTable.room >= units
    return condition


def is_open_to(claim: Claim) -> Condition:
    """No claim that comes before this one has room kept for it."""
    condition: Condition = AdmissionTable.gate.does_not_exist() | (
        AdmissionTable.gate >= claim.order_key
    )
    return condition


def is_spent_from(spent: Spend | None) -> Condition:
    """The rate of the limit is where it is spent from; it has none if nothing is spent."""
    if spent is None:
        has_none: Condition = AdmissionTable.used_until.does_not_exist()
        return has_none
    condition: Condition = (AdmissionTable.used_until == spent.was) & (
        AdmissionTable.rate == rate_text(spent.rate)
    )
    return condition


def refuses(claim: Claim, units: int, used_until: int | None) -> Condition:
    """It has no room, or is not open, or its rate is still where it refuses; for a limit that has a row."""
    condition: Condition = (AdmissionTable.room < units) | (AdmissionTable.gate < claim.order_key)
    if used_until is not None:
        condition = condition | (AdmissionTable.used_until == used_until)
    return condition


def is_set_as(was: Limit | None, now: Limit) -> Condition:
    """The limit is set as it was; and if its rate is to change, as much of that is used up."""
    if was is None:
        return ABSENT
    condition: Condition = (AdmissionTable.capacity == was.capacity) & (
        AdmissionTable.source == was.source
    )
    if was.rate is None:
        condition = condition & AdmissionTable.rate.does_not_exist()
        return condition
    condition = condition & (AdmissionTable.rate == rate_text(was.rate))
    if now.rate != was.rate:
        condition = condition & (AdmissionTable.used_until == was.used_until)
    return condition


def set_actions(limit: Limit, was: Limit | None) -> list[Action]:
    """What a limit is set to; what is in use stays, and of its rate if that does."""
    in_use = AdmissionTable.in_use | 0
    actions: list[Action] = [
        AdmissionTable.capacity.set(limit.capacity),
        AdmissionTable.source.set(limit.source),
        AdmissionTable.in_use.set(in_use),
        AdmissionTable.room.set(room_of(limit.capacity) - in_use),
    ]
    kind = kind_of_limit(limit.key)
    if kind is not None:
        actions.append(AdmissionTable.kind.set(kind))
    if limit.rate is not None and (was is None or was.rate != limit.rate):
        actions.append(AdmissionTable.rate.set(rate_text(limit.rate)))
        actions.append(AdmissionTable.used_until.set(limit.used_until))
    if limit.rate is None and was is not None and was.rate is not None:
        actions += [AdmissionTable.rate.remove(), AdmissionTable.used_until.remove()]
    return actions


def stands_as(standing: Standing) -> Condition:
    condition: Condition = (
        (AdmissionTable.version == standing.version)
        & (AdmissionTable.limit_key == standing.limit)
        & (AdmissionTable.rank == standing.rank)
    )
    return condition


def before(key: str) -> str:
    """The last sort key before this one: ``between`` takes both its ends."""
    return f"{key[:-1]}{chr(ord(key[-1]) - 1)}\U0010ffff"


def opening(gate: str | None) -> Action:
    action: Action = AdmissionTable.gate.remove() if gate is None else AdmissionTable.gate.set(gate)
    return action


def closing_actions() -> list[Action]:
    return [AdmissionTable.gate.set(CLOSED), AdmissionTable.closings.add(1)]


def is_gated_as(limit: Limit) -> Condition:
    """Its gate is as it was seen, and was not closed since."""
    gate, closings = AdmissionTable.gate, AdmissionTable.closings
    is_same = gate.does_not_exist() if limit.gate is None else gate == limit.gate
    is_last = closings.does_not_exist() if limit.closings == 0 else closings == limit.closings
    condition: Condition = EXISTS & is_same & is_last
    return condition


def kind_of_limit(key: str) -> str | None:
    """What puts a limit into the index of limits: those of single runs come and go, and are left out."""
    return None if key.startswith("run/") else LIMIT


def shard_of(claim_id: str) -> str:
    return str(zlib.crc32(claim_id.encode()) % SHARDS)


def take_actions(want: Want, units: int, spent: Spend | None) -> list[Action]:
    """Take units of a limit, which is created if it has no row, and time of its rate."""
    new = new_limit(want)
    actions: list[Action] = [
        AdmissionTable.capacity.set(AdmissionTable.capacity | new.capacity),
        AdmissionTable.source.set(AdmissionTable.source | new.source),
        AdmissionTable.in_use.set((AdmissionTable.in_use | 0) + units),
        AdmissionTable.room.set((AdmissionTable.room | room_of(new.capacity)) - units),
    ]
    kind = kind_of_limit(want.limit)
    if kind is not None:
        actions.append(AdmissionTable.kind.set(AdmissionTable.kind | kind))
    if spent is not None:
        actions.append(AdmissionTable.used_until.set(spent.now))
    return actions


def can_take(
    want: Want, units: int, claim: Claim, spent: Spend | None, *, gated: bool
) -> Condition:
    condition: Condition = has_room(units) & is_spent_from(spent)
    if gated:
        condition = condition & is_open_to(claim)
    if room_of(new_limit(want).capacity) >= units and want.rate is None:
        condition = ABSENT | condition
    return condition


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


def offer_of(row: AdmissionTable) -> Offer:
    # offer#<time>#<claim id>, and a claim id may have any character.
    claim_id = row.sk.split("#", 2)[2]
    return Offer(claim_id=claim_id, since=row.offered_at, until=row.offered_until)


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


def entry_of(row: AdmissionTable) -> Claim | Standing:
    """What waits in a line."""
    return waiting_of(row) if row.queue is None else standing_of(row)


def standing_of(row: AdmissionTable) -> Standing:
    return Standing(queue=row.queue, limit=row.limit_key, rank=row.rank, version=int(row.version))


def waiting_of(row: AdmissionTable) -> Claim:
    # wait#<priority>#<time>#<claim id>, and a claim id may have any character.
    return _claim(row, row.sk.split("#", 3)[3], ClaimState.WAITING)


def claim_of(row: AdmissionTable) -> Claim:
    return _claim(row, row.pk.removeprefix("claim#"), ClaimState(row.state))


def _claim(row: AdmissionTable, claim_id: str, state: ClaimState) -> Claim:
    asked = row.asked
    return Claim(
        claim_id=claim_id,
        wants=tuple(
            Want(limit=limit, units=units, capacity=capacity, rate=rate_of(rate))
            for limit, units, capacity, rate in asked["wants"]
        ),
        priority=asked["priority"],
        enqueued_at=datetime.fromisoformat(asked["enqueued_at"]),
        fair=_share_of(asked),
        place=asked["fair"][4] if "fair" in asked else None,
        goes_on=asked.get("goes_on", False),
        launch=asked["launch"],
        state=state,
        waiting_on=row.waiting_on,
        waiting_since=row.waiting_since,
        granted_at=row.granted_at,
        launched=bool(row.launched),
        handed_to=tuple(sorted(row.handed_to or ())),
        lost_to=tuple(sorted(row.lost_to or ())),
    )


def _share_of(asked: dict[str, Any]) -> Share | None:
    if "fair" not in asked:
        return None
    limit, value, weight, lead, _ = asked["fair"]
    lead = timedelta(microseconds=lead)
    return Share(limit=limit, value=value, weight=weight, lead=lead)


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


def is_turn(turn: Turn) -> Condition:
    """The turns of the value are used up to where they were seen to be."""
    if turn.was is None:
        return ABSENT
    condition: Condition = AdmissionTable.fair_until == turn.was
    return condition


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
