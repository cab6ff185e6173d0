"""The keys of a range are those there were when its run was submitted: what it holds, makes, and is told to make again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.app.runs.partitioned import ALL, NOTHING, OPEN, MakeWorld, left, make, statuses
from tests.unit.app.world import Crash
from tidegate import DynamicPartitionsDefinition
from tidegate.app.partitions import add_dynamic, delete_dynamic, show_states
from tidegate.app.range_keys import kept_range_keys
from tidegate.app.runs.cancel import request_cancel
from tidegate.app.runs.retry import retry_by_hand
from tidegate.app.runs.submit import RunRequest, submit
from tidegate.app.upkeep.daily import upkeep
from tidegate.domain.partitions.state import place_of
from tidegate.domain.run import Run
from tidegate.domain.run_retry import Strategy
from tidegate.errors import UnknownPartitionError

FOUR = ["acme", "globex", "hooli", "initech"]


@pytest.fixture
def tg(world_of: MakeWorld) -> Any:
    tg = world_of(ALL, OPEN)
    add_dynamic(tg.services, "customers", FOUR)
    return tg


def _of_range(tg: Any, start: str, end: str, run_key: str | None = None) -> Run:
    tags = {
        "tidegate/asset_partition_range_start": start,
        "tidegate/asset_partition_range_end": end,
    }
    return submit(tg.services, RunRequest(assets=("bill",), tags=tags, run_key=run_key))


def _held(tg: Any, run_id: str) -> list[str]:
    rows = tg.store.partition_holds.rows("bill")
    return sorted(key for row in rows for hold in row.of(run_id) for key in hold.members)


def _row(key: str) -> str:
    place = place_of(DynamicPartitionsDefinition(name="customers"), key)
    assert place is not None
    return place.row


def _come_and_go(tg: Any, last: str) -> None:
    delete_dynamic(tg.services, "customers", "globex")
    delete_dynamic(tg.services, "customers", last)
    add_dynamic(tg.services, "customers", ["new", last])


def test_what_it_holds_is_the_same_before_and_after_keys_come_and_go(tg: Any) -> None:
    before = make(tg, "bill", key="hooli")
    tg.settle_wake_ups()
    run = _of_range(tg, "acme", "initech").run_id
    tg.settle_wake_ups()
    _come_and_go(tg, "initech")

    tg.play(next(iter(tg.launcher.started)))
    tg.settle_wake_ups()

    assert statuses(tg, before, run) == ["SUCCESS", "STARTED"]
    assert _held(tg, run) == FOUR
    tg.settle()
    assert left(tg) == NOTHING
    assert show_states(tg.services, "bill", limit=9, cursor=None)["counts"] | {"STALE": 0} == {
        "MATERIALIZED": 3,
        "MISSING": 1,
        "FAILED": 0,
        "IN_PROGRESS": 0,
        "STALE": 0,
    }


def test_runs_of_ranges_that_have_got_keys_in_the_meantime_do_not_wait_for_each_other(
    tg: Any,
) -> None:
    """The last key of a range is deleted, and added again after another, which would come before what is held."""
    new, first, last, held = sorted((f"key-{n}" for n in range(4)), key=_row)
    add_dynamic(tg.services, "customers", [first, held, last])
    before = make(tg, "bill", key=held)
    tg.settle_wake_ups()
    one = _of_range(tg, first, last).run_id
    tg.settle_wake_ups()
    delete_dynamic(tg.services, "customers", last)
    add_dynamic(tg.services, "customers", [new, last])
    two = _of_range(tg, new, last).run_id
    tg.settle_wake_ups()
    assert statuses(tg, before, one, two) == ["STARTED", "QUEUED", "QUEUED"]
    assert (_held(tg, one), _held(tg, two)) == ([first, last], [new])

    tg.settle()

    assert statuses(tg, before, one, two) == ["SUCCESS"] * 3
    assert left(tg) == NOTHING


def test_a_range_whose_keys_are_all_deleted_is_made_and_then_free(tg: Any) -> None:
    run = _of_range(tg, "acme", "globex").run_id
    tg.settle_wake_ups()
    for key in ("acme", "globex"):
        delete_dynamic(tg.services, "customers", key)

    tg.settle()

    assert tg.status(run) == "SUCCESS"
    assert left(tg) == NOTHING


def test_the_step_is_given_the_keys_of_the_run(tg: Any) -> None:
    _of_range(tg, "acme", "initech")
    _come_and_go(tg, "initech")
    tg.settle()

    (state,) = tg.launcher.started.values()
    assert state["invocation"]["dynamic_partitions"] == {"customers": FOUR}


def test_a_run_that_is_asked_for_twice_has_the_keys_of_the_first_time(tg: Any) -> None:
    first = _of_range(tg, "acme", "initech", run_key="one")
    _come_and_go(tg, "initech")

    again = _of_range(tg, "acme", "initech", run_key="one")

    assert again.run_id == first.run_id
    assert kept_range_keys(tg.services, again.range_keys or "") == {"customers": FOUR}


def test_a_caller_that_dies_with_the_keys_written_has_asked_for_nothing(tg: Any) -> None:
    put, died = tg.services.blobs.put, []

    def dies(key: str, body: bytes) -> None:
        put(key, body)
        if key.startswith("control/keys/") and not died:
            died.append(key)
            raise Crash

    object.__setattr__(tg.services, "blobs", _With(tg.services.blobs, put=dies))
    with pytest.raises(Crash):
        _of_range(tg, "acme", "globex", run_key="one")
    assert tg.store.runs.find().items == ()

    run = _of_range(tg, "acme", "globex", run_key="one")
    tg.settle()

    assert tg.status(run.run_id) == "SUCCESS"


class _With:
    """A port, one call of which does something else."""

    def __init__(self, port: Any, **calls: Any) -> None:
        self._port = port
        self.__dict__.update(calls)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


@pytest.mark.parametrize("strategy", list(Strategy))
def test_a_retry_holds_and_makes_the_keys_of_the_run_it_follows(
    tg: Any, strategy: Strategy
) -> None:
    tg.failing.add("bill")
    first = _of_range(tg, "acme", "initech").run_id
    tg.settle()
    tg.failing.clear()
    _come_and_go(tg, "initech")

    second = retry_by_hand(tg.services, first, strategy=strategy)
    tg.settle_wake_ups()

    assert _held(tg, second.run_id) == FOUR
    tg.settle()
    assert statuses(tg, first, second.run_id) == ["FAILURE", "SUCCESS"]
    assert left(tg) == NOTHING


def test_a_new_run_of_the_range_is_of_the_keys_there_are_now(tg: Any) -> None:
    _of_range(tg, "acme", "initech")
    _come_and_go(tg, "initech")

    now = _of_range(tg, "acme", "initech")

    assert kept_range_keys(tg.services, now.range_keys or "") == {
        "customers": ["acme", "hooli", "new", "initech"]
    }
    with pytest.raises(UnknownPartitionError):
        _of_range(tg, "acme", "globex")


def test_a_run_whose_keys_were_deleted_from_the_bucket_says_so_and_holds_nothing(tg: Any) -> None:
    before = make(tg, "bill", key="hooli")
    tg.settle_wake_ups()
    runs = [_of_range(tg, "acme", "initech").run_id for _ in range(2)]
    tg.settle_wake_ups()
    stored = tg.services.blobs.stored
    for key in [one for one in stored if one.startswith("control/keys/")]:
        del stored[key]
    tg.services.range_keys.clear()

    request_cancel(tg.services, runs[1])
    tg.settle()

    assert statuses(tg, before, *runs) == ["SUCCESS", "FAILURE", "CANCELED"]
    assert "are not in the bucket" in tg.store.runs.get(runs[0]).reason
    assert left(tg) == NOTHING


def test_a_run_whose_keys_are_lost_while_its_step_is_under_way_ends_all_the_same(tg: Any) -> None:
    run = _of_range(tg, "acme", "initech")
    tg.settle_wake_ups()
    stored = tg.services.blobs.stored
    for key in [one for one in stored if one.startswith("control/keys/")]:
        del stored[key]
    tg.services.range_keys.clear()

    tg.settle()

    assert statuses(tg, run.run_id) == ["SUCCESS"]
    assert left(tg) == NOTHING


def test_keys_of_a_run_that_takes_long_are_written_again_each_day(tg: Any) -> None:
    run = _of_range(tg, "acme", "initech")
    tg.settle_wake_ups()
    written: list[str] = []
    put = tg.services.blobs.put
    tg.services.blobs.__dict__["put"] = lambda key, body: (written.append(key), put(key, body))
    tg.clock.advance(timedelta(days=2))

    upkeep(tg.services)

    assert f"control/keys/{run.range_keys}.json" in written
