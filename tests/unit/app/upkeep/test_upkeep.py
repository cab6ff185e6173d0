"""Once a day what is needed is kept on, and limits nobody needs are forgotten."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.app.manifests import manifest_of, step_doc
from tidegate.adapters.memory.blobs import MemoryBlobs
from tidegate.app.services import Manifests
from tidegate.app.upkeep.daily import upkeep
from tidegate.domain.rate import Rate
from tidegate.domain.settings import Settings, TagLimit

Make = Callable[..., Any]

DAY = timedelta(days=1)
ONE = [step_doc("a")]
PER_TEAM = Settings(
    max_concurrent_runs=1, tag_limits=(TagLimit(key="team", limit=2, per_unique_value=True),)
)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run ids and hashes of manifests, as they are kept on."""
    found: list[str] = []
    monkeypatch.setattr(Manifests, "keep", lambda _, digest: found.append(digest))
    return found


def watch(tg: Any, kept: list[str], *, failing: str = "") -> None:
    def keep(run: Any) -> None:
        if run.run_id == failing:
            raise RuntimeError("boom")
        kept.append(run.run_id)

    tg.store.runs.keep = keep


def test_runs_that_are_not_over_after_a_day_are_kept_on_once_a_day_with_their_manifest(
    world: Make, kept: list[str]
) -> None:
    tg = world(Settings(max_concurrent_runs=1), ONE=ONE)
    watch(tg, kept)
    done = tg.submit("ONE")
    tg.settle()
    running, queued = tg.submit("ONE"), tg.submit("ONE")
    tg.settle_wake_ups()
    digest = tg.services.manifests.current.hash

    upkeep(tg.services)
    young = list(kept)
    tg.clock.advance(DAY)
    for _ in range(3):
        upkeep(tg.services)

    assert young == []
    assert kept == [running, queued, digest]
    assert done not in kept
    tg.clock.advance(DAY)
    upkeep(tg.services)
    assert kept == 2 * [running, queued, digest]


def test_what_fails_keeps_nothing_else_from_it_and_is_tried_again(
    world: Make, kept: list[str]
) -> None:
    tg = world(Settings(max_concurrent_runs=1), ONE=ONE)
    first, second = tg.submit("ONE"), tg.submit("ONE")
    tg.settle_wake_ups()
    digest = tg.services.manifests.current.hash
    tg.clock.advance(DAY)

    watch(tg, kept, failing=first)
    upkeep(tg.services)
    assert kept == [second, digest]

    watch(tg, kept)
    upkeep(tg.services)
    upkeep(tg.services)
    assert kept == [second, digest, first, second, digest]


def test_the_limits_of_values_of_a_tag_go_when_no_run_has_them_any_more(world: Make) -> None:
    tg = world(PER_TEAM, ONE=ONE)
    for team in ("sea", "air"):
        tg.submit("ONE", tags={"team": team})
        tg.settle()
    tg.submit("ONE", tags={"team": "land"})
    tg.settle_wake_ups()

    upkeep(tg.services)

    assert {one.key for one in tg.services.admission.limits()} == {"runs", "run-tag/team=land"}


def test_a_limit_that_somebody_set_or_that_may_be_waited_for_stays(world: Make) -> None:
    tg = world(PER_TEAM, ONE=ONE)
    admission = tg.services.admission
    admission.set_limit("run-tag/team=set", 3)
    admission.set_limit("run-tag/team=closed", 0, source="default")
    admission.set_limit("run-tag/team=paused", 0, source="paused/2/default")
    admission.set_limit("run-tag/team=rated", 2, source="default")
    admission.set_rate(
        "run-tag/team=rated", Rate(limit=1, per=timedelta(minutes=1)), source="default"
    )
    admission.set_limit("pool/db", 2, source="default")
    before = [one.key for one in admission.limits()]

    upkeep(tg.services)

    assert [one.key for one in admission.limits()] == before


class Counted(MemoryBlobs):
    """Knows what was written, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[tuple[str, bytes]] = []

    def put(self, key: str, body: bytes) -> None:
        self.written.append((key, body))
        super().put(key, body)


def test_a_manifest_is_written_again_so_that_it_does_not_expire() -> None:
    blobs = Counted()
    manifests = Manifests(manifest_of(ONE=ONE), blobs)
    manifests.publish()

    manifests.keep(manifests.current.hash)
    manifests.keep("unknown")

    first, again = blobs.written
    assert again == first
    assert first[0] == Manifests.key(manifests.current.hash)
