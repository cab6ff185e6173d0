"""What happens at limits: settings, then moves and what is seen after them."""

from __future__ import annotations

from typing import Any

from tests.integration.limits.concurrency import (
    BLUE,
    EACH,
    RED,
    by,
    by_value,
    fair,
    fair_pool,
    on_conflict,
    pools,
    runs,
)
from tests.integration.limits.jobs import Move

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
