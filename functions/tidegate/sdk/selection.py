"""``AssetSelection``: sets of assets, for jobs and runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from tidegate.domain import selection as sets
from tidegate.domain.asset_graph import AssetGraph
from tidegate.domain.selection import Selection
from tidegate.domain.selection_text import parse_selection
from tidegate.errors import DefinitionError
from tidegate.sdk.asset_key import AssetKey, keys_of, prefix_parts

if TYPE_CHECKING:
    from tidegate.sdk.asset_key import CoercibleToAssetDep

    CoercibleToAssetSelection: TypeAlias = (
        "AssetSelection | str | CoercibleToAssetDep | Sequence[CoercibleToAssetDep]"
    )


@dataclass(frozen=True, slots=True)
class AssetSelection:
    """A set of assets. ``a | b``, ``a & b`` and ``a - b`` combine; ``upstream()`` and the like
    widen."""

    selection: Selection

    @staticmethod
    def all(include_sources: bool = False) -> AssetSelection:
        """All assets; external ones too if asked for."""
        return AssetSelection(sets.everything(external=include_sources))

    @staticmethod
    def assets(*assets: CoercibleToAssetDep) -> AssetSelection:
        """These assets: definitions, keys or strings."""
        return AssetSelection(sets.named([str(key) for one in assets for key in keys_of(one)]))

    @staticmethod
    def keys(*keys: str | Sequence[str] | AssetKey) -> AssetSelection:
        return AssetSelection(sets.named([str(AssetKey.from_coercible(key)) for key in keys]))

    @staticmethod
    def groups(*groups: str, include_sources: bool = False) -> AssetSelection:
        found: Selection = sets.either([sets.where("group", name) for name in groups])
        return AssetSelection(found if include_sources else sets.materializable(found))

    @staticmethod
    def tag(key: str, value: str, include_sources: bool = False) -> AssetSelection:
        found: Selection = sets.where("tag", key, value)
        return AssetSelection(found if include_sources else sets.materializable(found))

    @staticmethod
    def tag_string(string: str, include_sources: bool = False) -> AssetSelection:
        """By ``"key=value"``, or ``"key"`` for any value."""
        key, equals, value = string.partition("=")
        found: Selection = sets.where("tag", key, value if equals else None)
        return AssetSelection(found if include_sources else sets.materializable(found))

    @staticmethod
    def kind(kind: str, include_sources: bool = False) -> AssetSelection:
        found: Selection = sets.where("kind", kind)
        return AssetSelection(found if include_sources else sets.materializable(found))

    @staticmethod
    def owner(owner: str) -> AssetSelection:
        return AssetSelection(sets.where("owner", owner))

    @staticmethod
    def key_prefixes(
        *key_prefixes: str | Sequence[str], include_sources: bool = False
    ) -> AssetSelection:
        found: Selection = sets.prefixed([prefix_parts(one) for one in key_prefixes])
        return AssetSelection(found if include_sources else sets.materializable(found))

    @staticmethod
    def key_substring(key_substring: str, include_sources: bool = False) -> AssetSelection:
        found: Selection = sets.containing(key_substring)
        return AssetSelection(found if include_sources else sets.materializable(found))

    @staticmethod
    def from_string(string: str) -> AssetSelection:
        """By the language of selections: ``+daily``, ``key:raw/* or tag:team=data``, ``2+key:a+3``.

        Raises:
            DefinitionError: the text is not a selection.
        """
        return AssetSelection(parse_selection(string))

    @staticmethod
    def from_coercible(selection: CoercibleToAssetSelection) -> AssetSelection:
        """From a selection, a string in the language of selections, an asset, or a list of these.

        Raises:
            DefinitionError: it is none of them.
        """
        if isinstance(selection, AssetSelection):
            return selection
        if isinstance(selection, str):
            return AssetSelection.from_string(selection)
        if isinstance(selection, (list, tuple, set, frozenset)):
            parts = [AssetSelection.from_coercible(one).selection for one in selection]
            return AssetSelection(sets.either(parts))
        try:
            return AssetSelection.assets(selection)  # type: ignore[arg-type]
        except DefinitionError:
            raise DefinitionError(
                f"{selection!r} is not a selection of assets.",
                mend='Give an AssetSelection, a string such as "group:raw", or a list of assets.',
            ) from None

    def upstream(self, depth: int | None = None, include_self: bool = True) -> AssetSelection:
        """With what is at most ``depth`` steps upstream; None is all of it."""
        return self._walk(True, depth, include_self)

    def downstream(self, depth: int | None = None, include_self: bool = True) -> AssetSelection:
        """With what is at most ``depth`` steps downstream; None is all of it."""
        return self._walk(False, depth, include_self)

    def roots(self) -> AssetSelection:
        """Those that have nothing of the selection upstream."""
        return AssetSelection(sets.ends(self.selection, roots=True))

    def sinks(self) -> AssetSelection:
        """Those that have nothing of the selection downstream."""
        return AssetSelection(sets.ends(self.selection, roots=False))

    def materializable(self) -> AssetSelection:
        """Without external assets."""
        return AssetSelection(sets.materializable(self.selection))

    def upstream_source_assets(self) -> AssetSelection:
        """The external assets anywhere upstream."""
        return AssetSelection(
            sets.materializable(sets.walk(self.selection, upstream=True), external=True)
        )

    def required_multi_asset_neighbors(self) -> AssetSelection:
        """With all that the steps of its assets make along with them."""
        return AssetSelection(sets.together(self.selection))

    def resolve(self, all_assets: AssetGraph) -> list[AssetKey]:
        """The keys, in the order of the graph.

        Raises:
            DefinitionError: it names an asset that does not exist.
        """
        return [AssetKey(key) for key in self.selection.resolve(all_assets)]

    def _walk(self, upstream: bool, depth: Any, include_self: bool) -> AssetSelection:
        if depth is not None and (type(depth) is not int or depth < 0):
            raise DefinitionError(
                f"A selection has depth={depth!r}.", mend="Give a whole number, 0 or more, or None."
            )
        return AssetSelection(
            sets.walk(self.selection, upstream=upstream, depth=depth, include_self=include_self)
        )

    def __or__(self, other: AssetSelection) -> AssetSelection:
        return AssetSelection(sets.either([self.selection, _checked(other)]))

    def __and__(self, other: AssetSelection) -> AssetSelection:
        return AssetSelection(sets.both([self.selection, _checked(other)]))

    def __sub__(self, other: AssetSelection) -> AssetSelection:
        return AssetSelection(sets.without(self.selection, _checked(other)))


def _checked(other: Any) -> Selection:
    if isinstance(other, AssetSelection):
        return other.selection
    raise DefinitionError(
        f"A selection is combined with {other!r}.", mend="Combine it with an AssetSelection."
    )
