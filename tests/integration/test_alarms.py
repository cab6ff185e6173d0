"""Alarms on the deployment: set by one function, they wake the queue function at their moment, whatever dies meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tidegate import Definitions, job, op
from tidegate.local.faults import Fault
from tidegate.testing import LocalDeployment


@op
def work() -> None: ...


@job
def quick() -> None:
    work()


DEFS = Definitions(jobs=[quick])


@pytest.fixture
def tg() -> Iterator[LocalDeployment]:
    """One run a minute; the first has started."""
    settings = {"concurrency": {"runs": {"rate": {"limit": 1, "per": "minute"}}}}
    with LocalDeployment(DEFS, settings=settings) as made:
        made.submit("quick")
        made.settle()
        yield made


def statuses(tg: LocalDeployment) -> list[str]:
    return [tg.run_status(one) for one in reversed(tg.runs())]


def test_settling_does_not_wait_for_the_future(tg: LocalDeployment) -> None:
    tg.submit("quick")

    tg.settle()

    assert statuses(tg) == ["SUCCESS", "QUEUED"]


def test_alarms_go_off_in_order_of_time_each_at_its_moment(tg: LocalDeployment) -> None:
    begin = tg.now
    for _ in range(3):
        tg.submit("quick")

    tg.advance(minutes=10)

    starts = [tg.run(one).started_at for one in reversed(tg.runs())]
    assert starts == [begin + timedelta(minutes=number) for number in range(4)]


def test_until_then_nothing_is_called(tg: LocalDeployment) -> None:
    tg.submit("quick")
    tg.settle()
    before = tg.calls

    tg.advance(seconds=59)

    assert tg.calls == before


@pytest.mark.parametrize(
    "fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.THROTTLED, Fault.ANSWER_LOST]
)
def test_an_alarm_is_set_whatever_becomes_of_the_call(tg: LocalDeployment, fault: Any) -> None:
    armed = tg.faults.at(1, fault, operation="StartExecution")

    tg.submit("quick")
    tg.advance(minutes=3)

    assert armed.fired
    assert statuses(tg) == ["SUCCESS", "SUCCESS"]
