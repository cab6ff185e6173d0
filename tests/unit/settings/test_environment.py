"""Settings from variables and arguments: held to the rules of the file."""

from __future__ import annotations

import pytest

from tests.unit.settings.files import Write, refusal
from tidegate.errors import SettingsError
from tidegate.settings_file import ENVIRONMENT, load_settings
from tidegate.settings_schema import File


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
