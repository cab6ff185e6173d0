"""The alarm state machine, the very file that is deployed, on our stepper and on moto's interpreter."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.contract.state_machine_referee import Failure, Referee, executed, on_ours
from tidegate import state_machines
from tidegate.adapters.alarm_input import alarm_input

ALARM = Path(state_machines.__file__).parent / "alarm.asl.json"
START = datetime(2026, 1, 1, tzinfo=UTC)
"""Where the referee's clock starts."""
TASK = {"kind": "pump", "limit": "pool/api"}


@pytest.fixture(scope="module")
def machine() -> dict[str, Any]:
    text = ALARM.read_text().replace("${QueueFunctionArn}", "queue")
    text = text.replace("${LambdaInvoke}", "arn:aws:states:::lambda:invoke")
    document: dict[str, Any] = json.loads(text)
    return document


class Woken:
    """Stands for the queue function: keeps what it was given. The first ``failing`` calls end in an error."""

    def __init__(self, *, failing: int = 0) -> None:
        self.given: list[Any] = []
        self._failing = failing

    def __call__(self, payload: Any) -> None:
        self.given.append(payload)
        if len(self.given) <= self._failing:
            raise Failure("ConflictError", "try again")


@pytest.mark.parametrize("at", [START + timedelta(hours=3, microseconds=1), START - timedelta(1)])
@pytest.mark.parametrize("failing", [0, 5])
def test_the_queue_function_is_given_the_task_as_on_moto(
    at: datetime, failing: int, machine: dict[str, Any], referee: Referee
) -> None:
    document = alarm_input(at, TASK)
    ours, theirs = Woken(failing=failing), Woken(failing=failing)

    ending = on_ours(machine, document, {"queue": ours})
    expected = referee.run(machine, document, {"queue": theirs})

    assert ending == expected
    assert ending.status == "SUCCEEDED"
    assert ours.given == theirs.given == [document] * (failing + 1)


@pytest.mark.parametrize(
    ("at", "ended"),
    [
        (START + timedelta(days=364), START + timedelta(days=364)),
        (START + timedelta(milliseconds=600), START + timedelta(milliseconds=600)),
        (START, START),
        (START - timedelta(days=1), START),
    ],
)
def test_it_goes_off_at_its_moment_or_at_once(
    at: datetime, ended: datetime, machine: dict[str, Any]
) -> None:
    execution = executed(machine, alarm_input(at, TASK), {"queue": Woken()})

    assert execution.stop_date == ended
    assert execution.transitions == 2


def test_moto_too_leaves_out_what_is_below_a_second(
    machine: dict[str, Any], referee: Referee, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As AWS does. Our stepper is exact: nothing that runs on simulated time could wait for the rest."""
    from moto.stepfunctions.parser.asl.component.state.wait.wait_function.timestamp import (
        Timestamp,
    )

    at = START + timedelta(seconds=1, milliseconds=900)

    waited_for = Timestamp._from_timestamp_string(alarm_input(at, TASK)["at"])

    assert waited_for == (START + timedelta(seconds=1)).replace(tzinfo=None)
