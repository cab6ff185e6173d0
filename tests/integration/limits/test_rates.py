"""What a rate lets start, and when, through a whole deployment: each step lasts a minute.

``starts`` gives the seconds at which the runs started, in the order they were submitted; None is queued.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.integration.limits.rates import (
    BLUE,
    EACH,
    RED,
    Asked,
    Deploy,
    by_tag,
    defs,
    every,
    pools,
    runs,
    starts,
    submit,
)
from tidegate.local.faults import Fault
from tidegate.testing import LocalDeployment

TABLE: dict[str, tuple[dict[str, Any], list[Asked], list[float | None]]] = {
    "starts are spaced": (runs(every(20)), ["free"] * 4, [0, 20, 40, 60]),
    "a spacing of parts of a second is kept": (
        runs({"limit": 100, "per": "minute"}),
        ["free"] * 5,
        [0, 0.6, 1.2, 1.8, 2.4],
    ),
    "so many as the burst start at once, the others are spaced": (
        runs({"limit": 6, "per": "minute", "burst": 3}),
        ["free"] * 5,
        [0, 0, 0, 10, 20],
    ),
    "beside a capacity both hold": (
        runs(every(20), most=2),
        ["free"] * 5,
        [0, 20, 60, 80, 120],
    ),
    "a capacity of one and a rate": (
        pools(api={"limit": 1, "rate": every(20)}),
        ["api"] * 3,
        [0, 60, 120],
    ),
    "a rate alone is no limit on how many at once": (
        pools(api=every(20)),
        ["api"] * 6,
        [0, 20, 40, 60, 80, 100],
    ),
    "a rate of a pool is of its steps, and of no other runs": (
        pools(api=every(20)),
        ["api", "free", "api", "free"],
        [0, 0, 20, 0],
    ),
    "a rate of a job": (
        {"jobs": {"free": every(20)}} | runs(),
        ["free", "other", "free"],
        [0, 0, 20],
    ),
    "a rate of a code location": (
        {"locations": {"definitions": {"limit": 9, "rate": every(20)}}} | runs(),
        ["free", "other"],
        [0, 20],
    ),
    "a rate by the key of a tag is of all its values": (
        by_tag(key="team", limit=1, per=20),
        [("free", BLUE), ("free", RED), "free"],
        [0, 20, 0],
    ),
    "a rate for each value of a tag is of each by itself": (
        by_tag(key="team", value=EACH, limit=1, per=20),
        [("free", BLUE), ("free", RED), ("free", BLUE), ("free", RED)],
        [0, 0, 20, 20],
    ),
    "higher priority starts first": (
        runs(every(20)),
        ["free", "free", ("free", {"tidegate/priority": "1"})],
        [0, 40, 20],
    ),
    "more slots are more starts, and wait until the burst is whole": (
        pools(api=every(20, burst=2)),
        ["heavy", "heavy", "api"],
        [0, 40, 60],
    ),
    "who waits for a full pool uses up no rate, and holds up nobody who waits for the rate alone": (
        pools(api=every(20), db=1),
        ["both", "both", "api", "api"],
        [0, 60, 20, 40],
    ),
    "who waits for a rate holds no slot of another limit": (
        pools(api=every(100), db=1),
        ["api", "both", "free"],
        [0, 100, 0],
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_runs_start_when_the_rate_lets_them(deploy: Deploy, name: str) -> None:
    settings, asked, expected = TABLE[name]
    tg = deploy(defs, settings={"concurrency": settings}, step_seconds=60)

    made = submit(tg, *asked)
    tg.advance(minutes=4)

    assert starts(tg, made) == expected


def test_steps_of_one_run_are_spaced_too(deploy: Deploy) -> None:
    tg = deploy(defs, settings={"concurrency": pools(api=every(20))}, step_seconds=60)

    run_id = tg.submit("call_twice")
    tg.advance(minutes=2)

    begins = sorted(start for start, _ in tg.intervals(run_id).values())
    assert [begins[1] - begins[0]] == [timedelta(seconds=20)]


def test_time_unused_is_saved_up_to_the_burst_and_no_further(deploy: Deploy) -> None:
    tg = deploy(defs, settings={"concurrency": runs(every(20, burst=2))})
    tg.advance(hours=1)

    made = submit(tg, *["free"] * 4)
    tg.advance(minutes=2)

    assert starts(tg, made) == [0, 0, 20, 40]


def test_until_the_next_start_nothing_is_called_and_then_the_same_for_each(deploy: Deploy) -> None:
    tg = deploy(defs, settings={"concurrency": runs(every(40))})
    submit(tg, *["free"] * 5)
    tg.settle()

    bills = []
    for _ in range(4):
        before = tg.calls
        tg.advance(seconds=39.999)
        assert tg.calls == before
        tg.advance(seconds=0.001)
        bills.append(tg.calls - before)

    assert bills[0] == bills[1] == bills[2]
    # A step, and the next alarm, asked for by the call that started it and again by the end of the run.
    assert bills[0]["stepfunctions", "StartExecution"] == 3
    assert bills[3]["stepfunctions", "StartExecution"] == 1


def test_who_comes_while_others_wait_sets_no_alarm_of_its_own(deploy: Deploy) -> None:
    tg = deploy(defs, settings={"concurrency": runs(every(3600))})
    submit(tg, *["free"] * 2)
    tg.settle()
    machine = tg._deployment.services.alarms._state_machine  # type: ignore[attr-defined]

    submit(tg, *["free"] * 5)
    tg.settle()

    listed = tg._deployment.aws.client("stepfunctions").list_executions(stateMachineArn=machine)
    assert len(listed["executions"]) == 1


def test_it_is_said_that_a_rate_is_waited_for_and_until_when(deploy: Deploy) -> None:
    tg = deploy(defs, settings={"concurrency": pools(api=every(20))})
    submit(tg, "api")
    tg.settle()
    waiting = tg.submit("api")
    tg.settle()
    next_start = (tg.now + timedelta(seconds=20)).isoformat()

    (queued,) = [one for one in tg.call("queue")["runs"] if one["run_id"] == waiting]
    shown = tg.call("runs.show", run_id=waiting)["waiting"]

    for why in (queued["waiting"], shown):
        assert (why["blocked_by"], why["rate"], why["next_start"]) == (
            "pool/api",
            every(20),
            next_start,
        )
    assert tg.limits["pool/api"].next_start == next_start
    assert tg.call("limits.show", key="pool/api")["next_start"] == next_start


def test_giving_back_the_slots_of_a_first_step_uses_up_no_rate(deploy: Deploy) -> None:
    settings = {"concurrency": {**runs(every(40)), "pools": {"limits": {"api": 1}}}}
    tg = deploy(defs, settings=settings, step_seconds=60)
    first = tg.submit("call_first")
    tg.advance(seconds=61)

    second = tg.submit("free")
    tg.settle()

    assert list(tg.run(first).steps.values()) == ["SUCCESS", "STARTED"]
    assert starts(tg, [first, second]) == [0, 61]


def test_a_rate_that_allows_no_start_keeps_nobody_from_giving_back(deploy: Deploy) -> None:
    settings = {"concurrency": {**runs(every(3600)), "pools": {"limits": {"api": 1}}}}
    tg = deploy(defs, settings=settings, step_seconds=60)

    first = tg.submit("call_first")
    tg.advance(seconds=61)

    assert list(tg.run(first).steps.values()) == ["SUCCESS", "STARTED"]
    assert tg.limits["pool/api"].in_use == 0
    assert tg.limits["runs"].in_use == 1


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
def test_wherever_the_call_of_an_alarm_dies_all_start_and_never_too_early(
    deploy: Deploy, fault: Fault
) -> None:
    nth, fired = 0, True
    while fired:
        nth += 1
        with LocalDeployment(defs, settings={"concurrency": runs(every(20))}) as tg:
            made = submit(tg, *["free"] * 3)
            tg.settle()
            armed = tg.faults.at(nth, fault)
            tg.advance(seconds=20)
            fired = armed.fired
            tg.faults.clear()
            tg.advance(minutes=15)

            moments = [one for one in starts(tg, made) if one is not None]
            assert len(moments) == 3, nth
            assert all(one >= 20 * place for place, one in enumerate(moments)), (nth, moments)

    assert nth > 5
