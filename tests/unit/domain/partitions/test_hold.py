"""How holds are written down: small, and read back as they were."""

from __future__ import annotations

import pytest

from tidegate.domain.partitions.hold import Hold, HoldRow, on_running
from tidegate.errors import RequestError

RUN = "01941f29-7c00-7000-8000-000000000001"


@pytest.mark.parametrize(
    "members",
    [
        {"5"},
        {"de#1|=+*"},
        {"1", "2", "3", "9"},
        {"de", "fr", "007", "7"},
        {f"customer {n}" for n in range(500)},
    ],
)
def test_a_hold_is_read_as_it_was_written(members: set[str]) -> None:
    hold = Hold(holder=RUN, members=frozenset(members))

    assert Hold.read(hold.text) == hold


def test_a_whole_row_of_windows_is_a_range() -> None:
    hold = Hold(holder=RUN, members=frozenset(map(str, range(1024))))

    assert hold.text == f"{RUN}#+[[0,1023]]"


def test_a_run_is_not_in_its_own_way() -> None:
    hold = Hold(holder=RUN, members=frozenset({"1", "2"}))
    row = HoldRow(asset="a", row="r", taken=hold.members, holds=frozenset({hold.text}))

    assert row.against(hold) is None
    assert row.of(RUN) == (hold,)
    assert row.against(Hold(holder="two", members=frozenset({"2", "3"}))) == ("2", hold)


def test_a_policy_that_is_none_is_refused() -> None:
    with pytest.raises(RequestError, match="'stop'"):
        on_running({"tidegate/on_running": "stop"})
