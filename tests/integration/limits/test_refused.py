"""What can never be, or is no limit, is refused and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.limits.concurrency import pools
from tests.integration.limits.jobs import Deploy, defs
from tidegate.errors import RequestError, UnknownLimitError


def test_more_slots_than_the_pool_has_by_now_are_refused_and_nothing_is_created(
    deploy: Deploy,
) -> None:
    tg = deploy(defs, settings={"concurrency": pools(db=2)})
    tg.set_limit("pool/db", 1)

    with pytest.raises(RequestError) as caught:
        tg.submit("heavy")

    assert "Step 'heavy_query' takes 2 slots of pool 'db', which has 1." in str(caught.value)
    assert tg.runs() == []


@pytest.mark.parametrize("change", ["closed", "paused", "unlimited", "held by runs"])
def test_slots_are_not_too_many_where_that_is_not_what_keeps_them_waiting(
    deploy: Deploy, change: str
) -> None:
    limit = {"limit": 1, "granularity": "run"} if change == "held by runs" else 2
    tg = deploy(defs, settings={"concurrency": {"pools": {"limits": {"db": limit}}}})
    if change == "paused":
        tg.pause_limit("pool/db")
    elif change != "held by runs":
        tg.set_limit("pool/db", 0 if change == "closed" else -1)

    tg.submit("heavy")

    assert len(tg.runs()) == 1


def test_a_claim_whose_pool_became_too_small_for_it_says_so_and_goes_on_when_it_is_raised(
    deploy: Deploy,
) -> None:
    tg = deploy(defs, settings={"concurrency": pools(db=2)}, step_seconds=60)
    tg.submit("db")
    waiting = tg.submit("heavy")
    tg.settle()
    tg.set_limit("pool/db", 1)
    tg.advance(minutes=5)

    shown = tg.call("runs.show", run_id=waiting)["waiting"]

    assert (shown["blocked_by"], shown["capacity"], shown["units"]) == ("pool/db", 1, 2)
    assert (shown["in_use"], shown["holders"]) == (0, [])
    tg.set_limit("pool/db", 2)
    tg.settle()
    assert tg.run_status(waiting) == "STARTED"


@pytest.mark.parametrize(
    "key",
    ["db", "pool/", "job/free", "location/here", "run-tag/team", "run-tag/team=a", "run/none"],
)
@pytest.mark.parametrize("action", ["limits.set", "limits.pause", "limits.resume"])
def test_a_limit_by_which_nothing_is_counted_cannot_be_changed(
    deploy: Deploy, action: str, key: str
) -> None:
    tg = deploy(defs)
    values = {"capacity": 3} if action == "limits.set" else {}

    with pytest.raises(UnknownLimitError) as caught:
        tg.call(action, key=key, **values)

    assert f"There is no limit {key!r}." in str(caught.value)
    assert key not in tg.limits


def test_minus_one_in_the_settings_counts_so_that_a_limit_set_live_is_exact(deploy: Deploy) -> None:
    settings = {"concurrency": {"jobs": {"free": -1}}}
    tg = deploy(defs, settings=settings, step_seconds=60)
    first = [tg.submit("free") for _ in range(2)]
    tg.settle()

    tg.set_limit("job/free", 2)
    third = tg.submit("free")
    tg.settle()

    assert tg.limits["job/free"].in_use == 2
    assert {tg.run_status(one) for one in first} == {"STARTED"}
    assert tg.run_status(third) == "QUEUED"


@pytest.mark.parametrize("capacity", [-2, True, "3", 1.5])
def test_a_capacity_that_is_none_is_refused(deploy: Deploy, capacity: Any) -> None:
    tg = deploy(defs)

    with pytest.raises(RequestError):
        tg.call("limits.set", key="pool/db", capacity=capacity)

    assert "pool/db" not in tg.limits
