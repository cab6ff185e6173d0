"""What an alarm does when it goes off: on time, early, late, twice, and for a deployment that is gone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.app.manifests import step_doc
from tests.unit.app.world import START, World
from tidegate.adapters.alarm_input import alarm_input
from tidegate.app.upkeep.wake import MOST_EARLY, wake
from tidegate.domain.rate import Rate
from tidegate.errors import UnavailableError

Make = Callable[..., World]
MINUTE = timedelta(minutes=1)
PUMP = {"kind": "pump", "limit": "runs"}


def a_run_a_minute(world: Make) -> World:
    made = world(job=[step_doc("only")])
    made.services.admission.set_rate("runs", Rate(limit=1, per=MINUTE))
    return made


@pytest.fixture
def waiting(world: Make) -> World:
    """A run a minute: one has started, the next waits, and its alarm is set."""
    made = a_run_a_minute(world)
    for _ in range(2):
        made.submit("job")
    made.settle_wake_ups()
    assert [one["at"] for one in made.alarms.waiting] == ["2026-01-01T00:01:00.000Z"]
    return made


def started(world: World) -> int:
    return len(world.launcher.started)


def test_on_time_the_next_in_line_starts(waiting: World) -> None:
    waiting.clock.advance(MINUTE)

    wake(waiting.services, alarm_input(START + MINUTE, PUMP))

    assert started(waiting) == 2


def test_twice_is_once(waiting: World) -> None:
    waiting.submit("job")
    waiting.settle_wake_ups()
    waiting.clock.advance(MINUTE)

    for _ in range(2):
        wake(waiting.services, alarm_input(START + MINUTE, PUMP))

    assert started(waiting) == 2
    assert [one["at"] for one in waiting.alarms.waiting] == [
        "2026-01-01T00:01:00.000Z",
        "2026-01-01T00:02:00.000Z",
    ]


def test_early_it_waits_for_the_rest(waiting: World) -> None:
    waiting.clock.advance(MINUTE - timedelta(milliseconds=900))
    slept: list[float] = []

    def pause(seconds: float) -> None:
        slept.append(seconds)
        waiting.clock.advance(timedelta(seconds=seconds * 0.8) + timedelta(milliseconds=1))

    wake(waiting.services, alarm_input(START + MINUTE, PUMP), pause=pause)

    assert slept[0] == pytest.approx(0.9)
    assert waiting.clock.now() >= START + MINUTE
    assert started(waiting) == 2


def test_it_waits_until_the_moment_has_come_by_every_clock(waiting: World) -> None:
    services = replace(waiting.services, clocks_differ_by=timedelta(milliseconds=20))
    waiting.clock.advance(MINUTE)
    slept: list[float] = []

    def pause(seconds: float) -> None:
        slept.append(seconds)
        waiting.clock.advance(timedelta(seconds=seconds))

    wake(services, alarm_input(START + MINUTE, PUMP), pause=pause)

    assert slept == [pytest.approx(0.02)]


def test_much_too_early_is_an_error_so_that_it_comes_again(waiting: World) -> None:
    waiting.clock.advance(MINUTE - MOST_EARLY - timedelta(seconds=1))

    with pytest.raises(UnavailableError, match="went off"):
        wake(waiting.services, alarm_input(START + MINUTE, PUMP))

    assert started(waiting) == 1


def test_a_kind_of_another_version_is_logged_and_dropped(
    waiting: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        wake(waiting.services, {"kind": "unheard_of", "at": "2027-01-01T00:00:00.000Z"})

    assert [one.message for one in caplog.records] == ["alarm_dropped"]


def test_wherever_it_dies_its_repeat_goes_on(world: Make) -> None:
    def play(at: int, *, after: bool) -> int:
        """Three runs on two alarms; answers how many calls came after the first alarm was set."""
        made = a_run_a_minute(world)
        for _ in range(3):
            made.submit("job")
        made.settle()
        before = made.trouble.calls
        made.trouble.at, made.trouble.after = before + at, after

        made.advance(minutes=2)

        assert started(made) == 3
        return made.trouble.calls - before

    calls = play(-1, after=False)
    assert calls > 20
    for number in range(calls):
        play(number, after=False)
        play(number, after=True)
