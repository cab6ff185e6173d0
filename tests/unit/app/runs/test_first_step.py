"""Runs all of whose first steps need a pool: admitted when one of those can begin, and not before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.app.manifests import step_doc
from tidegate.app.upkeep.monitor import sweep
from tidegate.domain.settings import Settings, TagLimit
from tidegate.manifest.document import StepDoc

Make = Callable[..., Any]

PAIR = [step_doc("a", pools={"db": 1}), step_doc("b", pools={"db": 1}), step_doc("c", "a", "b")]
SINGLE = [step_doc("only", pools={"db": 1})]
FREE = [step_doc("free")]
SETTINGS = Settings(max_concurrent_runs=2, pools={"db": 1})


def in_use(tg: Any) -> dict[str, int]:
    return {one.key: one.in_use for one in tg.store.admission.limits()}


def start(tg: Any, *jobs: str, **fields: Any) -> list[str]:
    runs = [tg.submit(job, **fields) for job in jobs]
    tg.settle_wake_ups()
    return runs


def play_next(tg: Any) -> str:
    """Run the execution that began first of those that have not ended. Answers its step."""
    name = next(one for one in tg.launcher.started if one not in tg._completed)
    tg.play(name)
    return str(tg.launcher.started[name]["invocation"]["step"])


def test_a_run_whose_first_steps_all_wait_stays_queued_and_takes_no_slot_of_a_run(
    world: Make,
) -> None:
    tg = world(SETTINGS, single=SINGLE, free=FREE)

    first, second, third = start(tg, "single", "single", "free")

    assert [tg.status(one) for one in (first, second, third)] == ["STARTED", "QUEUED", "STARTED"]
    assert in_use(tg) == {"runs": 2, "pool/db": 1}
    explained = tg.services.admission.explain(f"run/{second}")
    assert (explained.blocked_by, explained.holders) == ("pool/db", (f"run/{first}",))


def test_it_begins_when_the_slot_is_free_and_its_step_has_it(world: Make) -> None:
    tg = world(SETTINGS, single=SINGLE)
    first, second = start(tg, "single", "single")

    play_next(tg)

    assert [tg.status(first), tg.status(second)] == ["SUCCESS", "STARTED"]
    assert tg.statuses(second) == {"only": "STARTED"}
    assert in_use(tg) == {"runs": 1, "pool/db": 1}


def test_the_slot_of_the_first_step_goes_on_when_that_step_ends_and_the_run_goes_on(
    world: Make,
) -> None:
    tg = world(Settings(max_concurrent_runs=2, pools={"db": 1}), pair=PAIR, single=SINGLE)
    pair, single = start(tg, "pair", "single")
    assert tg.statuses(pair) == {"a": "STARTED", "b": "WAITING", "c": "PENDING"}

    assert play_next(tg) == "a"

    assert in_use(tg) == {"runs": 2, "pool/db": 1}
    assert tg.status(single) == "STARTED"
    assert tg.statuses(pair) == {"a": "SUCCESS", "b": "WAITING", "c": "PENDING"}
    tg.settle()
    assert [tg.status(pair), tg.status(single)] == ["SUCCESS", "SUCCESS"]
    assert in_use(tg) == {"runs": 0, "pool/db": 0}


def test_a_run_with_a_first_step_that_needs_no_pool_begins_at_once(world: Make) -> None:
    mixed = [step_doc("pooled", pools={"db": 1}), step_doc("free")]
    tg = world(SETTINGS, single=SINGLE, mixed=mixed)

    _, second = start(tg, "single", "mixed")

    assert tg.statuses(second) == {"pooled": "WAITING", "free": "STARTED"}


def test_a_run_begins_with_whichever_first_step_can(world: Make) -> None:
    either = [step_doc("full", pools={"db": 1}), step_doc("open", pools={"api": 1})]
    settings = Settings(max_concurrent_runs=3, pools={"db": 1, "api": 1})
    tg = world(settings, single=SINGLE, either=either)

    _, second = start(tg, "single", "either")

    assert tg.statuses(second) == {"full": "WAITING", "open": "STARTED"}
    assert in_use(tg) == {"runs": 2, "pool/db": 1, "pool/api": 1}


def test_a_pool_without_a_limit_holds_nobody_back(world: Make) -> None:
    either = [step_doc("full", pools={"db": 1}), step_doc("open", pools={"endless": 1})]
    tg = world(SETTINGS, single=SINGLE, either=either)

    _, second = start(tg, "single", "either")

    assert tg.statuses(second) == {"full": "WAITING", "open": "STARTED"}
    assert tg.services.admission.claim(f"run/{second}").launch == {"kind": "run", "run_id": second}


def test_runs_are_not_held_back_when_settings_say_so(world: Make) -> None:
    settings = Settings(max_concurrent_runs=2, pools={"db": 1}, holds_back_blocked_runs=False)
    tg = world(settings, single=SINGLE)

    first, second = start(tg, "single", "single")

    assert tg.status(second) == "STARTED"
    assert tg.statuses(second) == {"only": "WAITING"}
    assert in_use(tg) == {"runs": 2, "pool/db": 1}
    tg.settle()
    assert tg.status(first) == tg.status(second) == "SUCCESS"


def test_so_many_runs_as_the_buffer_begin_although_their_first_steps_wait(world: Make) -> None:
    settings = Settings(max_concurrent_runs=9, pools={"db": 1}, op_granularity_run_buffer=2)
    tg = world(settings, single=SINGLE)

    runs = start(tg, *["single"] * 5)

    assert [tg.status(one) for one in runs] == ["STARTED"] * 3 + ["QUEUED"] * 2
    assert in_use(tg) == {"runs": 3, "ahead/db": 2, "pool/db": 1}
    play_next(tg)
    assert [tg.status(one) for one in runs] == ["SUCCESS"] + ["STARTED"] * 3 + ["QUEUED"]
    assert in_use(tg) == {"runs": 3, "ahead/db": 2, "pool/db": 1}
    tg.settle()
    assert [tg.status(one) for one in runs] == ["SUCCESS"] * 5
    assert in_use(tg) == {"runs": 0, "ahead/db": 0, "pool/db": 0}


def test_a_run_blocked_by_its_pool_takes_no_tag_slot_from_a_run_behind_it(world: Make) -> None:
    rules = (TagLimit(key="team", limit=2),)
    settings = Settings(max_concurrent_runs=9, pools={"db": 1}, tag_limits=rules)
    tg = world(settings, single=SINGLE, free=FREE)

    first, blocked, behind = (
        start(tg, job, tags={"team": "blue"})[0] for job in ("single", "single", "free")
    )

    assert [tg.status(one) for one in (first, blocked, behind)] == ["STARTED", "QUEUED", "STARTED"]


def test_the_highest_priority_has_the_freed_slot_run_or_step(world: Make) -> None:
    pair = [step_doc("a", pools={"db": 1}, priority=5), step_doc("b", pools={"db": 1}, priority=1)]
    tg = world(SETTINGS, pair=pair, single=SINGLE)
    (first,) = start(tg, "pair")
    (low,) = start(tg, "single")
    tg.services.store.admission.drop_limit("runs")

    assert play_next(tg) == "a"

    assert tg.statuses(first) == {"a": "SUCCESS", "b": "STARTED"}
    assert tg.status(low) == "QUEUED"


def _scenario(tg: Any) -> None:
    tg.runs = [tg.submit(job, run_key=job) for job in ("pair", "single")]
    tg.settle()


def _ending(tg: Any) -> Any:
    held = [one for one in tg.store.admission._claims.values() if one.state != "DONE"]
    return (
        [tg.status(one) for one in tg.runs],
        [tg.statuses(one) for one in tg.runs],
        in_use(tg),
        held,
    )


@pytest.mark.parametrize("buffer", [0, 1])
@pytest.mark.parametrize("after", [False, True])
def test_a_function_that_dies_at_any_call_and_is_called_again_loses_no_slot(
    world: Make, after: bool, buffer: int
) -> None:
    jobs: dict[str, list[StepDoc]] = {"pair": PAIR, "single": SINGLE}
    settings = Settings(max_concurrent_runs=2, pools={"db": 1}, op_granularity_run_buffer=buffer)
    calm = world(settings, **jobs)
    _scenario(calm)
    expected, most = _ending(calm), calm.trouble.calls
    assert expected[0] == ["SUCCESS"] * 2
    assert expected[3] == []

    for number in range(most):
        tg = world(settings, **jobs)
        tg.trouble.at, tg.trouble.after = number, after
        _scenario(tg)

        assert _ending(tg) == expected, f"died {'after' if after else 'before'} call {number}"
    assert most > 60


def test_the_sweep_finds_nothing_to_repair_afterwards(world: Make) -> None:
    tg = world(SETTINGS, pair=PAIR, single=SINGLE)
    _scenario(tg)

    assert sum(sweep(tg.services).values()) == 0
