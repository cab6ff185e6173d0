from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.errors import InvocationError
from tidegate.local.clock import RealClock, SimulatedClock
from tidegate.local.loop import Loop

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def loop() -> Loop:
    return Loop(SimulatedClock(START))


def note(log: list[Any], what: Any) -> Any:
    return lambda: log.append(what)


def test_callbacks_run_in_the_order_they_were_added(loop: Loop) -> None:
    log: list[int] = []
    for number in range(5):
        loop.call_soon(note(log, number))

    loop.run_until_idle()

    assert log == [0, 1, 2, 3, 4]


def test_what_a_callback_adds_runs_too(loop: Loop) -> None:
    log: list[str] = []
    loop.call_soon(lambda: (log.append("first"), loop.call_soon(note(log, "second"))))

    loop.run_until_idle()

    assert log == ["first", "second"]


def test_settling_lets_no_time_pass(loop: Loop) -> None:
    log: list[str] = []
    loop.call_later(timedelta(seconds=1), note(log, "timer"))

    loop.run_until_idle()

    assert log == []
    assert loop.clock.now() == START


def test_timers_fire_in_order_of_time_each_at_its_own_time(loop: Loop) -> None:
    log: list[tuple[str, datetime]] = []
    for name, seconds in (("late", 9), ("early", 1), ("middle", 5)):
        loop.call_later(
            timedelta(seconds=seconds), lambda name=name: log.append((name, loop.clock.now()))
        )

    loop.advance(timedelta(seconds=6))

    assert log == [
        ("early", START + timedelta(seconds=1)),
        ("middle", START + timedelta(seconds=5)),
    ]
    assert loop.clock.now() == START + timedelta(seconds=6)


def test_timers_of_one_time_fire_in_the_order_they_were_set(loop: Loop) -> None:
    log: list[int] = []
    for number in range(4):
        loop.call_at(START + timedelta(seconds=1), note(log, number))

    loop.advance(timedelta(seconds=1))

    assert log == [0, 1, 2, 3]


def test_a_timer_set_while_advancing_fires_within_the_same_advance(loop: Loop) -> None:
    log: list[datetime] = []

    def tick() -> None:
        log.append(loop.clock.now())
        loop.call_later(timedelta(minutes=1), tick)

    tick()
    loop.advance(timedelta(minutes=3))

    assert log == [START + timedelta(minutes=number) for number in range(4)]


def test_a_cancelled_timer_never_fires(loop: Loop) -> None:
    log: list[str] = []
    timer = loop.call_later(timedelta(seconds=1), note(log, "timer"))

    timer.cancel()
    loop.advance(timedelta(seconds=2))

    assert log == []
    assert loop.next_due() is None


def test_the_clock_never_goes_back(loop: Loop) -> None:
    loop.advance(to=START + timedelta(hours=1))
    loop.advance(to=START)

    assert loop.clock.now() == START + timedelta(hours=1)


def test_settling_waits_for_work_done_elsewhere(loop: Loop) -> None:
    log: list[str] = []
    hold = loop.hold()

    def work() -> None:
        loop.call_soon(note(log, "from the thread"))
        hold.release()

    thread = threading.Thread(target=work)
    thread.start()
    loop.run_until_idle()
    thread.join()

    assert log == ["from the thread"]


def test_a_hold_released_twice_counts_once(loop: Loop) -> None:
    first, second = loop.hold(), loop.hold()
    first.release()
    first.release()
    done = threading.Event()

    def release_last() -> None:
        loop.call_soon(done.set)
        second.release()

    thread = threading.Thread(target=release_last)
    thread.start()
    loop.run_until_idle()
    thread.join()

    assert done.is_set()


def test_a_hold_from_before_a_clear_counts_no_more(loop: Loop) -> None:
    stale = loop.hold()
    loop.clear()
    stale.release()
    current = loop.hold()
    thread = threading.Thread(target=current.release)

    thread.start()
    loop.run_until_idle()
    thread.join()

    assert loop.next_due() is None


def test_an_exception_of_a_callback_comes_out_of_settling_and_the_rest_still_runs(
    loop: Loop,
) -> None:
    log: list[str] = []

    def fail() -> None:
        raise ValueError("boom")

    loop.call_soon(fail)
    loop.call_soon(note(log, "after"))

    with pytest.raises(ValueError, match="boom"):
        loop.run_until_idle()
    loop.run_until_idle()

    assert log == ["after"]


def test_settling_from_inside_a_callback_is_refused(loop: Loop) -> None:
    loop.call_soon(loop.run_until_idle)

    with pytest.raises(InvocationError, match="already running"):
        loop.run_until_idle()


def test_real_time_cannot_be_advanced() -> None:
    loop = Loop(RealClock())

    with pytest.raises(InvocationError, match="Real time cannot be advanced"):
        loop.advance(timedelta(seconds=1))


def test_a_loop_in_real_time_runs_what_threads_submit_until_it_is_stopped() -> None:
    loop = Loop(RealClock(speed=1000))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    on_loop = loop.submit_from_thread(threading.get_ident)
    timer = threading.Event()
    loop.submit_from_thread(lambda: loop.call_later(timedelta(seconds=1), timer.set))

    assert on_loop.result() == thread.ident
    assert timer.wait(30)
    loop.stop()
    thread.join()


def test_what_is_submitted_and_fails_raises_where_it_is_waited_for() -> None:
    loop = Loop(RealClock())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    failed = loop.submit_from_thread(lambda: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        failed.result()
    loop.stop()
    thread.join()


def test_submitting_on_the_loops_own_thread_runs_at_once(loop: Loop) -> None:
    assert loop.submit_from_thread(lambda: 42).result() == 42


def test_a_fast_clock_runs_fast() -> None:
    clock = RealClock(speed=3600)

    later = clock.now() + timedelta(hours=1)

    assert 0 < clock.seconds_until(later) <= 1
    assert clock.seconds_until(clock.now() - timedelta(hours=1)) == 0


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(InvocationError, match="has no time zone"):
        SimulatedClock("2026-01-01T00:00:00")


def test_a_clock_that_stands_still_is_refused() -> None:
    with pytest.raises(InvocationError, match="cannot run at speed 0"):
        RealClock(speed=0)
