"""Who comes next: the lines of limits, in exact order, with the queues that stand in them.

A queue of claims that want several units stands in the line of one limit as a single entry. The entry's rank may lag behind
the queue's first claim (it is put right when another entry overtakes it) but never lies after it for
longer than the call that parked that claim.

Who wants more units than the limit has in all, since it was lowered, is passed by those behind it until it is raised. Their
queues are few, however many they are: a queue is of claims that want the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NoReturn

from tidegate.app.admission.patience import Patience
from tidegate.domain.admission import ready
from tidegate.domain.claim import LAST, Claim, Limit, Line, Standing, Want, rank_of
from tidegate.errors import UnavailableError
from tidegate.ports import Alarms
from tidegate.ports.admission import AdmissionStore

PAGE = 5
"""Rows of a line read at once: the first who wait, and those to turn to when others were faster."""


class LineChanged(Exception):
    """What was read of a line is no longer so, or not enough of it was read: read it again."""


class LineTooShort(LineChanged):
    """Nobody in what was read of these lines can be granted, and there are more: read further."""

    def __init__(self, keys: list[str]) -> None:
        super().__init__()
        self.keys = keys


class LineMoved(LineChanged):
    """It is this call that changed it. ``to``: the limit to whose line it moved a queue, which it has to look at."""

    def __init__(self, to: str | None = None) -> None:
        super().__init__()
        self.to = to


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A claim whose turn it is, and where its queue stands if that is one of several limits."""

    claim: Claim
    standing: Standing | None = None


class Lines:
    def __init__(
        self, store: AdmissionStore, patience: Patience, alarms: Alarms | None = None
    ) -> None:
        self._store = store
        self._patience = patience
        self._alarms = alarms

    def wake(self, limit: Limit, at: datetime) -> None:
        """Have those woken who wait for the rate of a limit."""
        if self._alarms is not None:
            self._patience.read(self._alarms.set, at, {"kind": "pump", "limit": limit.key})

    def read(self, key: str, count: int = PAGE) -> Line:
        return self._patience.read(self._store.line, key, count)

    def read_further(self, key: str, line: Line) -> Line:
        return self.read(key, max(PAGE, 2 * line.length))

    def first(self, key: str, line: Line) -> Candidate | None:
        """The first whom the limit, if it were empty, had room for.

        Raises:
            LineChanged: read the line again, or further.
        """
        for _, candidate in self._in_order({key: line}):
            if line.limit is None or line.limit.could_hold(candidate.claim.units_of(key)):
                return candidate
        if not line.is_whole:
            raise LineTooShort([key])
        return None

    def heir(
        self, claim: Claim, lines: Mapping[str, Line], gone: set[str], now: datetime
    ) -> Candidate | None:
        """The first in the lines of the claim's limits who can have what it gives up.

        A claim that lacks room in its own line is not passed there, unless it can have none. A queue whose first claim lacks room
        at another of the claim's limits is moved to that one's line, and does not delay who comes after it. The first are left
        to those who offered their slots before; not a queue, of which more than one may come next.

        Raises:
            LineChanged: read the lines again, or further; a queue has moved, or another call was at it.
        """
        closed: dict[str, str] = {}
        left = lines[claim.wants[0].limit].left_to_others(claim, now) if claim.wants else 0
        for key, candidate in self._in_order(lines):
            if key in closed or candidate.claim.claim_id in gone:
                continue
            short = [
                want.limit
                for want in candidate.claim.wants
                if want.limit in closed or not _can_give(claim, lines, candidate.claim, want, now)
            ]
            if not short:
                if left == 0 or candidate.standing is not None:
                    return candidate
                left -= 1
                continue
            if key in short:
                if not _is_passed(claim, lines[key].limit, candidate.claim):
                    closed[key] = candidate.claim.order_key
            else:
                self._pass_over(candidate, lines[short[-1]].limit, closed.get(short[-1]), now)
        unread = [key for key, line in lines.items() if not line.is_whole and key not in closed]
        if unread:
            raise LineTooShort(unread)
        return None

    def move(self, candidate: Candidate, to: Limit, now: datetime) -> bool:
        """Move the candidate's queue to the line of a limit that refuses it. False: it does not, or the queue has moved.

        If it may be there now, the caller looks at that line: what refused it may be over.
        """
        was = candidate.standing
        if was is None:
            return False
        # The rank stays: who has parked since the queue was read relies on it, and may be before this candidate.
        rank = min(was.rank, candidate.claim.order_key)
        there = replace(was, limit=to.key, rank=rank, version=was.version + 1)
        at = ready(to, candidate.claim.starts_of(to.key), now)
        if at > now:
            self.wake(to, at)
        used_until = to.used_until if at > now else None
        try:
            return self.stand(was, there, refused=candidate.claim, used_until=used_until)
        except UnavailableError:
            return True

    def _pass_over(
        self, candidate: Candidate, limit: Limit | None, kept_for: str | None, now: datetime
    ) -> NoReturn:
        """A queue has to go to the line of this limit, which lacks room, or keeps it for one who comes before it."""
        if limit is None:
            raise LineChanged
        if self.move(candidate, limit, now):
            raise LineMoved(limit.key)
        if kept_for is None or limit.gate == kept_for:
            raise LineChanged
        # It does not say yet that it keeps its room, and would refuse nobody.
        is_set = self._patience.write(self._store.set_gate, limit, kept_for)
        raise LineMoved if is_set else LineChanged

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
            elif head.claim_id == claim.claim_id:
                # Who is about to give the queue the rank of the one that was its first must learn that it is not any more.
                now = replace(was, version=was.version + 1)
            else:
                return was.limit
            try:
                if self.stand(was, now):
                    return now.limit
            except UnavailableError:
                continue
        raise AssertionError  # rounds() has raised

    def stand(
        self,
        was: Standing | None,
        now: Standing | None,
        *,
        refused: Claim | None = None,
        used_until: int | None = None,
    ) -> bool:
        return self._patience.write(
            self._store.stand, was, now, refused=refused, used_until=used_until
        )

    def _in_order(self, lines: Mapping[str, Line]) -> Iterator[tuple[str, Candidate]]:
        """Who waits in these lines, first come first, as far as the lines were read."""
        entries = [
            (rank_of(entry), key, place)
            for key, line in lines.items()
            for place, entry in enumerate(line.entries)
        ]
        entries.sort()
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


def _can_give(
    claim: Claim, lines: Mapping[str, Line], to: Claim, want: Want, now: datetime
) -> bool:
    """The limit, with what the claim gives up, has room for the want, and its rate allows it. Others are not known here."""
    limit = lines[want.limit].limit if want.limit in lines else None
    if limit is None:
        return True
    room = limit.room + claim.units_of(want.limit)
    return room >= want.units and ready(limit, to.starts_of(want.limit), now) <= now


def _is_passed(claim: Claim, limit: Limit | None, waiting: Claim) -> bool:
    """The limit has room for others, with what the claim gives up, and could never have enough for who waits."""
    if limit is None or limit.room + claim.units_of(limit.key) <= 0:
        return False
    return not limit.could_hold(waiting.units_of(limit.key))
