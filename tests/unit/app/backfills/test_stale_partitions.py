"""Partitions that another version of the code has made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.app.backfills.days import launch, status
from tidegate import DailyPartitionsDefinition, Definitions, asset
from tidegate.app.backfills.target import BackfillRequest
from tidegate.app.partitions import show_states
from tidegate.domain.settings import Settings
from tidegate.manifest.compiler import compile_manifest
from tidegate.manifest.document import Manifest

MakeWorld = Callable[[Manifest, Settings], Any]
DAYS = DailyPartitionsDefinition("2025-02-01", end_date="2025-02-05")


def code(version: str | None, release: str = "1") -> Manifest:
    @asset(partitions_def=DAYS, code_version=version)
    def day() -> int:
        return 1

    @asset(code_version=version)
    def whole() -> int:
        return 1

    defs = Definitions(assets=[day, whole])
    return compile_manifest(defs, location="here", code_version=release)


def counts(tg: Any) -> Any:
    said = show_states(tg.services, "day", limit=50, cursor=None)
    return {state: count for state, count in said["counts"].items() if count}


def make(tg: Any, name: str, selection: str = "*", **fields: Any) -> Any:
    asked = BackfillRequest(selection=selection, backfill_id=name, **fields)
    launch(tg, asked)
    tg.settle()
    return status(tg, name)


def test_what_was_made_by_other_code_is_stale_until_it_is_made_again(world_of: MakeWorld) -> None:
    tg = world_of(code("1"), Settings())
    make(tg, "one", all_partitions=True)
    assert counts(tg) == {"MATERIALIZED": 4}

    tg.services.manifests.current = code("2")
    assert counts(tg) == {"STALE": 4}
    make(tg, "two", partition_keys=("2025-02-02",))

    assert counts(tg) == {"STALE": 3, "MATERIALIZED": 1}
    said = show_states(tg.services, "day", limit=50, cursor=None)
    assert [one[3] for one in said["ranges"]] == ["STALE", "MATERIALIZED", "STALE"]


def test_a_deploy_that_takes_the_version_back_makes_fresh_what_that_has_made_last(
    world_of: MakeWorld,
) -> None:
    tg = world_of(code("1"), Settings())
    make(tg, "one", all_partitions=True)
    tg.services.manifests.current = code("2")
    make(tg, "two", partition_keys=("2025-02-02",))

    tg.services.manifests.current = code("1")

    assert counts(tg) == {"STALE": 1, "MATERIALIZED": 3}


def test_another_release_alone_makes_nothing_stale(world_of: MakeWorld) -> None:
    tg = world_of(code(None), Settings())
    make(tg, "one", all_partitions=True)

    tg.services.manifests.current = code(None, release="2")
    assert counts(tg) == {"MATERIALIZED": 4}
    tg.services.manifests.current = code("1")

    assert counts(tg) == {"STALE": 4}


def test_only_what_is_stale_is_made_again_and_it_is_not_missing(world_of: MakeWorld) -> None:
    tg = world_of(code("1"), Settings())
    make(tg, "one", partition_keys=("2025-02-01", "2025-02-03"))
    tg.services.manifests.current = code("2")

    missing = make(tg, "two", "day", only="missing")
    stale = make(tg, "three", "day", only="stale")

    assert {key: one["target"] for key, one in missing.counts().items()} == {"day": 2}
    assert {key: one["target"] for key, one in stale.counts().items()} == {"day": 2}
    assert counts(tg) == {"MATERIALIZED": 4}
