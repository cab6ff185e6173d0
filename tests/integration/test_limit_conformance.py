"""What each kind of limit admits: a queue, limits, and who runs, through a whole deployment.

Each step lasts a minute. ``see`` gives the runs in the order they were submitted: ``R`` is running, ``q`` queued, ``.`` over,
``x`` cancelled or skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tidegate import (
    ConfigError,
    Definitions,
    In,
    Nothing,
    job,
    multiprocess_executor,
    op,
)
from tidegate.errors import RequestError, UnknownLimitError
from tidegate.testing import LocalDeployment

Deploy = Callable[..., LocalDeployment]
Move = tuple[Any, ...]
MARKS = {"QUEUED": "q", "STARTING": "R", "STARTED": "R", "SUCCESS": "."} | {
    "FAILURE": "!",
    "CANCELED": "x",
}


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


def on_conflict(policy: str, limit: int = 1) -> dict[str, Any]:
    """Of runs of job ``free``."""
    return {**runs(), "jobs": {"free": {"limit": limit, "on_conflict": policy}}}


def by(trigger: str, policy: str) -> Move:
    """A run of job ``free`` that a trigger asks for."""
    return ("free", {}, {"trigger": trigger, "on_conflict": policy})


def fair(most: int, key: str, **weights: float) -> dict[str, Any]:
    return {
        "runs": {"max_concurrent_runs": most, "fairness": {"key": key, "weights": weights}},
    }


def fair_pool(key: str, **limits: int) -> dict[str, Any]:
    rules = {name: {"limit": one, "fairness": {"key": key}} for name, one in limits.items()}
    return {"pools": {"limits": rules}} | runs()


EACH = {"applyLimitPerUniqueValue": True}
BLUE, RED = {"team": "blue"}, {"team": "red"}
MINUTE = ("advance", 60)

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
    "who wants more than a lowered limit has in all is passed, and first again when it is raised": (
        pools(db=2),
        [("db",), ("heavy",), ("limit", "pool/db", 1), ("db",), ("db",), ("see", "Rqqq")]
        + [MINUTE, ("see", ".qRq"), ("limit", "pool/db", 2), ("see", ".qRq")]
        + [MINUTE, ("see", ".R.q"), MINUTE, ("see", "...R")],
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
    "on conflict queue, a run waits for the one before it": (
        on_conflict("queue"),
        [("free",), ("free",), ("long",), ("see", "RqR"), MINUTE, ("see", ".RR")],
    ),
    "on conflict skip, a run gives way to those before it, and the next after them runs": (
        on_conflict("skip", 2),
        [("free",), ("free",), ("free",), ("long",), ("see", "RRxR"), MINUTE, ("free",)]
        + [("see", "..xRR")],
    ),
    "on conflict skip, a run gives way also to one that is queued": (
        {**on_conflict("skip"), **runs(1)},
        [("long",), ("free",), ("free",), ("see", "Rqx")],
    ),
    "on conflict queue_one, one waits and no more": (
        on_conflict("queue_one"),
        [("free",)] * 3 + [("see", "Rqx"), MINUTE, ("free",), ("free",), ("see", ".Rxqx")],
    ),
    "on conflict cancel_oldest, the oldest goes and the latest runs": (
        on_conflict("cancel_oldest"),
        [("free",), ("free",), ("see", "xR"), ("free",), ("free",), ("see", "xxxR")]
        + [MINUTE, ("free",), ("see", "xxx.R")],
    ),
    "of two that may run, the older one goes": (
        on_conflict("cancel_oldest", 2),
        [("free",), ("free",), ("see", "RR"), ("free",), ("see", "xRR")],
    ),
    "on conflict cancel_oldest, a run that waits for something else goes too": (
        {**on_conflict("cancel_oldest"), **runs(1)},
        [("long",), ("free",), ("free",), ("see", "Rxq")],
    ),
    "the latest run of a trigger takes the place of the one before": (
        runs(),
        [by("a", "cancel_oldest"), by("a", "cancel_oldest"), by("b", "cancel_oldest")]
        + [("see", "xRR")],
    ),
    "a raised limit lets more in past skip, a lowered one fewer, none at 0": (
        on_conflict("skip"),
        [("free",), ("limit", "job/free", 2), ("free",), ("free",), ("see", "RRx")]
        + [("limit", "job/free", 1), MINUTE, ("free",), ("free",), ("see", "..xRx")]
        + [MINUTE, ("limit", "job/free", 0), ("free",), ("see", "..x.xx")],
    ),
    "a job without a limit skips nobody": (
        on_conflict("skip", -1),
        [("free",)] * 3 + [("see", "RRR"), ("limit", "job/free", 1), ("free",), ("see", "RRRx")],
    ),
    "while a job is paused, so many of its runs wait as may run, and the others are skipped": (
        on_conflict("skip"),
        [("pause", "job/free"), ("free",), ("free",), ("see", "qx"), ("resume", "job/free")]
        + [("see", "Rx")],
    ),
    "a deploy that changes the limit moves the line with it": (
        on_conflict("skip"),
        [("free",), ("deploy", on_conflict("skip", 3)), ("free",), ("free",), ("free",)]
        + [("see", "RRRx")],
    ),
    "a deploy that changes the policy changes nothing for the runs that came before it": (
        on_conflict("queue_one"),
        [("free",), ("free",), ("deploy", on_conflict("skip")), ("free",), ("free",)]
        + [("see", "Rqqx"), MINUTE, ("see", ".Rqx"), MINUTE, ("see", "..Rx")],
    ),
    "a policy that comes with a deploy finds the limit somebody set": (
        on_conflict("queue"),
        [("limit", "job/free", 2), ("deploy", on_conflict("skip")), ("free",), ("free",), ("free",)]
        + [("see", "RRx")],
    ),
    "runs of one trigger are counted among themselves": (
        runs(),
        [by("a", "skip"), by("a", "skip"), by("b", "skip"), ("free",), ("see", "RxRR")]
        + [MINUTE, by("a", "skip"), ("see", ".x..R")],
    ),
    "runs of a trigger that queue go one at a time": (
        runs(),
        [by("a", "queue")] * 3 + [("see", "Rqq"), MINUTE, ("see", ".Rq")],
    ),
    "runs of a trigger that queue one": (
        runs(),
        [by("a", "queue_one")] * 3 + [("see", "Rqx"), MINUTE, ("see", ".Rx")],
    ),
    "a run gives way at its trigger or at its job, and takes neither place": (
        on_conflict("skip", 2),
        [by("a", "skip"), by("a", "skip"), by("b", "skip"), by("c", "skip"), ("see", "RxRx")]
        + [MINUTE, by("c", "skip"), by("a", "skip"), ("see", ".x.xRR")],
    ),
    "the limit of a trigger can be set live": (
        runs(),
        [by("a", "skip"), ("limit", "trigger/a", 2), by("a", "skip"), by("a", "skip")]
        + [("see", "RRx")],
    ),
    "runs of a backfill let a later live run go first": (
        runs(1),
        [("free",), ("free", {"tidegate/backfill": "b"}), ("free",), ("see", "Rqq")]
        + [MINUTE, ("see", ".qR"), MINUTE, ("see", ".R.")],
    ),
    "a limit with fairness is shared among the values that wait": (
        fair(1, "team"),
        [("free", BLUE)] * 4
        + [("free", RED)] * 2
        + [("see", "Rqqqqq"), MINUTE, ("see", ".Rqqqq"), MINUTE, ("see", "..qqRq")]
        + [MINUTE, ("see", "..Rq.q"), MINUTE, ("see", "...q.R"), MINUTE, ("see", "...R..")],
    ),
    "by their weights": (
        fair(1, "team", blue=2),
        [("free", BLUE)] * 5
        + [("free", RED)] * 2
        + [MINUTE, ("see", ".Rqqqqq"), MINUTE, ("see", "..qqqRq"), MINUTE, ("see", "..Rqq.q")]
        + [MINUTE, ("see", "...Rq.q"), MINUTE, ("see", "....q.R"), MINUTE, ("see", "....R..")],
    ),
    "within a priority": (
        fair(1, "team"),
        [("free", BLUE)] * 3
        + [("free", RED), ("free", {**BLUE, "dagster/priority": "1"})]
        + [MINUTE, ("see", ".qqqR"), MINUTE, ("see", ".Rqq."), MINUTE, ("see", "..qR.")],
    ),
    "runs without the tag are one value": (
        fair(1, "team"),
        [("free",)] * 3 + [("free", RED), MINUTE, ("see", ".Rqq"), MINUTE, ("see", "..qR")],
    ),
    "runs of backfills share what live runs leave": (
        fair(1, "team"),
        [("free", BLUE)]
        + [("free", {**BLUE, "tidegate/backfill": "b"})] * 2
        + [("free", {**RED, "tidegate/backfill": "r"}), ("free", BLUE), ("free", BLUE)]
        + [("see", "Rqqqqq"), MINUTE, ("see", ".qqqRq"), MINUTE, ("see", ".qqq.R")]
        + [MINUTE, ("see", ".Rqq.."), MINUTE, ("see", "..qR..")],
    ),
    "a pool is shared by the tags of the runs whose steps wait": (
        fair_pool("team", db=1),
        [("late", BLUE)] * 3
        + [("late", RED), MINUTE, ("see", "RRRR"), MINUTE, ("see", ".RRR")]
        + [MINUTE, ("see", "..RR"), MINUTE, ("see", "..R.")],
    ),
    "and so among runs that wait for it with their first step": (
        fair_pool("team", db=1),
        [("db", BLUE)] * 3
        + [("db", RED), ("see", "Rqqq"), MINUTE, ("see", ".Rqq"), MINUTE, ("see", "..qR")],
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
            tags, options = [*values, {}, {}][:2]
            known.append(tg.submit(move, tags=tags, **options))
        tg.settle()
    tg.set_limit("runs", -1)
    for key, limit in tg.limits.items():
        if limit.paused:
            tg.resume_limit(key)
        if limit.capacity == 0:
            tg.set_limit(key, 1)
    tg.advance(hours=2)
    assert {tg.run_status(one) for one in known} <= {"SUCCESS", "CANCELED"}
    assert {key: limit.in_use for key, limit in tg.limits.items() if limit.in_use} == {}
    assert {key: limit.waiting for key, limit in tg.limits.items() if limit.waiting} == {}


# Within one run ---------------------------------------------------------------------------------------------------


@op(tags={"team": "blue"})
def blue() -> None: ...


@op(tags={"team": "red"})
def red() -> None: ...


@job
def teams() -> None:
    for number in range(3):
        blue.alias(f"blue{number}")()
        red.alias(f"red{number}")()


@job(executor_def=multiprocess_executor.configured({"max_concurrent": 2}))
def two_at_once() -> None:
    for number in range(4):
        work.alias(f"w{number}")()


@job(executor_def=multiprocess_executor.configured({"max_concurrent": 1}))
def one_at_once() -> None:
    for number in range(3):
        work.alias(f"w{number}")()


@job(executor_def=multiprocess_executor.configured({"max_concurrent": 2}))
def queries() -> None:
    for number in range(3):
        query.alias(f"q{number}")()
    work()


within = Definitions(jobs=[teams, two_at_once, one_at_once, queries])


def started(tg: LocalDeployment, run_id: str) -> list[str]:
    return sorted(name for name, status in tg.run(run_id).steps.items() if status == "STARTED")


def config(**executor: Any) -> dict[str, Any]:
    return {"execution": {"config": executor}}


@pytest.mark.parametrize(
    ("name", "run_config", "most"),
    [
        ("two_at_once", None, 2),
        ("one_at_once", None, 1),
        ("two_at_once", config(max_concurrent=3), 3),
        ("two_at_once", config(max_concurrent=0), 4),
        ("teams", config(max_concurrent=5), 5),
        ("teams", config(multiprocess={"max_concurrent": 4}), 4),
        ("teams", None, 6),
    ],
)
def test_so_many_steps_of_a_run_as_its_executor_says(
    deploy: Deploy, name: str, run_config: dict[str, Any] | None, most: int
) -> None:
    tg = deploy(within, step_seconds=60)

    first, second = (tg.submit(name, run_config=run_config) for _ in range(2))
    tg.settle()

    assert (len(started(tg, first)), len(started(tg, second))) == (most, most)
    tg.advance(minutes=10)
    assert {tg.run_status(first), tg.run_status(second)} == {"SUCCESS"}


@pytest.mark.parametrize(
    ("rules", "running"),
    [
        ([{"key": "team", "limit": 2}], 2),
        ([{"key": "team", "value": "blue", "limit": 1}], 1 + 3),
        ([{"key": "team", "value": EACH, "limit": 2}], 2 + 2),
        (
            [
                {"key": "team", "value": EACH, "limit": 1},
                {"key": "team", "value": "red", "limit": 3},
            ],
            1 + 3,
        ),
        ([{"key": "team", "limit": 3}, {"key": "team", "value": EACH, "limit": 2}], 3),
        ([{"key": "other", "limit": 0}], 6),
        ([{"key": "team", "limit": -1}], 6),
    ],
)
def test_so_many_steps_of_a_run_as_its_tag_limits_say(
    deploy: Deploy, rules: list[dict[str, Any]], running: int
) -> None:
    tg = deploy(within, step_seconds=60)

    run_id = tg.submit("teams", run_config=config(tag_concurrency_limits=rules))
    tg.settle()

    assert len(started(tg, run_id)) == running
    tg.advance(minutes=10)
    assert tg.run_status(run_id) == "SUCCESS"


def test_a_step_blocked_by_its_pool_takes_no_slot_within_its_run(deploy: Deploy) -> None:
    settings = {"concurrency": {"pools": {"limits": {"db": 1}}}}
    tg = deploy(within, settings=settings, step_seconds=60)

    run_id = tg.submit("queries")
    tg.settle()

    assert started(tg, run_id) == ["q0", "work"]


def test_a_step_that_waits_within_its_run_says_for_what(deploy: Deploy) -> None:
    tg = deploy(within, step_seconds=60)

    run_id = tg.submit("one_at_once")
    tg.settle()

    steps = {one["step"]: one for one in tg.call("runs.show", run_id=run_id)["steps"]}
    assert steps["w1"]["waiting"]["blocked_by"] == f"run/{run_id}"
    assert steps["w1"]["waiting"]["holders"] == [f"step/{run_id}/0/1"]
    assert [steps[one]["waiting"]["ahead"] for one in ("w1", "w2")] == [0, 1]


def test_limits_within_a_run_can_be_changed_and_are_forgotten_when_it_ends(deploy: Deploy) -> None:
    tg = deploy(within, step_seconds=60)
    run_id = tg.submit("two_at_once")
    tg.settle()

    tg.set_limit(f"run/{run_id}", 3)
    tg.settle()

    assert len(started(tg, run_id)) == 3
    tg.advance(minutes=10)
    assert tg.run_status(run_id) == "SUCCESS"
    with pytest.raises(UnknownLimitError):
        tg.call("limits.show", key=f"run/{run_id}")


def test_a_failed_step_gives_its_slots_on(deploy: Deploy) -> None:
    @op(pool="db")
    def breaks() -> None:
        raise ValueError("no")

    @job(executor_def=multiprocess_executor.configured({"max_concurrent": 1}))
    def breaking() -> None:
        for number in range(3):
            breaks.alias(f"b{number}")()

    tg = deploy(
        Definitions(jobs=[breaking]), settings={"concurrency": pools(db=1)}, step_seconds=60
    )

    run_id = tg.submit("breaking")
    tg.advance(minutes=10)

    assert set(tg.run(run_id).steps.values()) == {"FAILURE"}
    assert [one.in_use for one in tg.limits.values()] == [0] * len(tg.limits)


@pytest.mark.parametrize(
    ("execution", "says"),
    [
        ({"config": {"max_concurrent": -1}}, "max_concurrent=-1"),
        ({"config": {"most": 3}}, "unknown key 'most'"),
        (
            {"config": {"tag_concurrency_limits": [{"key": "a", "limit": 1}] * 2}},
            "second rule of one kind for the tag a",
        ),
    ],
)
def test_config_of_an_executor_that_does_not_fit_creates_nothing(
    deploy: Deploy, execution: dict[str, Any], says: str
) -> None:
    tg = deploy(within)

    with pytest.raises(ConfigError, match=says):
        tg.submit("teams", run_config={"execution": execution})

    assert tg.runs() == []


# Refused ----------------------------------------------------------------------------------------------------------


def test_more_slots_than_the_pool_has_by_now_are_refused_and_nothing_is_created(
    deploy: Deploy,
) -> None:
    tg = deploy(defs, settings={"concurrency": pools(db=2)})
    tg.set_limit("pool/db", 1)

    with pytest.raises(RequestError) as caught:
        tg.submit("heavy")

    assert "Step 'heavy_query' takes 2 slots of pool 'db', which has 1." in str(caught.value)
    assert tg.runs() == []


@pytest.mark.parametrize("change", ["closed", "paused", "unlimited", "held by runs"])
def test_slots_are_not_too_many_where_that_is_not_what_keeps_them_waiting(
    deploy: Deploy, change: str
) -> None:
    limit = {"limit": 1, "granularity": "run"} if change == "held by runs" else 2
    tg = deploy(defs, settings={"concurrency": {"pools": {"limits": {"db": limit}}}})
    if change == "paused":
        tg.pause_limit("pool/db")
    elif change != "held by runs":
        tg.set_limit("pool/db", 0 if change == "closed" else -1)

    tg.submit("heavy")

    assert len(tg.runs()) == 1


def test_a_claim_whose_pool_became_too_small_for_it_says_so_and_goes_on_when_it_is_raised(
    deploy: Deploy,
) -> None:
    tg = deploy(defs, settings={"concurrency": pools(db=2)}, step_seconds=60)
    tg.submit("db")
    waiting = tg.submit("heavy")
    tg.settle()
    tg.set_limit("pool/db", 1)
    tg.advance(minutes=5)

    shown = tg.call("runs.show", run_id=waiting)["waiting"]

    assert (shown["blocked_by"], shown["capacity"], shown["units"]) == ("pool/db", 1, 2)
    assert (shown["in_use"], shown["holders"]) == (0, [])
    tg.set_limit("pool/db", 2)
    tg.settle()
    assert tg.run_status(waiting) == "STARTED"


@pytest.mark.parametrize(
    "key",
    ["db", "pool/", "job/free", "location/here", "run-tag/team", "run-tag/team=a", "run/none"],
)
@pytest.mark.parametrize("action", ["limits.set", "limits.pause", "limits.resume"])
def test_a_limit_by_which_nothing_is_counted_cannot_be_changed(
    deploy: Deploy, action: str, key: str
) -> None:
    tg = deploy(defs)
    values = {"capacity": 3} if action == "limits.set" else {}

    with pytest.raises(UnknownLimitError) as caught:
        tg.call(action, key=key, **values)

    assert f"There is no limit {key!r}." in str(caught.value)
    assert key not in tg.limits


def test_minus_one_in_the_settings_counts_so_that_a_limit_set_live_is_exact(deploy: Deploy) -> None:
    settings = {"concurrency": {"jobs": {"free": -1}}}
    tg = deploy(defs, settings=settings, step_seconds=60)
    first = [tg.submit("free") for _ in range(2)]
    tg.settle()

    tg.set_limit("job/free", 2)
    third = tg.submit("free")
    tg.settle()

    assert tg.limits["job/free"].in_use == 2
    assert {tg.run_status(one) for one in first} == {"STARTED"}
    assert tg.run_status(third) == "QUEUED"


@pytest.mark.parametrize("capacity", [-2, True, "3", 1.5])
def test_a_capacity_that_is_none_is_refused(deploy: Deploy, capacity: Any) -> None:
    tg = deploy(defs)

    with pytest.raises(RequestError):
        tg.call("limits.set", key="pool/db", capacity=capacity)

    assert "pool/db" not in tg.limits


# Audit ------------------------------------------------------------------------------------------------------------


def test_each_change_of_a_limit_says_who_from_what_to_what_and_when(deploy: Deploy) -> None:
    tg = deploy(defs, settings={"concurrency": pools(db=2)})
    tg.advance(seconds=1)
    tg.call("limits.set", key="pool/db", capacity=5, by="ada")
    tg.advance(seconds=1)
    tg.call("limits.pause", key="pool/db", by="bob")
    tg.advance(seconds=1)
    tg.deploy_settings({"concurrency": pools(db=7)})
    tg.advance(seconds=1)
    tg.call("limits.resume", key="pool/db")

    changes = tg.call("limits.history", key="pool/db")["changes"]

    seen = [
        (one["action"], one["by"], (one["before"] or {}).get("capacity"), one["after"]["capacity"])
        for one in changes
    ]
    assert seen == [
        ("resume", "api", 7, 7),
        ("settings", "settings", 5, 7),
        ("pause", "bob", 5, 5),
        ("set", "ada", 2, 5),
        ("settings", "settings", None, 2),
    ]
    assert [one["after"]["paused"] for one in changes] == [False, True, True, False, False]
    assert [one["at"][17:19] for one in changes] == ["04", "03", "02", "01", "00"]
    assert all(one["done"] for one in changes)


def test_a_repeated_request_is_one_change_and_undoes_none_that_came_between(
    deploy: Deploy,
) -> None:
    tg = deploy(defs)
    tg.call("limits.set", key="pool/db", capacity=5, change_id="first")
    tg.advance(seconds=1)
    tg.call("limits.set", key="pool/db", capacity=7, change_id="second")

    tg.call("limits.set", key="pool/db", capacity=5, change_id="first")

    assert tg.limits["pool/db"].capacity == 7
    changes = tg.call("limits.history", key="pool/db")["changes"]
    assert [one["id"] for one in changes] == ["second", "first"]


def test_a_deploy_of_the_same_settings_changes_and_says_nothing(deploy: Deploy) -> None:
    settings = {"concurrency": pools(db=2)}
    tg = deploy(defs, settings=settings)
    tg.set_limit("pool/db", 5)

    tg.deploy_settings(settings)

    assert tg.limits["pool/db"].capacity == 5
    assert len(tg.call("limits.history", key="pool/db")["changes"]) == 2
