"""The name of an asset: one or more parts, written ``part/part``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from tidegate.errors import DefinitionError
from tidegate.sdk.declaration import at, caller_source

if TYPE_CHECKING:
    from tidegate.sdk.asset_spec import AssetDep, AssetSpec, SourceAsset
    from tidegate.sdk.assets_definition import AssetsDefinition

    CoercibleToAssetKey: TypeAlias = "AssetKey | str | Sequence[str]"
    CoercibleToAssetDep: TypeAlias = (
        "CoercibleToAssetKey | AssetSpec | SourceAsset | AssetsDefinition | AssetDep"
    )

_NOT_IDENTIFIER = re.compile(r"[^A-Za-z0-9_]")


@dataclass(frozen=True, slots=True, order=True, init=False)
class AssetKey:
    """``AssetKey("daily")``, ``AssetKey(["weather", "daily"])`` and ``AssetKey("weather/daily")``.

    A part may hold any visible characters but ``/``, which separates parts wherever a key is
    written as one string.

    Raises:
        DefinitionError: no part, an empty part, or a part with ``/`` or white space at its ends.
    """

    path: tuple[str, ...]

    def __init__(self, path: str | Iterable[str]) -> None:
        parts = tuple(path.split("/")) if isinstance(path, str) else tuple(path)
        for part in parts:
            if not isinstance(part, str) or not part or "/" in part or part != part.strip():
                raise DefinitionError(
                    f"Asset key {_shown(parts)}{at(caller_source())} has the part {part!r}.",
                    mend="Each part is text without `/` and without spaces around it.",
                )
            if not part.isprintable():
                raise DefinitionError(
                    f"Asset key {_shown(parts)}{at(caller_source())} has control characters.",
                    mend="Use printable characters.",
                )
        if not parts:
            raise DefinitionError(
                f"An asset key{at(caller_source())} has no parts.", mend="Give at least one."
            )
        object.__setattr__(self, "path", parts)

    @property
    def parts(self) -> tuple[str, ...]:
        return self.path

    @property
    def name(self) -> str:
        """The last part."""
        return self.path[-1]

    def to_user_string(self) -> str:
        """The parts joined with ``/``: how the key is written in selections, the manifest and the
        command line."""
        return "/".join(self.path)

    def to_python_identifier(self, suffix: str | None = None) -> str:
        """The parts joined with ``__``, other characters replaced by ``_``: the step key of the
        asset."""
        parts = [*self.path, suffix] if suffix else self.path
        return _NOT_IDENTIFIER.sub("_", "__".join(parts))

    def has_prefix(self, prefix: Sequence[str]) -> bool:
        return self.path[: len(prefix)] == tuple(prefix)

    def with_prefix(self, prefix: str | Sequence[str]) -> AssetKey:
        return AssetKey([*prefix_parts(prefix), *self.path])

    def __str__(self) -> str:
        return self.to_user_string()

    def __repr__(self) -> str:
        return f"AssetKey({list(self.path)!r})"

    @staticmethod
    def from_user_string(text: str) -> AssetKey:
        return AssetKey(text)

    @staticmethod
    def from_coercible(value: CoercibleToAssetKey) -> AssetKey:
        """A key from a key, a string or a sequence of parts.

        Raises:
            DefinitionError: it is something else.
        """
        if isinstance(value, AssetKey):
            return value
        if isinstance(value, (str, list, tuple)):
            return AssetKey(value)
        raise DefinitionError(
            f"{value!r} is not an asset key{at(caller_source())}.",
            mend="Give an AssetKey, a string or a list of strings.",
        )


def prefix_parts(prefix: str | Sequence[str] | None) -> tuple[str, ...]:
    """Parts of a ``key_prefix`` argument; none for None."""
    if prefix is None or prefix == []:
        return ()
    if not isinstance(prefix, (str, list, tuple)):
        raise DefinitionError(
            f"{prefix!r} is not a key prefix{at(caller_source())}.",
            mend="Give a string or a list of strings.",
        )
    return AssetKey(prefix).path


def keys_of(value: Any) -> tuple[AssetKey, ...]:
    """Keys meant by something that names assets: a key, a string, a spec, or a definition (all it
    makes).

    Raises:
        DefinitionError: it names no assets.
    """
    keys = getattr(value, "keys", None)
    if keys is not None and not callable(keys) and not isinstance(value, (str, AssetKey)):
        return tuple(keys)
    key = getattr(value, "key", None)
    if isinstance(key, AssetKey):
        return (key,)
    return (AssetKey.from_coercible(value),)


def _shown(parts: tuple[Any, ...]) -> str:
    return repr("/".join(str(part) for part in parts))
