"""A call that ends a run dies, and nobody repeats it: the sweep finds those who wait for the run's partitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.app.runs.partitioned import (
    ALL,
    KEYS,
    NOTHING,
    MakeWorld,
    guarded,
    left,
    make,
    statuses,
)
from tests.unit.app.seen import in_use
from tests.unit.app.upkeep.swept import later
from tests.unit.app.world import Crash
from tidegate.app.runs.cancel import cancel
from tidegate.app.runs.launch import launch
from tidegate.app.steps.complete import complete
from tidegate.app.upkeep.sweep import sweep
from tidegate.app.upkeep.wake import wake
from tidegate.domain.settings import Settings

SWEEPS = 2
End = Callable[[Any, str], Any]


def _of_step(tg: Any, failed: bool) -> Callable[[], None]:
    (name,) = [one for one in tg.launcher.started if one not in tg._completed]
    tg._completed.add(name)
    tg.failing |= {"raw"} if failed else set()
    outcome = tg.outcome_of(name)
    tg.failing.clear()
    return lambda: complete(tg.services, outcome)


def _succeeds(tg: Any, run_id: str) -> Callable[[], None]:
    return _of_step(tg, failed=False)


def _fails(tg: Any, run_id: str) -> Callable[[], None]:
    return _of_step(tg, failed=True)


def _is_cancelled(tg: Any, run_id: str) -> Callable[[], Any]:
    return lambda: cancel(tg.services, run_id)


def _takes_too_long(tg: Any, run_id: str) -> Callable[[], None]:
    tg.clock.advance(tg.alarms.next_at - tg.clock.now())
    task = tg.alarms.take(tg.clock.now())
    return lambda: wake(tg.services, task)


OPEN, ENDLESS, SHUT = (Settings(max_concurrent_runs=number) for number in (10, -1, 0))


def _begun(
    world_of: MakeWorld, settings: Settings, ends: Any, tags: dict[str, str]
) -> tuple[Any, Any, list[str]]:
    """One that is about to end, and three that wait: for what it makes, for a part of that, and for more."""
    tg = guarded(world_of(ALL, settings))
    first = make(tg, key=None, **tags)
    tg.settle_wake_ups()
    runs = [first, make(tg, key=None), make(tg, key=KEYS[1]), make(tg, "raw", "clean")]
    tg.settle_wake_ups()
    assert statuses(tg, *runs[1:]) == ["QUEUED"] * 3
    later(tg)
    assert (
        sweep(tg.services) == {}
    )  # which looks at each that is queued for the first time, and not so soon again
    end = ends(tg, first)
    tg.trouble.calls = 0
    return tg, end, runs


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("settings", "ends", "tags"),
    [
        pytest.param(OPEN, _succeeds, {}, id="success"),
        pytest.param(ENDLESS, _succeeds, {}, id="success-no-limit"),
        pytest.param(OPEN, _fails, {}, id="failure"),
        pytest.param(OPEN, _is_cancelled, {}, id="cancelled"),
        pytest.param(SHUT, _is_cancelled, {}, id="cancelled-in-queue"),
        pytest.param(SHUT, _takes_too_long, {"queue_timeout": "3600"}, id="too-long-in-queue"),
        pytest.param(OPEN, _takes_too_long, {"max_runtime": "3600"}, id="too-long"),
    ],
)
def test_those_who_wait_go_on_after_the_next_sweeps_wherever_the_end_of_the_run_died(
    world_of: MakeWorld, settings: Settings, ends: End, tags: dict[str, str], after: bool
) -> None:
    tg, end, runs = _begun(world_of, settings, ends, tags)
    end()
    most = tg.trouble.calls
    assert tg.store.runs.get(runs[0]).status.is_finished

    unseen = 0
    for number in range(most):
        tg, end, runs = _begun(world_of, settings, ends, tags)
        tg.trouble.at, tg.trouble.after = number, after
        with pytest.raises(Crash):
            end()
        tg.trouble.at = -1
        if _is_unknown(tg, runs[0]):
            unseen += 1
            continue
        for _ in range(SWEEPS):
            later(tg)
            sweep(tg.services)
            tg.settle_wake_ups()
        launch(tg.services, tg.services.admission.set_limit("runs", 10))
        tg.settle()

        at = f"died {'after' if after else 'before'} call {number} of {most}"
        assert statuses(tg, *runs[1:]) == ["SUCCESS"] * 3, at
        assert left(tg) == NOTHING, at
        assert in_use(tg) == {}, at
    assert unseen < 8
    assert most - unseen > 12


def _is_unknown(tg: Any, run_id: str) -> bool:
    """The call died before it had written that the run, or its step, is to end: it has told nobody."""
    rows = tg.store.runs.steps(run_id)
    begun = any(not row.status.is_resolved for row in rows) or not rows
    return begun and not tg.store.runs.get(run_id).was_stopped
