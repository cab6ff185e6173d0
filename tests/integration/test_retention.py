"""What a run leaves behind goes after its time, and nothing that is needed goes before. Expired rows are deleted as by DynamoDB."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tidegate import Definitions, asset, job, op
from tidegate.adapters.dynamodb.table import all_tables
from tidegate.errors import UnknownRunError
from tidegate.local import deployment
from tidegate.testing import LocalDeployment

Deploy = Callable[..., LocalDeployment]
ONE_DAY = {"runs": {"retention_days": 1}, "events": {"retention_days": 1}}


@op
def collect() -> int:
    return 3


@op(pool="press")
def print_(number: int) -> int:
    return number + 1


@job
def report() -> None:
    print_(collect())


@asset
def tide() -> int:
    return 7


defs = Definitions(jobs=[report], assets=[tide])


@pytest.fixture(autouse=True)
def sweeps(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sweeps come once in so many days, at first in each."""

    def every(days: int) -> None:
        monkeypatch.setattr(deployment, "SWEEP_EVERY", timedelta(days=days))

    every(1)
    return every


def pass_days(tg: LocalDeployment, days: int, *, at_once: int = 1) -> None:
    """Rows whose time is over are deleted, as DynamoDB does within a few days."""
    for _ in range(0, days, at_once):
        tg.advance(days=at_once)
        for row in _rows():
            if getattr(row, "expires_at", None) is not None and row.expires_at <= tg.now:
                row.delete()


def _rows() -> list[object]:
    return [row for table in all_tables() for row in table.scan()]


def left() -> set[tuple[str, str]]:
    """Table and partition key of what is there."""
    return {(type(row).name, row.pk) for row in _rows()}


def test_a_run_is_there_for_as_long_as_the_settings_say_and_then_its_absence_is_explained(
    deploy: Deploy,
) -> None:
    tg = deploy(defs, settings=ONE_DAY)
    run_id = tg.submit("report")
    tg.settle()

    tg.advance(hours=23)
    assert tg.run(run_id).status == "SUCCESS"
    pass_days(tg, 1)

    with pytest.raises(UnknownRunError, match="ended on 2026-01-01, and runs are kept for 1 days"):
        tg.run(run_id)
    assert tg.runs() == []


def test_nothing_of_a_run_is_left_but_what_it_materialized(
    deploy: Deploy, sweeps: Callable[[int], None]
) -> None:
    sweeps(20)
    tg = deploy(defs, settings=ONE_DAY)
    before = left()
    run_id = tg.materialize("tide")
    tg.settle()
    again = tg.submit("report", run_key="monday")
    tg.settle()

    pass_days(tg, 160, at_once=16)

    assert left() - before == {("assets", "tide"), ("admission", "limit#pool/press")}
    latest = tg.latest_materialization("tide")
    assert (latest and latest.run_id) == run_id
    with pytest.raises(UnknownRunError, match="There is no run"):
        tg.run(again)


def test_a_run_key_is_one_run_for_a_hundred_days_and_after_that_a_new_one_that_runs(
    deploy: Deploy, sweeps: Callable[[int], None]
) -> None:
    sweeps(20)
    tg = deploy(defs, settings=ONE_DAY)
    first = tg.submit("report", run_key="monday")
    tg.settle()
    pass_days(tg, 99, at_once=11)
    assert tg.submit("report", run_key="monday") == first
    with pytest.raises(UnknownRunError):
        tg.run(first)

    pass_days(tg, 3)
    again = tg.submit("report", run_key="monday")
    tg.settle()

    assert again == first
    run = tg.run(again)
    assert run.steps == {"collect": "SUCCESS", "print_": "SUCCESS"}
    assert run.created_at == tg.now


def test_a_run_that_waits_for_long_loses_nothing(deploy: Deploy) -> None:
    tg = deploy(defs, settings={**ONE_DAY, "concurrency": {"runs": {"max_concurrent_runs": 1}}})
    tg.set_limit("pool/press", 0)
    started, queued = tg.submit("report"), tg.submit("report")
    tg.settle()

    pass_days(tg, 15)
    waited = tg.run(started)
    tg.set_limit("pool/press", 1)
    tg.settle()

    assert (waited.status, waited.steps) == ("STARTED", {"collect": "SUCCESS", "print_": "WAITING"})
    for run_id in (started, queued):
        assert tg.run(run_id).steps == {"collect": "SUCCESS", "print_": "SUCCESS"}
    assert set(tg.runs()) == {started, queued}
