"""The settings file: what it may say, what that means, and what is said about a fault."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.settings.files import Write, refusal
from tidegate import settings_rules
from tidegate.domain.fairness import Fairness
from tidegate.domain.limit import configured_limits, rate_of
from tidegate.domain.rate import Rate
from tidegate.domain.settings import JobLimit, Settings, TagLimit
from tidegate.errors import SettingsError
from tidegate.settings_file import find_settings, load_settings, read_settings

DOCUMENTED = """
concurrency:
  runs:
    max_concurrent_runs: 10
    tag_concurrency_limits:
      - {key: database, value: redshift, limit: 4}
      - {key: tidegate/backfill, limit: 10}
      - {key: team, value: {applyLimitPerUniqueValue: true}, limit: 3}
  pools:
    default_limit: 3
    granularity: op
    op_granularity_run_buffer: 0
    limits:
      db: 2
      gpu: {limit: 1, granularity: run}
  jobs: {nightly: {limit: 1, on_conflict: queue}, hourly: 4}
  locations: {etl: 5}
run_monitoring: {start_timeout_seconds: 180, max_runtime_seconds: 86400}
run_retries: {max_retries: 2, strategy: FROM_FAILURE, delay: 30, backoff: EXPONENTIAL}
backfills:
  run_chunk_size: 25
  materialization_chunk_size: 1000
  cancel_batch_size: 500
  max_outstanding_runs: 200
events: {batch_size: 25, retention_days: 30}
"""


def test_the_documented_file_gives_the_documented_settings(write: Write) -> None:
    settings = load_settings(write(DOCUMENTED), {})

    assert settings == Settings(
        max_concurrent_runs=10,
        tag_limits=(
            TagLimit(key="database", value="redshift", limit=4),
            TagLimit(key="tidegate/backfill", limit=10),
            TagLimit(key="team", per_unique_value=True, limit=3),
        ),
        default_pool_limit=3,
        pools={"db": 2, "gpu": 1},
        pool_granularities={"gpu": "run"},
        jobs={"nightly": JobLimit(limit=1), "hourly": JobLimit(limit=4)},
        locations={"etl": 5},
        max_runtime_seconds=86_400,
        max_run_retries=2,
        run_retry_delay_seconds=30,
        run_retry_backoff="EXPONENTIAL",
    )


def test_settings_survive_the_way_to_the_control_plane(write: Write) -> None:
    settings = load_settings(write(DOCUMENTED), {})

    assert Settings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "concurrency:\n  runs:\n", "backfills:\n"])
def test_what_is_empty_is_not_given(write: Write, text: str) -> None:
    assert load_settings(write(text), {}) == Settings()


def test_without_a_file_the_defaults_hold() -> None:
    assert load_settings(None, {}) == Settings()


@pytest.mark.parametrize("value", [-1, 0, 1, 500])
def test_a_limit_on_runs_is_none_zero_or_n(write: Write, value: int) -> None:
    path = write(f"concurrency: {{runs: {{max_concurrent_runs: {value}}}}}")

    assert load_settings(path, {}).max_concurrent_runs == value


RATED = """
concurrency:
  runs:
    max_concurrent_runs: 5
    rate: {limit: 1, per: second}
    tag_concurrency_limits:
      - {key: database, limit: 3, rate: {limit: 100, per: minute, burst: 20}}
      - {key: team, value: {applyLimitPerUniqueValue: true}, limit: 6, per: hour}
  pools:
    default_limit: 4
    limits:
      api: {limit: 5000, per: 30, burst: 20}
      db: {limit: 2, rate: {limit: 1, per: 0.5}, granularity: run}
      mail: {rate: {limit: 1, per: day}}
  jobs: {nightly: {limit: 1, per: day, on_conflict: skip}}
  locations: {etl: {limit: 5, rate: {limit: 2, per: minute}}}
