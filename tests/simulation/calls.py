"""Calls of admission on their way from access to access.

A call runs against a store that answers from a log. When the log ends, the call stops there, and the world knows which
access comes next; it decides when, and with which fault, that access is made on the real store, and writes the answer to the
log. So there are no threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tidegate.app.admission.crowds import Crowds
from tidegate.app.admission.engine import Admission
from tidegate.domain.claim import Claim, Want
from tidegate.domain.rate import Rate
from tidegate.errors import StoreError

Op = Callable[[Admission], Any]
NextAnswer = Callable[[str, tuple[Any, ...], dict[str, Any]], Any]


class LoggedTime:
    """The clock and the alarm of a call, by its log: a call that goes on is told the time it was told before."""

    def __init__(self, store: LoggedStore) -> None:
        self.store = store

    def now(self) -> datetime:
        moment: datetime = self.store.now()
        return moment

    def set(self, at: datetime, task: Mapping[str, Any]) -> None:
        self.store.alarm(task["limit"], at)


class DrawnCrowds(Crowds):
    """What other calls of the same process have seen, by the log; what the call itself saw, as it is."""

    def __init__(self, store: LoggedStore) -> None:
        super().__init__()
        self.store = store

    def at(self, key: str, now: datetime) -> int:
        seen = super().at(key, now)
        others: int = seen or self.store.crowd(key)
        return others

    def forget(self) -> None:
        """The call begins again with its log."""
        self._seen = {}


class Stopped(BaseException):
    """The call stops before its next access, for now. Not an ``Exception``: no handler of the call may catch it."""


class Crashed(BaseException):
    """The call dies."""


class LoggedStore:
    """Answers from a log; at its end it asks the world, which answers, or stops the call there."""

    def __init__(self, next_answer: NextAnswer) -> None:
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
    goes_since: int = 0
    """Step at which it began this time."""
    gave: bool = False
    """It granted a claim and could not record by which call, there being no claim of its own yet."""
    moves: dict[str, int] = field(default_factory=dict)
    """Queues it has put into another line, and at which step: they are on their way until it is over."""
    store: LoggedStore | None = None
    crowds: DrawnCrowds | None = None
    admission: Admission | None = None

    def forget(self) -> None:
        """Break its rings of references, so that the garbage of a schedule needs no collector."""
        if self.store is not None:
            self.store.__dict__.clear()
        self.store = self.admission = self.crowds = None

    def again(self) -> Call:
        return Call(
            name=self.name, op=self.op, began=self.began, subject=self.subject, moves=self.moves
        )


def acquiring(claim: Claim) -> Call:
    return Call(name="acquire", subject=claim.claim_id, op=lambda one: one.acquire(claim))


def trying(claim: Claim) -> Call:
    return Call(name="acquire", subject=claim.claim_id, op=lambda one: one.try_acquire(claim))


def launching(claim_id: str) -> Call:
    return Call(name="launched", subject=claim_id, op=lambda one: one.launched(claim_id))


def releasing(claim_id: str, belief: tuple[Want, ...] = ()) -> Call:
    return Call(
        name="release", subject=claim_id, op=lambda one: one.release(claim_id, wants=belief)
    )


def cancelling(claim_id: str, belief: tuple[Want, ...] = ()) -> Call:
    """Nobody knows whether it waits or holds. With a belief it is taken to hold."""
    return replace(releasing(claim_id, belief), name="cancel")


def setting(key: str, capacity: int) -> Call:
    return Call(name="set_limit", subject=key, op=lambda one: one.set_limit(key, capacity))


def rating(key: str, rate: Rate | None) -> Call:
    return Call(name="set_rate", subject=key, op=lambda one: one.set_rate(key, rate))


def pumping(key: str) -> Call:
    return Call(name="pump", subject=key, op=lambda one: one.pump(key))


def sweeping(before: datetime) -> Call:
    return Call(name="sweep", op=lambda one: one.unlaunched(before))


def no_pause(seconds: float) -> None:
    """Time does not pass here."""
