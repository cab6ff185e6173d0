"""What ends knows what it held: slots are handed on in two calls, and settings may change meanwhile."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.integration.limits.concurrency import by_value, on_conflict, pools, runs
from tests.integration.limits.jobs import Deploy
from tidegate import Definitions, In, Nothing, job, multiprocess_executor, op
from tidegate.adapters.dynamodb.models_admission import AdmissionTable
from tidegate.local.role import Role
from tidegate.testing import LocalDeployment


@op(ins={"after": In(Nothing)}, tags={"kind": "free"})
def work() -> None: ...


@op(ins={"after": In(Nothing)}, pool="db", tags={"kind": "query"})
def query() -> None: ...


@op(ins={"after": In(Nothing)}, pool={"db": 1, "api": 2})
def copy() -> None: ...


def chain_of(length: int, step: Any, name: str) -> Any:
    @job(name=name)
    def chain() -> None:
        done = work()
        for number in range(length):
            done = step.alias(f"s{number}")(after=done)

    return chain


@job(executor_def=multiprocess_executor.configured({"max_concurrent": 2}))
def nightly() -> None:
    copy.alias("last")(after=query.alias("second")(after=query.alias("first")()))
    query.alias("other")()


@job
def free() -> None:
    query(after=work())


CHAINS = [
    chain_of(length, step, f"{step.name}_{length}") for length in (1, 5) for step in (work, query)
]
DEFS = Definitions(jobs=[*CHAINS, nightly, free])


def calls_of(tg: LocalDeployment, name: str) -> Counter[str]:
    calls = tg._deployment.aws.calls
    calls.clear()
    run_id = tg.submit(name)
    tg.settle()
    assert tg.run_status(run_id) == "SUCCESS"
    made = calls.of(Role.CONTROL).calls
    return Counter(
        {name: count for (service, name), count in made.items() if service == "dynamodb"}
    )


def test_a_step_in_a_pool_is_six_calls_more_than_one_in_none(deploy: Deploy) -> None:
    """It is granted, looks at its run again, has been launched; it reads the line, lets go, reads the line again."""
    tg = deploy(DEFS, settings={"concurrency": pools(db=3)})
    for chain in CHAINS:
        calls_of(tg, chain.name)

    more = Counter[str]()
    for step, sign in (("query", 1), ("work", -1)):
        long, short = calls_of(tg, f"{step}_5"), calls_of(tg, f"{step}_1")
        for name in long | short:
            more[name] += sign * (long[name] - short[name])

    each = {name: count / 4 for name, count in more.items() if count}
    assert each == {"TransactWriteItems": 2, "GetItem": 1, "UpdateItem": 1, "Query": 2}


TEAMS = by_value({"key": "team", "limit": 5})
DAYS = {
    "a limit more": (pools(db=2, api=2), pools(db=2, api=2) | TEAMS),
    "a limit of the job": (
        pools(db=2, api=2),
        pools(db=2, api=2) | {"jobs": {name: {"limit": 3} for name in ("nightly", "free")}},
    ),
    "other capacities": (pools(db=2, api=2), pools(db=1, api=3) | runs(4)),
    "rates": (
        pools(db=2, api=2),
        {"runs": {"max_concurrent_runs": 99, "rate": {"limit": 50, "per": "second"}}}
        | {"pools": {"limits": {"db": 2, "api": 2}}},
    ),
    "pools of runs": (pools(db=2, api=2), pools("run", db=2, api=2)),
    "another policy": (on_conflict("queue_one", 2), on_conflict("queue", 2)),
}


@pytest.mark.parametrize("way", [1, -1], ids=["forth", "back"])
@pytest.mark.parametrize("change", DAYS)
def test_settings_changed_while_runs_wait_and_run_leak_nothing(
    deploy: Deploy, change: str, way: int
) -> None:
    before, after = ({"concurrency": one} for one in DAYS[change][::way])
    tg = deploy(DEFS, settings=before, step_seconds=20)
    asked = [tg.submit(name, tags={"team": "blue"}) for name in ("nightly", "free") * 3]
    tg.advance(seconds=30)
    assert any(one.in_use for one in tg.limits.values())

    tg.deploy_settings(after)
    tg.advance(minutes=20)

    ended = {tg.run_status(one) for one in asked}
    assert ended <= {"SUCCESS", "CANCELED"}
    assert {one.key: one.in_use for one in tg.limits.values() if one.in_use} == {}
    left = [row.sk for row in AdmissionTable.scan() if row.sk.startswith("hold#")]
    assert left == []
    assert tg.queue() == []
