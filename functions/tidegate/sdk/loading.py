"""Assets collected from modules, so that ``Definitions`` need not list each."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType
from typing import TypeAlias

from tidegate.errors import DefinitionError
from tidegate.sdk.asset_key import AssetKey, prefix_parts
from tidegate.sdk.asset_spec import AssetSpec, SourceAsset
from tidegate.sdk.assets_definition import AssetsDefinition
from tidegate.sdk.declaration import at, caller_source, known_arguments, user_frame

LoadedAsset: TypeAlias = AssetsDefinition | AssetSpec | SourceAsset


@known_arguments
def load_assets_from_modules(
    modules: Iterable[ModuleType],
    group_name: str | None = None,
    key_prefix: str | Sequence[str] | None = None,
) -> list[LoadedAsset]:
    """Assets, specs and source assets that are global in these modules (or in lists there), in the
    order of the modules.

    Args:
        group_name: The group of all of them.
        key_prefix: Put before the keys of all that are made here, and before those keys where they
            are upstream.

    Raises:
        DefinitionError: two of them have one key, or one has a group of its own and ``group_name``
            is given.
    """
    found: dict[int, LoadedAsset] = {}
    places: dict[AssetKey, tuple[str, LoadedAsset]] = {}
    for module in modules:
        if not isinstance(module, ModuleType):
            raise DefinitionError(
                f"load_assets_from_modules{at(caller_source())} got {module!r}.",
                mend="Give modules.",
            )
        for one in _assets_in(module):
            found[id(one)] = one
            for key in one.keys:
                where, other = places.setdefault(key, (module.__name__, one))
                if other is not one:
                    raise DefinitionError(
                        f"Asset {str(key)!r} is in {where}{at(other.source)} and in "
                        f"{module.__name__}{at(one.source)}.",
                        mend="Rename one of them.",
                    )
    return _revised(list(found.values()), group_name, prefix_parts(key_prefix))


@known_arguments
def load_assets_from_current_module(
    group_name: str | None = None, key_prefix: str | Sequence[str] | None = None
) -> list[LoadedAsset]:
    """Those of the module that calls; see ``load_assets_from_modules``."""
    frame = user_frame()
    module = sys.modules.get(frame.f_globals.get("__name__", "")) if frame is not None else None
    if module is None:
        raise DefinitionError(
            f"load_assets_from_current_module{at(caller_source())} is called outside of a module.",
            mend="Use load_assets_from_modules([module]).",
        )
    return load_assets_from_modules([module], group_name=group_name, key_prefix=key_prefix)


@known_arguments
def load_assets_from_package_module(
    package_module: ModuleType,
    group_name: str | None = None,
    key_prefix: str | Sequence[str] | None = None,
) -> list[LoadedAsset]:
    """Those of a package and of all modules below it; see ``load_assets_from_modules``."""
    return load_assets_from_modules(
        _walk(package_module), group_name=group_name, key_prefix=key_prefix
    )


@known_arguments
def load_assets_from_package_name(
    package_name: str,
    group_name: str | None = None,
    key_prefix: str | Sequence[str] | None = None,
) -> list[LoadedAsset]:
    """Those of a package by its name; see ``load_assets_from_modules``."""
    package = importlib.import_module(package_name)
    return load_assets_from_modules(_walk(package), group_name=group_name, key_prefix=key_prefix)


def _walk(package: ModuleType) -> Iterator[ModuleType]:
    yield package
    for one in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{package.__name__}."):
        yield importlib.import_module(one.name)


def _assets_in(module: ModuleType) -> Iterator[LoadedAsset]:
    for value in list(vars(module).values()):
        for one in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(one, (AssetsDefinition, AssetSpec, SourceAsset)):
                yield one


def _revised(
    found: list[LoadedAsset], group_name: str | None, prefix: tuple[str, ...]
) -> list[LoadedAsset]:
    if group_name is None and not prefix:
        return found
    names = {}
    if prefix:
        made = (key for one in found if isinstance(one, AssetsDefinition) for key in one.keys)
        names = {key: key.with_prefix(prefix) for key in made}
    return [_revise(one, group_name, names) for one in found]


def _revise(
    one: LoadedAsset, group_name: str | None, names: dict[AssetKey, AssetKey]
) -> LoadedAsset:
    if isinstance(one, AssetsDefinition):
        renamed = one.renamed(names) if names else one
        return renamed.map_asset_specs(lambda spec: _grouped(spec, group_name))
    spec = one.to_spec() if isinstance(one, SourceAsset) else one
    _grouped(spec, group_name)
    return one


def _grouped(spec: AssetSpec, group_name: str | None) -> AssetSpec:
    if group_name is None:
        return spec
    if spec.group_name not in (None, group_name):
        raise DefinitionError(
            f"Asset {str(spec.key)!r}{at(spec.source)} is in group {spec.group_name!r}, and "
            f"group_name={group_name!r} is given for all.",
            mend="Keep one of them.",
        )
    return spec.replace_attributes(group_name=group_name)
