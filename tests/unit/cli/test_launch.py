"""``tidegate materialize`` and ``tidegate job launch``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.answers import RUN, FakeClient, Tidegate, run_of, status_of
from tidegate.errors import ConfigError, UnknownAssetError

QUEUED = run_of(status="QUEUED", started_at=None, finished_at=None)


@pytest.fixture(autouse=True)
def accepting(client: FakeClient) -> None:
    client.answers |= {"materialize": QUEUED, "submit": QUEUED, "runs.status": status_of()}


def test_materialize_passes_on_what_was_asked_for(
    client: FakeClient, tidegate: Tidegate, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("ops: {raw: {config: {day: 2015-01-01, rows: 3}}}")

    printed = tidegate(
        *(
            "materialize",
            "--select",
            "+daily",
            "--partition",
            "2015-01-01",
            "--config",
            str(config),
        ),
        *("--tags", "team=data", "--tags", "note=a=b", "--run-key", "monday"),
    )

    assert printed.code == 0
    assert client.calls == [
        (
            "materialize",
            {
                "selection": "+daily",
                "partition_key": "2015-01-01",
                "run_config": {"ops": {"raw": {"config": {"day": "2015-01-01", "rows": 3}}}},
                "tags": {"team": "data", "note": "a=b"},
                "run_key": "monday",
            },
        )
    ]


def test_the_run_is_named_and_how_to_follow_it(tidegate: Tidegate) -> None:
    printed = tidegate("materialize", "--select", "*")

    assert printed.out.splitlines() == [
        f"Run {RUN} is queued.",
        "Follow it: tidegate runs wait a1b2c3d4",
    ]


def test_a_job_is_launched_by_name(client: FakeClient, tidegate: Tidegate) -> None:
    tidegate("job", "launch", "nightly")

    action, fields = client.calls[0]
    assert action == "submit"
    assert fields["job"] == "nightly"
    assert "run_config" not in fields


def test_without_a_run_key_each_launch_is_a_run_of_its_own(
    client: FakeClient, tidegate: Tidegate
) -> None:
    tidegate("job", "launch", "nightly")
    tidegate("job", "launch", "nightly")

    keys = {fields["run_key"] for _, fields in client.calls}
    assert len(keys) == 2


@pytest.mark.parametrize(("status", "code"), [("SUCCESS", 0), ("FAILURE", 1), ("CANCELED", 1)])
def test_waiting_ends_with_the_exit_code_of_the_run(
    client: FakeClient, tidegate: Tidegate, status: str, code: int
) -> None:
    client.answers["runs.status"] = status_of(status=status)

    printed = tidegate("materialize", "--select", "*", "--wait")

    assert printed.code == code
    assert client.calls[-1] == ("runs.status", {"run_id": RUN})


SKIP = run_of(
    status="CANCELED",
    skipped=True,
    lost_to=["r1"],
    reason="skipped: run r1 of trigger tide came first",
)


@pytest.mark.parametrize("more", [[], ["--wait"]])
def test_a_skipped_run_is_said_in_one_sentence_with_an_exit_code_of_its_own(
    client: FakeClient, tidegate: Tidegate, more: list[str]
) -> None:
    client.answers["submit"] = SKIP

    printed = tidegate(
        *("job", "launch", "nightly", "--trigger", "tide", "--on-conflict", "skip"), *more
    )

    assert printed.out == f"Run {RUN} was skipped: run r1 of trigger tide came first.\n"
    assert printed.code == 3
    ((_, fields),) = client.calls
    assert (fields["trigger"], fields["on_conflict"]) == ("tide", "skip")


def test_json_of_a_skipped_run_is_the_run_with_the_same_exit_code(
    client: FakeClient, tidegate: Tidegate
) -> None:
    client.answers["submit"] = SKIP

    printed = tidegate("job", "launch", "nightly", "--json")

    assert (json.loads(printed.out), printed.code) == (SKIP, 3)


def test_json_of_a_launch_is_the_run(tidegate: Tidegate) -> None:
    assert json.loads(tidegate("job", "launch", "nightly", "--json").out) == QUEUED


def test_json_of_a_launch_that_waits_is_the_end(tidegate: Tidegate) -> None:
    printed = tidegate("job", "launch", "nightly", "--wait", "--json")

    assert json.loads(printed.out) == status_of()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--tags", "team"], "The tag 'team' is not KEY=VALUE."),
        (["--tags", "=x"], "The tag '=x' is not KEY=VALUE."),
        (["--tags", "a=1", "--tags", "a=2"], "The tag 'a' is given twice."),
        (["--config", "missing.yaml"], "There is no file missing.yaml."),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_asked(
    client: FakeClient, tidegate: Tidegate, arguments: list[str], expected: str
) -> None:
    printed = tidegate("job", "launch", "nightly", *arguments)

    assert printed.code == 2
    assert printed.err.splitlines()[0] == f"Error: {expected}"
    assert client.calls == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1]", "is not a mapping."),
        ("a: [1", "not YAML: "),
        ("a: .nan", "says something JSON cannot: "),
        ("a: !!set {x}", "says something JSON cannot: "),
        ("? [1, 2]\n: 3", "not YAML: "),
        ("a: !!python/object:os.system {}", "not YAML: "),
    ],
)
def test_config_that_cannot_be_sent_is_refused(
    client: FakeClient, tidegate: Tidegate, tmp_path: Path, text: str, expected: str
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(text)

    printed = tidegate("job", "launch", "nightly", "--config", str(config))

    assert printed.code == 2
    assert expected in printed.err
    assert client.calls == []


@pytest.mark.parametrize(
    ("text", "sent"),
    [("", {}), ('{"ops": {}}', {"ops": {}}), ("ops:\n  a: {}", {"ops": {"a": {}}})],
)
def test_config_may_come_from_standard_input(
    client: FakeClient, tidegate: Tidegate, text: str, sent: Any
) -> None:
    tidegate("job", "launch", "nightly", "--config", "-", input=text)

    assert client.calls[0][1]["run_config"] == sent


@pytest.mark.parametrize(
    "error",
    [
        UnknownAssetError("There is no asset 'x'.", mend="`tidegate definitions list` shows all."),
        ConfigError("ops.raw.config.rows must be integer.", mend="It was 'many'."),
    ],
)
def test_what_the_deployment_refuses_is_bad_input(
    client: FakeClient, tidegate: Tidegate, error: Exception
) -> None:
    client.answers["materialize"] = error

    printed = tidegate("materialize", "--select", "x", "--wait")

    assert (printed.code, printed.out) == (2, "")
    assert printed.err.startswith(f"Error: {error.args[0]}\n")
