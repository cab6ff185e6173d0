"""Alarms: executions of the alarm state machine, each of which waits for one moment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from tidegate.adapters.alarm_input import alarm_input, alarm_name
from tidegate.adapters.aws.clients import answered, client, code_of
from tidegate.ports import Clock


class StepFunctionsAlarms:
    """``tidegate.ports.Alarms`` on Step Functions, where waiting is free. Up to a year ahead.

    One StartExecution. Its name is made of the moment and the task; while that execution waits, asking again starts none.
    """

    def __init__(self, state_machine: str, clock: Clock, *, step_functions: Any = None) -> None:
        """``state_machine`` is its ARN."""
        self._state_machine = state_machine
        self._clock = clock
        self._step_functions = step_functions

    def set(self, at: datetime, task: Mapping[str, Any]) -> None:
        document = alarm_input(at, task)
        if self._start(alarm_name(document), document):
            return
        # It has gone off. If its moment is yet to come here, this clock is behind the one it went by, and what the caller
        # has just written may have come too late for it.
        now = self._clock.now()
        if at > now:
            self._start(alarm_name(document, now), document)

    def _start(self, name: str, document: Mapping[str, Any]) -> bool:
        """False: an execution of that name is over."""
        mend = (
            f"Check that {self._state_machine} exists and that this function's role may start it."
        )
        with answered(f"Starting execution {name}", mend=mend):
            try:
                (self._step_functions or client("stepfunctions")).start_execution(
                    stateMachineArn=self._state_machine,
                    name=name,
                    input=json.dumps(document, sort_keys=True, separators=(",", ":")),
                )
            except ClientError as error:
                if code_of(error) != "ExecutionAlreadyExists":
                    raise
                return False
        return True
