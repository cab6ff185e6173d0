"""The settings file: what it may say, what that means, and what is said about a fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tidegate.domain.fairness import Fairness
from tidegate.domain.limit import configured_limits, rate_of
from tidegate.domain.rate import Rate
from tidegate.domain.settings import JobLimit, Settings, TagLimit
from tidegate.errors import SettingsError
from tidegate.settings_file import ENVIRONMENT, find_settings, load_settings, read_settings
from tidegate.settings_schema import File

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(text: str, name: str = "tidegate.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return _write


def refusal(path: Path, **environ: str) -> str:
    with pytest.raises(SettingsError) as raised:
        load_settings(path, environ)
    return str(raised.value)


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


FAULTS = {
    "concurrency: {runs: {max_concurrent_runs: -2}}": (
        "tidegate.yaml, line 1: concurrency.runs.max_concurrent_runs is -2. "
        "Allowed: -1 (no limit), 0 (admits nothing), or a number of runs, or {env: NAME}."
    ),
    "concurrency:\n  runs:\n    max_concurent_runs: 2": (
        "tidegate.yaml, line 3: concurrency.runs.max_concurent_runs is not a setting. "
        "Did you mean max_concurrent_runs? "
        "Allowed there: fairness, max_concurrent_runs, rate, tag_concurrency_limits."
    ),
    "concurrency: {runs: {max_concurrent_runs: true}}": "is true. Allowed: -1 (no limit)",
    "concurrency: {runs: {max_concurrent_runs: '5'}}": 'is "5". Allowed: -1 (no limit)',
    "concurrency: {runs: {max_concurrent_runs: 2.5}}": "is 2.5. Allowed: -1 (no limit)",
    "concurrency: {runs: {tag_concurrency_limits: [{key: a, limit: -2}]}}": (
        "concurrency.runs.tag_concurrency_limits[0].limit is -2. Allowed: -1 (no limit)"
    ),
    "concurrency: {runs: {tag_concurrency_limits: [{key: a}]}}": (
        "concurrency.runs.tag_concurrency_limits[0].limit is missing. Allowed: -1 (no limit)"
    ),
    "concurrency: {runs: {tag_concurrency_limits: [{key: a, value: 5, limit: 1}]}}": (
        "[0].value is 5. Allowed: text (quote numbers and true/false), "
        "or {applyLimitPerUniqueValue: true}."
    ),
    "concurrency: {runs: {tag_concurrency_limits: {key: a, limit: 1}}}": (
        "Allowed: a list of {key: TAG, value: TEXT, limit: N}."
    ),
    "concurrency: {pools: {default_limit: -1}}": "Allowed: 0 to 1000; leave it out for no limit.",
    "concurrency: {pools: {default_limit: 1001}}": "default_limit is 1001. Allowed: at most 1000.",
    "concurrency: {pools: {granularity: step}}": 'granularity is "step". Allowed: op (',
    "concurrency: {pools: {limits: {db: -2}}}": "limits.db.limit is -2. Allowed: -1 (no limit)",
    "concurrency: {pools: {limits: {db: many}}}": (
        'limits.db is "many". Allowed: a mapping POOL: N, or POOL: {limit: N, granularity: run}.'
    ),
    "concurrency: {runs: {rate: {limit: 0, per: minute}}}": (
        "line 1: concurrency.runs.rate.limit is 0. Allowed: a number of starts, at least 1."
    ),
    "concurrency: {runs: {rate: {limit: 1}}}": (
        "concurrency.runs.rate.per is missing. Allowed: second, minute, hour, day, or a number of "
        "seconds, at most 2678400."
    ),
    "concurrency: {runs: {rate: 5}}": (
        "runs.rate is 5. Allowed: a mapping {limit: N, per: minute, burst: N}."
    ),
    "concurrency: {pools: {limits: {db: {limit: 0, per: minute}}}}": (
        "limits.db.limit is 0. Allowed with per: a number of starts, at least 1."
    ),
    "concurrency: {pools: {limits: {db: {limit: 1, per: week}}}}": (
        'limits.db.per is "week". Allowed: second, minute, hour, day, or a number of seconds'
    ),
    "concurrency: {pools: {limits: {db: {limit: 1, per: 0}}}}": "db.per is 0. Allowed: second,",
    "concurrency: {pools: {limits: {db: {limit: 1, per: true}}}}": "db.per is true. Allowed: second",
    "concurrency: {pools: {limits: {db: {limit: 1, per: 1.0e+300}}}}": "db.per is 1e+300. Allowed:",
    "concurrency: {pools: {limits: {db: {limit: 1, per: .nan}}}}": "db.per is NaN. Allowed:",
    "concurrency: {pools: {limits: {db: {limit: 1, per: 2678401}}}}": "db.per is 2678401. Allowed:",
    "concurrency: {pools: {limits: {db: {per: minute}}}}": (
        "Allowed with per: limit, a number of starts, at least 1."
    ),
    "concurrency: {jobs: {a: {limit: 1, per: minute, burst: 0}}}": (
        "jobs.a.burst is 0. Allowed: a number of starts, at least 1: so many may start at once."
    ),
    "concurrency: {jobs: {a: {limit: 1, burst: 2}}}": (
        "jobs.a.burst is 2. Give per as well: it is of {limit: N, per: minute, burst: N}."
    ),
    "concurrency: {jobs: {a: {limit: 1, per: day, rate: {limit: 1, per: day}}}}": (
        "Leave it out, or leave out per: a limit has one rate."
    ),
    "concurrency: {locations: {a: {limit: -1, per: day}}}": (
        "locations.a.limit is -1. Allowed with per: a number of starts, at least 1."
    ),
    "concurrency: {runs: {tag_concurrency_limits: [{key: a, limit: 0, per: hour}]}}": (
        "tag_concurrency_limits[0].limit is 0. Allowed with per: a number of starts, at least 1."
    ),
    "concurrency: {pools: {limits: {7: 3}}}": (
        "concurrency.pools.limits has a key 7 that is not text. Put quotes around it."
    ),
    "concurrency: {jobs: {nightly: {limit: 1, on_conflict: explode}}}": (
        'on_conflict is "explode". Allowed: queue, skip, cancel_oldest or queue_one.'
    ),
    "concurrency: {jobs: {nightly: }}": "concurrency.jobs.nightly.limit is missing.",
    "concurrency: 5": "tidegate.yaml, line 1: concurrency is 5. Allowed: a mapping.",
    "events: {retention_days: 0}": "events.retention_days is 0. Allowed: 1 to 3650 days.",
    "run_retries: {strategy: some}": "Allowed: FROM_FAILURE, ALL_STEPS or FROM_ASSET_FAILURE.",
    "telemetry: {enabled: false}": "line 1: telemetry is not a setting. Allowed there: backfills,",
    "a: 1\nb: 2\nc: 3": "a is not a setting.",
    "1: 2": "tidegate.yaml has a key 1 that is not text.",
    "[1, 2]": "tidegate.yaml is [1, 2]. It must be a mapping",
    "a: [1": "not YAML: ",
    "\tconcurrency: 1": "tidegate.yaml, line 1: not YAML: ",
    "? {a: 1}\n: 2": "not YAML: found unhashable key.",
    "concurrency: &x {runs: *x}": "concurrency.runs.runs is not a setting.",
}


@pytest.mark.parametrize(("text", "expected"), FAULTS.items(), ids=list(FAULTS))
def test_a_fault_names_file_line_key_value_and_what_is_allowed(
    write: Write, text: str, expected: str
) -> None:
    assert expected in refusal(write(text))


def test_of_several_faults_the_first_is_told_and_the_rest_counted(write: Write) -> None:
    assert refusal(write("a: 1\nb: 2\nc: 3")).endswith("2 more after it.")


def test_a_key_given_twice_is_a_fault(write: Write) -> None:
    message = refusal(write("concurrency:\n  pools:\n    limits:\n      db: 3\n      db: 4\n"))

    assert message == (
        "tidegate.yaml, line 5: concurrency.pools.limits.db is given twice. Keep one of them."
    )


def test_very_deep_nesting_is_refused_without_a_crash(write: Write) -> None:
    assert refusal(write("[" * 5000)) == "tidegate.yaml is nested too deeply. Check its brackets."


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "There is no settings file" in refusal(tmp_path / "tidegate.yaml")


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "tidegate.yaml").write_bytes(b"\xff\xfe\x00")

    assert "cannot be read" in refusal(tmp_path / "tidegate.yaml")


@pytest.mark.parametrize(
    "rules",
    [
        "{key: a, limit: 1}, {key: a, limit: 2}",
        "{key: a, value: x, limit: 1}, {key: a, value: x, limit: 1}",
        "{key: dagster/backfill, limit: 1}, {key: tidegate/backfill, limit: 2}",
        (
            "{key: a, value: {applyLimitPerUniqueValue: true}, limit: 1}, "
            "{key: a, value: {applyLimitPerUniqueValue: true}, limit: 2}"
        ),
        "{key: a, limit: 1}, {key: a, value: {applyLimitPerUniqueValue: false}, limit: 2}",
    ],
)
def test_two_rules_of_one_kind_for_the_same_tag_are_a_fault(write: Write, rules: str) -> None:
    message = refusal(write(f"concurrency: {{runs: {{tag_concurrency_limits: [{rules}]}}}}"))

    assert "tag_concurrency_limits[1] is a second rule of one kind for the tag " in message


def test_rules_of_different_kinds_for_one_tag_all_hold(write: Write) -> None:
    path = write(
        "concurrency: {runs: {tag_concurrency_limits: [{key: a, limit: 9}, "
        "{key: a, value: x, limit: 4}, {key: a, value: {applyLimitPerUniqueValue: true}, limit: 2}]}}"
    )

    assert [one.limit for one in load_settings(path, {}).tag_limits] == [9, 4, 2]


def test_dagster_tag_keys_are_aliases(write: Write) -> None:
    path = write(
        "concurrency: {runs: {tag_concurrency_limits: [{key: dagster/backfill, limit: 9}]}}"
    )

    assert load_settings(path, {}).tag_limits == (TagLimit(key="tidegate/backfill", limit=9),)


@pytest.mark.parametrize("section", ["runs: {}", "pools: {}"])
@pytest.mark.parametrize(
    "key",
    [
        "max_concurrent_runs: 3",
        "tag_concurrency_limits: []",
        "block_op_concurrency_limited_runs: {op_concurrency_slot_buffer: 0}",
    ],
)
@pytest.mark.parametrize(
    "place",
    ["run_queue: {%s}", "run_coordinator: {module: m, class: QueuedRunCoordinator, config: {%s}}"],
)
def test_a_limit_in_two_places_is_a_fault(write: Write, section: str, key: str, place: str) -> None:
    message = refusal(write(f"concurrency: {{{section}}}\n{place % key}"))

    assert message.startswith("tidegate.yaml, line 2: run_")
    assert "cannot be given together with concurrency.runs or concurrency.pools." in message


def test_run_queue_and_run_coordinator_exclude_each_other(write: Write) -> None:
    path = write("run_queue: {}\nrun_coordinator: {module: m, class: QueuedRunCoordinator}")

    assert "run_coordinator and run_queue are both given." in refusal(path)


def test_the_old_default_of_pools_excludes_pools(write: Write) -> None:
    path = write("concurrency: {default_op_concurrency_limit: 4, pools: {}}")

    assert "Use concurrency.pools.default_limit." in refusal(path)


def test_a_buffer_needs_the_blocking_it_softens(write: Write) -> None:
    path = write(
        "run_queue: {block_op_concurrency_limited_runs: "
        "{enabled: false, op_concurrency_slot_buffer: 2}}"
    )

    assert "op_concurrency_slot_buffer is given, but enabled is false." in refusal(path)


DAGSTER = """
storage: {postgres: {postgres_db: {hostname: {env: PG}, username: u, password: p, db_name: d}}}
telemetry: {enabled: false}
backfills: {use_threads: true}
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config:
    max_concurrent_runs: {env: MOST_RUNS}
    dequeue_interval_seconds: 5
    tag_concurrency_limits:
      - {key: dagster/backfill, limit: 10}
    block_op_concurrency_limited_runs: {enabled: true, op_concurrency_slot_buffer: 1}
