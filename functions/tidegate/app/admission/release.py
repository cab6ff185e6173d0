"""Releasing a claim: its slots are handed to the first who can have them, in one write, or freed.

Releases at the same moment see the same first in line, and one of them gets it. One that was outrun turns to the next; outrun
again, it *offers* its slot: it writes so beside the line, where whoever reads the line sees it in the same read. As many as
are offered leave as many of the first in line to each other, in the order of their offers, so that each has a waiter
of its own. An offer whose release died is heeded for two seconds; whoever repeats that release finds the next. Where others were
offering a moment ago, a release offers before it looks; see ``crowds.py``.

Who ends a step mostly knows what its claim holds. That belief stands in for the first read, and each write is conditional on
it: refused, the claim is read after all. An offer is no exception, since there may be nothing to give.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from tidegate.app.admission.crowds import CROWD, Crowds
from tidegate.app.admission.line import (
    PAGE,
    Candidate,
    LineChanged,
    LineMoved,
    Lines,
    LineTooShort,
)
from tidegate.app.admission.patience import Patience
from tidegate.app.admission.pump import Pump, held_at
from tidegate.domain.admission import ready, spend_of, verdict
from tidegate.domain.claim import (
    Claim,
    ClaimState,
    Limit,
    Line,
    Offer,
    Refusal,
    Spend,
    Want,
    admissible,
)
from tidegate.errors import ConflictError, UnavailableError
from tidegate.ports import Clock
from tidegate.ports.admission import AdmissionStore

RETENTION = timedelta(days=14)
"""How long a claim that is done is remembered, so that a late or repeated call about it changes nothing."""
FRESH = timedelta(seconds=2)
"""How long an offer is heeded unless it is renewed. A release takes some tens of milliseconds; clocks differ by less."""


class Release:
    """One call of ``Admission.release``. ``pump`` grants, for this claim, what else there is room for."""

    def __init__(
        self,
        store: AdmissionStore,
        clock: Clock,
        patience: Patience,
        lines: Lines,
        pump: Pump,
        crowds: Crowds,
    ) -> None:
        self._store = store
        self._clock = clock
        self._patience = patience
        self._lines = lines
        self._pump = pump
        self._offer: Offer | None = None
        self._crowds = crowds
        self._is_believed = False
        """What is known of the claim is what the caller believes."""

    def run(self, claim_id: str, wants: Collection[Want] = ()) -> tuple[Claim, ...]:
        """Answers the claims granted thereby that are still to be launched. ``wants``: what it is believed to hold."""
        disturbed = self._patience.rounds(f"Claim {claim_id}")
        self._is_believed = bool(wants)
        claim = self._believed(claim_id, wants) if wants else self._known(claim_id)
        while claim is not None and not self._is_over(claim, disturbed):
            self._is_believed = False
            claim = self._known(claim_id)
        # On a wrong belief the claim itself may have been granted on the way, and then released.
        return tuple(one for one in self._pump.granted if one.claim_id != claim_id)

    def _known(self, claim_id: str) -> Claim | None:
        return self._patience.read(self._store.claim, claim_id)

    def _believed(self, claim_id: str, wants: Collection[Want]) -> Claim:
        return admissible(
            Claim(
                claim_id=claim_id,
                wants=tuple(wants),
                enqueued_at=self._clock.now(),
                state=ClaimState.HELD,
            )
        )

    def _is_over(self, claim: Claim, disturbed: Iterator[None]) -> bool:
        try:
            if self._end(claim):
                return True
        except LineMoved as moved:
            self._pump.look_at([moved.to] if moved.to else [])
            return False
        except (UnavailableError, LineChanged):
            pass
        next(disturbed)
        return False

    def _end(self, claim: Claim) -> bool:
        """Release a claim that holds, cancel one that waits. False: something changed meanwhile, read it again."""
        if claim.state is ClaimState.HELD:
            # A call about it that died may have granted others before it let go.
            self._pump.add_unlaunched(claim.handed_to)
            return self._let_go(claim)
        if claim.state is ClaimState.WAITING:
            expires_at = self._clock.now() + RETENTION
            if not self._patience.write(self._store.withdraw, claim, expires_at=expires_at):
                return False
        if self._offer is not None:
            # Another call about this claim may have let go before it knew of the offer.
            self._patience.read(self._store.retract, claim.wants[0].limit, self._offer)
        # It waits no longer, or a call about it was interrupted: look once more at all its lines.
        self._pump.look_at(want.limit for want in claim.wants)
        self._pump.add_unlaunched(claim.handed_to)
        return True

    def _let_go(self, claim: Claim) -> bool:
        """Hand the slots of a claim on, or free them. False: something changed meanwhile, read it again."""
        if self._is_crowded(claim):
            self._offer_slot(claim)
        lines = self._read(claim)
        if self._is_crowded(claim) and lines[claim.wants[0].limit].is_just_full:
            self._offer_slot(claim)
            lines = self._read(claim)
        gone: set[str] = set()
        outrun = 0
        for _ in self._patience.rounds(f"The first in line for what {claim.claim_id} holds"):
            now = self._clock.now()
            try:
                candidate = self._lines.heir(claim, lines, gone, now)
            except LineTooShort as short:
                lines |= {key: self._lines.read_further(key, lines[key]) for key in short.keys}
                continue
            if candidate is not None and candidate.claim.claim_id == claim.claim_id:
                return False  # It waits itself: it was believed to hold.
            try:
                refusal = self._hand_on(claim, candidate, lines, now)
            except ConflictError:
                if candidate is None:
                    raise
                # Another call is at the same waiter, and it is not known which of them gets it.
                refusal = Refusal()
                outrun += 1
            else:
                if refusal is None:
                    return True
                if candidate is None or refusal.claims != (candidate.claim.claim_id,):
                    return False
                outrun += 1
                if outrun == 1:
                    gone.update(refusal.claims)
                    continue
            lines, gone = self._give_way(claim, lines, outrun), set()
        raise AssertionError  # rounds() has raised

    def _hand_on(
        self, claim: Claim, candidate: Candidate | None, lines: dict[str, Line], now: datetime
    ) -> Refusal | None:
        """Write it. A refusal is answered as it is, but for limits the claim does not hold, if they can be had all the same.

        Raises:
            ConflictError: another call is at the same waiter.
        """
        to = None if candidate is None else held_at(candidate.claim, now)
        elsewhere: dict[str, Limit] = {}
        while True:
            write = self._patience.write if to is None else self._patience.push
            refusal = write(
                self._store.release,
                claim,
                to=to,
                spend=spent_by(to, [*_limits(lines), *elsewhere.values()], now),
                closing={key for key, line in lines.items() if _may_be_awaited(line)},
                expires_at=now + RETENTION,
                offer=self._offer,
                believed=self._is_believed,
            )
            if refusal is None:
                self._pump.add([] if to is None else [to])
                self._pump.look_at(_to_look_at(claim, to, lines))
                return None
            is_here = refusal.claims or any(key in lines for key in refusal.limits)
            if candidate is None or is_here:
                return refusal
            self._pump.create(refusal, candidate.claim)
            blocked = verdict(candidate.claim, refusal.seen, now).blocked
            if blocked:
                moved_to = self._pump.turn_away(candidate, blocked, now)
                self._pump.look_at([moved_to] if moved_to else [])
                return refusal
            elsewhere.update({limit.key: limit for limit in refusal.seen})

    def _is_crowded(self, claim: Claim) -> bool:
        """Several slots are offered already, or were a moment ago: it would be outrun."""
        if self._offer is not None or not claim.wants or claim.wants_several:
            return False
        return self._crowds.at(claim.wants[0].limit, self._clock.now()) >= CROWD

    def _give_way(self, claim: Claim, lines: dict[str, Line], outrun: int) -> dict[str, Line]:
        """Keep out of the way of the others: offer the slot, or let some time pass. Answers the lines as they are then."""
        if self._offer is None and not claim.wants_several:
            if lines[claim.wants[0].limit].is_just_full:
                self._offer_slot(claim)
                return self._read(claim)
        elif self._offer is not None and self._offer.until < self._clock.now() + FRESH / 2:
            self._offer_slot(claim)
        self._patience.give_way(outrun)
        return self._read(claim)

    def _offer_slot(self, claim: Claim) -> None:
        """Offer the slot, or say that it is still offered.

        Raises:
            LineChanged: there is no such slot; it was believed to be there.
        """
        key, now = claim.wants[0].limit, self._clock.now()
        new = Offer(claim_id=claim.claim_id, since=now, until=now + FRESH)
        self._offer = new if self._offer is None else replace(self._offer, until=new.until)
        believed = claim if self._is_believed else None
        if not self._patience.read(self._store.offer, key, self._offer, believed=believed):
            # It may have been written all the same, by a try before this one whose answer was lost.
            self._patience.read(self._store.retract, key, self._offer)
            self._offer = None
            raise LineChanged
        self._is_believed = False

    def _read(self, claim: Claim) -> dict[str, Line]:
        now, lines = self._clock.now(), dict[str, Line]()
        for key in (want.limit for want in claim.wants):
            # All offers, and as many of the first who wait as are left to others, with some to spare.
            line = self._lines.read(key, max(PAGE, 2 * self._crowds.at(key, now) + 4))
            self._crowds.note(key, line.offered_by_others(claim, now), now)
            # What a call about this claim that died had offered.
            mine = [one for one in line.offers if one.claim_id == claim.claim_id]
            self._offer = self._offer or next(iter(mine), None)
            lines[key] = line
        return lines


def spent_by(to: Claim | None, limits: Iterable[Limit], now: datetime) -> dict[str, Spend]:
    """What a claim takes of the rates of these limits, as they were seen; one that lets it not start yet refuses it."""
    return {
        limit.key: spend_of(limit, limit.rate, to.starts_of(limit.key), now)
        for limit in limits
        if to is not None and limit.rate is not None and to.units_of(limit.key)
        if ready(limit, to.starts_of(limit.key), now) <= now
    }


def _limits(lines: dict[str, Line]) -> list[Limit]:
    return [line.limit for line in lines.values() if line.limit is not None]


def _may_be_awaited(line: Line) -> bool:
    """Somebody waits for the limit, or has had reason to since the line was read."""
    return line.limit is None or line.limit.room <= 0 or bool(line.entries) or not line.is_whole


def _to_look_at(claim: Claim, to: Claim | None, lines: dict[str, Line]) -> list[str]:
    """Limits of a released claim that may have room for someone now.

    More is free; or there was room, kept for the first in line, who has now left it.
    """
    keys = []
    for want in claim.wants:
        line, taken = lines[want.limit], 0 if to is None else to.units_of(want.limit)
        had_room = line.limit is None or line.limit.room + want.units > taken
        may_wait = line.entries or not line.is_whole
        if taken < want.units or (had_room and may_wait):
            keys.append(want.limit)
    return keys
