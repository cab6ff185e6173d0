"""Assets collected from modules."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tidegate import (
    DefinitionError,
    Definitions,
    load_assets_from_modules,
    load_assets_from_package_module,
    load_assets_from_package_name,
)

WEATHER = """
from tidegate import AssetSpec, asset, load_assets_from_current_module

outside = AssetSpec("outside")

@asset(deps=["outside"])
def raw(): ...

@asset(group_name="own")
def clean(raw): ...

@asset
def listed(): ...

more = [listed, clean]
found = load_assets_from_current_module()
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    folder = tmp_path / "sample_assets"
    (folder / "deep").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "weather.py").write_text(WEATHER)
    (folder / "deep" / "__init__.py").write_text(
        "from tidegate import asset\nfrom sample_assets.weather import raw\n\n@asset\ndef low(): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("sample_assets")
    for name in [one for one in sys.modules if one.startswith("sample_assets")]:
        del sys.modules[name]


def keys(found: list[object]) -> list[str]:
    return [str(key) for one in found for key in one.keys]  # type: ignore[attr-defined]


def test_assets_of_a_module_are_found_once_each(package: ModuleType) -> None:
    weather = importlib.import_module("sample_assets.weather")

    assert keys(weather.found) == ["outside", "raw", "clean", "listed"]
    assert keys(load_assets_from_modules([weather])) == ["outside", "raw", "clean", "listed"]


def test_assets_of_a_package_are_those_of_all_modules_below(package: ModuleType) -> None:
    by_module = load_assets_from_package_module(package)

    assert sorted(keys(by_module)) == ["clean", "listed", "low", "outside", "raw"]
    assert by_module == load_assets_from_package_name("sample_assets")


def test_a_prefix_goes_before_keys_that_are_made_and_where_they_are_read(
    package: ModuleType,
) -> None:
    weather = importlib.import_module("sample_assets.weather")

    defs = Definitions(assets=load_assets_from_modules([weather], key_prefix=["lake", "v1"]))

    assert sorted(defs.specs) == ["lake/v1/clean", "lake/v1/listed", "lake/v1/raw", "outside"]
    assert [str(key) for key in defs.specs["lake/v1/clean"].deps] == ["lake/v1/raw"]
    assert [str(key) for key in defs.specs["lake/v1/raw"].deps] == ["outside"]
    assert [step.key for step in defs.asset_steps] == [
        "lake__v1__raw",
        "lake__v1__clean",
        "lake__v1__listed",
    ]


def test_a_group_is_given_to_all_that_have_none(package: ModuleType) -> None:
    deep = importlib.import_module("sample_assets.deep")
    weather = importlib.import_module("sample_assets.weather")

    defs = Definitions(assets=[*load_assets_from_modules([deep], group_name="g"), weather.outside])

    assert {key: spec.group for key, spec in defs.specs.items()} == {
        "outside": "default",
        "raw": "g",
        "low": "g",
    }
    with pytest.raises(DefinitionError, match="'clean'.*is in group 'own'"):
        load_assets_from_modules([weather], group_name="g")


def test_two_assets_of_one_key_in_modules_are_refused(package: ModuleType, tmp_path: Path) -> None:
    weather = importlib.import_module("sample_assets.weather")
    (tmp_path / "sample_assets" / "again.py").write_text(WEATHER)
    again = importlib.import_module("sample_assets.again")

    with pytest.raises(DefinitionError, match="'outside' is in sample_assets.weather"):
        load_assets_from_modules([weather, again])


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(DefinitionError, match="got 'weather'"):
        load_assets_from_modules(["weather"])  # type: ignore[list-item]
