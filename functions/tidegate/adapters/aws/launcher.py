"""Starting and stopping executions of the step state machine."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from tidegate.adapters.aws.clients import answered, client, code_of
from tidegate.adapters.step_input import step_input
from tidegate.domain.execution import StepTask
from tidegate.domain.run import execution_name
from tidegate.ports import Blobs


class StepFunctionsLauncher:
    """``tidegate.ports.Launcher`` on Step Functions, which runs a name at most once in 90 days."""

    def __init__(self, state_machine: str, blobs: Blobs, *, step_functions: Any = None) -> None:
        """``state_machine`` is its ARN."""
        self._state_machine = state_machine
        self._blobs = blobs
        self._step_functions = step_functions

    @property
    def _client(self) -> Any:
        return self._step_functions or client("stepfunctions")

    def start(self, task: StepTask) -> datetime | None:
        """One StartExecution. That the execution exists, running or over, is success.

        Of one that runs with the same input, Step Functions answers when it began.
        """
        name = task.name
        document = step_input(task, self._blobs)
        with answered(f"Starting execution {name}", mend=self._mend):
            try:
                answer = self._client.start_execution(
                    stateMachineArn=self._state_machine,
                    name=name,
                    input=json.dumps(document, separators=(",", ":")),
                )
            except ClientError as error:
                if code_of(error) != "ExecutionAlreadyExists":
                    raise
                return None
        began: datetime = answer["startDate"]
        return began

    def stop(self, run_id: str, index: int, attempt: int) -> None:
        """One StopExecution. That there is no such execution, or that it is over, is success."""
        name = execution_name(run_id, index, attempt)
        with answered(f"Stopping execution {name}", mend=self._mend):
            try:
                self._client.stop_execution(
                    executionArn=self.execution_arn(name),
                    error="Canceled",
                    cause="The run was cancelled.",
                )
            except ClientError as error:
                if code_of(error) != "ExecutionDoesNotExist":
                    raise

    def execution_arn(self, name: str) -> str:
        """``arn:...:stateMachine:<machine>`` becomes ``arn:...:execution:<machine>:<name>``."""
        return f"{self._state_machine.replace(':stateMachine:', ':execution:', 1)}:{name}"

    @property
    def _mend(self) -> str:
        return (
            f"Check that {self._state_machine} exists and that this function's role may start it."
        )
