"""Jobs whose runs and steps wait for limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegate import (
    Definitions,
    In,
    Nothing,
    job,
    op,
)
from tidegate.testing import LocalDeployment

Deploy = Callable[..., LocalDeployment]
Move = tuple[Any, ...]


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
