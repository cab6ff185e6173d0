"""Granting from the lines of limits, and all that one call of admission granted on the way."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

from tidegate.app.line import Candidate, LineChanged, LineMoved, Lines
from tidegate.app.patience import Patience
from tidegate.domain.claim import Claim, ClaimState, Limit, Refusal, new_limit
from tidegate.errors import UnavailableError
from tidegate.ports import AdmissionStore, Clock


class Pump:
    """Grants to those first in line while there is room, in every line it is given.

    ``by`` is the claim whose call this is: it records what is granted, so that a repeated call answers it again.
    """

    def __init__(
        self, store: AdmissionStore, clock: Clock, patience: Patience, *, by: str | None
    ) -> None:
        self._store = store
        self._clock = clock
        self._patience = patience
        self._lines = Lines(store, patience)
        self._by = by
        self._granted: dict[str, Claim] = {}

    @property
    def granted(self) -> tuple[Claim, ...]:
        """What was granted so far, to be launched."""
        return tuple(self._granted.values())

    def add(self, claims: Iterable[Claim]) -> None:
        """Claims granted otherwise by the same call, or by one before it that was interrupted."""
        self._granted.update({claim.claim_id: claim for claim in claims})

    def look_at(self, keys: Iterable[str]) -> None:
        """Grant what can be granted in the lines of these limits, and of those to which a queue moves meanwhile."""
        todo = list(reversed(list(keys)))
        disturbed = self._patience.rounds(f"The lines of {', '.join(reversed(todo))}")
        while todo:
            key = todo.pop()
            try:
                moved_to = self._look(key)
                if moved_to:
                    todo += [key, moved_to]
            except LineMoved:
                todo.append(key)
            except (LineChanged, UnavailableError):
                todo.append(key)
                next(disturbed)

    def turn_away(
        self, candidate: Candidate, refusal: Refusal, served: Collection[str]
    ) -> str | None:
        """The first in line was refused by other limits: from now on its queue stands in the line of one.

        Answers that one, which has to be looked at: it may have refused because of its gate, not for lack of room.
        """
        self.create(refusal, candidate.claim)
        others = [key for key in refusal.limits if key not in served]
        if others and self._lines.move(candidate, others[-1]):
            return others[-1]
        return None

    def create(self, refusal: Refusal, claim: Claim) -> None:
        """Create the limits that refused a claim without having a row."""
        for want in claim.wants:
            if want.limit in refusal.absent:
                new = new_limit(want)
                self._patience.read(
                    self._store.set_limit, new.key, new.capacity, source=new.source, only_new=True
                )

    def _look(self, key: str) -> str | None:
        """Grant from one line until its first does not fit. Answers the limit to which that one was moved, if it was.

        Raises:
            LineChanged, UnavailableError: look again.
        """
        while True:
            line = self._lines.read(key)
            limit = line.limit
            if limit is None:
                if not line.entries:
                    return None
                limit = self._restore(key, self._lines.first(key, line))
            if limit.room <= 0:
                return None
            first = self._lines.first(key, line)
            if first is None or first.claim.units_of(key) > limit.room:
                self._keep_for(first, limit)
                return None
            refusal = self._grant(first, key, self._by)
            if refusal is not None:
                return self._refused(first, refusal, limit)
            if limit.room <= first.claim.units_of(key):
                return None

    def _refused(self, first: Candidate, refusal: Refusal, limit: Limit) -> str | None:
        if not refusal.claims:
            if limit.gate is not None and limit.gate < first.claim.order_key:
                # Nobody comes before it here. Left closed, this limit would refuse it in the line of the other.
                self._set_gate(limit, first.claim.order_key)
            moved_to = self.turn_away(first, refusal, (limit.key,))
            if moved_to is not None:
                return moved_to
        raise LineChanged

    def _grant(self, first: Candidate, key: str, by: str | None) -> Refusal | None:
        held = held_at(first.claim, self._clock.now())
        try:
            refusal = self._patience.write(self._store.grant, held, served=key, by=by)
        except UnavailableError:
            known = self._patience.read(self._store.claim, held.claim_id)
            if known is not None and known.state is ClaimState.HELD and not known.launched:
                # If it was granted by another call, that one launches it too, which does no harm.
                self.add([known])
            raise
        if refusal is None:
            self.add([held])
        elif by is not None and by != held.claim_id and by in refusal.claims:
            return self._grant(first, key, None)
        return refusal

    def _keep_for(self, first: Candidate | None, limit: Limit) -> None:
        """Keep the room a limit has for the first in its line, which needs more; open it when there is none.

        Raises:
            LineChanged: it was kept for another; look again now that others know.
        """
        gate = None if first is None else first.claim.order_key
        if limit.gate != gate:
            raise LineMoved if self._set_gate(limit, gate) else LineChanged

    def _set_gate(self, limit: Limit, gate: str | None) -> bool:
        return self._patience.write(self._store.set_gate, limit.key, limit.gate, gate)

    def _restore(self, key: str, first: Candidate | None) -> Limit:
        """A limit that was dropped while somebody came to wait for it."""
        for want in () if first is None else first.claim.wants:
            if want.limit == key:
                new = new_limit(want)
                return self._patience.read(
                    self._store.set_limit, key, new.capacity, source=new.source, only_new=True
                )
        raise LineChanged


def held_at(claim: Claim, now: datetime) -> Claim:
    return replace(claim, state=ClaimState.HELD, granted_at=now)
