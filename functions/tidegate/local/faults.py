"""Faults to inject: the ways a call, a function or the network fails on AWS, at exactly the call a test names.

    faults.at(3, Fault.CRASH_AFTER)                        # the third call of the control plane from now on
    faults.at(1, Fault.CONFLICT, operation="TransactWriteItems")

A test that wants every place asks for the first, the second ... until ``armed.fired`` stays False.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import StrEnum

from tidegate.local.role import Role

CONFLICTING = frozenset(
    {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "TransactGetItems"}
)
"""Calls that DynamoDB may refuse because of a transaction; a conflict is counted among these alone."""

LOSABLE = frozenset({("lambda", "Invoke"), ("stepfunctions", "StartExecution")})
"""Calls by which something begins that nobody waits for."""


class Crash(BaseException):
    """The sandbox is gone. No ``except Exception`` of a handler sees it, as none sees the real thing."""


class Hang(BaseException):
    """Raised by a registered function to never answer: what waits for it runs into its time-out."""


class Fault(StrEnum):
    CRASH_BEFORE = "crash-before"
    """The function dies before the call is sent."""
    CRASH_AFTER = "crash-after"
    """The function dies after the call was done."""
    ANSWER_LOST = "answer-lost"
    """The call was done, and the caller gets a connection error."""
    REPEATED = "repeated"
    """The first answer was lost and the SDK sent the call again: done twice, the second answer counts."""
    THROTTLED = "throttled"
    CONFLICT = "conflict"
    """DynamoDB: another transaction is at the same items. Nothing is written."""
    UNAVAILABLE = "unavailable"
    """Answered with 500. Nothing is done."""
    DELIVERED_TWICE = "delivered-twice"
    """A Lambda event arrives twice."""
    ABANDONED = "abandoned"
    """The function dies after the call was done, and is not called again: its event is gone, or the execution it works for
    waits until its task has timed out."""
    LOST = "lost"
    """An asynchronous invocation, or an execution to start, is accepted, and nothing ever comes of it."""


def can_strike(fault: Fault, service: str, operation: str) -> bool:
    """Whether this call can fail in this way."""
    if fault is Fault.CONFLICT:
        return operation in CONFLICTING
    return fault is not Fault.LOST or (service, operation) in LOSABLE


@dataclass(kw_only=True)
class Armed:
    """A fault that waits for its call."""

    nth: int
    fault: Fault
    service: str | None
    operation: str | None
    seen: int = 0
    fired: bool = False

    def strikes(self, service: str, operation: str) -> bool:
        if self.fired or self.service not in (None, service):
            return False
        if self.operation not in (None, operation):
            return False
        if not can_strike(self.fault, service, operation):
            return False
        self.seen += 1
        self.fired = self.seen == self.nth
        return self.fired


class Faults:
    """The faults of a deployment. They strike the control plane only, unless ``roles`` says otherwise."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[Armed] = []
        self.roles = frozenset({Role.CONTROL})

    def at(
        self,
        nth: int,
        fault: Fault,
        *,
        service: str | None = None,
        operation: str | None = None,
    ) -> Armed:
        """Arm ``fault`` for the n-th matching call from now.

        For ``DELIVERED_TWICE`` the operation is the name of the function, None is any.
        """
        armed = Armed(nth=nth, fault=fault, service=service, operation=operation)
        with self._lock:
            self._armed.append(armed)
        return armed

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()
        self.roles = frozenset({Role.CONTROL})

    def on_call(self, role: Role, service: str, operation: str) -> Fault | None:
        """The fault that strikes this call."""
        if role not in self.roles or not self._armed:
            return None
        return self._strike(service, operation, delivery=False)

    def delivers_twice(self, function: str) -> bool:
        """Whether this event is delivered twice."""
        return bool(self._armed) and self._strike("lambda", function, delivery=True) is not None

    def _strike(self, service: str, operation: str, *, delivery: bool) -> Fault | None:
        with self._lock:
            struck = [
                one
                for one in self._armed
                if (one.fault is Fault.DELIVERED_TWICE) is delivery
                and one.strikes(service, operation)
            ]
            self._armed = [one for one in self._armed if not one.fired]
        return struck[0].fault if struck else None
