"""What ``AutomationStore`` and ``PartitionStates`` promise, on every engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.adapters.dynamodb.automation import DynamoAutomationStore
from tidegate.adapters.dynamodb.partition_states import DynamoPartitionStates
from tidegate.adapters.memory.automation import MemoryAutomationStore, MemoryPartitionStates
from tidegate.domain.backfills.backfill import Backfill, BackfillRun, BackfillStatus, Chunk
from tidegate.domain.partitions.partition_set import PartitionSet
from tidegate.domain.partitions.state import Place, version_mark
from tidegate.ports.automation import AutomationStore, PartitionStates

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
RUNS = tuple(BackfillRun(assets=(0, 1), first=n, last=n) for n in range(3))


@pytest.fixture
def store(engine: str) -> AutomationStore:
    return MemoryAutomationStore() if engine == "memory" else DynamoAutomationStore()


@pytest.fixture
def states(engine: str) -> PartitionStates:
    return MemoryPartitionStates() if engine == "memory" else DynamoPartitionStates()


def backfill(name: str = "one", seconds: float = 0, **changes: Any) -> Backfill:
    made = Backfill(
        backfill_id=name,
        status=BackfillStatus.REQUESTED,
        created_at=AT + timedelta(seconds=seconds),
        as_of=AT,
        manifest="m",
        job="__ASSET_JOB",
        target={"a": PartitionSet.range(5, 1_000_005), "b": PartitionSet.of([1, 7])},
        groups=(("a",), ("b",)),
        tags={"team": "x"},
        run_config={"ops": {}},
        notes=("one",),
    )
    return replace(made, **changes)


def chunk(number: int = 0) -> Chunk:
    return Chunk(
        backfill_id="one",
        number=number,
        runs=RUNS,
        opened_at=AT,
        opened_by="me",
        open=frozenset({0, 1, 2}),
    )


def test_keys_are_numbered_in_the_order_in_which_they_were_added(store: AutomationStore) -> None:
    assert store.add_partitions("customers", ["b", "a", "b"]) == ("b", "a")
    assert store.add_partitions("customers", ["a", "c"]) == ("c",)

    assert list(store.partition_numbers("customers").items()) == [("b", 0), ("a", 1), ("c", 2)]
    assert store.partition_numbers("others") == {}


def test_a_number_is_not_given_twice(store: AutomationStore) -> None:
    store.add_partitions("customers", ["a", "b"])

    assert store.delete_partition("customers", "b")
    assert not store.delete_partition("customers", "b")
    store.add_partitions("customers", ["c", "b"])

    assert store.partition_numbers("customers") == {"a": 0, "c": 2, "b": 3}


def test_many_keys_are_added_at_once(store: AutomationStore) -> None:
    keys = [f"k{n:03}" for n in range(120)]

    assert store.add_partitions("customers", keys) == tuple(keys)

    assert list(store.partition_numbers("customers")) == keys


def test_keys_added_by_several_at_once_have_numbers_of_their_own(
    store: AutomationStore, at_once: Callable[..., Any]
) -> None:
    at_once([lambda n=n: _patiently(store, [f"k{n}", "shared"]) for n in range(4)])

    numbers = store.partition_numbers("customers")

    assert sorted(numbers.values()) == [0, 1, 2, 3, 4]
    assert set(numbers) == {"shared", "k0", "k1", "k2", "k3"}


def _patiently(store: AutomationStore, keys: list[str]) -> None:
    from tidegate.errors import ConflictError

    while True:
        try:
            store.add_partitions("customers", keys)
            return
        except ConflictError:
            continue


def test_a_backfill_reads_back_as_it_was_and_is_created_once(store: AutomationStore) -> None:
    one = backfill()

    assert store.create_backfill(one) == (one, True)
    assert store.create_backfill(replace(one, title="other")) == (one, False)

    assert store.backfill("one") == one
    assert store.backfill("two") is None


def test_backfills_are_listed_newest_first_page_by_page(store: AutomationStore) -> None:
    for n in range(3):
        store.create_backfill(backfill(f"b{n}", n))

    first = store.backfills(limit=2)
    rest = store.backfills(limit=2, cursor=first.cursor)

    assert [one.backfill_id for one in (*first.items, *rest.items)] == ["b2", "b1", "b0"]
    assert rest.cursor is None


def test_a_change_is_made_once_with_its_chunk(store: AutomationStore) -> None:
    one = backfill()
    store.create_backfill(one)

    assert store.change_backfill(one, replace(one, next_chunk=1), opens=chunk())
    assert not store.change_backfill(one, replace(one, next_chunk=2), opens=chunk(1))

    stored = store.backfill("one")
    assert stored is not None
    assert (stored.next_chunk, stored.version) == (1, 1)
    assert store.chunks("one") == [chunk()]


def test_one_that_has_ended_is_active_no_longer(store: AutomationStore) -> None:
    one = backfill()
    store.create_backfill(one)
    assert store.active_backfills() == ["one"]

    store.change_backfill(one, replace(one, status=BackfillStatus.CANCELED))

    assert store.active_backfills() == []


def test_what_came_of_runs_is_recorded_whatever_comes_twice(store: AutomationStore) -> None:
    one = backfill()
    store.create_backfill(one)
    store.change_backfill(one, one, opens=chunk())

    for _ in range(2):
        store.submitted(chunk())
        assert store.run_ended("one", 0, 0, done=[0, 1], failed=[], skipped=[])
        assert store.run_ended("one", 0, 1, done=[], failed=[0], skipped=[1])

    (known,) = store.chunks("one")
    assert known.is_submitted
    assert known.open == {2}
    assert known.failed == {(1, 0)}
    assert known.skipped == {(1, 1)}


def test_the_last_word_on_a_run_counts(store: AutomationStore) -> None:
    one = backfill()
    store.create_backfill(one)
    store.change_backfill(one, one, opens=chunk())
    store.run_ended("one", 0, 1, done=[], failed=[0, 1], skipped=[])

    store.run_ended("one", 0, 1, done=[0], failed=[], skipped=[1])

    (known,) = store.chunks("one")
    assert known.failed == frozenset()
    assert known.skipped == {(1, 1)}


def test_a_chunk_that_was_taken_in_is_gone_for_late_words(store: AutomationStore) -> None:
    one = backfill()
    store.create_backfill(one)
    store.change_backfill(one, one, opens=chunk())
    now = store.backfill("one")
    assert now is not None

    store.change_backfill(now, now, folds=[chunk()])

    assert store.chunks("one") == []
    assert not store.run_ended("one", 0, 1, done=[0], failed=[], skipped=[])


def test_runs_that_end_at_once_do_not_disturb_each_other(
    store: AutomationStore, at_once: Callable[..., Any]
) -> None:
    one = backfill()
    store.create_backfill(one)
    store.change_backfill(one, one, opens=chunk())

    at_once(
        [
            lambda n=n: store.run_ended("one", 0, n, done=[1], failed=[0], skipped=[])
            for n in range(3)
        ]
    )

    (known,) = store.chunks("one")
    assert known.open == frozenset()
    assert known.failed == {(0, 0), (1, 0), (2, 0)}


@pytest.mark.parametrize("members", [(1, 2, 3), ("a", "b", "c")])
def test_a_partition_goes_from_state_to_state(states: PartitionStates, members: Any) -> None:
    places = [Place("x#01", one) for one in members]
    for _ in range(2):
        states.mark("asset", "in_progress", places)
        states.mark("asset", "materialized", places[:1])
        states.mark("asset", "failed", places[1:2])
    states.mark("asset", "ended", places)

    states.mark("asset", "in_progress", places[2:])
    states.mark("asset", "failed", places[:1])

    (row,) = states.marked("asset", "x#")
    assert row.materialized == {members[0]}
    assert row.failed == {members[0], members[1]}
    assert row.in_progress == {members[2]}
    assert states.marked("asset", "y#") == []
    assert states.marked("other", "x#") == []


@pytest.mark.parametrize("members", [(1, 2), ("de", "fr")])
def test_a_partition_is_of_the_version_of_the_code_that_made_it_last(
    states: PartitionStates, members: Any
) -> None:
    first, second = (Place("x#1", one) for one in members)

    for _ in range(2):
        states.mark("asset", "materialized", [first, second], code_version="1")
    states.mark("asset", "materialized", [first], code_version="2")
    states.mark("asset", "failed", [second], code_version="2")

    (row,) = states.marked("asset", "x#")
    made = {name: one for name, one in row.made_by.items() if one}
    assert made == {version_mark("1"): {second.member}, version_mark("2"): {first.member}}

    states.mark("asset", "materialized", [first], code_version="1")
    states.mark("asset", "materialized", [second])

    (row,) = states.marked("asset", "x#")
    assert {name: one for name, one in row.made_by.items() if one} == {
        version_mark("1"): {first.member}
    }
    assert row.materialized == {first.member, second.member}
