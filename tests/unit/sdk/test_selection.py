"""``AssetSelection``: its algebra, and what may be given for one."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import (
    AssetKey,
    AssetOut,
    AssetSelection,
    AssetSpec,
    DefinitionError,
    Definitions,
    asset,
    multi_asset,
)


def diamond() -> Definitions:
    """outside -> raw/a -> left, right -> end; with ``left`` and ``twin`` made in one step."""

    @asset(key_prefix="raw", group_name="in", deps=["outside"], kinds={"sql"}, owners=["team:x"])
    def a() -> int:
        return 1

    @multi_asset(outs={"left": AssetOut(tags={"team": "data"}), "twin": AssetOut()}, deps=[a])
    def both() -> Any: ...

    @asset(deps=[a], tags={"team": "ops"})
    def right() -> int:
        return 1

    @asset(deps=["left", "right"])
    def end() -> int:
        return 1

    return Definitions(assets=[end, right, both, a, AssetSpec("outside", group_name="in")])


def chosen(selection: AssetSelection) -> str:
    return " ".join(str(key) for key in selection.resolve(diamond().asset_graph))


@pytest.mark.parametrize(
    ("selection", "keys"),
    [
        (AssetSelection.all(), "raw/a right left twin end"),
        (AssetSelection.all(include_sources=True), "outside raw/a right left twin end"),
        (AssetSelection.keys("raw/a", ["right"], AssetKey("end")), "raw/a right end"),
        (AssetSelection.groups("in"), "raw/a"),
        (
            AssetSelection.groups("in", "default", include_sources=True),
            "outside raw/a right left twin end",
        ),
        (AssetSelection.groups(), ""),
        (AssetSelection.tag("team", "data"), "left"),
        (AssetSelection.tag_string("team=ops"), "right"),
        (AssetSelection.tag_string("team"), "right left"),
        (AssetSelection.kind("sql"), "raw/a"),
        (AssetSelection.owner("team:x"), "raw/a"),
        (AssetSelection.key_prefixes("raw"), "raw/a"),
        (AssetSelection.key_prefixes(["ra"]), ""),
        (AssetSelection.key_substring("t"), "right left twin"),
        (AssetSelection.key_substring("t", include_sources=True), "outside right left twin"),
        (AssetSelection.keys("end").upstream(), "outside raw/a right left end"),
        (AssetSelection.keys("end").upstream(depth=1), "right left end"),
        (AssetSelection.keys("end").upstream(depth=0), "end"),
        (AssetSelection.keys("end").upstream(include_self=False), "outside raw/a right left"),
        (AssetSelection.keys("raw/a").downstream(depth=1), "raw/a right left twin"),
        (AssetSelection.all().roots(), "raw/a"),
        (AssetSelection.all().sinks(), "twin end"),
        (AssetSelection.keys("left", "end").roots(), "left"),
        (AssetSelection.keys("left").required_multi_asset_neighbors(), "left twin"),
        (AssetSelection.keys("outside", "left").materializable(), "left"),
        (AssetSelection.keys("end").upstream_source_assets(), "outside"),
        (AssetSelection.keys("left") | AssetSelection.keys("right"), "right left"),
        (AssetSelection.all() & AssetSelection.keys("end", "outside"), "end"),
        (AssetSelection.all() - AssetSelection.keys("end").upstream(), "twin"),
        (AssetSelection.from_string("left+"), "left end"),
        (AssetSelection.from_coercible(["left", AssetKey("end")]), "left end"),
        (AssetSelection.from_coercible(AssetSpec("end")), "end"),
        (AssetSelection.from_coercible("*"), "outside raw/a right left twin end"),
        (AssetSelection.assets("left", AssetSpec("end")), "left end"),
    ],
)
def test_a_selection_selects(selection: AssetSelection, keys: str) -> None:
    assert chosen(selection) == keys


def test_a_key_that_does_not_exist_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"no asset 'a' to select. Did you mean 'raw/a'\?"):
        chosen(AssetSelection.keys("a"))


@pytest.mark.parametrize("bad", [3, None, {"a": 1}, [3]])
def test_what_is_no_selection_is_refused(bad: Any) -> None:
    with pytest.raises(DefinitionError, match="is not"):
        AssetSelection.from_coercible(bad)


@pytest.mark.parametrize("depth", [-1, 1.5, True, "1"])
def test_a_depth_is_a_whole_number(depth: Any) -> None:
    with pytest.raises(DefinitionError, match="depth="):
        AssetSelection.all().upstream(depth=depth)


def test_a_selection_combines_with_selections_only() -> None:
    with pytest.raises(DefinitionError, match="combined with 'a'"):
        AssetSelection.all() | "a"  # type: ignore[operator]
