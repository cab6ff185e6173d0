"""What each kind of limit admits: a queue, limits, and who runs, through a whole deployment.

Each step lasts a minute. ``see`` gives the runs in the order they were submitted: ``R`` is running, ``q`` queued, ``.`` over,
``x`` cancelled or skipped.
"""

from __future__ import annotations

import pytest

from tests.integration.limits.jobs import Deploy, defs
from tests.integration.limits.limit_table import TABLE

MARKS = {"QUEUED": "q", "STARTING": "R", "STARTED": "R", "SUCCESS": "."} | {
    "FAILURE": "!",
    "CANCELED": "x",
}
OVER = {"SUCCESS", "CANCELED"}


@pytest.mark.parametrize("title", TABLE)
def test_limits_admit(deploy: Deploy, title: str) -> None:
    concurrency, moves = TABLE[title]
    tg = deploy(defs, settings={"concurrency": concurrency}, step_seconds=60)
    known: list[str] = []

    for number, (move, *values) in enumerate(moves):
        if move == "see":
            seen = "".join(MARKS[tg.run_status(one)] for one in known)
            assert seen == values[0], f"after move {number}"
        elif move == "advance":
            tg.advance(seconds=values[0])
        elif move == "limit":
            tg.set_limit(*values)
        elif move == "pause":
            tg.pause_limit(values[0])
        elif move == "resume":
            tg.resume_limit(values[0])
        elif move == "deploy":
            tg.deploy_settings({"concurrency": values[0]})
        else:
            tags, options = [*values, {}, {}][:2]
            known.append(tg.submit(move, tags=tags, **options))
        tg.settle()
    tg.set_limit("runs", -1)
    for key, limit in tg.limits.items():
        if limit.paused:
            tg.resume_limit(key)
        if limit.capacity == 0:
            tg.set_limit(key, 1)
    for _ in range(24):
        if {tg.run_status(one) for one in known} <= OVER:
            break
        tg.advance(minutes=5)
    assert {tg.run_status(one) for one in known} <= OVER
    assert {key: limit.in_use for key, limit in tg.limits.items() if limit.in_use} == {}
    assert {key: limit.waiting for key, limit in tg.limits.items() if limit.waiting} == {}
