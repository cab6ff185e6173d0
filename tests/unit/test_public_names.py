"""The public face: what ``from tidegate import ...`` offers, and what importing it costs."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import tidegate

ROOT = Path(__file__).parents[2]
HEAVY = ("boto3", "botocore", "pydantic", "pynamodb", "pandas", "moto", "yaml")


def names_for_type_checkers() -> list[str]:
    tree = ast.parse(Path(tidegate.__file__).read_text())
    block = next(one for one in tree.body if isinstance(one, ast.If))
    return [name.name for line in block.body for name in line.names]  # type: ignore[attr-defined]


def test_public_names_are_sorted_and_named_once() -> None:
    assert tidegate.__all__ == sorted(set(tidegate.__all__))


def test_public_names_are_those_that_type_checkers_see() -> None:
    assert sorted(names_for_type_checkers()) == tidegate.__all__


def test_public_names_are_those_that_can_be_imported() -> None:
    assert sorted(tidegate._HOME) == tidegate.__all__
    for name in tidegate.__all__:
        assert getattr(tidegate, name).__class__, name


ANNOTATIONS = {"ResourceDependency", "ResourceParam"}
"""Names of annotations, which have no name of their own."""


@pytest.mark.parametrize("name", sorted(set(tidegate.__all__) - ANNOTATIONS))
def test_a_public_name_is_the_object_of_that_name(name: str) -> None:
    value = getattr(tidegate, name)

    assert getattr(value, "__name__", name) == name
    assert name in dir(tidegate)


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'repository'"):
        tidegate.repository  # noqa: B018
    assert not hasattr(tidegate, "__path_of_wheel__")


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert tidegate.__version__ == project["version"]


def modules_after(statement: str) -> list[str]:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))",
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT / "functions")},
        capture_output=True,
        text=True,
        check=True,
    )
    return list(json.loads(done.stdout))


def test_importing_tidegate_imports_nothing_else() -> None:
    before, after = modules_after("pass"), modules_after("import tidegate")

    assert set(after) - set(before) == {"tidegate"}


def test_declaring_assets_imports_neither_pydantic_nor_aws() -> None:
    after = modules_after(
        "from tidegate import Definitions, asset, define_asset_job, job, op, AssetSelection\n"
        "@asset(kinds={'x'}, metadata={'rows': 1})\ndef a(): ...\n"
        "@op\ndef one(): ...\n"
        "@job\ndef ops(): one()\n"
        "Definitions(assets=[a], jobs=[ops, define_asset_job('j', '+a')])"
    )

    assert not [name for name in HEAVY if name in after]
