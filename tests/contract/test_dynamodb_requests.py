"""What the DynamoDB adapters ask for: how many requests, of which kind, on which keys."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.adapters.dynamodb import run_listing
from tidegate.adapters.dynamodb.assets import DynamoAssetStore
from tidegate.adapters.dynamodb.events import DynamoEventStore
from tidegate.adapters.dynamodb.models import EventsTable, RunsTable
from tidegate.adapters.dynamodb.runs import DynamoRunStore
from tidegate.adapters.dynamodb.table import connection
from tidegate.adapters.memory.clock import ManualClock
from tidegate.domain.arrival import Arrival
from tidegate.domain.run import Run, RunStatus, StepRow, StepStatus
from tidegate.local.aws import LocalAws
from tidegate.ports import AssetRecord, Event

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
QUEUED = frozenset({RunStatus.QUEUED})


@pytest.fixture
def requests(aws: LocalAws) -> Iterator[list[str]]:
    """The operations that DynamoDB has been sent."""
    sent: list[str] = []
    events = connection().client.meta.events

    def record(model: Any, **_: Any) -> None:
        sent.append(model.name)

    events.register("before-call.dynamodb", record)
    yield sent
    events.unregister("before-call.dynamodb", record)


def run(run_id: str = "run-1", **changes: Any) -> Run:
    return Run(
        **{
            "run_id": run_id,
            "job": "daily",
            "manifest": "m",
            "status": RunStatus.QUEUED,
            "created_at": AT,
            **changes,
        }
    )


def row(status: StepStatus) -> StepRow:
    return StepRow(run_id="run-1", index=0, status=status)


class TestRequests:
    def test_a_run_is_one_put_but_for_the_first_of_its_day_and_month(
        self, requests: list[str]
    ) -> None:
        runs = DynamoRunStore()
        runs.create(run("a"))
        first = list(requests)
        requests.clear()

        runs.create(run("b"))

        assert (first, requests) == (["PutItem"] * 3, ["PutItem"])

    def test_a_run_that_exists_is_answered_without_a_read(self, requests: list[str]) -> None:
        runs = DynamoRunStore()
        runs.create(run())
        requests.clear()

        runs.create(run())

        assert requests == ["PutItem"]

    def test_many_runs_are_a_transaction_for_each_25(self, requests: list[str]) -> None:
        runs = DynamoRunStore()
        runs.create(run("first"))
        requests.clear()

        runs.create_all([run(f"run-{n}") for n in range(26)])

        assert requests == ["TransactWriteItems"] * 2

    def test_a_resolved_step_is_answered_without_a_read(self, requests: list[str]) -> None:
        runs = DynamoRunStore()
        resolved, _ = runs.resolve_step(row(StepStatus.SUCCESS), leaves=frozenset({None}))

        again, _ = runs.resolve_step(row(StepStatus.FAILURE), leaves=frozenset({None}))

        assert again == resolved
        assert requests == ["UpdateItem", "UpdateItem"]

    def test_every_change_of_a_run_or_step_is_one_request(self, requests: list[str]) -> None:
        runs = DynamoRunStore()

        runs.move("run-1", leaves=QUEUED, to=RunStatus.STARTING, at=AT)
        runs.gather("run-1", "end", Arrival(arrived=0))
        runs.wait_step("run-1", 0, attempt=1, at=AT)
        runs.start_step("run-1", 0, attempt=1, at=AT)

        assert requests == ["UpdateItem"] * 4

    def test_a_batch_of_25_events_is_one_put(self, requests: list[str]) -> None:
        events = [Event(run_id="run-1", at=AT, kind="LOG", message=str(n)) for n in range(25)]

        DynamoEventStore().append("run-1", "0-1", events)

        assert requests == ["PutItem"]

    def test_many_partitions_of_one_asset_move_its_latest_once(self, requests: list[str]) -> None:
        DynamoAssetStore().materialized(
            AssetRecord(asset="a", partition=str(n), run_id="r", at=AT) for n in range(10)
        )

        assert requests == ["PutItem"] * 11

    def test_listing_runs_of_years_reads_only_the_days_that_had_one(
        self, requests: list[str]
    ) -> None:
        runs = DynamoRunStore()
        for years in (0, 5, 10):
            runs.create(run(f"run-{years}", created_at=AT - timedelta(days=365 * years)))
        requests.clear()

        page = runs.find()

        assert len(page.items) == 3
        assert sorted(requests) == ["BatchGetItem", *["Query"] * 4]

    def test_listing_one_status_reads_one_index_partition(self, requests: list[str]) -> None:
        runs = DynamoRunStore()
        runs.create(run())
        requests.clear()

        runs.find(statuses=QUEUED)

        assert requests == ["Query", "BatchGetItem"]

    def test_a_page_that_keeps_none_of_many_runs_ends_and_leads_on(
        self, requests: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(run_listing, "_MOST_EXAMINED", 20)
        runs = DynamoRunStore()
        for n in range(25):
            runs.create(run(f"run-{n:02}", status=RunStatus.SUCCESS))

        page = runs.find(job="daily", statuses=QUEUED, limit=10)
        rest = runs.find(job="daily", statuses=QUEUED, limit=10, cursor=page.cursor)

        assert (page.items, rest.items, rest.cursor) == ((), (), None)
        assert page.cursor is not None


class TestRows:
    def test_a_run_leaves_the_status_index_when_it_succeeds_and_only_then(
        self, requests: list[str]
    ) -> None:
        runs = DynamoRunStore()
        runs.create(run())
        keys = []
        for to in (RunStatus.STARTED, RunStatus.FAILURE, RunStatus.CANCELED, RunStatus.SUCCESS):
            runs.move("run-1", leaves=frozenset(RunStatus), to=to, at=AT)
            keys.append(RunsTable.get("run-1", "run").by_status_key)

        assert keys == ["status#STARTED", "status#FAILURE", "status#CANCELED", None]

    def test_many_events_are_few_rows_and_fewer_calls(self, requests: list[str]) -> None:
        batch = [Event(run_id="run-1", at=AT, kind="LOG", message=str(n)) for n in range(260)]
        store = DynamoEventStore(batch_size=10)

        store.append("run-1", "a", batch)

        assert requests == ["BatchWriteItem", "BatchWriteItem"]
        assert [one.message for one in store.read("run-1").items] == [str(n) for n in range(260)]

    def test_events_expire_by_the_retention(self, requests: list[str]) -> None:
        event = Event(run_id="run-1", at=AT, kind="LOG")
        DynamoEventStore(retention_days=7).append("run-1", "a", [event])
        DynamoEventStore(retention_days=None).append("run-1", "b", [event])

        rows = {one.sk[28:29]: one.expires_at for one in EventsTable.query("run-1")}

        assert rows == {"a": AT + timedelta(days=7), "b": None}


class TestRetention:
    """When the rows of table ``runs`` go; see ``domain/retention.py``."""

    @staticmethod
    def ends() -> dict[str, datetime | None]:
        keys = (("run-1", ""), ("calendar", "day "), ("calendar#daily", "month "))
        return {
            f"{name}{row.sk}": row.expires_at
            for pk, name in keys
            for row in RunsTable.query(pk, consistent_read=True)
        }

    def test_a_run_that_is_not_over_has_no_end_and_its_parts_and_its_place_in_lists_have(
        self, requests: list[str]
    ) -> None:
        runs = DynamoRunStore(clock=ManualClock(AT), kept_days=30)
        runs.create(run())
        runs.wait_step("run-1", 0, attempt=1, at=AT)
        runs.start_step("run-1", 1, attempt=1, at=AT)
        runs.gather("run-1", "end", Arrival(arrived=0))

        parts, lists = AT + timedelta(days=33), AT + timedelta(days=145)
        assert self.ends() == {
            "run": None,
            "step#000000": parts,
            "step#000001": parts,
            "node#end": parts,
            "day 2026-01-01": lists,
            "month 2026-01": lists,
        }

    @pytest.mark.parametrize(("kept_days", "days"), [(30, 100), (365, 375)])
    def test_the_row_of_a_run_goes_last_and_not_before_its_executions_are_forgotten(
        self, requests: list[str], kept_days: int, days: int
    ) -> None:
        runs = DynamoRunStore(clock=ManualClock(AT), kept_days=kept_days)
        runs.create(run())
        ended = AT + timedelta(hours=1)

        runs.move("run-1", leaves=QUEUED, to=RunStatus.FAILURE, at=ended)

        assert self.ends()["run"] == ended + timedelta(days=days)

    def test_the_parts_of_a_long_run_are_kept_on_and_what_is_gone_stays_gone(
        self, requests: list[str]
    ) -> None:
        clock = ManualClock(AT)
        runs = DynamoRunStore(clock=clock, kept_days=30)
        runs.create(run())
        runs.start_step("run-1", 0, attempt=1, at=AT)
        runs.resolve_step(row(StepStatus.SUCCESS), leaves=frozenset({StepStatus.STARTED}))
        runs.gather("run-1", "1", Arrival(arrived=0))
        runs.gather("run-1", "2", Arrival(arrived=0))
        clock.advance(timedelta(days=20))
        first_read = connection().client.meta.events
        gone = RunsTable("run-1", "node#2")

        def expire(**_: Any) -> None:
            first_read.unregister("after-call.dynamodb.Query", expire)
            gone.delete()

        first_read.register("after-call.dynamodb.Query", expire)
        runs.keep(run())

        parts, lists = clock.now() + timedelta(days=33), clock.now() + timedelta(days=145)
        assert self.ends() == {
            "run": None,
            "step#000000": parts,
            "node#1": parts,
            "day 2026-01-01": lists,
            "month 2026-01": lists,
        }
        kept = runs.step("run-1", 0)
        assert kept is not None and kept.status is StepStatus.SUCCESS
