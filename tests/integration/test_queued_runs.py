"""Runs and steps that wait: by limit, by priority, and asked for twice."""

from __future__ import annotations

from datetime import timedelta

from tests.integration.chains import Deploy, chain
from tidegate import (
    Definitions,
    job,
    op,
)


def test_a_pool_of_two_is_never_exceeded_and_never_idle_while_steps_wait(deploy: Deploy) -> None:
    @op(pool="db")
    def query() -> None: ...

    @job
    def queries() -> None:
        for i in range(10):
            query.alias(f"q{i}")()

    tg = deploy(Definitions(jobs=[queries]), step_seconds=60)
    tg.set_limit("pool/db", 2)

    runs = [tg.submit("queries"), tg.submit("queries")]
    tg.settle()
    # Eight steps of the first run, and the second run: it is queued until a step of it can begin.
    assert (tg.limits["pool/db"].in_use, tg.limits["pool/db"].waiting) == (2, 9)
    assert [tg.run_status(one) for one in runs] == ["STARTED", "QUEUED"]
    tg.advance(minutes=11)

    assert [tg.run(one).status for one in runs] == ["SUCCESS", "SUCCESS"]
    spans = [span for one in runs for span in tg.intervals(one).values()]
    edges = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    in_use, most = 0, 0
    for _, change in sorted(edges, key=lambda edge: (edge[0], edge[1])):
        in_use += change
        most = max(most, in_use)
    assert most == 2
    assert max(end for _, end in spans) - min(start for start, _ in spans) == timedelta(minutes=10)
    assert tg.limits["pool/db"].in_use == 0


def test_the_same_run_key_is_the_same_run(deploy: Deploy) -> None:
    tg = deploy(Definitions(jobs=[chain]))

    first = tg.submit("chain", run_key="2026-01-01")
    again = tg.submit("chain", run_key="2026-01-01")
    tg.settle()
    later = tg.submit("chain", run_key="2026-01-01")
    other = tg.submit("chain", run_key="2026-01-02")

    assert first == again == later != other
    tg.settle()
    assert len(tg.runs()) == 2


def test_runs_beyond_the_limit_wait_and_say_why(deploy: Deploy) -> None:
    tg = deploy(
        Definitions(jobs=[chain]),
        settings={"concurrency": {"runs": {"max_concurrent_runs": 1}}},
        step_seconds=10,
    )

    first, second, third = (tg.submit("chain") for _ in range(3))
    tg.settle()

    assert tg.run(first).status == "STARTED"
    assert tg.queue() == [
        (second, "runs", [f"run/{first}"], 0),
        (third, "runs", [f"run/{first}"], 1),
    ]
    tg.advance(minutes=2)
    assert [tg.run(one).status for one in (first, second, third)] == ["SUCCESS"] * 3
    assert tg.run(first).finished_at <= tg.run(second).started_at
    assert tg.run(second).finished_at <= tg.run(third).started_at


def test_priority_goes_first_then_first_come(deploy: Deploy) -> None:
    tg = deploy(
        Definitions(jobs=[chain]),
        settings={"concurrency": {"runs": {"max_concurrent_runs": 1}}},
        step_seconds=1,
    )

    first = tg.submit("chain")
    tg.settle()
    low = tg.submit("chain")
    high = tg.submit("chain", tags={"dagster/priority": "5"})
    tg.settle()

    assert [entry[0] for entry in tg.queue()] == [high, low]
    tg.advance(minutes=1)
    started = {
        name: tg.run(run).started_at for name, run in [("f", first), ("l", low), ("h", high)]
    }
    assert started["f"] < started["h"] < started["l"]


def test_a_limit_of_zero_admits_nothing_until_it_is_raised(deploy: Deploy) -> None:
    tg = deploy(
        Definitions(jobs=[chain]), settings={"concurrency": {"runs": {"max_concurrent_runs": 0}}}
    )

    run_id = tg.submit("chain")
    tg.settle()
    assert tg.run(run_id).status == "QUEUED"

    tg.set_limit("runs", 1)
    tg.settle()
    assert tg.run(run_id).status == "SUCCESS"
