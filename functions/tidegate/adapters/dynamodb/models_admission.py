"""Table ``admission``: limits, holds, waits and claims.

    pk                 sk                              row
    limit#<key>        fair#<class>                    how far the line has come, by fairness
    limit#<key>        fair#<class>#<value>            until when the turns of a value are used up
    limit#<key>        hold#<claim>                    units of the limit that a claim holds
    limit#<key>        limit                           capacity, what is in use, room, gate
    limit#<key>        offer#<time>#<claim>            a slot whose release is looking for who gets it
    limit#<key>        wait#<order key>                a claim that wants this limit only, and waits for it
    limit#<key>        wait#<rank>#<queue>             a queue of claims that want several limits stands here
    queue#<queue>      standing                        in which line that queue stands
    queue#<queue>      wait#<order key>                a claim of that queue
    claim#<claim>      claim                           its state

The sort keys are chosen so that one query from ``limit`` (or ``standing``) on reads the row and the first who wait, and
none of the holds, however many there are.
"""

from __future__ import annotations

from typing import ClassVar

from pynamodb.attributes import (
    BooleanAttribute,
    NumberAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from tidegate.adapters.dynamodb.moment import MomentAttribute
from tidegate.adapters.dynamodb.packed import PackedAttribute
from tidegate.adapters.dynamodb.table import ControlTable


class ByKind(GlobalSecondaryIndex["AdmissionTable"]):  # type: ignore[no-untyped-call]
    """The limits, but for those of single runs. An entry is written when its limit is created, and never after."""

    class Meta:
        index_name = "by_kind"
        projection = KeysOnlyProjection()

    kind = UnicodeAttribute(hash_key=True)
    pk = UnicodeAttribute(range_key=True)


class Unlaunched(GlobalSecondaryIndex["AdmissionTable"]):  # type: ignore[no-untyped-call]
    """Claims between grant and launch, by time. Normally a claim is here for some milliseconds.

    Spread over ``SHARDS`` partitions: an index partition that is too hot would throttle the table.
    """

    class Meta:
        index_name = "unlaunched"
        projection = KeysOnlyProjection()

    unlaunched = UnicodeAttribute(hash_key=True)
    granted_at = MomentAttribute(range_key=True)


SHARDS = 4


class AdmissionTable(ControlTable):
    """All kinds of row: one query reads several kinds, so they are one model."""

    class Meta:
        table_name = "tidegate-admission"
        billing_mode = "PAY_PER_REQUEST"

    name: ClassVar[str] = "admission"
    ttl_attribute: ClassVar[str | None] = "expires_at"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)

    # A limit.
    kind = UnicodeAttribute(null=True)
    capacity = NumberAttribute(null=True)
    in_use = NumberAttribute(null=True)
    room = NumberAttribute(null=True)
    """Capacity less what is in use, stored because a condition cannot subtract."""
    source = UnicodeAttribute(null=True)
    gate = UnicodeAttribute(null=True)
    closings = NumberAttribute(null=True)
    rate = UnicodeAttribute(null=True)
    """Starts, microseconds, burst."""
    used_until = NumberAttribute(null=True)
    """There exactly while there is a rate."""

    # Fairness.
    fair_until = NumberAttribute(null=True)
    """Nanoseconds since 1970."""

    # A hold.
    units = NumberAttribute(null=True)

    # An offer.
    offered_at = MomentAttribute(null=True)
    offered_until = MomentAttribute(null=True)

    # A claim, and in the same form a claim that waits.
    state = UnicodeAttribute(null=True)
    asked = PackedAttribute(null=True)
    """What never changes: wants, priority, when it was enqueued, what to launch."""
    waiting_on = UnicodeAttribute(null=True)
    waiting_since = MomentAttribute(null=True)
    granted_at = MomentAttribute(null=True)
    unlaunched = UnicodeAttribute(null=True)
    launched = BooleanAttribute(null=True)
    handed_to = UnicodeSetAttribute(null=True)
    lost_to = UnicodeSetAttribute(null=True)
    expires_at = TTLAttribute(null=True)

    # Where a queue stands.
    queue = UnicodeAttribute(null=True)
    """Of a claim: the one of all who want what it wants, so that a write can be conditional on that. Older rows lack it."""
    limit_key = UnicodeAttribute(null=True)
    rank = UnicodeAttribute(null=True)
    version = NumberAttribute(null=True)

    by_kind = ByKind()
    by_launch = Unlaunched()
