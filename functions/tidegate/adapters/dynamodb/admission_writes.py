"""Parts of the transactions on table ``admission`` that several of them share."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from datetime import datetime
from functools import reduce
from operator import and_

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from tidegate.adapters.dynamodb.admission_conditions import (
    WAITS,
    can_take,
    closing_actions,
    has_room,
    is_spent_from,
    take_actions,
)
from tidegate.adapters.dynamodb.admission_rows import (
    CLAIM,
    LIMIT,
    claim_pk,
    limit_of,
    limit_pk,
    shard_of,
    wait_place,
)
from tidegate.adapters.dynamodb.models_admission import AdmissionTable
from tidegate.adapters.dynamodb.transaction import Transaction
from tidegate.domain.claim import Claim, ClaimState, Refusal, Spend, Want


def leave_queue(transaction: Transaction, claim: Claim) -> None:
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


def take(
    transaction: Transaction, want: Want, claim: Claim, spent: Spend | None, *, gated: bool = True
) -> None:
    transaction.update(
        AdmissionTable(limit_pk(want.limit), LIMIT),
        take_actions(want, want.units, spent),
        name=("limit", want.limit),
        condition=can_take(want, want.units, claim, spent, gated=gated),
    )


def settle_counts(
    transaction: Transaction,
    claim: Claim,
    to: Claim | None,
    spend: Mapping[str, Spend],
    closing: Collection[str],
) -> None:
    """Change the counts of the limits of which the two do not want the same, and the rates of what is granted."""
    for want in claim.wants:
        more = (0 if to is None else to.units_of(want.limit)) - want.units
        spent = spend.get(want.limit)
        if more == 0 and spent is None:
            continue
        actions: list[Action] = [AdmissionTable.in_use.add(more), AdmissionTable.room.add(-more)]
        conditions: list[Condition] = []
        if want.limit in closing:
            actions += closing_actions()
        if more > 0 or (more < 0 and want.limit not in closing):
            conditions.append(has_room(max(more, 1)))
        if spent is not None:
            actions.append(AdmissionTable.used_until.set(spent.now))
            conditions.append(is_spent_from(spent))
        transaction.update(
            AdmissionTable(limit_pk(want.limit), LIMIT),
            actions,
            name=("limit", want.limit),
            condition=reduce(and_, conditions) if conditions else None,
        )
    for want in () if to is None else to.wants:
        if to is not None and not claim.units_of(want.limit):
            take(transaction, want, to, spend.get(want.limit))


def done_actions(expires_at: datetime) -> list[Action]:
    return [
        AdmissionTable.state.set(ClaimState.DONE.value),
        AdmissionTable.unlaunched.remove(),
        AdmissionTable.expires_at.set(expires_at),
    ]


def refusal_of(transaction: Transaction) -> Refusal | None:
    refused = transaction.commit()
    if not refused:
        return None
    rows = {key: refused["limit", key] for key in _named("limit", refused)}
    return Refusal(
        claims=_named("claim", refused),
        limits=tuple(rows),
        absent=tuple(key for key, row in rows.items() if not row),
        seen=tuple(limit_of(AdmissionTable.from_raw_data(row)) for row in rows.values() if row),
    )


def _named(kind: str, refused: Mapping[Hashable, object]) -> tuple[str, ...]:
    return tuple(name[1] for name in refused if isinstance(name, tuple) and name[0] == kind)
