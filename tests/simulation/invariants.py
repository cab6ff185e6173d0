"""What must hold of all that is stored, after every access and when nothing is on its way."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.simulation.calls import Call, no_pause
from tests.simulation.schedule import START, Rules
from tests.simulation.shares import Shares
from tidegate.domain.admission import ready
from tidegate.domain.claim import Claim, ClaimState, Limit, Line, Standing


class Violation(AssertionError):
    """Something that must hold did not."""


class WorldClock:
    """The world's time, as it is."""

    def __init__(self, world: Invariants) -> None:
        self.world = world

    def now(self) -> datetime:
        return self.world.now


class Invariants:
    """Remembers what matters of a schedule, and looks at the store."""

    def __init__(self, seed: int, rules: Rules) -> None:
        self.seed, self.rules = seed, rules
        self.real = rules.store()
        self.now = START
        self.step = 0
        self.rated: dict[str, int] = {}
        """Limits, and the step at which their rate was last set."""
        self.starts: dict[str, list[datetime]] = {}
        """Starts of each limit with a rate, since it has it."""
        self.granted: dict[str | None, dict[str, int]] = {}
        """Claims, those that calls about each have granted before it let go, and at which step."""
        self.answered: set[str] = set()
        """Claims that some call answered as to be launched."""
        self.settled: dict[str, int] = {}
        """Claims whose ``acquire`` came back, and at which step."""
        self.stood: dict[str, int] = {}
        """Queues, and the step at which the call that last put them into another line was over."""
        self.moved: dict[str, int] = {}
        """Queues, and at which step they were last put into another line."""
        self.lowered: dict[str, int] = {}
        """Limits, and the step at which their capacity was last lowered."""
        self.seen: dict[tuple[int, str], int] = {}
        """(call, limit) -> step at which the call last read the line of the limit."""
        self.left: dict[tuple[int, str], int] = {}
        """(call, limit) -> how many slots others had offered when the call last read the line of the limit."""
        self.checked: dict[str, Claim] = {}
        """Claims as they were when they were last found to agree with their rows."""
        self.shares = Shares(slack=rules.together)
        self.lost_pumps = 0
        self.is_draining = False
        self.numbers: dict[int, int] = {}
        self.history: list[tuple[Call, str, tuple[Any, ...], dict[str, Any], str]] = []

    def read_line(self, call: Call, key: str, count: int) -> Line:
        line = self.real.line(key, count)
        self.seen[id(call), key] = self.step
        others = {one.claim_id for one in line.offers} - {call.subject}
        self.left[id(call), key] = len(others)
        return line

    def check_shares(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], answer: Any
    ) -> None:
        """Two values that wait all the time never drift apart; the bound is that of start-time fair queueing."""
        if name == "withdraw" and answer:
            self.shares.withdraw(args[0])
        started = kwargs["to"] if name == "release" else args[0] if name == "grant" else None
        claims = self.real._claims.values()
        waiting = [one for one in claims if one.state is ClaimState.WAITING]
        wrong = self.shares.see(waiting, None if answer is not None else started)
        if wrong:
            raise self.violation(wrong)

    def set(self, now: Limit, was: Limit | None) -> None:
        """Starts are counted anew from when a limit has another rate."""
        if (None if was is None else was.rate) != now.rate:
            self.starts[now.key] = []
            self.rated[now.key] = self.step

    # -- What must hold after every access

    def check(self, before: dict[str, Limit | None]) -> None:
        store = self.real
        for key, rows in store._limits.items():
            limit = rows.limit
            in_use = 0 if limit is None else limit.in_use
            if in_use != sum(rows.holds.values()):
                raise self.violation(f"{key} counts {in_use}, held are {rows.holds}")
            was = before.get(key)
            if limit is None:
                continue
            if was is not None and limit.room < was.room and limit.capacity != was.capacity:
                self.lowered[key] = self.step
            if limit.room < 0 and in_use > (0 if was is None else was.in_use):
                raise self.violation(f"{key} was granted above its capacity: {limit}")
        for claim_id, claim in store._claims.items():
            if self.checked.get(claim_id) is not claim:
                self._check_claim(claim_id, claim)
                self.checked[claim_id] = claim

    def check_hand_off(
        self, call: Call, freed: Claim, to: Claim, before: dict[str, Limit | None]
    ) -> None:
        """Above its capacity a limit hands nothing on, unless it was lowered after the call had looked."""
        for want in freed.wants:
            was = before[want.limit]
            looked = self.seen.get((id(call), want.limit), 0)
            if (
                was is not None
                and was.room < 0
                and max(was.room + want.units, 0) < to.units_of(want.limit)
                and self.lowered.get(want.limit, 0) <= looked
            ):
                raise self.violation(f"{want.limit} is above its capacity and was handed on")

    def check_told(self, call: Call, answered: list[str]) -> None:
        """Whoever releases a claim is told of all that calls about it granted before and did not launch; not of itself."""
        if call.subject in answered:
            raise self.violation(f"{call.subject} was released and is to be launched")
        for claim_id, step in self.granted.get(call.subject, {}).items():
            claim = self.real._claims[claim_id]
            is_left = claim.state is ClaimState.HELD and not claim.launched
            if is_left and step < call.goes_since and claim_id not in answered:
                raise self.violation(f"{claim_id}, granted for {call.subject}, is not answered")

    def check_rates(self, call: Call, granted: Claim | None, spend: dict[str, object]) -> None:
        """In no stretch of time more starts than burst and rate allow.

        A hand-off that leaves the limit alone uses up nothing if there was no rate yet when the call looked.
        """
        for want in () if granted is None else granted.wants:
            limit = self.real._limits[want.limit].limit
            if limit is None or limit.rate is None or granted is None or self.rules.wide:
                continue
            if want.limit not in spend:
                if self.rated.get(want.limit, 0) <= self.seen.get((id(call), want.limit), 0):
                    raise self.violation(f"{granted.claim_id} used up nothing of {want.limit}")
                continue
            starts = self.starts.setdefault(want.limit, [])
            assert granted.granted_at is not None
            starts.append(granted.granted_at)
            starts.sort()
            spacing = timedelta(microseconds=limit.rate.spacing)
            for i, begin in enumerate(starts):
                for j in range(i, len(starts)):
                    if j - i + 1 > limit.rate.burst + (starts[j] - begin) / spacing:
                        raise self.violation(f"{want.limit} started at {starts}: {limit.rate}")

    def _check_claim(self, claim_id: str, claim: Claim) -> None:
        store = self.real
        is_held = claim.state is ClaimState.HELD
        for want in claim.wants:
            held = store._limits[want.limit].holds if want.limit in store._limits else {}
            if held.get(claim_id) != (want.units if is_held else None):
                raise self.violation(f"{claim_id} is {claim.state} and holds {held}")
        if claim.wants_several:
            waits = store._queues.get(claim.queue)
            is_there = waits is not None and waits.claims.get(claim.order_key) is not None
        else:
            line = store._limits.get(claim.queue)
            is_there = line is not None and line.line.get(claim.order_key) is not None
        if is_there != (claim.state is ClaimState.WAITING):
            raise self.violation(f"{claim_id} is {claim.state}, in its queue: {is_there}")

    def owed(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], call: Call
    ) -> list[str]:
        """Claims that this grant would pass, if they are more than it leaves to those who offered their slots before.

        Each comes before, could be granted, and has stood in the line of a limit that is granted since before the call
        looked at that line, or, if it did not look, since before it began.
        """
        if self.rules.wide or name not in ("admit", "grant", "release"):
            return []
        granted = kwargs["to"] if name == "release" else args[0]
        if granted is None:
            return []
        passed = []
        freed = args[0] if name == "release" else None
        order = granted.order_key
        for claim_id, claim in self.real._claims.items():
            if claim.state is not ClaimState.WAITING or not claim.order_key < order:
                continue
            line, since = self._line_of(claim)
            looked = call.began if name == "admit" else self.seen.get((id(call), line), 0)
            if (
                max(since, self.settled.get(claim_id, self.step)) < looked
                and granted.units_of(line)
                and self._would_fit(claim, freed)
            ):
                passed.append(claim_id)
        left = 0
        if freed is not None and len(freed.wants) == 1:
            left = self.left.get((id(call), freed.wants[0].limit), 0)
        return passed if len(passed) > left else []

    def _line_of(self, claim: Claim) -> tuple[str, int]:
        """The limit in whose line a claim stands, and since which step."""
        if not claim.wants_several:
            return claim.queue, 0
        standing = self.real._queues[claim.queue].standing
        return ("", 0) if standing is None else (standing.limit, self.stood.get(claim.queue, 0))

    def _would_fit(self, claim: Claim, freed: Claim | None = None) -> bool:
        for want in claim.wants:
            rows = self.real._limits.get(want.limit)
            room = 10 if rows is None or rows.limit is None else rows.limit.room
            if room + (0 if freed is None else freed.units_of(want.limit)) < want.units:
                return False
            limit = None if rows is None else rows.limit
            if limit is not None and limit.rate is not None:
                is_early = ready(limit, want.units, self.now) > self.now
                if is_early:
                    return False
        return True

    # -- What must hold when nothing is on its way

    def check_quiet(self) -> None:
        store = self.real
        waiting = [one for one in store._claims.values() if one.state is ClaimState.WAITING]
        for claim in waiting:
            if self._would_fit(claim) and not self._is_behind(claim, waiting):
                raise self.violation(f"{claim.claim_id} waits, and there is room")
            self._check_explained(claim)
        for queue, rows in store._queues.items():
            if not rows.claims:
                continue
            standing = rows.standing
            if standing is None:
                raise self.violation(f"{queue} stands nowhere")
            if standing.rank > rows.claims.first(1)[0].order_key:
                raise self.violation(f"{queue} stands behind its first claim")
            if standing not in store._limits[standing.limit].line.first(99):
                raise self.violation(f"{queue} is not in the line of {standing.limit}")
        if not (self.lost_pumps or self.rules.abandon or self.is_draining):
            for claim in store._claims.values():
                if claim.state is ClaimState.HELD and claim.claim_id not in self.answered:
                    raise self.violation(f"{claim.claim_id} is held and nobody was told")

    def _is_behind(self, claim: Claim, waiting: list[Claim]) -> bool:
        """A wide claim that comes before it, and for which room is kept, wants the same limit."""
        limits = {want.limit for want in claim.wants}
        return self.rules.wide and any(
            one.order_key < claim.order_key
            and any(want.limit in limits for want in one.wants)
            and self._could_ever(one)
            for one in waiting
        )

    def _could_ever(self, claim: Claim) -> bool:
        """No limit was lowered below what it wants of it: for one that has none, no room is kept."""
        limits = {key: rows.limit for key, rows in self.real._limits.items()}
        for want in claim.wants:
            limit = limits.get(want.limit)
            if limit is not None and not limit.could_hold(want.units):
                return False
        return True

    def _check_explained(self, claim: Claim) -> None:
        admission = self.rules.admission(self.real, WorldClock(self), pause=no_pause)
        explanation = admission.explain(claim.claim_id)
        if explanation.blocked_by not in {want.limit for want in claim.wants}:
            raise self.violation(f"{claim.claim_id} waits for {explanation.blocked_by}")
        ahead = [
            wait.claim_id
            for wait in admission.waiting(str(explanation.blocked_by))
            if wait.order_key < claim.order_key
        ]
        if explanation.ahead != len(ahead):
            raise self.violation(f"{claim.claim_id} has {explanation.ahead} ahead, not {ahead}")

    def violation(self, what: str) -> Violation:
        steps = "\n  ".join(
            f"{self.numbers.setdefault(id(call), len(self.numbers))} {call.name} {call.subject}: "
            f"{name} {_short(args)} {_short(kwargs)} {fault}"
            for call, name, args, kwargs, fault in self.history[-80:]
        )
        return Violation(f"seed {self.seed}, {self.rules}: {what}\n  {steps}")


def _short(value: Any) -> str:
    """Arguments of an access, by what tells them apart."""
    if isinstance(value, Claim):
        wants = "+".join(f"{want.units}{want.limit}" for want in value.wants)
        return f"{value.claim_id}({wants} p{value.priority} {value.enqueued_at.second})"
    if isinstance(value, Standing):
        return f"[{value.limit} {value.rank[-22:]} v{value.version}]"
    if isinstance(value, tuple):
        return " ".join(_short(one) for one in value)
    if isinstance(value, dict):
        shown = {key: one for key, one in value.items() if key != "expires_at"}
        return " ".join(f"{key}={_short(one)}" for key, one in shown.items())
    return str(value)
