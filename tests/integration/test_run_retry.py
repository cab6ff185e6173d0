"""Retries of runs through a whole deployment: the values, the alarms, and what people see."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tidegate import (
    AssetOut,
    Definitions,
    In,
    Nothing,
    asset,
    in_process_executor,
    job,
    multi_asset,
    op,
)
from tidegate.errors import RequestError
from tidegate.testing import LocalDeployment

Deploy = Callable[..., LocalDeployment]

broken: set[str] = set()
ran: list[str] = []


def work(name: str) -> None:
    ran.append(name)
    if name in broken:
        raise ValueError(f"{name} is broken")


@pytest.fixture(autouse=True)
def clean() -> None:
    broken.clear()
    ran.clear()


@op
def first() -> int:
    work("first")
    return 20


@op
def second(first: int) -> int:
    work("second")
    return first + 1


@op
def third(first: int, second: int) -> int:
    work("third")
    return first + second


@op(ins={"after": In(Nothing)})
def clean_up() -> None:
    work("clean_up")


@job(tags={"dagster/max_retries": "2"})
def sums() -> None:
    number = first()
    clean_up(third(number, second(number)))


@job(executor_def=in_process_executor)
def in_one() -> None:
    number = first()
    third(number, second(number))


@asset
def tides() -> int:
    work("tides")
    return 1


@multi_asset(outs={"low": AssetOut(), "high": AssetOut(is_required=False)})
def marks(tides: int):  # type: ignore[no-untyped-def]
    from tidegate import Output

    ran.append("marks")
    yield Output(tides, "low")
    if "marks" in broken:
        raise ValueError("marks is broken")
    yield Output(tides + 1, "high")


@asset
def chart(low: int, high: int) -> int:
    work("chart")
    return low + high


defs = Definitions(jobs=[sums, in_one], assets=[tides, marks, chart])
RETRIES = {"run_retries": {"delay": 60, "backoff": "EXPONENTIAL"}}


def lineage(tg: LocalDeployment) -> list[str]:
    """Runs, the oldest first."""
    return tg.runs()[::-1]


def test_outputs_come_from_whichever_run_made_them(deploy: Deploy) -> None:
    broken.add("second")
    tg = deploy(defs, settings=RETRIES)
    tg.submit("sums")
    tg.settle()
    broken.clear()
    broken.add("third")
    tg.advance(seconds=60)
    broken.clear()
    tg.advance(seconds=180)

    runs = lineage(tg)
    assert [tg.run_status(one) for one in runs] == ["FAILURE", "FAILURE", "SUCCESS"]
    assert ran == ["first", "second", "second", "third", "third", "clean_up"]
    assert tg.output(runs[2], "third") == 41
    last = tg.run(runs[2])
    assert last.reasons == {
        "first": f"done in run {runs[0]}",
        "second": f"done in run {runs[1]}",
    }
    assert (last.tags["tidegate/parent_run_id"], last.tags["tidegate/root_run_id"]) == (
        runs[1],
        runs[0],
    )


def test_a_retry_by_hand_of_one_step(deploy: Deploy) -> None:
    tg = deploy(defs)
    run_id = tg.submit("sums")
    tg.settle()
    ran.clear()

    again = tg.retry(run_id, steps=["third"])
    tg.settle()

    assert ran == ["third"]
    assert tg.output(again, "third") == 41
    assert tg.run(again).reasons["clean_up"] == f"done in run {run_id}"


def made_again(deploy: Deploy, failing: str) -> tuple[LocalDeployment, str]:
    """A run of all assets one of which fails; then its retry, of what that has left unmade. Answers the retry."""
    broken.add(failing)
    tg = deploy(defs)
    run_id = tg.materialize("*")
    tg.settle()
    broken.clear()
    ran.clear()

    again = tg.retry(run_id, strategy="FROM_ASSET_FAILURE")
    tg.settle()
    return tg, again


def test_from_an_asset_failure_the_assets_that_are_not_made_are_made(deploy: Deploy) -> None:
    tg, again = made_again(deploy, "chart")

    assert ran == ["chart"]
    assert tg.run(again).steps == {"chart": "SUCCESS"}
    assert tg.value("chart") == 3


def test_assets_that_are_made_together_are_made_again_together(deploy: Deploy) -> None:
    tg, again = made_again(deploy, "marks")

    assert ran == ["marks", "chart"]
    assert tg.run_status(again) == "SUCCESS"


def test_where_all_assets_are_made_nothing_is_to_be_retried(deploy: Deploy) -> None:
    tg = deploy(defs)
    run_id = tg.materialize("*")
    tg.settle()

    with pytest.raises(RequestError, match="nothing of it failed"):
        tg.retry(run_id, strategy="FROM_ASSET_FAILURE")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (
            {"strategy": "AGAIN"},
            "There is no strategy 'AGAIN'. Strategies: FROM_FAILURE, ALL_STEPS",
        ),
        ({"steps": "third"}, "The field 'steps' must be a list of texts"),
        ({"steps": ["fourth"]}, "The run has no step 'fourth'. Steps: first,"),
    ],
)
def test_a_malformed_request_is_refused(
    deploy: Deploy, fields: dict[str, object], says: str
) -> None:
    tg = deploy(defs)
    run_id = tg.submit("sums")
    tg.settle()

    with pytest.raises(RequestError, match=says):
        tg.call("runs.retry", run_id=run_id, **fields)


def test_after_its_last_retry_a_run_stays_failed(deploy: Deploy) -> None:
    broken.add("first")
    tg = deploy(defs, settings=RETRIES)

    tg.submit("sums")
    tg.advance(days=1)

    assert [tg.run_status(one) for one in lineage(tg)] == ["FAILURE"] * 3
    promised = [
        [one.kind for one in tg.run(run_id).events].count("RUN_UP_FOR_RETRY")
        for run_id in lineage(tg)
    ]
    assert promised == [1, 1, 0]


def test_a_run_that_is_one_execution_is_done_again_as_a_whole(deploy: Deploy) -> None:
    broken.add("third")
    tg = deploy(defs)
    run_id = tg.submit("in_one")
    tg.settle()
    broken.clear()
    ran.clear()

    with pytest.raises(RequestError, match="is one execution"):
        tg.retry(run_id, steps=["third"])
    again = tg.retry(run_id)
    tg.settle()

    assert tg.run_status(again) == "SUCCESS"
    assert ran == ["first", "second", "third"]
