"""Conditions on rows of table ``admission``, and the actions that go with them."""

from __future__ import annotations

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from tidegate.adapters.dynamodb.admission_rows import kind_of_limit, rate_text
from tidegate.adapters.dynamodb.models_admission import AdmissionTable
from tidegate.domain.claim import (
    CLOSED,
    Claim,
    ClaimState,
    Limit,
    Spend,
    Standing,
    Want,
    new_limit,
    room_of,
)
from tidegate.domain.fairness import Turn

ABSENT: Condition = AdmissionTable.pk.does_not_exist()
EXISTS: Condition = AdmissionTable.pk.exists()
WAITS: Condition = AdmissionTable.state == ClaimState.WAITING
HOLDS: Condition = AdmissionTable.state == ClaimState.HELD


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


def is_turn(turn: Turn) -> Condition:
    """The turns of the value are used up to where they were seen to be."""
    if turn.was is None:
        return ABSENT
    condition: Condition = AdmissionTable.fair_until == turn.was
    return condition


def holds_as(believed: Claim) -> Condition:
    """It holds what it is believed to, and no call about it has granted another."""
    condition: Condition = (
        HOLDS & (AdmissionTable.queue == believed.queue) & AdmissionTable.handed_to.does_not_exist()
    )
    return condition
