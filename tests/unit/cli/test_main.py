"""What becomes of errors, whichever command meets them; and how quickly the command answers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.unit.cli.answers import FakeClient, Tidegate
from tidegate import errors
from tidegate.cli.main import main

BAD_INPUT = [
    errors.ConfigError,
    errors.DefinitionError,
    errors.InvocationError,
    errors.RequestError,
    errors.SettingsError,
    errors.UnknownLimitError,
]
FAILURES = [errors.DeploymentError, errors.ReportError, errors.ThrottledError]


@pytest.mark.parametrize("kind", BAD_INPUT)
def test_bad_input_ends_with_2(
    client: FakeClient, tidegate: Tidegate, kind: type[errors.TidegateError]
) -> None:
    client.answers["queue"] = kind("No.", mend="Do this.")

    printed = tidegate("queue")

    assert (printed.code, printed.out, printed.err) == (2, "", "Error: No.\nDo this.\n")


@pytest.mark.parametrize("kind", FAILURES)
def test_a_deployment_that_fails_ends_with_1(
    client: FakeClient, tidegate: Tidegate, kind: type[errors.TidegateError]
) -> None:
    client.answers["queue"] = kind("No.")

    printed = tidegate("queue")

    assert (printed.code, printed.out, printed.err) == (1, "", "Error: No.\n")


def test_a_fault_of_our_own_is_one_sentence_too(client: FakeClient, tidegate: Tidegate) -> None:
    printed = tidegate("queue")

    assert printed.code == 1
    assert printed.err == (
        "Error: Unexpected KeyError: 'queue'\nThis is a fault in Tidegate; --debug shows where.\n"
    )


@pytest.mark.parametrize("arguments", [["--debug", "queue"], ["queue", "--debug"]])
def test_debug_shows_the_traceback_wherever_it_stands(
    client: FakeClient, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    client.answers["queue"] = errors.DeploymentError("No.")

    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_ctrl_c_is_clean(
    client: FakeClient, tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(action: str, **fields: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(client, "call", interrupted)

    printed = tidegate("queue")

    assert (printed.code, printed.out, printed.err) == (130, "", "Stopped.\n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["qeue"], "No such command 'qeue'."),
        (["queue", "--nope"], "No such option: --nope"),
        (["materialize"], "Missing option '--select'"),
        (["runs", "list", "--limit", "0"], "Invalid value for '--limit'"),
    ],
)
def test_a_command_line_that_cannot_be_read_ends_with_2(
    tidegate: Tidegate, arguments: list[str], expected: str
) -> None:
    printed = tidegate(*arguments)

    assert printed.code == 2
    assert expected in printed.err


@pytest.mark.parametrize(
    "command",
    [
        "",
        "materialize",
        "job launch",
        "runs list",
        "runs show",
        "queue",
        "limits set",
        "limits history",
        "dev",
        "doctor",
    ],
)
def test_help_fits_80_columns(tidegate: Tidegate, command: str) -> None:
    printed = tidegate(*command.split(), "--help")

    assert printed.code == 0
    assert max(len(line) for line in printed.out.splitlines()) <= 80


def test_help_imports_nothing_heavy() -> None:
    """What makes ``tidegate --help`` quick: none of these is there."""
    heavy = "rich boto3 botocore yaml pydantic pynamodb moto jinja2"
    code = (
        "import sys\n"
        "from tidegate.cli.main import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit:\n    pass\n"
        f"print(*[n for n in '{heavy}'.split() if n in sys.modules], sep=' ', end='', file=sys.stderr)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.stderr == ""
    assert "materialize" in done.stdout


def test_the_version_is_told(tidegate: Tidegate) -> None:
    printed = tidegate("--version")

    assert printed.code == 0
    assert printed.out.startswith("tidegate")
