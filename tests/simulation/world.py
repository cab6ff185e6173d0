"""A world in which calls of admission interleave, crash and fail at every access of the store, decided by a seed.

A call runs against a store that answers from a log. When the log ends, the call stops there, and the world knows which
access comes next; it decides when, and with which fault, that access is made on the real store, and writes the answer to the
log. So there are no threads: a schedule is a list of decisions, and the same seed gives the same schedule.

After every access that changed something, ``check`` compares everything that is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tests.simulation.shares import Shares
from tidegate.adapters.memory.admission import MemoryAdmissionStore
from tidegate.app.admission.engine import Admission, Grant
from tidegate.domain.admission import ready
from tidegate.domain.claim import CLOSED, UNLIMITED, Claim, ClaimState, Limit, Standing, Want
from tidegate.domain.fairness import Share
from tidegate.domain.rate import Rate
from tidegate.errors import ConflictError, StoreError, ThrottledError, UnavailableError

START = datetime(2026, 1, 1, tzinfo=UTC)
READS = frozenset(
    {"claim", "claims", "line", "queue", "limits", "holders", "ahead", "unlaunched"}
) | {"pace", "entries"}
MOST_STEPS = 4000
MOST_UNITS = 3
KEPT = ("release", "cancel", "set_limit", "set_rate", "pump")
"""Calls that are repeated after a crash in any case: somebody insists on them."""

NOT_DONE: dict[str, StoreError] = {
    "throttle": ThrottledError("drawn"),
    "conflict": ConflictError("drawn"),
    "lost before": UnavailableError("drawn"),
}
FAULTS = (*NOT_DONE, "crash before", "crash after", "lost after")

Op = Callable[[Admission], Any]


class Violation(AssertionError):
    """Something that must hold did not."""


class WorldClock:
    """The world's time, as it is."""

    def __init__(self, world: World) -> None:
        self.world = world

    def now(self) -> datetime:
        return self.world.now


class WorldAlarm:
    def __init__(self, world: World) -> None:
        self.world = world

    def set(self, at: datetime, task: Mapping[str, Any]) -> None:
        self.world.alarms.add((at, task["limit"]))


class LoggedTime:
    """The clock and the alarm of a call, by its log: a call that goes on is told the time it was told before."""

    def __init__(self, store: LoggedStore) -> None:
        self.store = store

    def now(self) -> datetime:
        moment: datetime = self.store.now()
        return moment

    def set(self, at: datetime, task: Mapping[str, Any]) -> None:
        self.store.alarm(task["limit"], at)


class Stopped(BaseException):
    """The call stops before its next access, for now. Not an ``Exception``: no handler of the call may catch it."""


class Crashed(BaseException):
    """The call dies."""


class LoggedStore:
    """Answers from a log; at its end it asks the world, which answers, or stops the call there."""

    def __init__(self, next_answer: Callable[[str, tuple[Any, ...], dict[str, Any]], Any]) -> None:
        self.log: list[Any] = []
        self.place = 0
        self.next_answer = next_answer

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def access(*args: Any, **kwargs: Any) -> Any:
            place = self.place
            self.place = place + 1
            if place == len(self.log):
                self.log.append(self.next_answer(name, args, kwargs))
            answer = self.log[place]
            if isinstance(answer, StoreError):
                raise answer
            return answer

        self.__dict__[name] = access
        return access


@dataclass
class Call:
    """One call of admission on its way."""

    name: str
    op: Op
    subject: str = ""
    began: int = 0
    """Step of the world at which it first began; a repeated call began when the first did."""
    gave: bool = False
    """It granted a claim and could not record by which call, there being no claim of its own yet."""
    moved: tuple[str, ...] = ()
    """Queues it has put into another line: they are on their way until it is over."""
    store: LoggedStore | None = None
    admission: Admission | None = None

    def again(self) -> Call:
        return Call(
            name=self.name, op=self.op, began=self.began, subject=self.subject, moved=self.moved
        )


