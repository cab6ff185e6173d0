"""One execution of a state machine, stepped by the event loop.

It does what Step Functions does with a Standard workflow, in the states of ``asl.machine``. Nothing blocks: a task is
started and calls back, a wait is a timer. moto's own interpreter is the referee: ``tests/contract`` runs every state and
branch on both.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from tidegate.local.asl import choice, paths, template
from tidegate.local.asl.errors import DATA_LIMIT, RUNTIME, TIMEOUT, StateError, matches
from tidegate.local.asl.machine import Machine
from tidegate.local.asl.retry import Retries
from tidegate.local.loop import Loop, Timer

MAX_DATA_BYTES = 256 * 1024
"""What a state may take in or hand on."""


class ExecutionStatus(StrEnum):
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ABORTED = "ABORTED"


Done = Callable[[Any], None]
"""Takes the result of a task, or the StateError it failed with. The second call does nothing."""


class TaskResource(Protocol):
    def start(self, parameters: Any, done: Done) -> Callable[[], None]:
        """Start the task; answers how to abandon it. ``done`` is called on the loop, never from inside ``start``."""


@dataclass(kw_only=True)
class Execution:
    """One execution and where it stands."""

    arn: str
    name: str
    machine_arn: str
    machine_name: str
    input: str
    start_date: datetime
    role_arn: str = ""
    status: ExecutionStatus = ExecutionStatus.RUNNING
    stop_date: datetime | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    transitions: int = 0
    """States entered and retries made: what Step Functions bills."""
    history: list[tuple[datetime, str, dict[str, Any]]] = field(default_factory=list)


class Stepper:
    """Steps one execution from its start to its end, then calls ``ended`` with it."""

    def __init__(
        self,
        machine: Machine,
        execution: Execution,
        *,
        loop: Loop,
        tasks: Mapping[str, TaskResource],
        chance: random.Random,
        ended: Callable[[Execution], None],
    ) -> None:
        self._machine = machine
        self._execution = execution
        self._loop = loop
        self._tasks = tasks
        self._chance = chance
        self._ended = ended
        self._timers: list[Timer] = []
        self._abandon: Callable[[], None] | None = None
        self._turn = 0
        """Counts what has been waited for, so that an answer that comes too late is not taken for the next one."""
        self._context: dict[str, Any] = {}
        self._deadline: Timer | None = None

    def start(self) -> None:
        execution, machine = self._execution, self._machine
        document = json.loads(execution.input)
        self._context = {
            "Execution": {
                "Id": execution.arn,
                "Input": document,
                "Name": execution.name,
                "RoleArn": execution.role_arn,
                "StartTime": _iso(execution.start_date),
                "RedriveCount": 0,
            },
            "StateMachine": {"Id": execution.machine_arn, "Name": execution.machine_name},
        }
        self._note("ExecutionStarted", input=execution.input)
        if machine.timeout_seconds is not None:
            self._deadline = self._loop.call_later(
                timedelta(seconds=machine.timeout_seconds),
                lambda: self._end(ExecutionStatus.TIMED_OUT, error=TIMEOUT),
            )
        self._loop.call_soon(lambda: self._enter(machine.start_at, document))

    def stop(self, error: str | None, cause: str | None) -> None:
        """Abort the execution, and the task it waits for."""
        self._end(ExecutionStatus.ABORTED, error=error, cause=cause)

    # ----------------------------------------------------------------------------------------------------------

    @property
    def _is_over(self) -> bool:
        return self._execution.status is not ExecutionStatus.RUNNING

    def _enter(self, name: str, document: Any) -> None:
        if self._is_over:
            return
        state = self._machine.states[name]
        self._execution.transitions += 1
        self._context["State"] = {
            "EnteredTime": _iso(self._loop.clock.now()),
            "Name": name,
            "RetryCount": 0,
        }
        self._note(f"{state['Type']}StateEntered", name=name)
        visit = _Visit(name, state, document, Retries(state.get("Retry", []), self._chance))
        try:
            getattr(self, f"_{state['Type'].lower()}")(visit, self._input(visit))
        except StateError as error:
            self._failed(visit, error)

    def _input(self, visit: _Visit) -> Any:
        """The effective input: what ``InputPath`` and ``Parameters`` make of what came in."""
        document = self._at(visit, "InputPath", visit.document)
        visit.effective = document
        if "Parameters" in visit.state:
            return template.fill(visit.state["Parameters"], document, self._context)
        return document

    def _pass(self, visit: _Visit, document: Any) -> None:
        self._result(visit, visit.state.get("Result", document))

    def _succeed(self, visit: _Visit, document: Any) -> None:
        self._end(ExecutionStatus.SUCCEEDED, output=self._at(visit, "OutputPath", document))

    def _fail(self, visit: _Visit, document: Any) -> None:
        error, cause = (
            self._read(visit.state[f"{one}Path"], document)
            if f"{one}Path" in visit.state
            else visit.state.get(one)
            for one in ("Error", "Cause")
        )
        self._end(ExecutionStatus.FAILED, error=error, cause=cause)

    def _choice(self, visit: _Visit, document: Any) -> None:
        follower = choice.choose(visit.state, document, self._context)
        self._leave(visit, follower, self._at(visit, "OutputPath", document))

    def _wait(self, visit: _Visit, document: Any) -> None:
        self._wait_until(
            self._until(visit.state, document),
            lambda: self._follow(visit, self._at(visit, "OutputPath", document)),
            visit,
        )

    def _until(self, state: Mapping[str, Any], document: Any) -> datetime:
        if "Timestamp" in state or "TimestampPath" in state:
            text = state.get("Timestamp") or self._read(state["TimestampPath"], document)
            try:
                return datetime.fromisoformat(text)
            except (TypeError, ValueError):
                raise StateError(RUNTIME, f"{text!r} is not a timestamp.") from None
        seconds = state.get("Seconds")
        if seconds is None:
            seconds = self._read(state["SecondsPath"], document)
        if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < 0:
            raise StateError(RUNTIME, f"{seconds!r} is not a number of seconds to wait.")
        return self._loop.clock.now() + timedelta(seconds=seconds)

    def _task(self, visit: _Visit, parameters: Any) -> None:
        resource = self._tasks[visit.state["Resource"]]
        seconds = self._timeout(visit)
        turn = self._next_turn()
        if seconds is not None:
            self._timers.append(
                self._loop.call_later(
                    timedelta(seconds=seconds),
                    lambda: self._answered(visit, turn, StateError(TIMEOUT)),
                )
            )
        self._note("TaskScheduled", resource=visit.state["Resource"])
        self._abandon = resource.start(
            parameters, lambda answer: self._answered(visit, turn, answer)
        )

    def _timeout(self, visit: _Visit) -> int | None:
        if "TimeoutSecondsPath" in visit.state:
            seconds = self._read(visit.state["TimeoutSecondsPath"], visit.effective)
        elif "TimeoutSeconds" in visit.state:
            seconds = visit.state["TimeoutSeconds"]
        else:
            return None
        if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < 1:
            raise StateError(RUNTIME, f"{seconds!r} is not a number of seconds for a time-out.")
        return seconds

    def _answered(self, visit: _Visit, turn: int, answer: Any) -> None:
        if turn != self._turn or self._is_over:
            return
        abandon = self._abandon
        self._next_turn()
        if isinstance(answer, StateError):
            kind = "TaskTimedOut" if answer.error == TIMEOUT else "TaskFailed"
            self._note(kind, error=answer.error, cause=answer.cause)
            if answer.error == TIMEOUT and abandon is not None:
                abandon()
            self._failed(visit, answer)
            return
        self._note("TaskSucceeded")
        try:
            _limited(answer, f"The task {visit.name!r} returned a result")
            self._result(visit, answer)
        except StateError as error:
            self._failed(visit, error)

    def _result(self, visit: _Visit, result: Any) -> None:
        state = visit.state
        if "ResultSelector" in state:
            result = template.fill(state["ResultSelector"], result, self._context)
        path = state.get("ResultPath", "$")
        document = visit.document if path is None else paths.write(path, visit.document, result)
        self._follow(visit, self._at(visit, "OutputPath", document))

    # ----------------------------------------------------------------------------------------------------------

    def _failed(self, visit: _Visit, error: StateError) -> None:
        delay = visit.retries.delay(error.error)
        if delay is not None:
            self._wait_until(
                self._loop.clock.now() + timedelta(seconds=delay),
                lambda: self._again(visit),
                visit,
            )
            return
        for catcher in visit.state.get("Catch", ()):
            if matches(catcher["ErrorEquals"], error.error):
                self._caught(visit, catcher, error)
                return
        status = ExecutionStatus.FAILED
        self._end(status, error=error.error, cause=error.cause)

    def _caught(self, visit: _Visit, catcher: Mapping[str, Any], error: StateError) -> None:
        path = catcher.get("ResultPath", "$")
        document = visit.document
        if path is not None:
            try:
                document = paths.write(path, visit.document, error.to_output())
            except StateError as other:
                self._end(ExecutionStatus.FAILED, error=other.error, cause=other.cause)
                return
        self._leave(visit, catcher["Next"], document)

    def _again(self, visit: _Visit) -> None:
        self._execution.transitions += 1
        self._context["State"]["RetryCount"] = visit.retries.count
        try:
            self._task(visit, self._input(visit))
        except StateError as error:
            self._failed(visit, error)

    def _follow(self, visit: _Visit, document: Any) -> None:
        if visit.state.get("End"):
            self._note(f"{visit.state['Type']}StateExited", name=visit.name)
            self._end(ExecutionStatus.SUCCEEDED, output=document)
        else:
            self._leave(visit, visit.state["Next"], document)

    def _leave(self, visit: _Visit, follower: str, document: Any) -> None:
        try:
            _limited(document, f"The state {visit.name!r} handed on an output")
        except StateError as error:
            self._end(ExecutionStatus.FAILED, error=error.error, cause=error.cause)
            return
        self._note(f"{visit.state['Type']}StateExited", name=visit.name)
        self._loop.call_soon(lambda: self._enter(follower, document))

    def _wait_until(self, when: datetime, then: Callable[[], None], visit: _Visit) -> None:
        turn = self._next_turn()

        def fire() -> None:
            if turn != self._turn or self._is_over:
                return
            self._next_turn()
            try:
                then()
            except StateError as error:
                self._failed(visit, error)

        self._timers.append(self._loop.call_at(when, fire))

    def _next_turn(self) -> int:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._abandon = None
        self._turn += 1
        return self._turn

    def _end(
        self,
        status: ExecutionStatus,
        *,
        output: Any = None,
        error: str | None = None,
        cause: str | None = None,
    ) -> None:
        execution = self._execution
        if self._is_over:
            return
        abandon = self._abandon
        self._next_turn()
        if self._deadline is not None:
            self._deadline.cancel()
        execution.status, execution.error, execution.cause = status, error, cause
        if status is ExecutionStatus.SUCCEEDED:
            execution.output = json.dumps(output, separators=(",", ":"))
        execution.stop_date = self._loop.clock.now()
        self._note(_ENDS[status], error=error, cause=cause)
        if abandon is not None:
            abandon()
        self._ended(execution)

    def _at(self, visit: _Visit, field_name: str, document: Any) -> Any:
        path = visit.state.get(field_name, "$")
        return {} if path is None else self._read(path, document)

    def _read(self, path: str, document: Any) -> Any:
        try:
            return paths.read(path, self._context if path.startswith("$$") else document)
        except paths.MissingPathError:
            raise StateError(RUNTIME, f"Invalid path '{path}': no results in the input.") from None

    def _note(self, kind: str, **details: Any) -> None:
        self._execution.history.append((self._loop.clock.now(), kind, details))


class _Visit:
    """One stay in a state, over all of its retries."""

    __slots__ = ("document", "effective", "name", "retries", "state")

    def __init__(self, name: str, state: dict[str, Any], document: Any, retries: Retries) -> None:
        self.name = name
        self.state = state
        self.document = document
        self.retries = retries
        self.effective: Any = None


_ENDS = {
    ExecutionStatus.SUCCEEDED: "ExecutionSucceeded",
    ExecutionStatus.FAILED: "ExecutionFailed",
    ExecutionStatus.TIMED_OUT: "ExecutionTimedOut",
    ExecutionStatus.ABORTED: "ExecutionAborted",
}


def _limited(document: Any, what: str) -> None:
    if len(json.dumps(document, separators=(",", ":")).encode()) > MAX_DATA_BYTES:
        raise StateError(
            DATA_LIMIT, f"{what} with a size exceeding the maximum number of bytes service limit."
        )


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
