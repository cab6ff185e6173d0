"""A world in which calls of admission interleave, crash and fail at every access of the store, decided by a seed.

A schedule is a list of decisions, and the same seed gives the same schedule; see ``calls.py`` for how a call stops.

After every access that changed something, ``check`` compares everything that is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

from tests.simulation.calls import (
    Call,
    Crashed,
    DrawnCrowds,
    LoggedStore,
    LoggedTime,
    Stopped,
    acquiring,
    launching,
    no_pause,
    pumping,
    releasing,
    sweeping,
)
from tests.simulation.invariants import Invariants, WorldClock
from tests.simulation.schedule import MOST_UNITS, START, Rules, Schedule, belief_of
from tidegate.app.admission.engine import Admission, Grant
from tidegate.domain.claim import UNLIMITED, Claim, ClaimState
from tidegate.errors import ConflictError, StoreError, ThrottledError, UnavailableError

READS = frozenset(
    {"claim", "claims", "line", "queue", "limits", "holders", "ahead", "unlaunched"}
) | {"pace", "entries"}
MOST_STEPS = 4000
KEPT = ("release", "cancel", "set_limit", "set_rate", "pump")
"""Calls that are repeated after a crash in any case: somebody insists on them."""

NOT_DONE: dict[str, StoreError] = {
    "throttle": ThrottledError("drawn"),
    "conflict": ConflictError("drawn"),
    "lost before": UnavailableError("drawn"),
}
FAULTS = (*NOT_DONE, "crash before", "crash after", "lost after")


class WorldAlarm:
    def __init__(self, world: World) -> None:
        self.world = world

    def set(self, at: datetime, task: Mapping[str, Any]) -> None:
        self.world.alarms.add((at, task["limit"]))


class World(Invariants):
    def __init__(self, seed: int, rules: Rules) -> None:
        super().__init__(seed, rules)
        self.random = Random(seed)
        drawn = Schedule(rules, self.random, self.real)
        self.claims, self.todo = drawn.claims, drawn.calls
        self.going: list[Call] = []
        self.crashed: list[Call] = []
        self.next: Call | None = None
        """Chosen to go on next, when another stopped for it."""
        self.alarms: set[tuple[datetime, str]] = set()
        self.may_go_on = self.alone = False

    def run(self) -> None:
        """All of the schedule, then everything until nothing waits and nothing is held."""
        self._until_quiet()
        self.check_quiet()
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
                self.todo.append(acquiring(claim))
        for key in list(self.real._limits):
            self.todo.append(pumping(key))
        self.todo.append(sweeping(START + timedelta(days=1)))
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
        self.todo.append(pumping(key))

    def _move(self) -> None:
        """Start a call, or let one go on for some accesses."""
        call, self.next = self.next or self._choose(), None
        if call.store is None:
            self._begin(call)
        else:
            self._advance(call)

    def _choose(self) -> Call:
        """The call that begins or goes on next; time passes meanwhile, and a crashed call may be asked for again."""
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
            return self.todo.pop(draw.randrange(len(self.todo)))
        return draw.choice(self.going)

    def _begin(self, call: Call) -> None:
        call.goes_since = self.step + 1
        call.began = call.began or call.goes_since

        def next_answer(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if name == "now":
                return self.now
            if name == "crowd":
                return self.random.choice((0, 0, 1, 2, 5)) if self.rules.rush else 0
            if not (self.may_go_on or self._goes_on(call)):
                raise Stopped
            self.may_go_on = self.alone or self.random.random() < 0.6
            return self._access(call, name, args, kwargs)

        call.store = LoggedStore(next_answer)
        time = LoggedTime(call.store)
        passes = self.rules.rates or self.rules.fair or self.rules.backlog
        clock = time if passes else WorldClock(self)
        call.crowds = DrawnCrowds(call.store)
        call.admission = self.rules.admission(
            call.store, clock, pause=no_pause, alarms=time, crowds=call.crowds
        )
        self.going.append(call)
        self._advance(call)

    def _goes_on(self, call: Call) -> bool:
        """A call that would stop here need not, if it is the one that goes on next: that saves to repeat it up to here."""
        self.next = self._choose()
        if self.next is not call:
            return False
        self.next = None
        self.alone = len(self.going) == 1 and not self.todo
        return True

    def _advance(self, call: Call) -> None:
        assert call.store is not None and call.crowds is not None and call.admission is not None
        call.store.place = 0
        call.crowds.forget()
        self.may_go_on = True
        self.alone = len(self.going) == 1 and not self.todo
        try:
            answer = call.op(call.admission)
        except Stopped:
            return
        except (Crashed, ConflictError, ThrottledError):
            self._crash(call)
            return
        self.going.remove(call)
        call.forget()
        for queue, step in call.moves.items():
            if self.moved[queue] == step:  # no other call has moved it since
                self.stood[queue] = self.step
        self._answered(call, answer)

    def _access(self, call: Call, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.step += 1
        if self.step > MOST_STEPS:
            raise self.violation("the schedule does not end")
        fault = ""
        if self.rules.faults and self.random.random() < self.rules.faults:
            fault = self.random.choice(FAULTS)
        if self.rules.rush and name == "release" and self.random.random() < 0.3:
            # Two transactions at one row, as DynamoDB tells of them: neither is written, it may be.
            fault = "conflict"
        self.history.append((call, name, args, kwargs, fault))
        if fault == "crash before":
            raise Crashed
        if fault in NOT_DONE:
            return NOT_DONE[fault]
        answer = self._really(call, name, args, kwargs)
        if fault == "crash after":
            raise Crashed
        return UnavailableError("drawn") if fault == "lost after" else answer

    def _crash(self, call: Call) -> None:
        self.going.remove(call)
        call.forget()
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
                return self.read_line(call, *args)
            return getattr(self.real, name)(*args, **kwargs)
        before = {key: rows.limit for key, rows in self.real._limits.items()}
        owed = self.owed(name, args, kwargs, call)
        answer = getattr(self.real, name)(*args, **kwargs)
        self.check(before)
        if self.rules.rates and answer is None and name in ("admit", "grant", "release"):
            granted = kwargs["to"] if name == "release" else args[0]
            self.check_rates(call, granted, kwargs.get("spend", {}))
        if name == "set_limit" and answer:
            self.set(args[0], before.get(args[0].key))
        if name == "stand" and answer:
            queue = (args[0] or args[1]).queue
            self.stood[queue] = MOST_STEPS
            self.moved[queue] = call.moves[queue] = self.step
        if name == "release" and answer is None and kwargs["to"] is not None:
            self.check_hand_off(call, args[0], kwargs["to"], before)
        if name == "grant" and answer is None:
            call.gave = call.gave or kwargs["by"] is None
            self.granted.setdefault(kwargs["by"], {})[args[0].claim_id] = self.step
        if owed and answer is None:
            raise self.violation(f"{owed} were passed by {name}{args}")
        if self.rules.backlog:
            self.check_shares(name, args, kwargs, answer)
        return answer

    def _answered(self, call: Call, answer: Any) -> None:
        launch: Sequence[Claim] = ()
        if isinstance(answer, Grant):
            launch = answer.launch
            self.settled.setdefault(call.subject, self.step)
        elif isinstance(answer, list | tuple):
            launch = answer
        if call.name in ("release", "cancel"):
            self.check_told(call, [one.claim_id for one in launch])
        for claim in launch:
            if claim.claim_id in self.answered:
                continue
            self.answered.add(claim.claim_id)
            if self.random.random() < 0.3:
                self.todo.append(launching(claim.claim_id))
            if self.rules.backlog or self.random.random() < 0.8:
                self.todo.append(self._releasing(claim))
                if self.random.random() < 0.2:
                    self.todo.append(self._releasing(claim))

    def _releasing(self, claim: Claim) -> Call:
        return releasing(claim.claim_id, belief_of(claim, self.rules, self.random))

    def _drain(self) -> None:
        """Everything that waits gets its turn once limits allow it, and all is given back. One call after another."""
        self.is_draining = True
        admission = self.rules.admission(
            self.real, WorldClock(self), pause=no_pause, alarms=WorldAlarm(self)
        )
        while self._widen(admission) or self._held() or self.alarms:
            self.check_quiet()
            for claim_id in self._held():
                admission.release(claim_id)
            if self.alarms:
                self.now = max(self.now, min(self.alarms)[0])
            while self.alarms and min(self.alarms)[0] <= self.now:
                at, key = min(self.alarms)
                self.alarms.remove((at, key))
                admission.pump(key)
        self.check({})
        for claim in self.real._claims.values():
            if claim.state is not ClaimState.DONE:
                raise self.violation(f"{claim.claim_id} was never granted")

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
