"""What scenarios of whole runs deploy: jobs and assets that count how often their code ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tidegate import (
    AssetExecutionContext,
    Definitions,
    DynamicOut,
    DynamicOutput,
    Ecs,
    OpExecutionContext,
    RetryPolicy,
    StaticPartitionsDefinition,
    asset,
    define_asset_job,
    in_process_executor,
    job,
    op,
)

ran: Counter[tuple[str, str, int]] = Counter()
"""(run, step, attempt) -> how often its user code ran to its end."""


def note(context: OpExecutionContext) -> None:
    ran[context.run_id, context.step_key, context.retry_number] += 1
    context.log.info("here")


@op
def top(context: OpExecutionContext) -> int:
    note(context)
    return 1


@op(pool="db")
def left(context: OpExecutionContext, number: int) -> int:
    note(context)
    return number


@op(pool="db")
def right(context: OpExecutionContext, number: int) -> int:
    note(context)
    return number


@op(pool="db")
def broken(context: OpExecutionContext, number: int) -> int:
    note(context)
    raise ValueError("not today")


@op(pool="db", retry_policy=RetryPolicy(max_retries=1, delay=20))
def flaky(context: OpExecutionContext, number: int) -> int:
    note(context)
    if context.retry_number == 0:
        raise ConnectionError("not yet")
    return number


@op(retry_policy=RetryPolicy(max_retries=1, delay=840))
def patient(context: OpExecutionContext, number: int) -> int:
    note(context)
    raise ConnectionError("not yet")


@op(retry_policy=RetryPolicy(max_retries=1))
def hasty(context: OpExecutionContext, number: int) -> int:
    note(context)
    if context.retry_number == 0:
        raise ConnectionError("not yet")
    return number


@op
def better_later(context: OpExecutionContext, number: int) -> int:
    note(context)
    if not context.has_tag("tidegate/retry_number"):
        raise ConnectionError("not in this run")
    return number


@op(compute=Ecs(cpu=256, memory=512), pool="db", timeout=600)
def contained(context: OpExecutionContext, number: int) -> int:
    note(context)
    return number


@op
def foot(context: OpExecutionContext, one: int, other: int) -> int:
    note(context)
    return one + other


@op(out=DynamicOut(int))
def several(context: OpExecutionContext) -> Iterator[DynamicOutput[int]]:
    note(context)
    yield DynamicOutput(1, "one")
    yield DynamicOutput(2, "two")


@op
def gather(context: OpExecutionContext, numbers: list[int]) -> int:
    note(context)
    return sum(numbers)


@job
def fanning() -> None:
    gather(several().map(left).collect())


@job
def diamond() -> None:
    number = top()
    foot(left(number), right(number))


@job
def failing() -> None:
    number = top()
    foot(left(number), broken(number))


@job
def trying() -> None:
    number = top()
    foot(flaky(number), right(number))


@job
def quick() -> None:
    top()


@job
def pair() -> None:
    foot(left(top.alias("one")()), right(top.alias("other")()))


@job
def waiting() -> None:
    foot(patient(top()), top.alias("other")())


@job
def unlucky() -> None:
    number = top()
    foot(left(number), better_later(number))


@job
def boxed() -> None:
    foot(contained(top()), top.alias("other")())


@job
def lonely() -> None:
    top()


@job(executor_def=in_process_executor)
def packed() -> None:
    foot(hasty(left(top())), gather(several().map(right).collect()))


@job(executor_def=in_process_executor)
def packed_and_failing() -> None:
    number = top()
    foot(left(number), broken(number))


@asset(pool="db")
def gold(context: OpExecutionContext) -> int:
    note(context)
    return 1


@asset
def ring(context: OpExecutionContext, gold: int) -> int:
    note(context)
    return gold + 1


@asset(partitions_def=StaticPartitionsDefinition(["north", "south"]))
def coin(context: AssetExecutionContext) -> int:
    note(context)
    return 1


ASSETS = ("gold", "ring")
DEFS = Definitions(
    assets=[gold, ring, coin],
    jobs=[
        diamond,
        failing,
        trying,
        fanning,
        quick,
        pair,
        waiting,
        unlucky,
        boxed,
        lonely,
        packed,
        packed_and_failing,
        define_asset_job("jewels", selection="*ring"),
    ],
)
