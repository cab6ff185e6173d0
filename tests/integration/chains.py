"""Small jobs of which a run is soon over."""

from __future__ import annotations

from collections.abc import Callable

from tidegate import (
    AssetExecutionContext,
    StaticPartitionsDefinition,
    asset,
    job,
    op,
)
from tidegate.testing import LocalDeployment

Deploy = Callable[..., LocalDeployment]


@op
def one() -> int:
    return 1


@op
def add_one(number: int) -> int:
    return number + 1


@job
def chain() -> None:
    add_one.alias("third")(add_one(one()))


numbers = StaticPartitionsDefinition(["one", "two"])


@asset
def source() -> int:
    return 20


@asset(partitions_def=numbers)
def scaled(context: AssetExecutionContext, source: int) -> int:
    return source * {"one": 1, "two": 2}[context.partition_key]
