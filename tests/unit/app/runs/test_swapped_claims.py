"""A run under way whose claim is done, since it was swapped for one without the slots of its first step, is not over."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.app.runs.partitioned import DAYS, make, play
from tests.unit.app.world import World
from tidegate import Definitions, asset
from tidegate.app.runs.admit import admit
from tidegate.app.upkeep.sweep import _Sweep
from tidegate.domain.claim import ClaimState
from tidegate.domain.run import Run, run_claim_id
from tidegate.domain.settings import Settings
from tidegate.manifest.compiler import compile_manifest


@asset(partitions_def=DAYS, pool="db")
def one() -> int:
    return 1


@asset(partitions_def=DAYS)
def two(one: int) -> int:
    return one


MANIFEST = compile_manifest(Definitions(assets=[one, two]), location="here", code_version="1")


@pytest.fixture
def tg() -> World:
    return World(MANIFEST, Settings(max_concurrent_runs=5, pools={"db": 1}))


@pytest.fixture
def queued(tg: World) -> Run:
    """A run as it was when it was queued. Its first step is over by now, and its second is under way."""
    run_id = make(tg, "one", "two")
    seen = tg.store.runs.get(run_id)
    tg.settle_wake_ups()
    play(tg, run_id)
    claim = tg.services.admission.claim(run_claim_id(run_id, 0))
    assert seen is not None
    assert claim is not None
    assert (claim.state, tg.status(run_id)) == (ClaimState.DONE, "STARTED")
    return seen


def test_a_repeated_event_of_the_queue_does_not_take_its_partitions_away(
    tg: World, queued: Run
) -> None:
    admit(tg.services, queued.run_id)

    other = make(tg, "two", run_key="another")
    tg.settle_wake_ups()

    assert tg.status(queued.run_id) == "STARTED"
    assert tg.status(other) == "QUEUED"


def test_the_sweep_leaves_it_alone_though_it_read_it_when_it_was_queued(
    tg: World, queued: Run
) -> None:
    tg.clock.advance(timedelta(minutes=6))
    sweep = _Sweep(tg.services)

    sweep._look_at_queued(queued)

    assert tg.status(queued.run_id) == "STARTED"
    assert not any(sweep._counted.values())
