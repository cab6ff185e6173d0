"""A range of dynamic keys that grows while its run waits: whoever waits, nobody waits for ever."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.app.runs.partitioned import ALL, NOTHING, OPEN, MakeWorld, left, make, statuses
from tidegate import DynamicPartitionsDefinition
from tidegate.app.partitions import add_dynamic, delete_dynamic
from tidegate.app.runs.submit import RunRequest, submit
from tidegate.domain.partitions.hold import Hold
from tidegate.domain.partitions.state import place_of

CUSTOMERS = DynamicPartitionsDefinition(name="customers")


@pytest.fixture
def tg(world_of: MakeWorld) -> Any:
    return world_of(ALL, OPEN)


def _row(key: str) -> str:
    place = place_of(CUSTOMERS, key)
    assert place is not None
    return place.row


def _of_range(tg: Any, start: str, end: str, run_key: str) -> str:
    tags = {
        "tidegate/asset_partition_range_start": start,
        "tidegate/asset_partition_range_end": end,
    }
    request = RunRequest(assets=("bill",), tags=tags, run_key=run_key)
    run_id: str = submit(tg.services, request).run_id
    return run_id


def _three_and_one_after() -> tuple[list[str], str]:
    """Three keys of one row, and one of another that comes later."""
    rows: dict[str, list[str]] = {}
    for number in range(400):
        rows.setdefault(_row(f"key-{number}"), []).append(f"key-{number}")
    three = next(row for row in sorted(rows) if len(rows[row]) > 2)
    return rows[three][:3], rows[max(rows)][0]


def test_runs_whose_ranges_grew_while_they_waited_do_not_wait_for_each_other(tg: Any) -> None:
    """The last key of a range is deleted, and added again after another: the range has that one too, before what is held."""
    new, first, last, held = sorted((f"key-{n}" for n in range(4)), key=_row)
    assert len({_row(one) for one in (new, first, last, held)}) == 4
    add_dynamic(tg.services, "customers", [first, held, last])
    before = make(tg, "bill", key=held)
    tg.settle_wake_ups()
    one = _of_range(tg, first, last, "one")
    tg.settle_wake_ups()
    delete_dynamic(tg.services, "customers", last)
    add_dynamic(tg.services, "customers", [new, last])
    two = _of_range(tg, new, last, "two")
    tg.settle_wake_ups()
    assert statuses(tg, before, one, two) == ["STARTED", "QUEUED", "QUEUED"]

    tg.settle()

    assert statuses(tg, before, one, two) == ["SUCCESS", "FAILURE", "SUCCESS"]
    assert tg.store.runs.get(one).reason.startswith("Keys came into its range while it waited")
    assert left(tg) == NOTHING


def test_a_range_of_which_keys_were_deleted_while_it_waited_has_what_is_left(tg: Any) -> None:
    """It holds two keys in one row, and of those wants one from then on."""
    (first, gone, _), last = _three_and_one_after()
    add_dynamic(tg.services, "customers", [first, gone, last])
    before = make(tg, "bill", key=last)
    tg.settle_wake_ups()
    one = _of_range(tg, first, last, "one")
    tg.settle_wake_ups()
    assert statuses(tg, before, one) == ["STARTED", "QUEUED"]
    delete_dynamic(tg.services, "customers", gone)

    tg.settle()

    assert statuses(tg, before, one) == ["SUCCESS"] * 2
    assert left(tg) == NOTHING


def test_what_is_taken_while_a_run_gives_up_what_it_took_in_parts_stays_taken(tg: Any) -> None:
    (first, last, new), held = _three_and_one_after()
    add_dynamic(tg.services, "customers", [first, held, last])
    before = make(tg, "bill", key=held)
    tg.settle_wake_ups()
    one = _of_range(tg, first, last, "one")
    tg.settle_wake_ups()
    delete_dynamic(tg.services, "customers", last)
    add_dynamic(tg.services, "customers", [new, last])
    holds, other = tg.store.partition_holds, []
    give_up = holds.give_up

    def meanwhile(asset: str, row: str, hold: Hold) -> bool:
        is_awaited: bool = give_up(asset, row, hold)
        if first in hold.members and not other:
            other.append(make(tg, "bill", key=first))
            tg.settle_wake_ups()
        return is_awaited

    holds.give_up = meanwhile
    for _ in ("before", "one"):
        tg.play(next(name for name in tg.launcher.started if name not in tg._completed))
        tg.settle_wake_ups()

    assert statuses(tg, before, one, *other) == ["SUCCESS", "SUCCESS", "STARTED"]
    assert [row.taken for row in holds.rows("bill") if row.holds] == [{first}]
    tg.settle()
    assert left(tg) == NOTHING
