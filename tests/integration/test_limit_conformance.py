"""What each kind of limit admits: a queue, limits, and who runs, through a whole deployment.

Each step lasts a minute. ``see`` gives the runs in the order they were submitted: ``R`` is running, ``q`` queued, ``.`` over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tidegate import Definitions, In, Nothing, job, op
from tidegate.testing import LocalDeployment

Deploy = Callable[..., LocalDeployment]
MARKS = {"QUEUED": "q", "STARTING": "R", "STARTED": "R", "SUCCESS": ".", "FAILURE": "!"}


@op
def work() -> None: ...


@op(ins={"after": In(Nothing)})
def more() -> None: ...


@op(pool="db")
def query() -> None: ...


@op(tags={"dagster/concurrency_key": "db"})
def tagged_query() -> None: ...


@op(pool="db", slots=2)
def heavy_query() -> None: ...


@op(pool={"db": 1, "api": 1})
def copy() -> None: ...


@op(pool="api")
def call() -> None: ...


@job
def free() -> None:
    work()


@job
def long() -> None:
    more.alias("third")(more.alias("second")(work()))


@job
def db() -> None:
    query()


@job
def by_tag() -> None:
    tagged_query()


@job
def heavy() -> None:
    heavy_query()


@job
def both() -> None:
    copy()


@job
def api() -> None:
    call()


@job
def late() -> None:
    """Its pool is wanted by its second step only."""

    @op(ins={"after": In(Nothing)}, pool="db")
    def late_query() -> None: ...

    late_query(work())


defs = Definitions(jobs=[free, long, db, by_tag, heavy, both, api, late])


def runs(most: int = 99, **tags: int) -> dict[str, Any]:
    """Limits on runs; ``team=2`` by the key."""
    rules = [{"key": key, "limit": limit} for key, limit in tags.items()]
    return {"runs": {"max_concurrent_runs": most, "tag_concurrency_limits": rules}}


def by_value(*rules: Mapping[str, Any]) -> dict[str, Any]:
    return {"runs": {"max_concurrent_runs": 99, "tag_concurrency_limits": list(rules)}}


def pools(granularity: str = "op", **limits: int) -> dict[str, Any]:
    return {"pools": {"granularity": granularity, "limits": limits}} | runs()


EACH = {"applyLimitPerUniqueValue": True}
BLUE, RED = {"team": "blue"}, {"team": "red"}
MINUTE = ("advance", 60)

Move = tuple[Any, ...]

TABLE: dict[str, tuple[dict[str, Any], list[Move]]] = {
    "so many runs as the limit, the others in turn": (
        runs(2),
        [("free",)] * 5 + [("see", "RRqqq"), MINUTE, ("see", "..RRq"), MINUTE, ("see", "....R")],
    ),
    "-1 is no limit": (runs(-1), [("free",)] * 12 + [("see", "R" * 12)]),
    "0 admits nothing, and a raise admits at once": (
        runs(0),
        [("free",)] * 3 + [("see", "qqq"), ("limit", "runs", 2), ("see", "RRq")],
    ),
    "a tag limit by key counts all values together and runs without the tag not at all": (
        runs(team=2),
        [("free", BLUE), ("free", RED), ("free", BLUE), ("free", {}), ("see", "RRqR")],
    ),
    "a tag limit by value counts that value": (
        by_value({"key": "team", "value": "blue", "limit": 1}),
        [("free", BLUE), ("free", BLUE), ("free", RED), ("free", RED), ("see", "RqRR")],
    ),
    "a tag limit for each value counts each by itself": (
        by_value({"key": "team", "value": EACH, "limit": 1}),
        [("free", BLUE), ("free", RED), ("free", BLUE), ("free", RED), ("see", "RRqq")],
    ),
    "a rule for one value replaces the one for each value": (
        by_value(
            {"key": "team", "value": EACH, "limit": 1},
            {"key": "team", "value": "blue", "limit": 2},
        ),
        [("free", BLUE), ("free", BLUE), ("free", BLUE), ("free", RED), ("free", RED)]
        + [("see", "RRqRq")],
    ),
    "rules of different kinds on one key all hold": (
        by_value(
            {"key": "team", "limit": 3},
            {"key": "team", "value": EACH, "limit": 2},
        ),
        [("free", BLUE), ("free", BLUE), ("free", BLUE), ("free", RED), ("free", RED)]
        + [("see", "RRqRq")],
    ),
    "a tag limit of 0 stops its runs and no others": (
        by_value({"key": "team", "value": "blue", "limit": 0}),
        [("free", BLUE), ("free", RED), ("see", "qR")],
    ),
    "dagster/... tags and rules are those of tidegate/...": (
        runs(**{"dagster/database": 1}),
        [("free", {"tidegate/database": "a"}), ("free", {"dagster/database": "b"}), ("see", "Rq")],
    ),
    "a run blocked by its pool takes no tag slot from a run behind it": (
        {**runs(team=2), "pools": {"limits": {"db": 1}}},
        [("db", BLUE), ("db", BLUE), ("free", BLUE), ("see", "RqR")],
    ),
    "the same with a pool that runs hold": (
        {**runs(team=2), "pools": {"granularity": "run", "limits": {"db": 1}}},
        [("late", BLUE), ("late", BLUE), ("free", BLUE), ("see", "RqR")],
    ),
    "a run blocked by a tag takes no pool slot from a run behind it": (
        {**runs(team=1), "pools": {"limits": {"db": 1}}},
        [("free", BLUE), ("db", BLUE), ("db",), ("see", "RqR")],
    ),
    "a blocked head of high priority does not hold up those who do not want its limit": (
        pools(db=1),
        [("db",), ("db", {"dagster/priority": "9"}), ("free",), ("see", "RqR")],
    ),
    "a head of high priority waits for all it wants, and gets it before those behind it": (
        pools(db=2),
        [("db",), ("db",), ("heavy", {"dagster/priority": "9"}), ("db",), ("see", "RRqq")]
        + [MINUTE, ("see", "..Rq"), MINUTE, ("see", "...R")],
    ),
    "priority first, then first come; what is no number counts as 0": (
        runs(1),
        [("free",), ("free", {"dagster/priority": "-1"}), ("free", {"dagster/priority": "high"})]
        + [("free",), ("free", {"tidegate/priority": "2"}), ("see", "Rqqqq")]
        + [MINUTE, ("see", ".qqqR"), MINUTE, ("see", ".qRq."), MINUTE, ("see", ".q.R.")]
        + [MINUTE, ("see", ".R..."), MINUTE, ("see", ".....")],
    ),
    "lowering 10 to 2 with 10 holders lets the holders end and admits nobody until 1 is left": (
        runs(10),
        [("free",)] * 8
        + [("long",), ("long",)]
        + [("free",)] * 3
        + [("see", "R" * 10 + "qqq"), ("limit", "runs", 2)]
        + [("see", "R" * 10 + "qqq"), MINUTE, ("see", "." * 8 + "RRqqq")]
        + [("advance", 120), ("see", "." * 10 + "RRq")],
    ),
    "a limit lowered and raised again forgets nobody": (
        runs(3),
        [("free",)] * 4
        + [("limit", "runs", 0), MINUTE, ("see", "...q"), ("limit", "runs", 1)]
        + [("see", "...R")],
    ),
    "a paused limit admits nothing, and what holds it goes on": (
        pools(db=2),
        [("db",), ("pause", "pool/db"), ("db",), ("free",), ("see", "RqR"), MINUTE, ("see", ".q.")]
        + [("resume", "pool/db"), ("see", ".R.")],
    ),
    "a paused limit stays paused when it is set, and has the new capacity when it is resumed": (
        runs(1),
        [("pause", "runs"), ("free",), ("free",), ("limit", "runs", 2), ("see", "qq")]
        + [("resume", "runs"), ("see", "RR")],
    ),
    "a raised default reaches the pools it made and those who wait for them": (
        {**runs(), "pools": {"default_limit": 1}},
        [("db",), ("db",), ("db",), ("see", "Rqq")]
        + [("deploy", {**runs(), "pools": {"default_limit": 2}}), ("see", "RRq")],
    ),
    "a raised default leaves a pool alone that somebody set": (
        {**runs(), "pools": {"default_limit": 1}},
        [("db",), ("db",), ("limit", "pool/db", 1)]
        + [("deploy", {**runs(), "pools": {"default_limit": 2}}), ("see", "Rq")],
    ),
    "a raised limit for each value reaches the values that have one": (
        by_value({"key": "team", "value": EACH, "limit": 1}),
        [("free", BLUE), ("free", BLUE), ("see", "Rq")]
        + [("deploy", by_value({"key": "team", "value": EACH, "limit": 2})), ("see", "RR")],
    ),
    "a limit taken out of the settings is none any more": (
        runs(team=1),
        [("free", BLUE), ("free", BLUE), ("see", "Rq"), ("deploy", runs()), ("see", "RR")],
    ),
    "a pool of the tag concurrency_key is that pool": (
        pools(db=1),
        [("by_tag",), ("db",), ("see", "Rq")],
    ),
    "a step in several pools takes a slot of each, or none": (
        pools(db=1, api=1),
        [("db",), ("both",), ("api",), ("see", "RqR"), MINUTE, ("see", ".R.")],
    ),
    "a step of two slots takes both": (
        pools(db=3),
        [("heavy",), ("db",), ("db",), ("see", "RRq")],
    ),
    "runs with a pool of run granularity hold it from start to end, and their steps do not claim": (
        pools("run", db=1),
        [("late",), ("late",), ("see", "Rq"), MINUTE, ("see", "Rq"), MINUTE, ("see", ".R")],
    ),
    "a run of op granularity holds the pool while its step runs": (
        pools(db=1),
        [("late",), ("late",), ("see", "RR"), MINUTE, ("see", "RR"), MINUTE, ("see", ".R")]
        + [MINUTE, ("see", "..")],
    ),
    "granularity is of each pool": (
        {
            **runs(),
            "pools": {"granularity": "run", "limits": {"db": {"limit": 1, "granularity": "op"}}},
        },
        [("late",), ("late",), ("see", "RR"), MINUTE, ("see", "RR"), MINUTE, ("see", ".R")],
    ),
    "a run in flight keeps to the granularity it was submitted with": (
        pools("run", db=1),
        [("late",), ("deploy", pools("op", db=1)), ("late",), ("see", "RR"), MINUTE]
        + [("see", "RR"), MINUTE, ("see", ".R"), MINUTE, ("see", "..")],
    ),
    "a run all of whose first steps wait stays queued": (
        {"pools": {"limits": {"db": 1}}, **runs(2)},
        [("db",), ("db",), ("free",), ("see", "RqR")],
    ),
    "so many of them as the buffer begin all the same": (
        {"pools": {"limits": {"db": 1}, "op_granularity_run_buffer": 1}, **runs()},
        [("db",), ("db",), ("db",), ("see", "RRq"), MINUTE, ("see", ".RR")],
    ),
    "a job limit counts the runs of that job": (
        {**runs(), "jobs": {"free": 1}},
        [("free",), ("free",), ("long",), ("long",), ("see", "RqRR")],
    ),
    "a limit of a code location counts its runs": (
        {**runs(), "locations": {"definitions": 2}},
        [("free",), ("long",), ("free",), ("see", "RRq")],
    ),
    "runs of a backfill let a later live run go first": (
        runs(1),
        [("free",), ("free", {"tidegate/backfill": "b"}), ("free",), ("see", "Rqq")]
        + [MINUTE, ("see", ".qR"), MINUTE, ("see", ".R.")],
    ),
    "but not a live run that comes more than their lead later": (
        runs(1),
        [("pause", "runs"), ("free", {"dagster/backfill": "b"}), ("advance", 86_401), ("free",)]
        + [("resume", "runs"), ("see", "Rq")],
    ),
    "a backfill with a priority of its own stands where that says": (
        runs(1),
        [("free",), ("free", {"tidegate/backfill": "b", "dagster/priority": "0"}), ("free",)]
        + [MINUTE, ("see", ".Rq")],
    ),
}


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
            known.append(tg.submit(move, tags=dict(values[0]) if values else None))
        tg.settle()
    tg.set_limit("runs", -1)
    for key, limit in tg.limits.items():
        if limit.paused:
            tg.resume_limit(key)
        if limit.capacity == 0:
            tg.set_limit(key, 1)
    tg.advance(hours=2)
    assert {tg.run_status(one) for one in known} == {"SUCCESS"}
    assert {key: limit.in_use for key, limit in tg.limits.items() if limit.in_use} == {}
    assert {key: limit.waiting for key, limit in tg.limits.items() if limit.waiting} == {}
