"""The protocol of admission: who gets which slot, exactly, with no process that watches.

Every call below is a sequence of atomic steps of ``AdmissionStore``; it may be interrupted after any of them, and called
again. What keeps it right:

* All slots of a claim are taken, and given, in one write together with its state.
* A claim that is refused writes that it waits, and *then* looks at the limit again. A claim that is released
  frees its slots, and *then* looks for someone who waits. Whichever writes second sees the other, so no
  wake-up is lost, and nobody touches the count of a limit that stays full.
* Whoever finds room and a waiter grants to the first in line; see ``pump.py``. Releases at the same moment find waiters
  of their own; see ``release.py``.
* A queue of claims that want several limits is moved to the line of another limit only while that one refuses its
  first claim, in the same write.
* The first in line of a limit that lacks room is not passed: what becomes free is kept for it by the limit's gate. A write
  that makes room in a full limit closes the gate with it, and whoever looks next opens it as far as the line allows, if
  it was not closed again meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime

from tidegate.app.admission import waiting
from tidegate.app.admission.crowds import Crowds
from tidegate.app.admission.line import Lines
from tidegate.app.admission.patience import Patience
from tidegate.app.admission.pump import Pump, held_at
from tidegate.app.admission.release import RETENTION, Release, spent_by
from tidegate.app.admission.turns import turn_for
from tidegate.domain.admission import verdict
from tidegate.domain.claim import (
    CLOSED,
    UNLIMITED,
    Claim,
    ClaimState,
    Explanation,
    Limit,
    Wait,
    Want,
    admissible,
)
from tidegate.domain.rate import Rate, used_by
from tidegate.errors import InvocationError, UnavailableError
from tidegate.ports import Alarms, Change, Clock
from tidegate.ports.admission import AdmissionStore

MOST_NAMED = 20
"""Holders a claim that would not wait is told of."""


SetTo = Callable[[Limit | None], tuple[Limit, Change | None] | None]
"""What a limit shall be set to, by how it is now (None: it has no row), and the change to record; None: leave it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What came of asking for a claim."""

    claim: Claim
    """HELD or WAITING; DONE if it was released or cancelled before, or would not wait."""
    launch: tuple[Claim, ...] = ()
    """Claims this call granted and that are to be launched: this one, or others it found first in line."""


class Admission:
    """``pause`` sleeps for so many seconds between tries of a throttled call.

    ``alarms`` wakes those who wait for the rate of a limit; without it they are granted when somebody next looks.
    """

    def __init__(
        self,
        store: AdmissionStore,
        clock: Clock,
        *,
        pause: Callable[[float], None] = time.sleep,
        alarms: Alarms | None = None,
        crowds: Crowds | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._alarms = alarms
        self._patience = Patience(pause)
        self._lines = Lines(store, self._patience, alarms)
        self._crowds = Crowds() if crowds is None else crowds

    def acquire(self, claim: Claim) -> Grant:
        """Ask for all the claim wants: granted now, or it waits in line. Asked again, it answers how the claim stands.

        Raises:
            InvocationError: the claim wants less than one unit of something.
        """
        return self._ask(claim, self._park)

    def try_acquire(self, claim: Claim, *, waits_for: Collection[str] = ()) -> Grant:
        """Ask for all the claim wants, now or never. A refused claim is DONE, and ``lost_to`` names who held the limit.

        Refused by a limit of ``waits_for``, it waits. What conflict policies are made of. Asked again, it answers the same, for as long as the claim is remembered.

        Raises:
            InvocationError: the claim wants less than one unit of something.
        """

        def otherwise(claim: Claim, on: Limit, pump: Pump) -> Grant | None:
            return (self._park if on.key in waits_for else self._refuse)(claim, on, pump)

        return self._ask(claim, otherwise)

    def release(self, claim_id: str, *, wants: Collection[Want] | None = None) -> tuple[Claim, ...]:
        """Give up all slots of a claim. Answers the claims granted thereby that are still to be launched.

        May be repeated: a claim that is done changes nothing, and answers again those it granted that are not launched.
        A claim that waits is cancelled.

        ``wants``: what the caller believes the claim holds. Then the claim is not read first, and a hand-off is one call less. A
        wrong belief, or one about a claim that waits or is done, changes nothing, and costs a write that is refused: give one
        only where it will be right. Capacities and rates of the wants do not matter.

        Raises:
            InvocationError: it is believed to hold less than one unit of something.
        """
        release = Release(
            self._store,
            self._clock,
            self._patience,
            self._lines,
            self._pump(claim_id),
            self._crowds,
        )
        return release.run(claim_id, wants or ())

    def cancel(self, claim_id: str) -> tuple[Claim, ...]:
        """End a claim whether it waits or holds. Answers as ``release`` does."""
        return self.release(claim_id)

    def launched(self, claim_id: str) -> None:
        """The claim's launch has been carried out: nobody needs to launch it again."""
        self._patience.read(self._store.launched, claim_id)

    def set_limit(self, key: str, capacity: int, *, source: str = "override") -> tuple[Claim, ...]:
        """Create or resize a limit, at once. Answers the claims granted by a raise, to be launched.

        Raises:
            InvocationError: the capacity is below -1.
        """
        if capacity < UNLIMITED:
            raise InvocationError(
                f"The capacity of {key} is {capacity}.",
                mend="Give a number from 0, or -1 for no limit.",
            )
        new = Limit(key=key, capacity=capacity)
        return self.change_limit(
            key, lambda was: (replace(was or new, capacity=capacity, source=source), None)
        )

    def set_rate(
        self, key: str, rate: Rate | None, *, source: str = "override"
    ) -> tuple[Claim, ...]:
        """Give a limit a rate beside its capacity, or take it away. Answers the claims granted thereby, to be launched."""
        new = Limit(key=key, capacity=UNLIMITED)
        return self.change_limit(
            key, lambda was: (replace(was or new, rate=rate, source=source), None)
        )

    def change_limit(self, key: str, to: SetTo) -> tuple[Claim, ...]:
        """Set capacity, source and rate of a limit in one write, if it is still set as ``to`` was told.

        Of two changes at once neither undoes the other: the second is asked again what it makes of the first. Answers the
        claims granted thereby, to be launched.
        """
        for _ in self._patience.rounds(f"Limit {key}"):
            was = self._patience.read(self._store.line, key, 0).limit
            wanted = to(was)
            if wanted is None:
                break
            now = self._from_where_it_is(was, wanted[0])
            try:
                if self._patience.write(self._store.set_limit, now, was=was, change=wanted[1]):
                    break
            except UnavailableError:
                continue
        return self.pump(key)

    def _from_where_it_is(self, was: Limit | None, now: Limit) -> Limit:
        """A new rate goes on from what was used up of the one before."""
        if was is None or was.rate is None or now.rate is None:
            return replace(now, used_until=0)
        if was.rate == now.rate:
            return now
        used_until = used_by(was.rate, was.used_until, now.rate, self._clock.now())
        return replace(now, used_until=used_until)

    def drop_limit(self, key: str) -> bool:
        """Forget a limit that nothing holds, such as one of a run that has ended. False: something holds it."""
        return self._patience.read(self._store.drop_limit, key)

    def pump(self, key: str) -> tuple[Claim, ...]:
        """Grant to those first in line while the limit has room. Answers them, to be launched."""
        pump = self._pump(None)
        pump.look_at([key])
        return pump.granted

    def claim(self, claim_id: str) -> Claim | None:
        return self._patience.read(self._store.claim, claim_id)

    def explain(self, claim_id: str) -> Explanation:
        """Which limit blocks it, who holds it, how many are ahead, and since when."""
        return waiting.explain(self._store, self._patience, claim_id)

    def limits(self) -> list[Limit]:
        """All limits but those of single runs, by key. One just created may be missing for a moment."""
        return self._patience.read(self._store.limits)

    def limit(self, key: str) -> Limit | None:
        return self._patience.read(self._store.line, key, 0).limit

    def waiting(self, key: str, limit: int = 100) -> list[Wait]:
        """Who waits in the line of a limit, first come first."""
        return waiting.in_line(self._store, self._patience, key, limit)

    def holders(self, key: str, limit: int = 20) -> list[str]:
        """Claims that hold units of a limit, some of them."""
        return self._patience.read(self._store.holders, key, limit)

    def unlaunched(self, before: datetime, limit: int = 100) -> list[Claim]:
        """Claims granted before that moment whose launch is not recorded: what the sweep launches."""
        return self._patience.read(self._store.unlaunched, before, limit)

    def _ask(self, claim: Claim, otherwise: Callable[[Claim, Limit, Pump], Grant | None]) -> Grant:
        """Grant, or do ``otherwise`` about the limit that refused, which answers None to have it asked once more."""
        claim, rated, pump = admissible(claim), dict[str, Limit](), self._pump(None)
        for _ in self._patience.rounds(f"Claim {claim.claim_id}"):
            now = self._clock.now()
            held, spend = held_at(claim, now), spent_by(claim, rated.values(), now)
            try:
                refusal = self._patience.write(self._store.admit, held, spend=spend)
                if refusal is None:
                    return Grant(claim=held, launch=(*pump.granted, held))
                if refusal.claims:
                    known = self._patience.read(self._store.claim, claim.claim_id)
                    grant = None if known is None else self._known(known)
                else:
                    pump.create(refusal, claim)
                    blocked = verdict(claim, refusal.seen, now).blocked
                    on = list(blocked.values())[-1] if blocked else None
                    grant = None if on is None else otherwise(claim, on, pump)
                    rated.update({limit.key: limit for limit in refusal.seen})
                if grant is not None:
                    return replace(grant, launch=(*pump.granted, *grant.launch))
            except UnavailableError:
                continue
        raise AssertionError  # rounds() has raised

    def _park(self, claim: Claim, on: Limit, pump: Pump) -> Grant | None:
        for _ in self._patience.rounds(f"The turns before {claim.claim_id}"):
            now = self._clock.now()
            turn = turn_for(self._store, self._patience, claim, now)
            parked = replace(
                claim,
                state=ClaimState.WAITING,
                waiting_on=on.key,
                waiting_since=now,
                place=None if turn is None else turn.place,
            )
            if self._patience.write(self._store.park, parked, turn=turn):
                return self._known(parked)
            if turn is None or self._patience.read(self._store.claim, claim.claim_id) is not None:
                return None
        raise AssertionError  # rounds() has raised

    def _refuse(self, claim: Claim, on: Limit, pump: Pump) -> Grant | None:
        if on.gate == CLOSED and on.room >= claim.units_of(on.key):
            # Whoever made the room has not looked yet who waits for it. Look, and ask again.
            pump.look_at([on.key])
            return None
        holders = self._patience.read(self._store.holders, on.key, MOST_NAMED)
        if not holders and on.in_use:
            return None  # Those it lost to have gone meanwhile.
        refused = replace(claim, state=ClaimState.DONE, waiting_on=on.key, lost_to=tuple(holders))
        expires_at = self._clock.now() + RETENTION
        is_new = self._patience.write(self._store.refuse, refused, expires_at=expires_at)
        return Grant(claim=refused) if is_new else None

    def _known(self, claim: Claim) -> Grant:
        """How a claim that is stored stands, after finishing what an interrupted call may have left."""
        pump = self._pump(claim.claim_id)
        pump.add_unlaunched(claim.handed_to)
        if claim.state is ClaimState.WAITING:
            self._settle(claim, pump)
        elif claim.state is ClaimState.HELD and not claim.launched:
            pump.add([claim])
        now = next((one for one in pump.granted if one.claim_id == claim.claim_id), claim)
        return Grant(claim=now, launch=pump.granted)

    def _settle(self, claim: Claim, pump: Pump) -> None:
        """Look at the line in which the claim waits, after it was parked: the limit may have room by now."""
        limit = self._lines.place(claim)
        if limit is not None:
            pump.look_at([limit])

    def _pump(self, by: str | None) -> Pump:
        return Pump(self._store, self._clock, self._patience, self._alarms, by=by)
