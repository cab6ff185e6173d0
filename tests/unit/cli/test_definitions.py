"""``tidegate definitions``, ``tidegate compile`` and ``tidegate doctor``: the code on this machine and its settings."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.answers import FakeClient, Tidegate
from tidegate.cli import doctor
from tidegate.cli.checklist import Level
from tidegate.errors import DeploymentError

Project = Callable[..., Path]

CODE = """
from tidegate import Definitions, asset, define_asset_job

@asset(group_name="sea", kinds={"csv"}, pool="db")
def tides():
    return 1

@asset(group_name="sea")
def report(tides):
    return tides

defs = Definitions(assets=[tides, report], jobs=[define_asset_job("nightly", description="All of it.")])
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A directory with a module of definitions, named anew for each test, and perhaps a settings file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def _project(code: str = CODE, settings: str | None = None) -> Path:
        path = tmp_path / f"sea_{abs(hash(tmp_path)):x}.py"
        path.write_text(textwrap.dedent(code))
        if settings is not None:
            (tmp_path / "tidegate.yaml").write_text(settings)
        return path

    return _project


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def test_a_pool_set_nowhere_is_noted_and_no_fault(tidegate: Tidegate, project: Project) -> None:
    path = project(settings="concurrency: {pools: {default_limit: 3}}")

    printed = tidegate("definitions", "validate", "-f", path.name)

    assert printed.code == 0
    assert "note   pool          db is set nowhere: it uses the default (3 slots).\n" in printed.out


def test_what_only_the_settings_name_is_noted(tidegate: Tidegate, project: Project) -> None:
    path = project(
        settings="concurrency: {pools: {limits: {db: 1, tape: 2}}, jobs: {nightly: 1, hourly: 1}}"
    )

    printed = tidegate("definitions", "validate", "-f", path.name).out

    assert "ok     pool          db: 1 slot\n" in printed
    assert "note   pool          tape is set, and no step uses it.\n" in printed
    assert "The settings limit job 'hourly', and no job of" in printed
    assert "'nightly'" not in printed


def test_a_step_that_no_pool_can_hold_is_a_fault(tidegate: Tidegate, project: Project) -> None:
    code = CODE.replace('pool="db"', 'pool="db", slots=3')
    path = project(code, settings="concurrency: {pools: {limits: {db: 2}}}")

    printed = tidegate("definitions", "validate", "-f", path.name)

    assert printed.code == 2
    assert "wrong  pool          db has 2 slots, and step 'tides' needs 3.\n" in printed.out


def test_slots_do_not_count_in_a_pool_that_runs_hold(tidegate: Tidegate, project: Project) -> None:
    code = CODE.replace('pool="db"', 'pool="db", slots=3')
    settings = "concurrency: {pools: {limits: {db: {limit: 2, granularity: run}}}}"

    printed = tidegate("definitions", "validate", "-f", project(code, settings=settings).name)

    assert printed.code == 0


def test_faulty_settings_are_bad_input(tidegate: Tidegate, project: Project) -> None:
    path = project(settings="concurrency: {runs: {max_concurrent_runs: -7}}")

    printed = tidegate("definitions", "validate", "-f", path.name)

    assert printed.code == 2
    assert "tidegate.yaml, line 1: concurrency.runs.max_concurrent_runs is -7." in printed.err


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import nothing_there", "nothing_there"),
        ("x = 1", "no Definitions"),
    ],
)
def test_code_that_cannot_be_loaded_is_bad_input(
    tidegate: Tidegate, project: Project, code: str, expected: str
) -> None:
    printed = tidegate("definitions", "validate", "-f", project(code).name)

    assert (printed.code, printed.out) == (2, "")
    assert expected in printed.err


def test_a_module_and_a_file_exclude_each_other(tidegate: Tidegate) -> None:
    printed = tidegate("definitions", "validate", "-m", "a", "-f", "b.py")

    assert printed.code == 2
    assert "Give -m or -f, not both." in printed.err