concurrency: {default_op_concurrency_limit: 4}
run_monitoring: {enabled: true, start_timeout_seconds: 60, poll_interval_seconds: 120}
run_retries: {enabled: true, max_retries: 3, retry_on_asset_or_op_failure: false}
"""


def test_an_unchanged_dagster_yaml_means_what_it_means_there(write: Write) -> None:
    loaded = read_settings(write(DAGSTER, "dagster.yaml"), {"MOST_RUNS": "25"})

    assert loaded.settings == Settings(
        max_concurrent_runs=25,
        tag_limits=(TagLimit(key="tidegate/backfill", limit=10),),
        default_pool_limit=4,
        op_granularity_run_buffer=1,
        start_timeout_seconds=60,
        max_run_retries=3,
        run_retry_on_step_failure=False,
    )


def test_what_a_dagster_yaml_says_in_vain_is_noted(write: Write) -> None:
    notes = " ".join(read_settings(write(DAGSTER, "dagster.yaml"), {"MOST_RUNS": "25"}).notes)

    assert "Not used by Tidegate: backfills, storage, telemetry." in notes
    assert "run_coordinator.config: not used by Tidegate: dequeue_interval_seconds." in notes
    assert "run_monitoring: not used by Tidegate: poll_interval_seconds." in notes


def test_the_same_sections_are_accepted_in_tidegate_yaml(write: Write) -> None:
    path = write("run_queue: {max_concurrent_runs: 7, dequeue_use_threads: true}")

    assert load_settings(path, {}).max_concurrent_runs == 7


def test_a_coordinator_without_a_queue_is_no_limit(write: Write) -> None:
    path = write("run_coordinator: {module: m, class: DefaultRunCoordinator}", "dagster.yaml")

    assert load_settings(path, {}).max_concurrent_runs == -1


def test_a_coordinator_of_ones_own_is_refused(write: Write) -> None:
    path = write("run_coordinator: {module: mine, class: Mine}", "dagster.yaml")

    assert "Allowed: QueuedRunCoordinator or DefaultRunCoordinator." in refusal(path)


@pytest.mark.parametrize(
    ("name", "retries", "timeout"), [("dagster.yaml", 0, 0), ("tidegate.yaml", 3, 60)]
)
def test_a_section_without_enabled_is_off_in_dagster_yaml_alone(
    write: Write, name: str, retries: int, timeout: int
) -> None:
    text = "run_retries: {max_retries: 3}\nrun_monitoring: {start_timeout_seconds: 60}"

    settings = load_settings(write(text, name), {})

    assert (settings.max_run_retries, settings.start_timeout_seconds) == (retries, timeout)
    assert settings.retries_runs is (retries > 0)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "Set the environment variable MOST."),
        ({"MOST": "ten"}, "Set the environment variable MOST to an integer; it is 'ten'."),
        ({"MOST": "-4"}, "Allowed: -1 (no limit)"),
    ],
)
def test_a_number_from_the_environment_is_held_to_the_same_rules(
    write: Write, environ: dict[str, str], expected: str
) -> None:
    path = write("concurrency: {runs: {max_concurrent_runs: {env: MOST}}}")

    assert expected in refusal(path, **environ)


def test_the_environment_overrides_the_file_and_an_argument_both(write: Write) -> None:
    path = write("events: {batch_size: 10}\nbackfills: {run_chunk_size: 10, cancel_batch_size: 10}")
    environ = {"TIDEGATE_EVENT_BATCH_SIZE": "20", "TIDEGATE_ASSET_BACKFILL_RUN_CHUNK_SIZE": "20"}

    settings = load_settings(path, environ, overrides={"events": {"batch_size": 30}})

    assert settings.event_batch_size == 30
    assert settings.run_chunk_size == 20
    assert settings.cancel_batch_size == 10


@pytest.mark.parametrize(("value", "allowed"), [("many", "an integer"), ("-1", "0 (off) to 1000")])
def test_a_variable_is_held_to_the_rules_of_the_file_and_named(value: str, allowed: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings(None, {"TIDEGATE_EVENT_BATCH_SIZE": value})

    assert "The environment variable TIDEGATE_EVENT_BATCH_SIZE" in str(raised.value)
    assert f"Allowed: {allowed}." in str(raised.value)


def test_a_variable_does_not_hide_a_fault_of_the_file(write: Write) -> None:
    assert "events is 5." in refusal(write("events: 5"), TIDEGATE_EVENT_BATCH_SIZE="3")


def test_the_most_slots_of_a_pool_can_be_raised(write: Write) -> None:
    path = write("concurrency: {pools: {limits: {db: 1500}}}")

    settings = load_settings(path, {"TIDEGATE_MAX_GLOBAL_OP_CONCURRENCY_LIMIT": "2000"})

    assert settings.pools == {"db": 1500}


def test_every_variable_names_a_setting() -> None:
    for section, key in ENVIRONMENT.values():
        model = File.model_fields[section].annotation

        assert model is not None
        assert key in model.model_fields


def test_given_settings_are_held_to_the_same_rules() -> None:
    with pytest.raises(SettingsError, match="The given settings: concurrency.runs.max_concurrent_"):
        load_settings(None, {}, overrides={"concurrency": {"runs": {"max_concurrent_runs": -9}}})


def test_a_setting_nothing_acts_on_is_noted(write: Write) -> None:
    text = "backfills: {max_outstanding_runs: 7, run_chunk_size: 25}"
    loaded = read_settings(write(text), {})

    assert loaded.notes == ("Kept, and nothing acts on it yet: backfills.max_outstanding_runs.",)


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


# -- Fairness


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
