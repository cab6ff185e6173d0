"""A call of a backfill dies, is throttled or loses an answer while it asks for a chunk: each partition is made once all the same."""

from __future__ import annotations

import pytest

from tests.integration.backfills.pipeline import PIPELINE, RAN, Deploy
from tidegate.local.faults import Fault

FAULTS = (
    Fault.CRASH_BEFORE,
    Fault.CRASH_AFTER,
    Fault.ANSWER_LOST,
    Fault.REPEATED,
    Fault.THROTTLED,
    Fault.CONFLICT,
    Fault.UNAVAILABLE,
    Fault.ABANDONED,
)
CHUNK, RUNS = 1, 2
"""Which transaction of a call it is: that decides on a chunk, that creates its runs."""
DAYS = ["2025-01-01", "2025-01-02", "2025-01-03"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("nth", [CHUNK, RUNS])
def test_a_chunk_whose_writes_fail_is_asked_for_once(
    deploy: Deploy, fault: Fault, nth: int
) -> None:
    tg = deploy(PIPELINE)
    backfill = tg.backfill("raw", partitions=DAYS)
    armed = tg.faults.at(nth, fault, service="dynamodb", operation="TransactWriteItems")

    tg.settle()
    tg.advance(hours=1)

    assert armed.fired
    _each_was_made_once(tg, backfill)


@pytest.mark.parametrize(
    "fault", [*(one for one in FAULTS if one is not Fault.CONFLICT), Fault.LOST]
)
def test_runs_that_the_queue_was_not_told_of_are_admitted_once(
    deploy: Deploy, fault: Fault
) -> None:
    tg = deploy(PIPELINE)
    backfill = tg.backfill("raw", partitions=DAYS)
    armed = tg.faults.at(1, fault, service="lambda", operation="Invoke")

    tg.settle()
    tg.advance(hours=1)

    assert armed.fired
    _each_was_made_once(tg, backfill)


@pytest.mark.parametrize("function", ["queue", "backfill"])
def test_events_that_come_twice_make_nothing_twice(deploy: Deploy, function: str) -> None:
    tg = deploy(PIPELINE)
    armed = tg.faults.at(1, Fault.DELIVERED_TWICE, operation=f"tidegate-{function}")
    backfill = tg.backfill("raw", partitions=DAYS)

    tg.settle()
    tg.advance(hours=1)

    assert armed.fired
    _each_was_made_once(tg, backfill)


def _each_was_made_once(tg, backfill: str) -> None:  # type: ignore[no-untyped-def]
    done = tg.backfill_status(backfill)
    assert (done.status, done.runs) == ("COMPLETED_SUCCESS", len(DAYS))
    assert dict(RAN) == {("raw", day): 1 for day in DAYS}
    assert len(tg.runs()) == len(DAYS)
    assert tg.limits["runs"].in_use == 0
