"""A fault in the settings names file, line, key, value and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.settings.files import Write, refusal

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
