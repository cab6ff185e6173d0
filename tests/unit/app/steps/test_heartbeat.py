"""A container that falls silent is found by the sweep, stopped, counted, and its step goes on as after any death."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.app.deaths import Dead, dies
from tests.unit.app.manifests import step_doc
from tidegate.app.steps.complete import complete
from tidegate.app.upkeep.sweep import sweep
from tidegate.domain.heartbeat import beat_key, beat_of
from tidegate.domain.settings import Settings

Make = Callable[..., Any]

ON_ECS = {"kind": "ecs", "cpu": 1024, "memory": 2048, "spot": False}
TWICE = {"max_retries": 1, "delay": None, "backoff": None, "jitter": None, "retry_on": None}


def running(world: Make, settings: Settings | None = None, **fields: Any) -> tuple[Any, str]:
    """A step that has run on ECS for an hour."""
    tg = world(settings or Settings(), one=[step_doc("a", **{"compute": ON_ECS, **fields})])
    run_id = tg.submit("one")
    tg.settle_wake_ups()
    tg.clock.advance(timedelta(hours=1))
    return tg, run_id


def beat(tg: Any, run_id: str, *, ago: timedelta, attempt: int = 1) -> None:
    tg.services.blobs.put(beat_key(run_id, 0, attempt), beat_of(tg.clock.now() - ago))


SILENT = timedelta(minutes=16)


def test_a_silent_container_is_lost_stopped_and_counted_once(world: Make) -> None:
    tg, run_id = running(world)
    beat(tg, run_id, ago=SILENT)

    first, second = sweep(tg.services), sweep(tg.services)

    assert (first, second) == ({"silent": 1}, {})
    assert tg.launcher.stopped == [f"{run_id}-0-1"]
    (row,) = tg.store.runs.steps(run_id)
    assert row.reason.startswith(
        "Lost: The container gave its last sign of life at 2026-01-01 00:4"
    )
    assert tg.status(run_id) == "FAILURE"


def test_its_step_is_tried_again_by_its_policy(world: Make) -> None:
    tg, run_id = running(world, retry=TWICE)
    beat(tg, run_id, ago=SILENT)

    sweep(tg.services)

    (row,) = tg.store.runs.steps(run_id)
    assert (row.status, row.attempt) == ("STARTED", 2)
    assert sweep(tg.services) == {}


@pytest.mark.parametrize(
    ("settings", "fields", "ago"),
    [
        (Settings(), {}, timedelta(minutes=14)),
        (Settings(), {}, None),
        (Settings(heartbeat_timeout_seconds=0), {}, SILENT),
        (Settings(heartbeat_timeout_seconds=2 * 3600), {}, SILENT),
        (Settings(), {"compute": {"kind": "lambda"}}, SILENT),
    ],
)
def test_what_does_not_say_that_it_is_lost_leaves_it_alone(
    world: Make, settings: Settings, fields: Any, ago: timedelta | None
) -> None:
    tg, run_id = running(world, settings, **fields)
    tg.clock.advance(timedelta(minutes=-40)) if "compute" in fields else None
    if ago is not None:
        beat(tg, run_id, ago=ago)

    assert sweep(tg.services) == {}
    assert tg.launcher.stopped == []


def test_the_report_of_a_container_that_ended_meanwhile_counts(world: Make) -> None:
    tg, run_id = running(world)
    beat(tg, run_id, ago=SILENT)
    tg.services.blobs.put(f"reports/{run_id}/0/1.json", b"{}")

    sweep(tg.services)

    (row,) = tg.store.runs.steps(run_id)
    assert row.reason.startswith("BadReport")


def test_a_lost_container_that_the_event_tells_of_too_is_repaired_once(world: Make) -> None:
    tg, run_id = running(world)
    beat(tg, run_id, ago=SILENT)
    sweep(tg.services)
    before = tg.store.events.read(run_id).items

    error = {"Error": "ECS.Stopped", "Cause": '{"StoppedReason": "Host terminated"}'}
    complete(tg.services, {"run_id": run_id, "index": 0, "attempt": 1, "error": error})

    assert tg.store.events.read(run_id).items == before


def test_a_sweep_that_dies_after_it_stopped_the_container_is_made_good_by_the_next(
    world: Make,
) -> None:
    tg, run_id = running(world)
    beat(tg, run_id, ago=SILENT)
    dies(tg, "launcher", "stop")

    with pytest.raises(Dead):
        sweep(tg.services)
    assert sweep(tg.services)["silent"] == 1

    assert tg.status(run_id) == "FAILURE"