def test_findings_have_a_form_for_machines(tidegate: Tidegate, project: Project) -> None:
    path = project(settings="concurrency: {pools: {limits: {db: 1}}}")

    document = json.loads(tidegate("definitions", "validate", "-f", path.name, "--json").out)

    assert document["ok"] is True
    assert {one["subject"] for one in document["findings"]} == {"definitions", "settings", "pool"}


def test_the_list_of_the_code_here(tidegate: Tidegate, project: Project) -> None:
    path = project()

    printed = lines(tidegate("definitions", "list", "-f", path.name).out)

    assert printed == [
        f"{path.stem}: 2 assets, 1 job, 0 resources",
        "",
        "ASSET   GROUP  KIND  PARTITIONS  MADE FROM",
        "report  sea                      tides",
        "tides   sea    csv",
        "",
        "JOB      WHAT IT DOES",
        "nightly  All of it.",
    ]


def test_the_list_of_what_is_deployed(
    client: FakeClient, tidegate: Tidegate, project: Project
) -> None:
    here = json.loads(tidegate("definitions", "list", "-f", project().name, "--json").out)
    client.answers["definitions"] = here

    assert json.loads(tidegate("definitions", "list", "--json").out) == here
    assert client.calls == [("definitions", {})]


def test_compile_writes_the_manifest(tidegate: Tidegate, project: Project) -> None:
    path = project()

    printed = tidegate("compile", "-f", path.name, "-o", "out/manifest.json", "--code-version", "7")

    assert printed.code == 0
    document = json.loads((path.parent / "out" / "manifest.json").read_text())
    assert (document["location"], document["code_version"]) == (path.stem, "7")
    assert printed.out.splitlines()[1].startswith("Wrote out/manifest.json (")


def test_compile_prints_the_manifest_alone(tidegate: Tidegate, project: Project) -> None:
    printed = tidegate("compile", "-f", project().name, "-o", "-")

    assert "tides" in json.loads(printed.out)["assets"]


def test_compile_into_a_place_that_cannot_be_written_is_bad_input(
    tidegate: Tidegate, project: Project
) -> None:
    path = project()

    printed = tidegate("compile", "-f", path.name, "-o", f"{path.name}/manifest.json")

    assert printed.code == 2
    assert "cannot be written" in printed.err


def test_doctor_checks_everything_and_says_what_to_do(
    client: FakeClient, tidegate: Tidegate, project: Project
) -> None:
    client.answers["definitions"] = DeploymentError("No answer.", mend="Start `tidegate dev`.")

    printed = tidegate("doctor", "-f", project(settings="events: {batch_size: -1}").name)

    assert printed.code == 1
    subjects = [line[7:20].strip() for line in printed.out.splitlines() if line[:5].strip()]
    assert subjects == ["Python", "packages", "settings", "definitions", "deployment"]
    assert "wrong  settings      tidegate.yaml, line 1: events.batch_size is -1.\n" in printed.out
    assert lines(printed.out)[-2:] == [
        "wrong  deployment    No answer.",
        "                     Start `tidegate dev`.",
    ]


def test_doctor_is_content_when_all_is_well(
    client: FakeClient, tidegate: Tidegate, project: Project
) -> None:
    client.answers["definitions"] = {"location": "sea", "manifest": "f" * 64}

    printed = tidegate("doctor", "-f", project().name)

    assert printed.code == 0
    assert "ok     deployment    sea, manifest ffffffffffff, answers in " in printed.out


def test_doctor_names_a_python_that_is_too_old() -> None:
    finding = doctor.python((3, 10, 14))

    assert (finding.level, finding.text) == (Level.WRONG, "3.10.14")
    assert finding.mend == "Tidegate needs Python 3.11 or later."


def test_doctor_tells_a_package_that_is_needed_from_one_for_dev() -> None:
    findings = list(doctor.packages(needed=("no-such-a",), local=("no-such-b",)))

    assert [one.level for one in findings[:2]] == [Level.WRONG, Level.NOTE]
    assert findings[1].mend == "`tidegate dev` needs it: pip install 'tidegate[local]'."