@dataclass(frozen=True)
class Rules:
    """How a schedule is drawn."""

    admission: type[Admission] = Admission
    store: type[MemoryAdmissionStore] = MemoryAdmissionStore
    wide: bool = False
    rates: bool = False
    """Limits may have rates, and time passes."""
    fair: bool = False
    """Limits may have fairness."""
    backlog: bool = False
    """One limit with fairness, for which many wait."""
    faults: float = 0.0
    """Chance of a fault at each access."""
    together: int = 3
    """Calls on their way at once, at most."""
    claims: tuple[int, int] = (2, 5)
    abandon: bool = False
    """Crashed calls are never repeated; a sweep repairs what they left."""


class World:
    def __init__(self, seed: int, rules: Rules) -> None:
        self.seed, self.rules = seed, rules
        self.random = Random(seed)
        self.real = rules.store()
        self.claims: dict[str, Claim] = {}
        self.todo: list[Call] = []
        self.going: list[Call] = []
        self.crashed: list[Call] = []
        self.now = START
        self.alarms: set[tuple[datetime, str]] = set()
        self.rated: dict[str, int] = {}
        """Limits, and the step at which their rate was last set."""
        self.starts: dict[str, list[datetime]] = {}
        """Starts of each limit with a rate, since it has it."""
        self.answered: set[str] = set()
        """Claims that some call answered as to be launched."""
        self.settled: dict[str, int] = {}
        """Claims whose ``acquire`` came back, and at which step."""
        self.stood: dict[str, int] = {}
        """Queues, and the step at which the call that last put them into another line was over."""
        self.lowered: dict[str, int] = {}
        """Limits, and the step at which their capacity was last lowered."""
        self.seen: dict[tuple[int, str], int] = {}
        """(call, limit) -> step at which the call last read the line of the limit."""
        self.checked: dict[str, Claim] = {}
        """Claims as they were when they were last found to agree with their rows."""
        self.shares = Shares(slack=rules.together)
        self.lost_pumps = 0
        self.may_go_on = self.alone = False
        self.is_draining = False
        self.step = 0
        self.numbers: dict[int, int] = {}
        self.history: list[tuple[Call, str, tuple[Any, ...], dict[str, Any], str]] = []
        if rules.backlog:
            self._draw_backlog()
        else:
            self._draw()

    # -- Drawing

    def _draw_backlog(self) -> None:
        draw = self.random
        self.real.create_limit(Limit(key="L", capacity=draw.choice((1, 1, 2))))
        weights = {value: draw.choice((1, 1, 2, 3)) for value in "abc"[: draw.randint(2, 3)]}
        for number in range(draw.randint(*self.rules.claims)):
            value = draw.choice(sorted(weights))
            claim = Claim(
                claim_id=f"c{number:02}",
                wants=(Want(limit="L"),),
                enqueued_at=START,
                fair=Share(limit="L", value=value, weight=weights[value]),
            )
            self.claims[claim.claim_id] = claim
            self._plan("acquire", claim.claim_id, _acquiring(claim))
            if draw.random() < 0.05:
                self._plan_end("cancel", claim.claim_id)
        draw.shuffle(self.todo)

    def _draw(self) -> None:
        draw = self.random
        keys = ["L", "M", "N"][: draw.randint(1, 3)]
        for key in keys:
            if draw.random() < 0.8:
                capacity = draw.choice((0, 1, 1, 1, 2, 2, 3, UNLIMITED))
                self.real.create_limit(Limit(key=key, capacity=capacity, source="settings"))
            if self.rules.rates and draw.random() < 0.5:
                was = self.real.line(key, 0).limit or Limit(key=key, capacity=UNLIMITED)
                self.real.create_limit(was)
                self.real.set_limit(replace(was, rate=self._rate()), was=was)
                self.real.set_gate(key, CLOSED, None)
        fair = [key for key in keys if self.rules.fair and draw.random() < 0.6]
        for number in range(draw.randint(*self.rules.claims)):
            limits = draw.sample(keys, draw.randint(1, len(keys)))
            most = MOST_UNITS if self.rules.wide else 1
            claim = Claim(
                claim_id=f"c{number}",
                wants=tuple(
                    Want(limit=key, units=draw.randint(1, most), capacity=draw.choice((None, 1, 2)))
                    for key in limits
                ),
                priority=draw.choice((0, 0, 0, 1)),
                enqueued_at=START + timedelta(seconds=draw.randint(0, 9)),
            )
            governed = [key for key in limits if key in fair]
            if governed:
                claim = replace(claim, fair=self._share(governed[0]))
            self.claims[claim.claim_id] = claim
            asking = _trying(claim) if draw.random() < 0.08 else _acquiring(claim)
            self._plan("acquire", claim.claim_id, asking)
            if draw.random() < 0.15:
                self._plan("acquire", claim.claim_id, asking)
            if draw.random() < 0.15:
                self._plan_end("cancel", claim.claim_id)
        for key in keys:
            if draw.random() < 0.25:
                self._plan_limit(key, draw.choice((0, 1, 2, 3, UNLIMITED)))
            if self.rules.rates and draw.random() < 0.15:
                self._plan("set_rate", key, _rating(key, draw.choice((None, self._rate()))))
        draw.shuffle(self.todo)

    def _rate(self) -> Rate:
        draw = self.random
        per = timedelta(seconds=draw.randint(1, 3))
        return Rate(limit=draw.randint(1, 3), per=per, burst=draw.randint(1, 2))

    def _share(self, limit: str) -> Share:
        value = self.random.choice("ab")
        lead = timedelta(seconds=self.random.choice((0, 0, 0, 10)))
        return Share(limit=limit, value=value, weight=1 + "ab".index(value), lead=lead)

    def _plan(self, name: str, subject: str, op: Op) -> None:
        self.todo.append(Call(name=name, op=op, subject=subject))

    def _plan_end(self, name: str, claim_id: str) -> None:
        if name == "cancel":
            self._plan(name, claim_id, lambda one: one.cancel(claim_id))
        else:
            self._plan(name, claim_id, lambda one: one.release(claim_id))

    def _plan_limit(self, key: str, capacity: int) -> None:
        self._plan("set_limit", key, lambda one: one.set_limit(key, capacity))

    # -- Running

    def run(self) -> None:
        """All of the schedule, then everything until nothing waits and nothing is held."""
        self._until_quiet()
        self._check_quiet()
        self._drain()

    def _until_quiet(self) -> None:
        while self.todo or self.going or self.crashed:
            self._move()
        while self.alarms and (min(self.alarms)[0] <= self.now or self.random.random() < 0.5):
            self._next_alarm()
            while self.todo or self.going or self.crashed:
                self._move()
        if self.rules.abandon:
            self._sweep()

    def _sweep(self) -> None:
        """What the monitor does after a call was lost."""
        for claim in self.claims.values():
            stored = self.real.claim(claim.claim_id)
            if stored is None or stored.state is ClaimState.WAITING:
                self._plan("acquire", claim.claim_id, _acquiring(claim))
        for key in list(self.real._limits):
            self._plan("pump", key, _pumping(key))
        self._plan("sweep", "", lambda one: one.unlaunched(START + timedelta(days=1)))
        faults = self.rules
        self.rules = Rules(admission=faults.admission, together=1)
        while self.todo or self.going or self.crashed:
            self._move()
        self.rules = faults

    def _next_alarm(self) -> None:
        """Time passes until the next alarm, which calls."""
        at, key = min(self.alarms)
        self.alarms.remove((at, key))
        self.now = max(self.now, at)
        self._plan("pump", key, _pumping(key))

    def _move(self) -> None:
        """Start a call, or let one go on for some accesses."""
        draw = self.random
        if self.rules.fair or self.rules.backlog:
            self.now += timedelta(seconds=1)
        if self.rules.rates and draw.random() < 0.1:
            self.now += timedelta(milliseconds=draw.choice((1, 333, 1000)))
            while self.alarms and min(self.alarms)[0] <= self.now:
                self._next_alarm()
        if self.crashed and (not (self.todo or self.going) or draw.random() < 0.2):
            self.todo.append(self.crashed.pop(draw.randrange(len(self.crashed))).again())
        room = len(self.going) < self.rules.together
        if self.todo and room and (not self.going or draw.random() < 0.4):
            self._begin(self.todo.pop(draw.randrange(len(self.todo))))
        else:
            self._advance(draw.choice(self.going))

    def _begin(self, call: Call) -> None:
        call.began = call.began or self.step + 1

        def next_answer(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if name == "now":
                return self.now
            if self.may_go_on:
                self.may_go_on = self.alone or self.random.random() < 0.6
                return self._access(call, name, args, kwargs)
            raise Stopped

        call.store = LoggedStore(next_answer)
        time = LoggedTime(call.store)
        passes = self.rules.rates or self.rules.fair or self.rules.backlog
        clock = time if passes else WorldClock(self)
        call.admission = self.rules.admission(call.store, clock, pause=_no_pause, alarms=time)
        self.going.append(call)
        self._advance(call)

    def _advance(self, call: Call) -> None:
        assert call.store is not None and call.admission is not None
        call.store.place = 0
        self.may_go_on = True
        self.alone = len(self.going) == 1 and not self.todo
        try:
            answer = call.op(call.admission)
        except Stopped:
            return
        except (Crashed, ConflictError, ThrottledError):
            self._crash(call)
            return
        self._forget(call)
        self.stood.update(dict.fromkeys(call.moved, self.step))
        self._answered(call, answer)

    def _access(self, call: Call, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.step += 1
        if self.step > MOST_STEPS:
            raise self._violation("the schedule does not end")
        fault = ""
        if self.rules.faults and self.random.random() < self.rules.faults:
            fault = self.random.choice(FAULTS)
        self.history.append((call, name, args, kwargs, fault))
        if fault == "crash before":
            raise Crashed
        if fault in NOT_DONE:
            return NOT_DONE[fault]
        answer = self._really(call, name, args, kwargs)
        if fault == "crash after":
            raise Crashed
        return UnavailableError("drawn") if fault == "lost after" else answer

    def _forget(self, call: Call) -> None:
        """Break its ring of references, so that the garbage of a schedule needs no collector."""
        self.going.remove(call)
        call.store = call.admission = None

    def _crash(self, call: Call) -> None:
        self._forget(call)
        if call.gave or call.name in ("set_limit", "set_rate", "pump"):
            self.lost_pumps += 1
        if not self.rules.abandon or call.name in KEPT:
            self.crashed.append(call)

    def _really(self, call: Call, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if name == "alarm":
            self.alarms.add((args[1], args[0]))
            return None
        if name in READS:
            if name == "line":
                self.seen[id(call), args[0]] = self.step
            return getattr(self.real, name)(*args, **kwargs)
        before = {key: rows.limit for key, rows in self.real._limits.items()}
        owed = self._owed(name, args, kwargs, call)
        answer = getattr(self.real, name)(*args, **kwargs)
        self._check(before)
        if self.rules.rates and answer is None and name in ("admit", "grant", "release"):
            granted = kwargs["to"] if name == "release" else args[0]
            self._check_rates(call, granted, kwargs.get("spend", {}))
        if name == "set_limit" and answer:
            self._set(args[0], before.get(args[0].key))
        if name == "stand" and answer:
            queue = (args[0] or args[1]).queue
            self.stood[queue] = MOST_STEPS
            call.moved += (queue,)
        if name == "release" and answer is None and kwargs["to"] is not None:
            self._check_hand_off(call, args[0], kwargs["to"], before)
        if name == "grant" and answer is None and kwargs["by"] is None:
            call.gave = True
        if owed and answer is None:
            raise self._violation(f"{owed} was passed by {name}{args}")
        if self.rules.backlog:
            self._check_shares(name, args, kwargs, answer)
        return answer

    def _check_shares(
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
            raise self._violation(wrong)

    def _set(self, now: Limit, was: Limit | None) -> None:
        """Starts are counted anew from when a limit has another rate."""
        if (None if was is None else was.rate) != now.rate:
            self.starts[now.key] = []
            self.rated[now.key] = self.step

    def _answered(self, call: Call, answer: Any) -> None:
        launch: Sequence[Claim] = ()
        if isinstance(answer, Grant):
            launch = answer.launch
            self.settled.setdefault(call.subject, self.step)
        elif isinstance(answer, list | tuple):
            launch = answer
        for claim in launch:
            if claim.claim_id in self.answered:
                continue
            self.answered.add(claim.claim_id)
            if self.random.random() < 0.3:
                claim_id = claim.claim_id
                self._plan("launched", claim_id, _launched(claim_id))
            if self.rules.backlog or self.random.random() < 0.8:
                self._plan_end("release", claim.claim_id)
                if self.random.random() < 0.2:
                    self._plan_end("release", claim.claim_id)

    # -- What must hold after every access

    def _check(self, before: dict[str, Limit | None]) -> None:
        store = self.real
        for key, rows in store._limits.items():
            limit = rows.limit
            in_use = 0 if limit is None else limit.in_use
            if in_use != sum(rows.holds.values()):
                raise self._violation(f"{key} counts {in_use}, held are {rows.holds}")
            was = before.get(key)
            if limit is None:
                continue
            if was is not None and limit.room < was.room and limit.capacity != was.capacity:
                self.lowered[key] = self.step
            if limit.room < 0 and in_use > (0 if was is None else was.in_use):
                raise self._violation(f"{key} was granted above its capacity: {limit}")
        for claim_id, claim in store._claims.items():
            if self.checked.get(claim_id) is not claim:
                self._check_claim(claim_id, claim)
                self.checked[claim_id] = claim

    def _check_hand_off(
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
                raise self._violation(f"{want.limit} is above its capacity and was handed on")

    def _check_rates(self, call: Call, granted: Claim | None, spend: dict[str, object]) -> None:
        """In no stretch of time more starts than burst and rate allow.

        A hand-off that leaves the limit alone uses up nothing if there was no rate yet when the call looked.
        """
        for want in () if granted is None else granted.wants:
            limit = self.real._limits[want.limit].limit
            if limit is None or limit.rate is None or granted is None or self.rules.wide:
                continue
            if want.limit not in spend:
                if self.rated.get(want.limit, 0) <= self.seen.get((id(call), want.limit), 0):
                    raise self._violation(f"{granted.claim_id} used up nothing of {want.limit}")
                continue
            starts = self.starts.setdefault(want.limit, [])
            assert granted.granted_at is not None
            starts.append(granted.granted_at)
            starts.sort()
            spacing = timedelta(microseconds=limit.rate.spacing)
            for i, begin in enumerate(starts):
                for j in range(i, len(starts)):
                    if j - i + 1 > limit.rate.burst + (starts[j] - begin) / spacing:
                        raise self._violation(f"{want.limit} started at {starts}: {limit.rate}")

    def _check_claim(self, claim_id: str, claim: Claim) -> None:
        store = self.real
        is_held = claim.state is ClaimState.HELD
        for want in claim.wants:
            held = store._limits[want.limit].holds if want.limit in store._limits else {}
            if held.get(claim_id) != (want.units if is_held else None):
                raise self._violation(f"{claim_id} is {claim.state} and holds {held}")
        if claim.wants_several:
            waits = store._queues.get(claim.queue)
            is_there = waits is not None and waits.claims.get(claim.order_key) is not None
        else:
            line = store._limits.get(claim.queue)
            is_there = line is not None and line.line.get(claim.order_key) is not None
        if is_there != (claim.state is ClaimState.WAITING):
            raise self._violation(f"{claim_id} is {claim.state}, in its queue: {is_there}")

    def _owed(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], call: Call
    ) -> str | None:
        """A claim that this grant would pass.

        It comes before, could be granted, and has stood in the line of a limit that is granted since before the call
        looked at that line, or, if it did not look, since before it began.
        """
        if self.rules.wide or name not in ("admit", "grant", "release"):
            return None
        granted = kwargs["to"] if name == "release" else args[0]
        if granted is None:
            return None
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
                return claim_id
        return None

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

    def _check_quiet(self) -> None:
        store = self.real
        waiting = [one for one in store._claims.values() if one.state is ClaimState.WAITING]
        for claim in waiting:
            if self._would_fit(claim) and not self._is_behind(claim, waiting):
                raise self._violation(f"{claim.claim_id} waits, and there is room")
            self._check_explained(claim)
        for queue, rows in store._queues.items():
            if not rows.claims:
                continue
            standing = rows.standing
            if standing is None:
                raise self._violation(f"{queue} stands nowhere")
            if standing.rank > rows.claims.first(1)[0].order_key:
                raise self._violation(f"{queue} stands behind its first claim")
            if standing not in store._limits[standing.limit].line.first(99):
                raise self._violation(f"{queue} is not in the line of {standing.limit}")
        if not (self.lost_pumps or self.rules.abandon or self.is_draining):
            for claim in store._claims.values():
                if claim.state is ClaimState.HELD and claim.claim_id not in self.answered:
                    raise self._violation(f"{claim.claim_id} is held and nobody was told")

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
        admission = self.rules.admission(self.real, WorldClock(self), pause=_no_pause)
        explanation = admission.explain(claim.claim_id)
        if explanation.blocked_by not in {want.limit for want in claim.wants}:
            raise self._violation(f"{claim.claim_id} waits for {explanation.blocked_by}")
        ahead = [
            wait.claim_id
            for wait in admission.waiting(str(explanation.blocked_by))
            if wait.order_key < claim.order_key
        ]
        if explanation.ahead != len(ahead):
            raise self._violation(f"{claim.claim_id} has {explanation.ahead} ahead, not {ahead}")

    def _drain(self) -> None:
        """Everything that waits gets its turn once limits allow it, and all is given back. One call after another."""
        self.is_draining = True
        admission = self.rules.admission(
            self.real, WorldClock(self), pause=_no_pause, alarms=WorldAlarm(self)
        )
        while self._widen(admission) or self._held() or self.alarms:
            self._check_quiet()
            for claim_id in self._held():
                admission.release(claim_id)
            if self.alarms:
                self.now = max(self.now, min(self.alarms)[0])
            while self.alarms and min(self.alarms)[0] <= self.now:
                at, key = min(self.alarms)
                self.alarms.remove((at, key))
                admission.pump(key)
        self._check({})
        for claim in self.real._claims.values():
            if claim.state is not ClaimState.DONE:
                raise self._violation(f"{claim.claim_id} was never granted")

    def _widen(self, admission: Admission) -> bool:
        """Give every limit room for the widest claim. False: they have it."""
        keys = [
            key
            for key, rows in self.real._limits.items()
            if rows.limit is not None and rows.limit.capacity not in (UNLIMITED, MOST_UNITS)
        ]
        for key in keys:
            admission.set_limit(key, MOST_UNITS)
        return bool(keys)

    def _held(self) -> list[str]:
        claims = self.real._claims.values()
        return [one.claim_id for one in claims if one.state is ClaimState.HELD]

    def _violation(self, what: str) -> Violation:
        steps = "\n  ".join(
            f"{self.numbers.setdefault(id(call), len(self.numbers))} {call.name} {call.subject}: "
            f"{name} {_short(args)} {_short(kwargs)} {fault}"
            for call, name, args, kwargs, fault in self.history[-80:]
        )
        return Violation(f"seed {self.seed}, {self.rules}: {what}\n  {steps}")


def _acquiring(claim: Claim) -> Op:
    return lambda admission: admission.acquire(claim)


def _trying(claim: Claim) -> Op:
    return lambda admission: admission.try_acquire(claim)


def _pumping(key: str) -> Op:
    return lambda admission: admission.pump(key)


def _rating(key: str, rate: Rate | None) -> Op:
    return lambda admission: admission.set_rate(key, rate)


def _launched(claim_id: str) -> Op:
    return lambda admission: admission.launched(claim_id)


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


def _no_pause(seconds: float) -> None:
    """Time does not pass here."""


__all__ = ["Rules", "Standing", "Violation", "World"]
