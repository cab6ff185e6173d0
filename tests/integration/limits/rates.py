"""Jobs whose runs and steps wait for rates, and when they start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from tidegate import Definitions, In, Nothing, job, op
from tidegate.testing import LocalDeployment

Deploy = Callable[..., LocalDeployment]


@op
def work() -> None: ...


@op(ins={"after": In(Nothing)})
def more() -> None: ...


@op(pool="api")
def call() -> None: ...


@op(pool={"api": 1, "db": 1})
def copy() -> None: ...


@op(pool="api", slots=2)
def bulk() -> None: ...


@job
def free() -> None:
    work()


@job
def other() -> None:
    work()


@job
def api() -> None:
    call()


@job
def both() -> None:
    copy()


@job
def heavy() -> None:
    bulk()


@job
def call_first() -> None:
    more(call())


@job
def call_twice() -> None:
    call.alias("one")()
    call.alias("two")()


defs = Definitions(jobs=[free, other, api, both, heavy, call_first, call_twice])
EACH = {"applyLimitPerUniqueValue": True}
BLUE, RED = {"team": "blue"}, {"team": "red"}
Asked = str | tuple[str, Mapping[str, str]]


def every(seconds: float, burst: int = 1) -> dict[str, Any]:
    return {"limit": 1, "per": seconds, "burst": burst}


def runs(rate: Mapping[str, Any] | None = None, most: int = 99) -> dict[str, Any]:
    return {"runs": {"max_concurrent_runs": most} | ({} if rate is None else {"rate": rate})}


def pools(**limits: Any) -> dict[str, Any]:
    return {"pools": {"limits": limits}} | runs()


def by_tag(**rule: Any) -> dict[str, Any]:
    return {"runs": {"max_concurrent_runs": 99, "tag_concurrency_limits": [rule]}}


def submit(tg: LocalDeployment, *asked: Asked) -> list[str]:
    made = []
    for one in asked:
        name, tags = (one, {}) if isinstance(one, str) else one
        made.append(tg.submit(name, tags=tags))
    return made


def starts(tg: LocalDeployment, run_ids: list[str]) -> list[float | None]:
    begin = tg.run(run_ids[0]).created_at
    moments = [tg.run(one).started_at for one in run_ids]
    return [None if one is None else (one - begin) / timedelta(seconds=1) for one in moments]
