"""What ``Launcher`` promises, in memory and on Step Functions; and the input both give the state machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tidegate.adapters.aws.clients import client
from tidegate.adapters.aws.launcher import StepFunctionsLauncher
from tidegate.adapters.memory.blobs import MemoryBlobs
from tidegate.adapters.memory.launcher import MemoryLauncher
from tidegate.domain.execution import StepTask
from tidegate.domain.task import MAX_INLINE_BYTES
from tidegate.errors import DeploymentError
from tidegate.local.aws import LocalAws


@dataclass
class Bench:
    launcher: Any
    blobs: MemoryBlobs
    started: Callable[[], dict[str, dict[str, Any]]]
    """Execution name -> input."""
    stopped: Callable[[], set[str]]


@pytest.fixture
def bench(services: LocalAws | None) -> Bench:
    blobs = MemoryBlobs()
    if services is None:
        memory = MemoryLauncher(blobs)
        return Bench(memory, blobs, lambda: memory.started, lambda: set(memory.stopped))
    machine = create_machine()
    step_functions = client("stepfunctions")

    def executions() -> list[dict[str, Any]]:
        listed = step_functions.list_executions(stateMachineArn=machine)["executions"]
        return [
            step_functions.describe_execution(executionArn=one["executionArn"]) for one in listed
        ]

    return Bench(
        StepFunctionsLauncher(machine, blobs),
        blobs,
        lambda: {one["name"]: json.loads(one["input"]) for one in executions()},
        lambda: {one["name"] for one in executions() if one["status"] == "ABORTED"},
    )


def create_machine() -> str:
    """ARN of a state machine that does nothing for a while."""
    waits = {"Type": "Wait", "Seconds": 60, "End": True}
    machine = client("stepfunctions").create_state_machine(
        name="step",
        definition=json.dumps({"StartAt": "Wait", "States": {"Wait": waits}}),
        roleArn="arn:aws:iam::123456789012:role/step",
    )
    return str(machine["stateMachineArn"])


def task(**changes: Any) -> StepTask:
    return StepTask(
        **{
            "run_id": "0190-run",
            "index": 3,
            "attempt": 2,
            "function": "weather:7",
            "task_definition": "weather-step:3",
            "compute": {"kind": "lambda"},
            "timeout_seconds": 900,
            "invocation": {"kind": "step", "step": "clean"},
            **changes,
        }
    )


def test_a_step_on_lambda_carries_its_invocation(bench: Bench) -> None:
    bench.launcher.start(task())

    assert bench.started() == {
        "0190-run-3-2": {
            "run_id": "0190-run",
            "index": 3,
            "attempt": 2,
            "function": "weather:7",
            "compute": {"kind": "lambda"},
            "timeout_seconds": 900,
            "invocation": {"kind": "step", "step": "clean"},
        }
    }
    assert bench.blobs.stored == {}


def test_an_invocation_too_large_to_carry_goes_to_the_bucket(bench: Bench) -> None:
    invocation = {"run_config": "x" * MAX_INLINE_BYTES}

    bench.launcher.start(task(invocation=invocation))

    key = "invocations/0190-run/3/2.json"
    assert bench.started()["0190-run-3-2"]["invocation"] == {"invocation_key": key}
    assert json.loads(bench.blobs.stored[key]) == invocation


@pytest.mark.parametrize(("spot", "provider"), [(False, "FARGATE"), (True, "FARGATE_SPOT")])
def test_a_step_on_ecs_reads_its_invocation_from_the_bucket(
    bench: Bench, spot: bool, provider: str
) -> None:
    compute = {"kind": "ecs", "cpu": 4096, "memory": 8192, "spot": spot}

    bench.launcher.start(task(compute=compute))

    key = "invocations/0190-run/3/2.json"
    document = bench.started()["0190-run-3-2"]
    assert document["invocation"] == {"invocation_key": key}
    assert document["ecs"] == {
        "task_definition": "weather-step:3",
        "capacity": [{"CapacityProvider": provider, "Weight": 1}],
        "cpu": "4096",
        "memory": "8192",
        "invocation": key,
    }
    assert json.loads(bench.blobs.stored[key]) == {"kind": "step", "step": "clean"}


def test_a_second_start_answers_when_the_first_one_was(bench: Bench) -> None:
    began = bench.launcher.start(task())

    assert began is not None
    assert bench.launcher.start(task()) == began
    assert bench.launcher.start(task(timeout_seconds=5)) is None


def test_starting_an_attempt_twice_is_once(bench: Bench) -> None:
    bench.launcher.start(task())
    bench.launcher.start(task())
    bench.launcher.start(task(timeout_seconds=5))

    assert [one["timeout_seconds"] for one in bench.started().values()] == [900]


def test_an_attempt_that_is_over_is_not_started_again(bench: Bench) -> None:
    bench.launcher.start(task())
    bench.launcher.stop("0190-run", 3, 2)

    began = bench.launcher.start(task())

    assert began is None
    assert bench.stopped() == {"0190-run-3-2"}
    assert len(bench.started()) == 1


def test_another_attempt_is_another_execution(bench: Bench) -> None:
    bench.launcher.start(task())
    bench.launcher.start(task(attempt=3))

    assert set(bench.started()) == {"0190-run-3-2", "0190-run-3-3"}


def test_stopping_stops_one_attempt_and_may_be_repeated(bench: Bench) -> None:
    bench.launcher.start(task())
    bench.launcher.start(task(attempt=3))

    bench.launcher.stop("0190-run", 3, 3)
    bench.launcher.stop("0190-run", 3, 3)

    assert bench.stopped() == {"0190-run-3-3"}


def test_stopping_what_was_never_started_is_nothing(bench: Bench) -> None:
    bench.launcher.stop("0190-run", 3, 2)

    assert bench.stopped() == set()


def test_of_sixteen_starts_at_once_one_execution_comes(at_once: Any) -> None:
    launcher = MemoryLauncher()

    at_once([lambda n=n: launcher.start(task(timeout_seconds=n)) for n in range(16)])

    assert len(launcher.started) == 1


def test_a_state_machine_that_is_not_there_is_named(aws: LocalAws) -> None:
    machine = create_machine()
    launcher = StepFunctionsLauncher(f"{machine}-gone", MemoryBlobs())

    with pytest.raises(DeploymentError, match=f"Check that {machine}-gone exists"):
        launcher.start(task())
