"""Rates that are changed while somebody waits for them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.limits.rates import (
    BLUE,
    EACH,
    Deploy,
    by_tag,
    defs,
    every,
    runs,
    starts,
    submit,
)
from tidegate.errors import RequestError


def test_a_faster_rate_wakes_sooner_a_slower_one_later_and_none_at_once(deploy: Deploy) -> None:
    """What is used up stays so, counted in starts: half a start at 90 s is 5 s of the next rate."""
    tg = deploy(defs, settings={"concurrency": runs({"limit": 1, "per": "hour"})})
    made = submit(tg, *["free"] * 7)
    tg.settle()

    tg.set_limit("runs", rate={"limit": 1, "per": "minute"})
    tg.advance(seconds=90)
    tg.set_limit("runs", rate={"limit": 1, "per": 10})
    tg.advance(seconds=20)
    tg.set_limit("runs", rate={"limit": 1, "per": "hour"})
    tg.advance(seconds=1790)
    tg.set_limit("runs", no_rate=True)
    tg.settle()

    assert starts(tg, made) == [0, 60, 95, 105, 1900, 1900, 1900]


def test_a_rate_is_given_to_a_limit_that_had_none_and_its_capacity_stays(deploy: Deploy) -> None:
    tg = deploy(defs, settings={"concurrency": runs(most=50)})
    tg.set_limit("runs", rate={"limit": 3, "per": "minute", "burst": 2})

    made = submit(tg, *["free"] * 3)
    tg.advance(minutes=1)

    assert starts(tg, made) == [0, 0, 20]
    shown = tg.limits["runs"]
    assert (shown.capacity, shown.rate) == (50, {"limit": 3, "per": 60, "burst": 2})


def test_a_pause_keeps_the_rate_and_a_resume_goes_on_with_it(deploy: Deploy) -> None:
    tg = deploy(defs, settings={"concurrency": runs(every(20))})
    made = submit(tg, *["free"] * 4)
    tg.settle()

    tg.pause_limit("runs")
    tg.advance(seconds=50)
    tg.resume_limit("runs")
    tg.advance(minutes=1)

    assert starts(tg, made) == [0, 50, 70, 90]


def test_a_deploy_changes_a_rate_removes_it_and_leaves_alone_what_was_set_by_hand(
    deploy: Deploy,
) -> None:
    def rates() -> list[float | None]:
        return [
            None if tg.limits[key].rate is None else tg.limits[key].rate["per"]  # type: ignore[index]
            for key in ("runs", "pool/api", "job/free")
        ]

    def settings(one: Any, two: Any, three: Any) -> dict[str, Any]:
        return {
            "concurrency": {**runs(one), "pools": {"limits": {"api": two}}, "jobs": {"free": three}}
        }

    tg = deploy(defs, settings=settings(every(1), every(2), every(3)))
    assert rates() == [1, 2, 3]

    tg.set_limit("runs", rate=every(9))
    tg.deploy_settings(settings(every(1), {"limit": 3, "rate": every(5)}, 7))
    assert rates() == [9, 5, None]
    assert [tg.limits[key].capacity for key in ("pool/api", "job/free")] == [3, 7]

    tg.deploy_settings(settings(every(4), 3, 7))
    assert rates() == [4, None, None]


def test_a_deploy_gives_each_value_of_a_tag_the_rate_of_its_rule(deploy: Deploy) -> None:
    tg = deploy(defs, settings={"concurrency": by_tag(key="team", value=EACH, limit=5)})
    made = submit(tg, ("free", BLUE))
    tg.settle()

    tg.deploy_settings({"concurrency": by_tag(key="team", value=EACH, limit=1, per=20)})
    made += submit(tg, ("free", BLUE), ("free", BLUE))
    tg.advance(minutes=1)
    with_rate = tg.limits["run-tag/team=blue"].rate
    tg.deploy_settings({"concurrency": by_tag(key="team", value=EACH, limit=5)})

    assert starts(tg, made) == [0, 0, 20]
    assert with_rate == every(20)
    assert tg.limits["run-tag/team=blue"].rate is None


def test_the_history_says_from_which_rate_to_which(deploy: Deploy) -> None:
    tg = deploy(defs, settings={"concurrency": runs(every(20))})
    tg.advance(seconds=1)
    tg.set_limit("runs", 5)
    tg.advance(seconds=1)
    tg.set_limit("runs", no_rate=True)

    changes = tg.call("limits.history", key="runs")["changes"]

    said = [(one["after"]["capacity"], one["after"]["rate"]) for one in changes]
    assert said == [(5, None), (5, every(20)), (99, every(20))]
    assert [one["before"] for one in changes[:2]] == [one["after"] for one in changes[1:]]


@pytest.mark.parametrize(
    "rate",
    [
        {},
        {"limit": 0, "per": "minute"},
        {"limit": 1},
        {"limit": 1, "per": "week"},
        {"limit": 1, "per": 0},
        {"limit": 1.5, "per": "minute"},
        {"limit": 1, "per": "minute", "burst": 0},
        {"limit": 1, "per": "minute", "bursts": 2},
        "1/minute",
    ],
)
def test_a_rate_that_is_none_is_refused_and_changes_nothing(deploy: Deploy, rate: Any) -> None:
    tg = deploy(defs, settings={"concurrency": runs(every(20))})

    with pytest.raises(RequestError):
        tg.call("limits.set", key="runs", capacity=3, rate=rate)

    assert (tg.limits["runs"].capacity, tg.limits["runs"].rate) == (99, every(20))


def test_to_set_nothing_is_refused(deploy: Deploy) -> None:
    with pytest.raises(RequestError, match="Nothing is said"):
        deploy(defs).call("limits.set", key="runs")
