"""What dagster.yaml says means here what it means there, and is said in one place."""

from __future__ import annotations

import pytest

from tests.unit.settings.files import Write, refusal
from tidegate.domain.settings import Settings, TagLimit
from tidegate.settings_file import load_settings, read_settings


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
