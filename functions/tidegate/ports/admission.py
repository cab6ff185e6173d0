"""The port of admission; what ``ports/__init__.py`` says of ports holds for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from tidegate.domain.claim import (
    NOTHING,
    Claim,
    Limit,
    Line,
    Offer,
    Queue,
    Refusal,
    Spend,
    Standing,
)
from tidegate.domain.fairness import Pace, Turn
from tidegate.ports.records import Change


class AdmissionStore(Protocol):
    """Table ``admission``: limits, holds, waits and claims. See ``app/admission/engine.py`` for the protocol they serve.

    All reads are strongly consistent but ``limits`` and ``unlaunched``. A write that answers a ``Refusal`` wrote nothing.
    """

    def claim(self, claim_id: str) -> Claim | None: ...

    def claims(self, claim_ids: Sequence[str]) -> list[Claim]:
        """Those that exist, in no order."""

    def line(self, key: str, count: int) -> Line:
        """A limit, what is offered of it and who waits in its line, ``count`` of both at most, as of one moment."""

    def offer(self, key: str, offer: Offer, *, believed: Claim | None = None) -> bool:
        """Write that a slot of the limit is offered, or until when it is. The row expires by itself a day later.

        ``believed``: what its claim is believed to hold, as for ``release``. False: it does not, and nothing was written.
        """

    def retract(self, key: str, offer: Offer) -> None:
        """Forget an offer."""

    def queue(self, queue: str, count: int) -> Queue:
        """Where a queue of several limits stands, and its first ``count`` claims, as of one moment."""

    def admit(self, claim: Claim, *, spend: Mapping[str, Spend] = NOTHING) -> Refusal | None:
        """Write a new claim as HELD with all its units; limits without a row are created.

        A limit lets it in if it has room, and no gate before the claim's order key; one with a rate, only by a
        ``spend`` that starts from where it is.
        """

    def park(self, claim: Claim, *, turn: Turn | None = None) -> bool:
        """Write a new claim as WAITING, in its queue. False: the claim exists.

        With a ``turn`` its value's turns are used up further, by the same write; False also if they are not as it was.
        """

    def pace(self, claim: Claim) -> Pace:
        """What is remembered of the fairness that governs the claim: of the line, and of its value."""

    def reached(self, claim: Claim, place: int) -> None:
        """Remember how far the line of the claim's fairness has come; nothing changes if it was further."""

    def entries(self, key: str, start: str, count: int) -> list[Claim | Standing]:
        """The first ``count`` entries, from an order key on, of a limit's line or of a queue."""

    def refuse(self, claim: Claim, *, expires_at: datetime) -> bool:
        """Write a new claim as DONE: it would not wait. False: the claim exists."""

    def grant(
        self,
        claim: Claim,
        *,
        served: str,
        spend: Mapping[str, Spend] = NOTHING,
        by: str | None = None,
    ) -> Refusal | None:
        """WAITING -> HELD, out of its queue, with all its units. ``claim`` is as it shall be.

        It is the first in line of ``served``, whose gate does not apply to it. ``by`` is the claim whose call
        this is; it records the grant.
        """

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
        """HELD -> DONE; its units are free, or, in the same moment, those of the waiting claim ``to``.

        The count of a limit of which both want the same is not touched, nor its rate if nothing is spent of it. Limits of ``closing`` whose count changes are
        closed by their gate; another that gets room must have had some, so that nobody waits for it. What ``to`` wants beyond what ``claim`` gives is granted as ``grant`` does.
        ``offer``, of the claim's one limit, is forgotten. ``believed``: the claim has not been read. It is refused unless it holds
        these units of these limits and no others, and no call about it has granted another. An older row, of which that cannot be
        said, is refused too.
        """

    def withdraw(self, claim: Claim, *, expires_at: datetime) -> bool:
        """WAITING -> DONE, out of its queue, and its turn is its value's again. False: it does not wait."""

    def launched(self, claim_id: str) -> None:
        """Record that the claim has been launched."""

    def stand(
        self,
        was: Standing | None,
        now: Standing | None,
        *,
        refused: Claim | None = None,
        used_until: int | None = None,
    ) -> bool:
        """Put a queue in a line, move it, or take it away (``now`` None). False: it does not stand as in ``was`` any more.

        With ``refused``, only if the limit where it shall stand would refuse that claim at this moment; also if its
        rate is where it was seen to refuse it, at ``used_until``.
        """

    def create_limit(self, new: Limit) -> Limit:
        """Create the limit unless it is there; answers it as it is then."""

    def set_limit(self, now: Limit, *, was: Limit | None, change: Change | None = None) -> bool:
        """Give the limit the capacity, source and rate of ``now``, and close its gate, if they are still those of ``was``.

        ``was`` None: it has no row. A rate that changes is used up as ``now`` says, and only if it still was as in ``was``.
        ``change`` is written to the audit in the same moment, as done. False: the limit was set otherwise
        meanwhile, or the change is in the audit already.
        """

    def set_gate(self, was: Limit, now: str | None) -> bool:
        """Change the gate of a limit. False: it is not as in ``was`` any more, or was closed again since."""

    def drop_limit(self, key: str) -> bool:
        """Forget a limit. False: something holds it."""

    def limits(self) -> list[Limit]:
        """All limits but those of single runs (``run/...``), by key. One read per 100 limits, by an index of their keys."""

    def holders(self, key: str, count: int) -> list[str]:
        """Claims that hold units of a limit, at most ``count``."""

    def ahead(self, key: str, order_key: str, at_most: int) -> int:
        """How many entries of a limit's line, or claims of a queue, come before the key; counted up to ``at_most``."""

    def unlaunched(self, before: datetime, count: int) -> list[Claim]:
        """HELD claims granted before that moment and not launched, from a sparse index."""
