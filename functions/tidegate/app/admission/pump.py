"""Granting from the lines of limits, and all that one call of admission granted on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from tidegate.app.admission.line import PAGE, Candidate, LineChanged, LineMoved, Lines, LineTooShort
from tidegate.app.admission.patience import Patience
from tidegate.domain.admission import ready, verdict
from tidegate.domain.claim import Claim, ClaimState, Limit, Refusal, Spend, new_limit
from tidegate.errors import UnavailableError
from tidegate.ports import Alarms, Clock
from tidegate.ports.admission import AdmissionStore


class Pump:
    """Grants to those first in line while there is room, in every line it is given.

    ``by`` is the claim whose call this is: it records what is granted, so that a repeated call answers it again.
    """

    def __init__(
        self,
        store: AdmissionStore,
        clock: Clock,
        patience: Patience,
        alarms: Alarms | None,
        *,
        by: str | None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._patience = patience
        self._lines = Lines(store, patience, alarms)
        self._by = by
        self._granted: dict[str, Claim] = {}

    @property
    def granted(self) -> tuple[Claim, ...]:
        """What was granted so far, to be launched."""
        return tuple(self._granted.values())

    def add(self, claims: Iterable[Claim]) -> None:
        """Claims granted otherwise by the same call, or by one before it that was interrupted."""
        self._granted.update({claim.claim_id: claim for claim in claims})

    def add_unlaunched(self, claim_ids: Iterable[str]) -> None:
        """Those of these claims that are still to be launched: granted by a call that was interrupted."""
        ids = tuple(claim_ids)
        found = self._patience.read(self._store.claims, ids) if ids else []
        self.add(one for one in found if one.state is ClaimState.HELD and not one.launched)

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

    def turn_away(self, candidate: Candidate, by: Mapping[str, Limit], now: datetime) -> str | None:
        """The first in line was refused by these other limits: from now on its queue stands in the line of one.

        Answers that one, which has to be looked at: it may have refused because of its gate, or of its rate.
        """
        last = [*by.values()][-1]
        return last.key if self._lines.move(candidate, last, now) else None

    def create(self, refusal: Refusal, claim: Claim) -> None:
        """Create the limits that refused a claim without having a row."""
        for want in claim.wants:
            if want.limit in refusal.absent:
                self._create(new_limit(want))

    def _create(self, new: Limit) -> Limit:
        return self._patience.read(self._store.create_limit, new)

    def _look(self, key: str) -> str | None:
        """Grant from one line until its first does not fit. Answers the limit to which that one was moved, if it was.

        Raises:
            LineChanged, UnavailableError: look again.
        """
        line = self._lines.read(key)
        while True:
            limit = line.limit
            if limit is None and not line.entries and line.is_whole:
                return None
            if limit is not None and limit.room <= 0:
                return None
            try:
                first, now = self._lines.first(key, line), self._clock.now()
            except LineTooShort:
                line = self._lines.read_further(key, line)
                continue
            if limit is None:
                self._restore(key, first)
                line = self._lines.read(key, max(PAGE, line.length))
                continue
            at = None if first is None else self._fits_at(first, limit, now)
            if first is None or at != now:
                small = None if first is None else self._too_small(first.claim, key)
                if first is not None and small is not None:
                    return self._refused(first, limit, {small.key: small}, now)
                self._keep_for(first, limit)
                if at is not None:
                    self._lines.wake(limit, at)
                return None
            blocked = self._grant(first, limit, now)
            if blocked:
                return self._refused(first, limit, blocked, now)
            if limit.room <= first.claim.units_of(key):
                return None
            line = self._lines.read(key, max(PAGE, line.length))

    @staticmethod
    def _fits_at(first: Candidate, limit: Limit, now: datetime) -> datetime | None:
        """When the first in line can have what it wants of this limit: now, or when the rate lets it. None: it lacks room."""
        if first.claim.units_of(limit.key) > limit.room:
            return None
        return ready(limit, first.claim.starts_of(limit.key), now)

    def _too_small(self, claim: Claim, but: str) -> Limit | None:
        """Another limit that has not as many units in all as the claim wants: no room is kept for it meanwhile."""
        for want in claim.wants:
            if want.limit != but:
                limit = self._lines.read(want.limit, 0).limit
                if limit is not None and not limit.could_hold(want.units):
                    return limit
        return None

    def _refused(
        self, first: Candidate, limit: Limit, blocked: Mapping[str, Limit], now: datetime
    ) -> str:
        if limit.gate is not None and limit.gate < first.claim.order_key:
            # Nobody comes before it here. Left closed, this limit would refuse it in the line of the other.
            self._set_gate(limit, first.claim.order_key)
        moved_to = self.turn_away(first, blocked, now)
        if moved_to is None:
            raise LineChanged
        return moved_to

    def _grant(self, first: Candidate, limit: Limit, now: datetime) -> Mapping[str, Limit]:
        """Answers the other limits that refused it; empty when it was granted.

        Raises:
            LineChanged: it was granted or cancelled by another call, or the limit changed.
        """
        claim = first.claim
        spend = verdict(claim, [limit], now, ungated=(limit.key,)).spend
        for _ in self._patience.rounds(f"The limits of {claim.claim_id}"):
            refusal = self._write_grant(claim, limit.key, spend, now, self._by)
            if refusal is None:
                return {}
            if refusal.claims or limit.key in refusal.limits:
                raise LineChanged
            self.create(refusal, claim)
            seen = verdict(claim, refusal.seen, now)
            if seen.blocked:
                return seen.blocked
            kept = {key: one for key, one in spend.items() if key not in refusal.limits}
            spend = kept | seen.spend
        raise AssertionError  # rounds() has raised

    def _write_grant(
        self, claim: Claim, key: str, spend: Mapping[str, Spend], now: datetime, by: str | None
    ) -> Refusal | None:
        held = held_at(claim, now)
        try:
            refusal = self._patience.write(self._store.grant, held, served=key, spend=spend, by=by)
        except UnavailableError:
            known = self._patience.read(self._store.claim, held.claim_id)
            if known is not None and known.state is ClaimState.HELD and not known.launched:
                # If it was granted by another call, that one launches it too, which does no harm.
                self.add([known])
            raise
        if refusal is None:
            self.add([held])
        elif by is not None and by != held.claim_id and by in refusal.claims:
            return self._write_grant(claim, key, spend, now, None)
        return refusal

    def _keep_for(self, first: Candidate | None, limit: Limit) -> None:
        """Keep the room a limit has for the first in its line, which needs more; open it when there is none.

        Raises:
            LineChanged: it was kept for another; look again now that others know.
        """
        gate = None if first is None else first.claim.order_key
        if limit.gate != gate:
            # Also after opening it: a closed gate let a queue be moved here meanwhile, and whoever moved it may have died.
            raise LineMoved if self._set_gate(limit, gate) else LineChanged

    def _set_gate(self, limit: Limit, gate: str | None) -> bool:
        return self._patience.write(self._store.set_gate, limit, gate)

    def _restore(self, key: str, first: Candidate | None) -> None:
        """A limit that was dropped while somebody came to wait for it."""
        for want in () if first is None else first.claim.wants:
            if want.limit == key:
                self._create(new_limit(want))
                return
        raise LineChanged


def held_at(claim: Claim, now: datetime) -> Claim:
    return replace(claim, state=ClaimState.HELD, granted_at=now)