"""


def test_wherever_there_is_a_limit_there_may_be_a_rate_beside_it_or_alone(write: Write) -> None:
    settings = load_settings(write(RATED), {})

    def rate(limit: int, burst: int = 1, **per: float) -> Rate:
        return Rate(limit=limit, per=timedelta(**per), burst=burst)

    assert settings.rates == {
        "runs": rate(1, seconds=1),
        "run-tag/database": rate(100, 20, minutes=1),
        "run-tag/team=": rate(6, hours=1),
        "pool/api": rate(5000, 20, seconds=30),
        "pool/db": rate(1, milliseconds=500),
        "pool/mail": rate(1, days=1),
        "job/nightly": rate(1, days=1),
        "location/etl": rate(2, minutes=1),
    }
    assert configured_limits(settings) == {
        "runs": 5,
        "run-tag/database": 3,
        "pool/api": -1,
        "pool/db": 2,
        "pool/mail": 4,
        "job/nightly": -1,
        "location/etl": 5,
    }
    assert [rule.limit for rule in settings.tag_limits] == [3, -1]
    assert Settings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_a_rate_for_each_value_of_a_tag_is_not_that_of_a_value_with_a_rule_of_its_own(
    write: Write,
) -> None:
    each = "{key: team, value: {applyLimitPerUniqueValue: true}, limit: 6, per: hour}"
    text = f"concurrency: {{runs: {{tag_concurrency_limits: [{each}, {{key: team, value: a, limit: 5}}]}}}}"
    settings = load_settings(write(text), {})

    assert rate_of("run-tag/team=a", settings) is None
    assert rate_of("run-tag/team=b", settings) == Rate(limit=6, per=timedelta(hours=1))
    assert rate_of("run-tag/teams=b", settings) is None


def test_rules_of_different_kinds_for_one_tag_all_hold(write: Write) -> None:
    path = write(
        "concurrency: {runs: {tag_concurrency_limits: [{key: a, limit: 9}, "
        "{key: a, value: x, limit: 4}, {key: a, value: {applyLimitPerUniqueValue: true}, limit: 2}]}}"
    )

    assert [one.limit for one in load_settings(path, {}).tag_limits] == [9, 4, 2]


def test_a_setting_nothing_acts_on_is_noted(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_rules, "NOT_ACTED_ON", {"backfills": {"run_chunk_size"}})
    text = "backfills: {max_outstanding_runs: 7, run_chunk_size: 26}"
    loaded = read_settings(write(text), {})

    assert loaded.notes == ("Kept, and nothing acts on it yet: backfills.run_chunk_size.",)


def test_of_every_setting_something_acts_on_it_or_it_is_noted() -> None:
    package = Path(settings_rules.__file__).parent
    code = "".join(
        path.read_text() for path in package.rglob("*.py") if not path.name.startswith("settings_")
    )

    unread = {one.name for one in fields(Settings) if not re.search(rf"\.{one.name}\b", code)}

    assert unread == {key for keys in settings_rules.NOT_ACTED_ON.values() for key in keys}


@pytest.mark.parametrize(
    ("text", "holds_back"),
    [
        ("", True),
        ("run_queue: {max_concurrent_runs: 3}", True),
        ("run_queue: {block_op_concurrency_limited_runs: {enabled: true}}", True),
        ("run_queue: {block_op_concurrency_limited_runs: {enabled: false}}", False),
        ("run_coordinator: {module: m, class: DefaultRunCoordinator}", False),
    ],
)
def test_runs_whose_first_steps_wait_stay_queued_unless_switched_off(
    write: Write, text: str, holds_back: bool
) -> None:
    assert load_settings(write(text), {}).holds_back_blocked_runs is holds_back


def test_how_long_a_backfill_lets_live_runs_go_first_is_a_setting(write: Write) -> None:
    settings = load_settings(write("backfills: {yield_seconds: 60}"), {})

    assert settings.backfill_yield_seconds == 60
    with pytest.raises(SettingsError, match="yield_seconds"):
        load_settings(write("backfills: {yield_seconds: -1}"), {})


def test_the_nearest_file_is_found_and_tidegate_yaml_comes_first(tmp_path: Path) -> None:
    below = tmp_path / "project" / "deep"
    below.mkdir(parents=True)
    (tmp_path / "project" / "dagster.yaml").touch()

    only_dagster = find_settings(below)
    (tmp_path / "project" / "tidegate.yaml").touch()

    assert only_dagster == tmp_path / "project" / "dagster.yaml"
    assert find_settings(below) == tmp_path / "project" / "tidegate.yaml"


FAIR = """
concurrency:
  runs:
    fairness: {key: dagster/team, weights: {blue: 2, red: 0.5}}
    tag_concurrency_limits:
      - {key: dagster/db, limit: 4, fairness: {key: user}}
      - {key: db, value: small, limit: 4, fairness: {key: team}}
      - {key: zone, value: {applyLimitPerUniqueValue: true}, limit: 3, fairness: {key: user}}
      - {key: plain, limit: 3}
  pools:
    limits:
      db: {limit: 2, fairness: {key: team}}
      gpu: {fairness: {key: team}}
  jobs: {nightly: {limit: 1, fairness: {key: team}}}
  locations: {etl: {limit: 5, fairness: {key: team}}}
"""


def test_each_kind_of_limit_may_have_fairness(write: Write) -> None:
    settings = load_settings(write(FAIR), {})

    team, user = Fairness(key="team"), Fairness(key="user")
    assert settings.fairness == {
        "runs": Fairness(key="tidegate/team", weights={"blue": 2, "red": 0.5}),
        "run-tag/tidegate/db": user,
        "run-tag/db=small": team,
        "run-tag/zone=": user,
        "pool/db": team,
        "pool/gpu": team,
        "job/nightly": team,
        "location/etl": team,
    }
    assert Settings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize(
    ("fairness", "says"),
    [
        ("{weights: {a: 1}}", "concurrency.runs.fairness.key"),
        ("{key: ''}", "concurrency.runs.fairness.key"),
        ("{key: team, weights: {a: 0}}", "concurrency.runs.fairness.weights.a"),
        ("{key: team, weights: {a: 101}}", "concurrency.runs.fairness.weights.a"),
        ("{key: team, weights: {a: much}}", "concurrency.runs.fairness.weights.a"),
        ("{key: team, wieghts: {a: 1}}", "concurrency.runs.fairness.wieghts"),
        ("team", "concurrency.runs.fairness"),
    ],
)
def test_fairness_that_means_nothing_is_refused(write: Write, fairness: str, says: str) -> None:
    path = write(f"concurrency: {{runs: {{fairness: {fairness}}}}}")

    assert says in refusal(path)


def test_the_clocks_of_runs_and_fail_fast_are_read(write: Write) -> None:
    path = write(
        "run_monitoring: {queue_timeout_seconds: 5, start_timeout_seconds: 6, "
        "max_runtime_seconds: 7, fail_fast: true}"
    )

    loaded = read_settings(path, {})

    found = loaded.settings
    assert (found.queue_timeout_seconds, found.start_timeout_seconds) == (5, 6)
    assert (found.max_runtime_seconds, found.fail_fast) == (7, True)
    assert loaded.notes == ()
