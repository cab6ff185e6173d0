"""What cannot be backfilled is refused, and a dry run does nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.backfills.pipeline import DAYS, PIPELINE, QUICK, Deploy
from tidegate import Definitions, MultiPartitionsDefinition, StaticPartitionsDefinition, asset
from tidegate.errors import (
    InvocationError,
    RequestError,
    UnknownAssetError,
    UnknownBackfillError,
    UnknownPartitionError,
)


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"selection": "raw"}, RequestError, "Which partitions?"),
        ({"selection": "raw", "partitions": ["2024-01-01"]}, UnknownPartitionError, "2024-01-01"),
        (
            {"selection": "raw", "range": ("2025-02-01", "2025-01-01")},
            InvocationError,
            "ends before",
        ),
        (
            {"selection": "raw", "range": ("2025-02-01", "2026-01-01")},
            UnknownPartitionError,
            "2026",
        ),
        (
            {"selection": "raw", "range": ("2025-01-01", "2025-01-02"), "all_partitions": True},
            RequestError,
            "several ways",
        ),
        ({"selection": "gold", "all_partitions": True}, UnknownAssetError, "gold"),
        ({"selection": "raw", "job": "x", "all_partitions": True}, RequestError, "Backfill what?"),
        ({"selection": "raw", "only": "old"}, RequestError, "neither missing, nor failed"),
        ({"selection": "raw", "only": "failed"}, RequestError, "nothing to backfill"),
        ({"selection": "raw", "all_partitions": True, "order": "up"}, RequestError, "'order'"),
        (
            {"selection": "raw", "all_partitions": True, "max_outstanding": 0},
            RequestError,
            "max_outstanding",
        ),
        ({"selection": "report", "partitions": ["2025-01-01"]}, UnknownPartitionError, "None of"),
        ({"job": "nothing", "all_partitions": True}, Exception, "There is no job"),
    ],
)
def test_what_cannot_be_backfilled_is_refused_and_nothing_is_created(
    deploy: Deploy, asked: dict[str, Any], error: type[Exception], says: str
) -> None:
    tg = deploy(PIPELINE)

    with pytest.raises(error, match=says):
        tg.backfill(**asked)

    assert tg.call("backfills.list")["backfills"] == []


@pytest.mark.parametrize("key", ["de", "2025-01-01", "de|2025-01-01|x", "us|2025-01-01", "de|", ""])
def test_a_key_that_lacks_a_dimension_or_has_a_wrong_one_is_refused(
    deploy: Deploy, key: str
) -> None:
    by = {"country": StaticPartitionsDefinition(["de", "fr"]), "day": DAYS}

    @asset(partitions_def=MultiPartitionsDefinition(by))
    def sold() -> int:
        return 1

    tg = deploy(Definitions(assets=[sold]))

    for ask in (
        lambda: tg.backfill("sold", partitions=[key]),
        lambda: tg.backfill("sold", range=(key, "fr|2025-01-02")),
        lambda: tg.materialize("sold", partition_key=key),
    ):
        with pytest.raises((UnknownPartitionError, InvocationError, RequestError)):
            ask()
    assert tg.call("backfills.list")["backfills"] == []
    assert tg.runs() == []


def test_backfills_that_do_not_exist_are_said_to(deploy: Deploy) -> None:
    tg = deploy(PIPELINE)

    for action in ("show", "pause", "resume", "cancel", "retry"):
        with pytest.raises(UnknownBackfillError, match="There is no backfill 'x'"):
            tg.call(f"backfills.{action}", backfill_id="x")


def test_a_dry_run_says_what_it_would_come_to_and_does_nothing(deploy: Deploy) -> None:
    tg = deploy(PIPELINE, settings=QUICK, step_seconds=4)
    tg.materialize("raw", partition_key="2025-01-01")
    tg.advance(seconds=10)

    said = tg.call("backfills.launch", selection="raw", all_partitions=True, dry_run=True)

    assert said["runs"] == said["steps"] == 59
    assert said["runs_at_once"] == 50
    assert said["seconds"] == round(59 * 4 / 50, 1)
    assert 0 < said["dollars"] < 1
    assert tg.call("backfills.list")["backfills"] == []
