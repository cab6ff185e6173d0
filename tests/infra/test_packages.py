from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from infra import ROOT
from infra.constructs import packages
from infra.permissions import CONTROL_PLANE
from infra.settings import SynthError

LOCKS = ROOT / "infra" / "locks"
IN_THE_RUNTIME = {"boto3", "botocore", "s3transfer", "jmespath", "urllib3"}


def _imports(modules: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    """Import from ``place`` as the only home of ``tidegate``; what is not there cannot be found elsewhere."""
    code = (
        "import importlib, sys; sys.path.insert(0, sys.argv[1]);"
        "sys.modules['matplotlib'] = None;"
        "[importlib.import_module(one) for one in sys.argv[2:]];"
        "import tidegate; assert tidegate.__file__.startswith(sys.argv[1]), tidegate.__file__"
    )
    return subprocess.run(
        [sys.executable, "-B", "-c", code, str(place), *modules],
        capture_output=True,
        text=True,
        cwd=place,
        env={**os.environ, "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"},
        check=False,
    )


def test_the_control_plane_runs_on_what_is_uploaded_for_it(build: Path, tmp_path: Path) -> None:
    packages.stage(packages.control_plane_files(build), tmp_path)

    done = _imports([f"tidegate.handlers.{one}" for one in CONTROL_PLANE], tmp_path)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "manifest.json").is_file()


def test_user_code_runs_on_what_is_uploaded_for_it_and_on_lambda_without_what_containers_have(
    tmp_path: Path,
) -> None:
    packages.stage(packages.user_code_files("definitions"), tmp_path)

    done = _imports(
        ["tidegate.handlers.user_code", "tidegate.execution.container", "definitions"], tmp_path
    )

    assert done.returncode == 0, done.stderr


def test_the_control_plane_has_no_user_code_and_nothing_that_loads_any(build: Path) -> None:
    files = packages.control_plane_files(build)

    for part in ("definitions/", "tidegate/sdk/", "tidegate/execution/", "tidegate/local/"):
        assert [one for one in files if one.startswith(part)] == []


def test_user_code_has_nothing_that_knows_the_control_tables() -> None:
    files = packages.user_code_files("definitions")

    for part in ("tidegate/adapters/", "tidegate/app/", "tidegate/local/"):
        assert [one for one in files if one.startswith(part)] == []


def test_definitions_that_are_not_there_are_named() -> None:
    with pytest.raises(SynthError, match="no module 'pipelines.daily'"):
        packages.user_code_files("pipelines.daily")


def test_a_missing_manifest_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(SynthError, match="manifest.json is missing: run `make synth`"):
        packages.control_plane_files(tmp_path)


def test_a_package_is_named_by_its_content_and_by_whether_it_has_byte_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    same = packages.package_hash([b"one", b"two"])

    assert packages.package_hash([b"one", b"two"]) == same
    assert packages.package_hash([b"onet", b"wo"]) != same
    assert packages.package_hash([b"one", b"three"]) != same
    here = packages.byte_compiler()
    monkeypatch.setattr(packages, "byte_compiler", lambda: None if here else "python3.13")
    assert packages.package_hash([b"one", b"two"]) != same


def test_staged_byte_code_is_never_checked_against_its_source(tmp_path: Path) -> None:
    source = tmp_path / "source.py"
    source.write_text("ANSWER = 42\n")

    packages.stage({"package/module.py": source}, tmp_path / "staged")

    compiled = list((tmp_path / "staged").rglob("*.pyc"))
    assert len(compiled) == (1 if packages.byte_compiler() else 0)
    for one in compiled:
        header, flags = one.read_bytes()[:8], one.read_bytes()[4]
        assert (len(header), flags) == (8, 0b01)


@pytest.mark.parametrize("lock", ["control_plane.lock", "user_code.lock", "containers.lock"])
def test_a_lock_has_a_hash_for_everything_and_names_no_place(lock: str) -> None:
    text = (LOCKS / lock).read_text()

    for pinned in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"[a-z0-9-]+==\S+ \\\n    --hash=sha256:", pinned), pinned
    assert "://" not in text


@pytest.mark.parametrize(
    ("lock", "extras"),
    [("control_plane.lock", []), ("user_code.lock", ["example"]), ("containers.lock", ["example"])],
)
def test_what_is_locked_is_what_the_project_asks_for(lock: str, extras: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"]]
    for extra in extras:
        asked += project["optional-dependencies"][extra]
    left_out = set(IN_THE_RUNTIME)
    if lock == "user_code.lock":
        lines = (LOCKS / "containers_only.txt").read_text().splitlines()
        left_out |= {one for one in lines if one and not one.startswith("#")}

    pins = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (LOCKS / lock).read_text(), re.MULTILINE))

    for requirement in map(Requirement, asked):
        if requirement.name not in left_out:
            assert requirement.specifier.contains(pins[requirement.name]), requirement
    assert not left_out & set(pins)
