"""Runs a state machine on our stepper and on moto's interpreter, with the same tasks, so that they can be compared.

A task is a function of its parameters: for ``lambda:invoke`` of the payload, for ``ecs:runTask.sync`` of the parameters. What it
raises is its failure. moto's waits and retries take no time here.
"""

from __future__ import annotations

import io
import json
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_callback,
    state_task_service_ecs,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import (
    WaitFunction,
)
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from tidegate.local.asl.errors import StateError
from tidegate.local.clock import SimulatedClock
from tidegate.local.loop import Loop
from tidegate.local.step_functions import StepFunctions
from tidegate.local.stepper import Execution

ROLE = "arn:aws:iam::123456789012:role/machine"
ENDS = 30.0
"""Seconds until an execution of moto is given up."""

Task = Callable[[Any], Any]


@dataclass(frozen=True)
class Ending:
    """How an execution ended: all that is compared."""

    status: str
    output: Any = None
    error: str | None = None


class Failure(Exception):
    """Raised by a task to fail with any error name."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(cause)
        self.error = error
        self.cause = cause


class NeverAnswers(Exception):
    """Raised by a task to leave whoever waits for it waiting."""


def failure_of(error: Exception) -> tuple[str, str]:
    if isinstance(error, Failure):
        return error.error, error.cause
    return type(error).__name__, str(error)


# Ours ---------------------------------------------------------------------------------------------------------


class _Resource:
    def __init__(self, loop: Loop, run: Task) -> None:
        self._loop = loop
        self._run = run

    def start(self, parameters: Any, done: Callable[[Any], None]) -> Callable[[], None]:
        self._loop.call_soon(lambda: self._answer(parameters, done))
        return lambda: None

    def _answer(self, parameters: Any, done: Callable[[Any], None]) -> None:
        try:
            answer = self._run(parameters)
        except NeverAnswers:
            return
        except Exception as error:  # noqa: BLE001 - whatever a task raises is its answer
            name, cause = failure_of(error)
            answer = StateError(name, json.dumps({"errorMessage": cause, "errorType": name}))
        done(answer)


def on_ours(definition: Mapping[str, Any], document: Any, tasks: Mapping[str, Task]) -> Ending:
    execution = executed(definition, document, tasks)
    output = None if execution.output is None else json.loads(execution.output)
    return Ending(str(execution.status), output, execution.error)


def executed(definition: Mapping[str, Any], document: Any, tasks: Mapping[str, Task]) -> Execution:
    """An execution on our stepper, from start to end; simulated time passes as it needs."""
    loop = Loop(SimulatedClock())

    def invoke(parameters: Any) -> Any:
        payload = tasks[parameters["FunctionName"]](parameters.get("Payload"))
        return {"ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": 200}

    machines = StepFunctions(
        loop,
        region="us-east-1",
        tasks={
            "arn:aws:states:::lambda:invoke": _Resource(loop, invoke),
            "arn:aws:states:::ecs:runTask.sync": _Resource(loop, lambda one: tasks["ecs"](one)),
        },
        chance=random.Random(0),
    )
    made = machines.call(
        "CreateStateMachine",
        {"name": "machine", "definition": json.dumps(definition), "roleArn": ROLE},
    )
    started = machines.call(
        "StartExecution",
        {
            "stateMachineArn": made["stateMachineArn"],
            "name": "execution",
            "input": json.dumps(document),
        },
    )
    execution = machines.executions[started["executionArn"]]
    loop.run_until_idle()
    while execution.stop_date is None:
        loop.advance(to=loop.next_due())
    return execution


# moto ---------------------------------------------------------------------------------------------------------


class _LambdaClient:
    def __init__(self, tasks: Mapping[str, Task], ended: threading.Event) -> None:
        self._tasks = tasks
        self._ended = ended

    def invoke(self, FunctionName: str, Payload: Any = b"null", **_: Any) -> dict[str, Any]:
        answer: dict[str, Any] = {"ExecutedVersion": "$LATEST", "StatusCode": 200}
        try:
            result = self._tasks[FunctionName](json.loads(Payload))
        except NeverAnswers:
            self._ended.wait(ENDS)
            result = None
        except Exception as error:  # noqa: BLE001 - whatever a task raises is its answer
            name, cause = failure_of(error)
            result = {"errorMessage": cause, "errorType": name}
            answer["FunctionError"] = "Unhandled"
        answer["Payload"] = io.BytesIO(json.dumps(result).encode())
        return answer


class _EcsClient:
    """Spelled both ways: moto reads one in one place and the other in the next."""

    def __init__(self, tasks: Mapping[str, Task], described: dict[str, Any]) -> None:
        self._tasks = tasks
        self._described = described

    def run_task(self, **parameters: Any) -> dict[str, Any]:
        task = {**self._tasks["ecs"](parameters), "ClusterArn": "cluster"}
        self._described[task["TaskArn"]] = task
        return {"Tasks": [task]}

    def describe_tasks(self, *, tasks: list[str], **_: Any) -> dict[str, Any]:
        task = self._described[tasks[0]]
        return {"Tasks": [dict(task)], "tasks": [{"lastStatus": "STOPPED"}]}


class _Clients:
    def __init__(self, ended: threading.Event) -> None:
        self.tasks: Mapping[str, Task] = {}
        self._ended = ended
        self._described: dict[str, Any] = {}

    def __call__(self, *, service: str, **_: Any) -> Any:
        if service == "lambda":
            return _LambdaClient(self.tasks, self._ended)
        return _EcsClient(self.tasks, self._described)


class _NoTime:
    @staticmethod
    def sleep(_: float) -> None:
        """A retry does not wait."""


class Referee:
    """moto's own interpreter."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._ended = threading.Event()
        self._clients = _Clients(self._ended)
        self._number = 0
        self._backend = stepfunctions_parser_backends["123456789012"]["us-east-1"]
        self._backend.reset()
        for module in (
            lambda_eval_utils,
            state_task_service_callback,
            state_task_service_ecs,
        ):
            if hasattr(module, "boto_client_for"):
                patch.setattr(module, "boto_client_for", self._clients)
        patch.setattr(retrier_decl, "time", _NoTime)
        patch.setattr(WaitFunction, "_wait_interval", lambda self, env, wait_seconds: None)
        patch.setattr(state_task_service_callback, "_DELAY_SECONDS_SYNC_CONDITION_CHECK", 0)
        reflect = BaseExecutionWorkerCommunication.terminated

        def terminated(communication: BaseExecutionWorkerCommunication) -> None:
            reflect(communication)
            self._ended.set()

        patch.setattr(BaseExecutionWorkerCommunication, "terminated", terminated)

    def run(
        self, definition: Mapping[str, Any], document: Any, tasks: Mapping[str, Task]
    ) -> Ending:
        self._clients.tasks = tasks
        self._ended.clear()
        self._number += 1
        machine = self._backend.create_state_machine(
            name=f"machine-{self._number}",
            definition=json.dumps(definition),
            roleArn=ROLE,
        )
        execution = self._backend.start_execution(machine.arn, "execution", json.dumps(document))
        assert self._ended.wait(ENDS), "moto's interpreter did not end"
        status = str(execution.exec_status).rsplit(".", maxsplit=1)[-1]
        output = execution.output if status == "SUCCEEDED" else None
        return Ending(status, output, execution.error)
