"""Every call that a scenario makes, struck in turn: at each call the process is forked and the fault strikes in the child.

So the way to the call is gone only once, and all that follows it happens in the child alone, which reports what came of it
and exits. On the way back the parent knows nothing of it.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tidegate.local.faults import Fault, Faults, can_strike
from tidegate.local.role import Role

CHILD_SECONDS = 120
"""After so long a child is killed: it goes round and round."""
_READS = ("Get", "Query", "BatchGet", "TransactGet", "Head", "List", "Describe")
_OURS = frozenset({"dynamodb", "lambda", "stepfunctions", "ecs"})
"""What answers in this process, so that a call can be sent twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of the control plane, or the delivery of an event to one of its functions."""

    number: int
    service: str
    operation: str
    is_delivery: bool = False

    @property
    def writes(self) -> bool:
        return not self.operation.startswith(_READS)

    def can(self, fault: Fault) -> bool:
        """Whether this fault can strike it."""
        if self.is_delivery or fault is Fault.DELIVERED_TWICE:
            return self.is_delivery and fault is Fault.DELIVERED_TWICE
        if fault is Fault.REPEATED and self.service not in _OURS:
            return False
        return can_strike(fault, self.service, self.operation)

    def __str__(self) -> str:
        return f"{self.number} {self.service}:{self.operation}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """What came of a fault."""

    call: Call
    fault: Fault
    outcome: dict[str, Any]
    """As the child reported it; ``died`` if it could not."""

    def __str__(self) -> str:
        return f"{self.fault} at {self.call}"


USER_FUNCTION = "tidegate-user-code"
"""Its calls are not struck, and Step Functions, which waits for its answer, calls it once."""

Choose = Callable[[Call], Iterable[Fault]]


@dataclass
class Forks:
    """The faults of a deployment, all of them. ``choose`` says which strike a call."""

    choose: Choose
    calls: list[Call] = field(default_factory=list)
    struck: list[Struck] = field(default_factory=list)
    is_on: bool = True
    fault: Fault | None = None
    """In a child: the one that struck."""
    _report: int = -1

    def install(self, faults: Faults) -> None:
        faults.on_call = self._on_call  # type: ignore[method-assign]
        faults.delivers_twice = self._delivers_twice  # type: ignore[method-assign]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing strikes meanwhile, and nothing is counted."""
        was, self.is_on = self.is_on, False
        try:
            yield
        finally:
            self.is_on = was

    def play(self, scenario: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Play the scenario once. Answers what came of it when nothing struck; the rest is in ``struck``.

        In a child this never returns.
        """
        gc.freeze()
        try:
            outcome = scenario()
        except BaseException:
            if self.fault is None:
                raise
            outcome = {"died": traceback.format_exc()[-4000:]}
        finally:
            gc.unfreeze()
        if self.fault is not None:
            self._exit(outcome)
        return _plain(outcome)

    def _on_call(self, role: Role, service: str, operation: str) -> Fault | None:
        if role is not Role.CONTROL:
            return None
        return self._strike(service, operation)

    def _delivers_twice(self, function: str) -> bool:
        return (
            function != USER_FUNCTION
            and self._strike("lambda", function, delivery=True) is not None
        )

    def _strike(self, service: str, operation: str, *, delivery: bool = False) -> Fault | None:
        if self.fault is not None or not self.is_on:
            return None
        call = Call(
            number=len(self.calls), service=service, operation=operation, is_delivery=delivery
        )
        self.calls.append(call)
        for fault in self.choose(call):
            if call.can(fault) and self._fork(call, fault):
                return fault
        return None

    def _fork(self, call: Call, fault: Fault) -> bool:
        """True in the child."""
        reads, writes = os.pipe()
        with warnings.catch_warnings():
            # The other threads of this process (a test worker's) do nothing that the child needs.
            warnings.simplefilter("ignore", DeprecationWarning)
            process = os.fork()
        if process == 0:
            os.close(reads)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(CHILD_SECONDS)
            gc.disable()
            self.fault, self._report = fault, writes
            return True
        os.close(writes)
        with os.fdopen(reads, "rb") as pipe:
            document = pipe.read()
        os.waitpid(process, 0)
        outcome = json.loads(document) if document else {"died": "without a word"}
        self.struck.append(Struck(call=call, fault=fault, outcome=outcome))
        return False

    def _exit(self, outcome: dict[str, Any]) -> None:
        """Without a word to anybody else: what is in buffers is the parent's to write."""
        with os.fdopen(self._report, "wb") as pipe:
            pipe.write(json.dumps(outcome).encode())
        os._exit(0)


def _plain(outcome: dict[str, Any]) -> dict[str, Any]:
    """As a child's would arrive."""
    plain: dict[str, Any] = json.loads(json.dumps(outcome))
    return plain
