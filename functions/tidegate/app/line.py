"""Who comes next: the lines of limits, in exact order, with the queues that stand in them.

A queue of claims that want several limits stands in the line of one limit as a single entry. The entry's rank may lag behind
the queue's first claim (it is put right when another entry overtakes it) but never lies after it for
longer than the call that parked that claim.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NoReturn

from tidegate.app.patience import Patience
from tidegate.domain.claim import LAST, Claim, Line, Standing, rank_of
from tidegate.errors import UnavailableError
from tidegate.ports import AdmissionStore

PAGE = 5
"""Entries of a line read at once: the first, and those to turn to when others were faster."""


class LineChanged(Exception):
    """What was read of a line is no longer so, or not enough of it was read: read it again."""


class LineMoved(LineChanged):
    """It is this call that changed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A claim whose turn it is, and where its queue stands if that is one of several limits."""

    claim: Claim
    standing: Standing | None = None


class Lines:
    def __init__(self, store: AdmissionStore, patience: Patience) -> None:
        self._store = store
        self._patience = patience

    def read(self, key: str) -> Line:
        return self._patience.read(self._store.line, key, PAGE)

    def first(self, key: str, line: Line) -> Candidate | None:
        """Raises:
        LineChanged: read the line again.
        """
        for _, candidate in self._in_order({key: line}):
            return candidate
        if not line.is_whole:
            raise LineChanged
        return None

    def heir(self, claim: Claim, lines: Mapping[str, Line], gone: set[str]) -> Candidate | None:
        """The first in the lines of the claim's limits who can have what it gives up.

        A claim that lacks room in its own line is not passed there. A queue whose first claim lacks room
        at another of the claim's limits is moved to that one's line, and does not delay who comes after it.

        Raises:
            LineChanged: read the lines again; a queue has moved, or another call was at it.
        """
        spare = {
            key: line.limit.room + claim.units_of(key) for key, line in lines.items() if line.limit
        }
        closed: set[str] = set()
        for key, candidate in self._in_order(lines):
            if key in closed or candidate.claim.claim_id in gone:
                continue
            short = [
                want.limit
                for want in candidate.claim.wants
                if want.limit in closed or spare.get(want.limit, want.units) < want.units
            ]
            if not short:
                return candidate
            if key in short:
                closed.add(key)
            else:
                raise LineMoved if self.move(candidate, short[-1]) else LineChanged
        if any(not line.is_whole and key not in closed for key, line in lines.items()):
            raise LineChanged
        return None

    def move(self, candidate: Candidate, to: str) -> bool:
        """Move the candidate's queue to the line of a limit that refuses it. False: it does not, or the queue has moved."""
        was = candidate.standing
        if was is None:
            return False
        # The rank stays: who has parked since the queue was read relies on it, and may be before this candidate.
        rank = min(was.rank, candidate.claim.order_key)
        now = replace(was, limit=to, rank=rank, version=was.version + 1)
        return self.stand(was, now, refused=candidate.claim)

    def place(self, claim: Claim) -> str | None:
        """See to it that the queue of a claim that was just parked stands in a line, at the rank of its first claim.

        Answers the limit in whose line it stands, which the caller has yet to look at; None: the queue is empty.
        """
        if not claim.wants_several:
            return claim.queue
        for _ in self._patience.rounds(f"Queue {claim.queue}"):
            queue = self._patience.read(self._store.queue, claim.queue, 1)
            if not queue.claims:
                return None
            head, was = queue.claims[0], queue.standing
            if was is None:
                limit = head.waiting_on or head.wants[-1].limit
                now = Standing(queue=claim.queue, limit=limit, rank=head.order_key)
            elif head.order_key < was.rank:
                now = replace(was, rank=head.order_key, version=was.version + 1)
            else:
                return was.limit
            if self.stand(was, now):
                return now.limit
        raise AssertionError  # rounds() has raised

    def stand(
        self, was: Standing | None, now: Standing | None, *, refused: Claim | None = None
    ) -> bool:
        try:
            return self._patience.write(self._store.stand, was, now, refused=refused)
        except UnavailableError:
            return False  # the caller reads again, and finds what came of it

    def _in_order(self, lines: Mapping[str, Line]) -> Iterator[tuple[str, Candidate]]:
        """Who waits in these lines, first come first, as far as the lines were read."""
        entries = sorted(
            (rank_of(entry), key, place)
            for key, line in lines.items()
            for place, entry in enumerate(line.entries)
        )
        for number, (rank, key, place) in enumerate(entries):
            entry = lines[key].entries[place]
            if isinstance(entry, Claim):
                yield key, Candidate(claim=entry)
                continue
            candidate = self._candidate(entry)
            if candidate is not None:
                order = candidate.claim.order_key
                following = [one[0] for one in entries[number + 1 : number + 2]]
                if not lines[key].is_whole:
                    following.append(rank_of(lines[key].entries[-1]))
                if order < rank or any(one < order for one in following):
                    self._put_right(candidate)
                yield key, candidate

    def _candidate(self, entry: Standing) -> Candidate | None:
        queue = self._patience.read(self._store.queue, entry.queue, 1)
        if queue.standing != entry:
            raise LineChanged
        if queue.claims:
            return Candidate(claim=queue.claims[0], standing=entry)
        self._take_away(entry)
        return None

    def _put_right(self, candidate: Candidate) -> NoReturn:
        """Give a queue the rank of its first claim. A claim that parked meanwhile may be before it: so look again."""
        was = candidate.standing
        assert was is not None
        now = replace(was, rank=candidate.claim.order_key, version=was.version + 1)
        raise LineMoved if self.stand(was, now) else LineChanged

    def _take_away(self, entry: Standing) -> None:
        """An empty queue leaves the line, in two writes.

        The first puts it last. From then on every claim that parks in it writes its rank, so the second, which
        takes it away, cannot miss one: it fails if there was such a write.
        """
        if entry.rank != LAST:
            last = replace(entry, rank=LAST, version=entry.version + 1)
            if not self.stand(entry, last):
                raise LineChanged
            queue = self._patience.read(self._store.queue, entry.queue, 1)
            if queue.claims or queue.standing != last:
                if queue.claims:
                    self.place(queue.claims[0])
                raise LineMoved
            entry = last
        if not self.stand(entry, None):
            raise LineChanged
