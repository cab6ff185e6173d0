"""What ``PartitionHolds`` promises, on every engine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.adapters.dynamodb.partition_holds import DynamoPartitionHolds
from tidegate.adapters.memory.partition_holds import MemoryPartitionHolds
from tidegate.domain.partitions.hold import Hold
from tidegate.ports.automation import PartitionHolds

LATER = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def holds(engine: str) -> PartitionHolds:
    return MemoryPartitionHolds() if engine == "memory" else DynamoPartitionHolds()


def hold(run_id: str, *members: object) -> Hold:
    return Hold(holder=run_id, members=frozenset(map(str, members)))


def test_a_member_is_taken_by_one_run_and_the_other_is_told_by_which(holds: PartitionHolds) -> None:
    assert holds.take("a", "r", hold("one", 5)) is None

    refused = holds.take("a", "r", hold("two", 5))

    assert refused is not None
    assert refused.against(hold("two", 5)) == ("5", hold("one", 5))
    assert holds.row("a", "r") == refused
    assert holds.take("a", "r", hold("two", 6)) is None
    assert holds.take("a", "other", hold("two", 5)) is None
    assert holds.take("b", "r", hold("two", 5)) is None


def test_taken_again_by_the_same_run_it_is_taken(holds: PartitionHolds) -> None:
    for _ in range(2):
        assert holds.take("a", "r", hold("one", "de|fr")) is None
        assert holds.take("a", "s", hold("one", 1, 2, 3), version=0) is None

    assert holds.row("a", "r").of("one") == (hold("one", "de|fr"),)
    assert holds.row("a", "s").of("one") == (hold("one", 1, 2, 3),)


def test_of_sixteen_at_once_one_has_the_member(holds: PartitionHolds, at_once: Any) -> None:
    calls = [lambda n=n: holds.take("a", "r", hold(f"run{n}", 7)) for n in range(16)]

    refused = at_once(calls)

    assert refused.count(None) == 1
    winner = hold(f"run{refused.index(None)}", 7)
    assert holds.row("a", "r").holds == {winner.text}


def test_several_members_are_taken_only_from_the_row_as_it_was_seen(holds: PartitionHolds) -> None:
    holds.take("a", "r", hold("one", 5))
    seen = holds.row("a", "r")
    holds.take("a", "r", hold("two", 8))

    refused = holds.take("a", "r", hold("three", 7, 8), version=seen.version)

    assert refused is not None
    assert refused.against(hold("three", 7, 8)) == ("8", hold("two", 8))
    assert refused.taken == {"5", "8"}


def test_one_member_is_not_taken_from_a_run_that_holds_several(holds: PartitionHolds) -> None:
    holds.take("a", "r", hold("one", *range(1024)), version=0)

    refused = holds.take("a", "r", hold("two", 1000))

    assert refused is not None
    assert refused.against(hold("two", 1000)) == ("1000", hold("one", *range(1024)))


def test_what_is_given_up_can_be_taken_and_a_late_repeat_takes_it_from_nobody(
    holds: PartitionHolds,
) -> None:
    holds.take("a", "r", hold("one", 5))
    holds.take("a", "r", hold("three", 9))

    assert not holds.give_up("a", "r", hold("one", 5))
    assert holds.take("a", "r", hold("two", 5)) is None
    assert not holds.give_up("a", "r", hold("one", 5))

    assert holds.row("a", "r").taken == {"5", "9"}
    assert holds.row("a", "r").holds == {hold("two", 5).text, hold("three", 9).text}


def test_giving_up_what_was_never_held_changes_nothing(holds: PartitionHolds) -> None:
    assert not holds.give_up("a", "r", hold("one", 5))

    assert holds.rows("a") == []


def test_who_gives_up_is_told_that_somebody_waits_until_all_have_been_told(
    holds: PartitionHolds,
) -> None:
    held = hold("one", 5)
    holds.take("a", "r", held)
    holds.wait("one", "2#two", "two", expires_at=LATER)
    holds.wait("one", "1#three", "three", expires_at=LATER)

    assert holds.announce("a", "r", held)
    assert holds.give_up("a", "r", held)
    assert holds.give_up("a", "r", held)
    assert holds.waits("one", 10) == [("1#three", "three"), ("2#two", "two")]
    assert holds.waits("one", 1) == [("1#three", "three")]
    assert holds.is_waiting("one", "2#two")
    holds.waits_no_more("one", "2#two")
    assert not holds.is_waiting("one", "2#two")
    holds.all_told("a", "r", "one")
    assert not holds.give_up("a", "r", held)


def test_nobody_waits_for_a_run_that_holds_it_no_longer(holds: PartitionHolds) -> None:
    held = hold("one", 5)
    holds.take("a", "r", held)
    holds.give_up("a", "r", held)

    assert not holds.announce("a", "r", held)
    assert not holds.announce("a", "never", held)


def test_all_rows_of_an_asset_are_listed(holds: PartitionHolds) -> None:
    for row in ("t#01", "t#02"):
        holds.take("a", row, hold("one", 5))
    holds.take("ab", "t#01", hold("one", 5))

    assert [one.row for one in holds.rows("a")] == ["t#01", "t#02"]
