"""Step Functions: the API over the stepper. Reached through plain boto3 calls, see ``gateway.py``."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from tidegate.local.asl import machine
from tidegate.local.asl.errors import InvalidDefinition
from tidegate.local.asl.machine import Machine
from tidegate.local.loop import Loop
from tidegate.local.service import ServiceError, required
from tidegate.local.stepper import (
    MAX_DATA_BYTES,
    Execution,
    ExecutionStatus,
    Stepper,
    TaskResource,
)

KEPT = 2_000
"""Executions whose history, input and output are kept. Older ones keep their name and status, so that a name stays taken."""
NAMES_KEPT = timedelta(days=90)
"""After its end an execution's name may be taken again."""

ACCOUNT = "123456789012"


class _StateMachine:
    def __init__(
        self, name: str, arn: str, body: Mapping[str, Any], made: Machine, created: datetime
    ) -> None:
        self.name = name
        self.arn = arn
        self.role_arn = body.get("roleArn", "")
        self.created = created
        self.definition = body["definition"]
        self.machine = made


class StepFunctions:
    """State machines and their executions."""

    def __init__(
        self,
        loop: Loop,
        *,
        region: str,
        tasks: Mapping[str, TaskResource],
        chance: random.Random,
        on_status_change: Callable[[Execution], None] = lambda execution: None,
    ) -> None:
        self._loop = loop
        self._prefix = f"arn:aws:states:{region}:{ACCOUNT}"
        self._tasks = tasks
        self._chance = chance
        self._on_status_change = on_status_change
        self._operations: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "CreateStateMachine": self._create,
            "UpdateStateMachine": self._update,
            "DeleteStateMachine": self._delete,
            "DescribeStateMachine": self._describe_machine,
            "ListStateMachines": self._list_machines,
            "StartExecution": self._start,
            "StopExecution": self._stop,
            "DescribeExecution": self._describe,
            "ListExecutions": self._list,
            "GetExecutionHistory": self._history,
        }
        self.transitions = 0
        """Billed state transitions of executions that have ended."""
        self.executions: dict[str, Execution] = {}
        """By ARN, oldest first."""
        self._machines: dict[str, _StateMachine] = {}
        self._steppers: dict[str, Stepper] = {}
        self._trimmed = 0

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        known = self._operations.get(operation)
        if known is None:
            raise ServiceError(
                "UnsupportedOperation", f"The local Step Functions does not do {operation}."
            )
        return known(body)

    # State machines -------------------------------------------------------------------------------------------

    def _create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        name = required(body, "name")
        arn = f"{self._prefix}:stateMachine:{name}"
        existing = self._machines.get(arn)
        if existing is not None and existing.definition != body["definition"]:
            raise ServiceError(
                "StateMachineAlreadyExists", f"State Machine Already Exists: '{arn}'"
            )
        if existing is None:
            made = self._parse(body["definition"])
            existing = _StateMachine(name, arn, body, made, self._loop.clock.now())
            self._machines[arn] = existing
        return {"stateMachineArn": arn, "creationDate": existing.created}

    def _parse(self, definition: str) -> Machine:
        try:
            made = machine.parse(definition)
        except InvalidDefinition as error:
            raise ServiceError("InvalidDefinition", str(error)) from error
        for name, state in made.states.items():
            if state["Type"] == "Task" and state.get("Resource") not in self._tasks:
                raise ServiceError(
                    "InvalidDefinition",
                    f"State {name!r} has the resource {state.get('Resource')!r};"
                    f" the local interpreter runs {', '.join(sorted(self._tasks))}.",
                )
        return made

    def _update(self, body: Mapping[str, Any]) -> dict[str, Any]:
        found = self._machine(body)
        if "definition" in body:
            found.machine = self._parse(body["definition"])
            found.definition = body["definition"]
        return {"updateDate": self._loop.clock.now()}

    def _delete(self, body: Mapping[str, Any]) -> dict[str, Any]:
        self._machines.pop(required(body, "stateMachineArn"), None)
        return {}

    def _describe_machine(self, body: Mapping[str, Any]) -> dict[str, Any]:
        found = self._machine(body)
        return {
            "stateMachineArn": found.arn,
            "name": found.name,
            "status": "ACTIVE",
            "definition": found.definition,
            "roleArn": found.role_arn,
            "type": "STANDARD",
            "creationDate": found.created,
        }

    def _list_machines(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "stateMachines": [
                {
                    "stateMachineArn": one.arn,
                    "name": one.name,
                    "type": "STANDARD",
                    "creationDate": one.created,
                }
                for one in self._machines.values()
            ]
        }

    def _machine(self, body: Mapping[str, Any]) -> _StateMachine:
        arn = required(body, "stateMachineArn")
        found = self._machines.get(arn)
        if found is None:
            raise ServiceError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")
        return found

    # Executions -----------------------------------------------------------------------------------------------

    def _is_forgotten(self, execution: Execution) -> bool:
        over = execution.stop_date
        return over is not None and over + NAMES_KEPT <= self._loop.clock.now()

    def _start(self, body: Mapping[str, Any]) -> dict[str, Any]:
        made = self._machine(body)
        given = body.get("input", "{}")
        _check_input(given)
        name = body.get("name") or f"{self._chance.getrandbits(128):032x}"
        if len(name) > 80:
            raise ServiceError("InvalidName", f"Invalid Name: '{name}'")
        arn = f"{self._prefix}:execution:{made.name}:{name}"
        existing = self.executions.get(arn)
        if existing is not None and not self._is_forgotten(existing):
            if existing.status is not ExecutionStatus.RUNNING or existing.input != given:
                raise ServiceError("ExecutionAlreadyExists", f"Execution Already Exists: '{arn}'")
            return {"executionArn": arn, "startDate": existing.start_date}
        execution = Execution(
            arn=arn,
            name=name,
            machine_arn=made.arn,
            machine_name=made.name,
            input=given,
            start_date=self._loop.clock.now(),
            role_arn=made.role_arn,
        )
        stepper = Stepper(
            made.machine,
            execution,
            loop=self._loop,
            tasks=self._tasks,
            chance=self._chance,
            ended=self._ended,
        )
        self.executions[arn], self._steppers[arn] = execution, stepper
        stepper.start()
        self._on_status_change(execution)
        return {"executionArn": arn, "startDate": execution.start_date}

    def _ended(self, execution: Execution) -> None:
        self._steppers.pop(execution.arn, None)
        self.transitions += execution.transitions
        self._trim()
        self._on_status_change(execution)

    def _trim(self) -> None:
        if len(self.executions) - self._trimmed <= 2 * KEPT:
            return
        for execution in list(self.executions.values())[self._trimmed : -KEPT]:
            self._trimmed += 1
            if execution.status is ExecutionStatus.RUNNING:
                continue  # an alarm, which may wait for long
            execution.history.clear()
            execution.input = execution.output = ""

    def _stop(self, body: Mapping[str, Any]) -> dict[str, Any]:
        execution = self._execution(body)
        stepper = self._steppers.get(execution.arn)
        if stepper is not None:
            stepper.stop(body.get("error"), body.get("cause"))
        return {"stopDate": execution.stop_date}

    def _describe(self, body: Mapping[str, Any]) -> dict[str, Any]:
        execution = self._execution(body)
        shown = _summary(execution) | {"input": execution.input}
        for name in ("output", "error", "cause"):
            if getattr(execution, name) is not None:
                shown[name] = getattr(execution, name)
        return shown

    def _list(self, body: Mapping[str, Any]) -> dict[str, Any]:
        wanted = body.get("statusFilter")
        start, size = int(body.get("nextToken") or 0), body.get("maxResults") or 100
        found = [
            _summary(one)
            for one in reversed(self.executions.values())
            if one.machine_arn == body.get("stateMachineArn") and wanted in (None, one.status)
        ]
        page: dict[str, Any] = {"executions": found[start : start + size]}
        if start + size < len(found):
            page["nextToken"] = str(start + size)
        return page

    def _history(self, body: Mapping[str, Any]) -> dict[str, Any]:
        events = [
            {"timestamp": at, "type": kind, "id": number, "previousEventId": number - 1}
            for number, (at, kind, _) in enumerate(self._execution(body).history, 1)
        ]
        return {"events": events[::-1] if body.get("reverseOrder") else events}

    def _execution(self, body: Mapping[str, Any]) -> Execution:
        arn = required(body, "executionArn")
        found = self.executions.get(arn)
        if found is None:
            raise ServiceError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        return found


def _summary(execution: Execution) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "executionArn": execution.arn,
        "stateMachineArn": execution.machine_arn,
        "name": execution.name,
        "status": str(execution.status),
        "startDate": execution.start_date,
    }
    if execution.stop_date is not None:
        shown["stopDate"] = execution.stop_date
    return shown


def _check_input(given: str) -> None:
    try:
        json.loads(given)
    except ValueError:
        raise ServiceError(
            "InvalidExecutionInput", "Invalid State Machine Execution Input"
        ) from None
    if len(given.encode()) > MAX_DATA_BYTES:
        raise ServiceError(
            "ValidationException",
            "1 validation error detected: Value at 'input' failed to satisfy constraint: Member must have"
            f" length less than or equal to {MAX_DATA_BYTES}",
        )
