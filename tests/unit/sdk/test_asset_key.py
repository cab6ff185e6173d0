"""Names of assets."""

from __future__ import annotations

import pytest

from tidegate import AssetKey, AssetSpec, DefinitionError, asset
from tidegate.sdk.asset_key import keys_of


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ("daily", ("daily",)),
        ("weather/daily", ("weather", "daily")),
        (["weather", "daily"], ("weather", "daily")),
        (("a.b-c",), ("a.b-c",)),
    ],
)
def test_a_key_is_made_of_text_or_parts(given: object, parts: tuple[str, ...]) -> None:
    key = AssetKey(given)  # type: ignore[arg-type]

    assert key.path == parts
    assert AssetKey.from_user_string(key.to_user_string()) == key
    assert hash(key) == hash(AssetKey(list(parts)))


@pytest.mark.parametrize("bad", ["", "a//b", "/a", [], ["a/b"], [" a"], ["a\n"], [3], [""]])
def test_a_part_is_text_without_slashes_or_spaces_around_it(bad: object) -> None:
    with pytest.raises(DefinitionError):
        AssetKey(bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [None, 3, {"a": 1}])
def test_what_names_no_asset_is_refused(bad: object) -> None:
    with pytest.raises(DefinitionError, match="is not an asset key"):
        AssetKey.from_coercible(bad)  # type: ignore[arg-type]


def test_the_step_key_joins_parts_and_replaces_other_characters() -> None:
    assert AssetKey(["a", "b.c"]).to_python_identifier() == "a__b_c"
    assert AssetKey("a").to_python_identifier("check") == "a__check"


def test_keys_sort_by_their_parts() -> None:
    assert sorted([AssetKey("b"), AssetKey(["a", "c"]), AssetKey("a")]) == [
        AssetKey("a"),
        AssetKey(["a", "c"]),
        AssetKey("b"),
    ]


def test_a_prefix_goes_before_the_parts() -> None:
    key = AssetKey("daily").with_prefix(["raw", "weather"])

    assert str(key) == "raw/weather/daily"
    assert key.has_prefix(["raw"])
    assert not key.has_prefix(["weather"])


def test_definitions_and_specs_name_their_assets() -> None:
    @asset
    def daily() -> int:
        return 1

    assert keys_of(daily) == keys_of(AssetSpec("daily")) == keys_of("daily") == (AssetKey("daily"),)
