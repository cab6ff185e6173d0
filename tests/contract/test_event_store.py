"""What ``EventStore`` promises, on every engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.adapters.dynamodb.events import DynamoEventStore
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.events import MemoryEventStore
from tidegate.errors import RequestError
from tidegate.ports import Event, EventStore

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def events(engine: str, clock: ManualClock) -> EventStore:
    kind = MemoryEventStore if engine == "memory" else DynamoEventStore
    return kind(retention_days=30, clock=clock)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(AT)


def event(seconds: float = 0, **changes: Any) -> Event:
    made = Event(
        run_id="run-1", at=AT + timedelta(seconds=seconds), kind="LOG", message=f"at {seconds}"
    )
    return replace(made, **changes)


def read_all(events: EventStore, limit: int) -> list[list[Event]]:
    pages, cursor = [], None
    while True:
        page = events.read("run-1", limit=limit, cursor=cursor)
        pages.append(list(page.items))
        assert len(pages) < 100, "the cursor does not move"
        cursor = page.cursor
        if cursor is None:
            return pages


def test_an_event_reads_back_as_it_was(events: EventStore) -> None:
    whole = event(
        0.000001,
        kind="ASSET_MATERIALIZATION",
        step="clean",
        attempt=2,
        level="WARNING",
        message="Grüße \udcff",
        data={"metadata": {"rows": {"type": "int", "value": 1461}}, "list": [1, None, "x"]},
    )

    events.append("run-1", "0-1", [whole, event(1)])

    assert events.read("run-1").items == (whole, event(1))


def test_a_run_without_events_reads_empty(events: EventStore) -> None:
    events.append("run-1", "nothing", [])

    page = events.read("run-1")

    assert (page.items, page.cursor) == ((), None)


def test_the_same_batch_twice_is_written_once(events: EventStore) -> None:
    batch = [event(n) for n in range(60)]

    events.append("run-1", "3-1", batch)
    events.append("run-1", "3-1", batch)

    assert list(events.read("run-1").items) == batch


def test_a_batch_whose_times_differ_the_second_time_is_read_once(events: EventStore) -> None:
    events.append("run-1", "3-1", [event(n) for n in range(60)])
    events.append("run-1", "3-1", [event(n + 0.5) for n in range(60)])

    assert list(events.read("run-1").items) == [event(n) for n in range(60)]


def test_two_batches_of_one_instant_are_both_kept(events: EventStore) -> None:
    events.append("run-1", "a", [event(message="a")])
    events.append("run-1", "b#0001", [event(message="b")])

    assert {one.message for one in events.read("run-1").items} == {"a", "b"}


def test_only_the_events_of_the_run_are_read(events: EventStore) -> None:
    events.append("run-1", "x", [event()])
    events.append("run-10", "x", [event(1, run_id="run-10")])

    assert events.read("run-1").items == (event(),)


def test_a_batch_comes_in_order_of_time_and_keeps_its_own_order_within_an_instant(
    events: EventStore,
) -> None:
    events.append("run-1", "x", [event(2), event(0, message="a"), event(0, message="b"), event(1)])

    assert [one.message for one in events.read("run-1").items] == ["a", "b", "at 1", "at 2"]


@pytest.mark.parametrize("limit", [7, 50, 240, 1000])
def test_overlapping_batches_are_merged_by_time_whatever_the_page(
    events: EventStore, limit: int
) -> None:
    everything = [event(n) for n in range(240)]
    for first, stride in ((0, 3), (1, 3), (2, 6), (5, 6)):
        events.append("run-1", f"batch-{first}", everything[first::stride])

    pages = read_all(events, limit)

    assert [one for page in pages for one in page] == everything
    assert {len(page) for page in pages[:-1]} <= {limit}
    assert pages[-1]


def test_what_is_appended_later_in_time_follows_the_cursor(events: EventStore) -> None:
    events.append("run-1", "a", [event(0), event(1)])
    first = events.read("run-1", limit=1)

    events.append("run-1", "b", [event(2)])

    assert events.read("run-1", cursor=first.cursor).items == (event(1), event(2))


def test_batches_appended_at_once_are_all_there(events: EventStore, at_once: Any) -> None:
    at_once(
        [
            lambda n=n: events.append("run-1", str(n % 8), [event(n % 8), event(n % 8 + 100)])
            for n in range(16)
        ]
    )

    assert [one.at for one in events.read("run-1").items] == [
        AT + timedelta(seconds=n) for n in [*range(8), *range(100, 108)]
    ]


def test_a_very_long_message_is_cut_and_very_large_data_left_out(events: EventStore) -> None:
    events.append(
        "run-1", "x", [event(message="ü" * 100_000, data={"plot": "x" * 500_000}), event(1)]
    )

    first, second = events.read("run-1").items
    assert (len(first.message), first.message[-4:]) == (32_000, "ü...")
    assert first.data == {"tidegate/omitted": "488 KB of data, more than an event holds"}
    assert second == event(1)


def test_stored_events_do_not_change_with_the_callers_dictionaries(events: EventStore) -> None:
    data = {"rows": [1]}
    events.append("run-1", "x", [event(data=data)])

    data["rows"].append(2)

    assert events.read("run-1").items[0].data == {"rows": [1]}


@pytest.mark.parametrize("cursor", ["nonsense", "", "WzFd", "ü"])
def test_a_cursor_that_is_none_is_refused(events: EventStore, cursor: str) -> None:
    with pytest.raises(RequestError, match="is no cursor of an event list"):
        events.read("run-1", cursor=cursor)


def test_events_are_gone_after_their_retention(events: EventStore, clock: ManualClock) -> None:
    events.append("run-1", "a", [event(0)])
    events.append("run-1", "b", [event(60)])

    clock.advance(timedelta(days=30, seconds=30))

    assert events.read("run-1").items == (event(60),)
