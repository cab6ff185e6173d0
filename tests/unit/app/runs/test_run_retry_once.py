"""A run is retried once, whatever dies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.app.manifests import DIAMOND
from tests.unit.app.runs.retried import CHAIN, Make, retries, runs
from tests.unit.app.seen import kinds
from tests.unit.app.world import Crash
from tidegate.app.upkeep.sweep import GRACE, sweep
from tidegate.app.upkeep.wake import wake
from tidegate.errors import UnavailableError


def test_a_promise_kept_twice_is_one_run(world: Make) -> None:
    tg = world(retries(1, run_retry_delay_seconds=10), chain=CHAIN)
    tg.failing.add("b")
    tg.submit("chain")
    tg.settle()
    tg.clock.advance(timedelta(seconds=10))
    task = tg.alarms.take(tg.clock.now())

    for _ in range(3):
        wake(tg.services, task)
    tg.settle()

    assert len(runs(tg)) == 2


def _scenario(tg: Any) -> None:
    tg.failing.add("left")
    tg.submit("diamond", run_key="k")
    tg.settle()
    tg.failing.clear()
    tg.advance(hours=1)
    tg.clock.advance(GRACE)
    tg.again(lambda: sweep(tg.services))
    tg.settle()


def _ending(tg: Any) -> Any:
    known = runs(tg)
    return (
        [(one.run_id, one.status, tg.statuses(one.run_id)) for one in known],
        [sorted(kinds(tg, one.run_id)) for one in known],
        {one.key: one.in_use for one in tg.store.admission.limits() if one.in_use},
        tg.ran,
    )


@pytest.mark.parametrize(
    ("after", "error"),
    [(False, Crash), (True, Crash), (True, lambda: UnavailableError("The answer was lost."))],
    ids=["before", "after", "lost"],
)
def test_a_function_that_dies_at_any_call_and_is_called_again_retries_once(
    world: Make, after: bool, error: Callable[[], BaseException]
) -> None:
    settings = retries(1, run_retry_delay_seconds=60)
    calm = world(settings, diamond=DIAMOND)
    _scenario(calm)
    expected, most = _ending(calm), calm.trouble.calls
    assert [one[1] for one in expected[0]] == ["FAILURE", "SUCCESS"]

    for number in range(most):
        tg = world(settings, diamond=DIAMOND)
        tg.trouble.at, tg.trouble.after, tg.trouble.error = number, after, error
        _scenario(tg)

        assert _ending(tg) == expected, f"struck {'after' if after else 'before'} call {number}"
    assert most > 80
