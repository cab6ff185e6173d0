"""Which fairness governs a claim, and as whom it takes its turns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tidegate.domain.claim import Want
from tidegate.domain.fairness import Fairness, Share
from tidegate.domain.limit import share_of, wants_of_run
from tidegate.domain.run import Run, RunStatus
from tidegate.domain.settings import Settings, TagLimit

TEAM, USER = Fairness(key="team", weights={"blue": 3}), Fairness(key="user")


def run(**tags: str) -> Run:
    return Run(
        run_id="r",
        job="nightly",
        manifest="m",
        status=RunStatus.QUEUED,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        tags={key.replace("__", "/"): value for key, value in tags.items()},
    )


def test_nothing_governs_where_no_limit_has_fairness() -> None:
    settings = Settings(fairness={"pool/other": TEAM})

    assert share_of(run(team="blue"), (Want(limit="runs"), Want(limit="pool/db")), settings) is None


def test_the_first_limit_with_fairness_governs() -> None:
    settings = Settings(fairness={"run-tag/zone=x": USER, "pool/db": TEAM})
    wants = tuple(Want(limit=key) for key in ("runs", "run-tag/zone=x", "pool/db"))

    share = share_of(run(team="blue", user="ada"), wants, settings)

    assert share == Share(limit="run-tag/zone=x", value="ada", weight=1)


@pytest.mark.parametrize(("tags", "value", "weight"), [({"team": "blue"}, "blue", 3), ({}, "", 1)])
def test_the_value_is_that_of_the_tag_and_empty_without(
    tags: dict[str, str], value: str, weight: float
) -> None:
    settings = Settings(fairness={"runs": TEAM})
    one = run(**tags)

    share = share_of(one, wants_of_run(one, settings), settings)

    assert share == Share(limit="runs", value=value, weight=weight)


def test_a_rule_for_each_value_gives_each_limit_its_fairness() -> None:
    rule = TagLimit(key="zone", per_unique_value=True, limit=2)
    settings = Settings(tag_limits=(rule,), fairness={"run-tag/zone=": USER})
    one = run(zone="x", user="ada")

    share = share_of(one, wants_of_run(one, settings), settings)

    assert share == Share(limit="run-tag/zone=x", value="ada")


def test_a_rule_for_one_value_has_its_own() -> None:
    rules = (
        TagLimit(key="zone", per_unique_value=True, limit=2),
        TagLimit(key="zone", value="x", limit=5),
    )
    settings = Settings(tag_limits=rules, fairness={"run-tag/zone=": USER, "run-tag/zone=x": TEAM})
    one = run(zone="x", user="ada", team="red")

    share = share_of(one, wants_of_run(one, settings), settings)

    assert share is not None
    assert share.value == "red"


def test_a_run_of_a_backfill_takes_its_turns_after_its_lead() -> None:
    settings = Settings(fairness={"runs": TEAM}, backfill_yield_seconds=60)
    one = run(team="blue", tidegate__backfill="b")

    share = share_of(one, wants_of_run(one, settings), settings)

    assert share is not None
    assert share.lead == timedelta(seconds=60)
