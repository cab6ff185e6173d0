"""Run ids."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from tidegate.adapters.ids import TimeOrderedIds
from tidegate.adapters.memory.ids import seeded_ids
from tidegate.domain.run import execution_name

AT = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


def test_ids_are_uuids_of_version_7_that_hold_their_millisecond() -> None:
    made = uuid.UUID(TimeOrderedIds().run_id(AT))

    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == int(AT.timestamp() * 1000)


def test_ids_sort_by_time_to_the_microsecond() -> None:
    ids = TimeOrderedIds()
    moments = [AT + timedelta(microseconds=n * 7) for n in range(2000)]

    made = [ids.run_id(one) for one in moments]

    assert made == sorted(set(made))


def test_ids_of_one_instant_sort_in_the_order_they_were_asked_for() -> None:
    ids = TimeOrderedIds()

    made = [ids.run_id(AT) for _ in range(2000)]

    assert made == sorted(set(made))


def test_two_processes_do_not_make_the_same_id() -> None:
    assert TimeOrderedIds().run_id(AT) != TimeOrderedIds().run_id(AT)


def test_ids_from_one_seed_repeat() -> None:
    assert seeded_ids(7).run_id(AT) == seeded_ids(7).run_id(AT)


def test_an_id_leaves_room_for_the_rest_of_an_execution_name() -> None:
    assert len(execution_name(TimeOrderedIds().run_id(AT), 999_999, 9_999)) <= 80
