"""Loads a user's ``Definitions`` from a module or a file."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tidegate.errors import DefinitionError, TidegateError
from tidegate.execution.failure import text_of, user_line

if TYPE_CHECKING:
    from tidegate.sdk.definitions import Definitions


def load_definitions(location: str) -> Definitions:
    """The definitions of ``package.module``, ``path/to/file.py`` or a folder with ``definitions.py`` or ``__init__.py``;
    ``:name`` after it picks one of several objects of a module.

    Raises:
        DefinitionError: the import fails, in one sentence with the user's own file and line; or there are none, or
            several and none is picked.
    """
    place, attribute = _split(location)
    module = _load_file(place) if _is_path(place) else _load_module(place)
    return _pick(module, place, attribute)


def _split(location: str) -> tuple[str, str]:
    """The place, and the attribute after a colon; the colon of ``C:\\...`` is none."""
    place, colon, attribute = location.rpartition(":")
    if colon and attribute.isidentifier() and len(place) > 1:
        return place, attribute
    return location, ""


def _is_path(place: str) -> bool:
    return place.endswith(".py") or "/" in place or os.sep in place or place in (".", "..")


def _load_module(name: str) -> ModuleType:
    """Import by name; the working directory counts, as it does for ``python -m``."""
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    try:
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(name=name)
    except (ImportError, ValueError, AttributeError) as error:
        if isinstance(error, ImportError) and user_line(error):
            raise _import_failed(name, error) from error
        raise DefinitionError(
            f"There is no module {name!r}.",
            mend=f"Name a module that can be imported from {here}, or the path of a file.",
        ) from None
    return _import(name, name)


def _load_file(place: str) -> ModuleType:
    """Import a file by the name it has on the import path, so that values of its classes can be pickled."""
    path = Path(place).resolve()
    if path.is_dir():
        found = [path / name for name in ("definitions.py", "__init__.py")]
        path = next((one for one in found if one.is_file()), path / "definitions.py")
    if not path.is_file():
        raise DefinitionError(f"There is no file {place!r}.", mend="Check the path.")
    root, parts = path.parent, [] if path.stem == "__init__" else [path.stem]
    while (root / "__init__.py").is_file():
        root, parts = root.parent, [root.name, *parts]
    name = ".".join(parts)
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    loaded = sys.modules.get(name)
    if loaded is not None and Path(getattr(loaded, "__file__", "") or "").resolve() != path:
        raise DefinitionError(
            f"{place!r} would be imported as {name!r}, which is another module already.",
            mend="Rename the file.",
        )
    importlib.invalidate_caches()
    module = _import(name, place)
    if Path(module.__file__ or "").resolve() != path:
        del sys.modules[name]
        raise DefinitionError(
            f"{place!r} would be imported as {name!r}, and so is {module.__file__}.",
            mend="Rename the file.",
        )
    return module


def _import(name: str, place: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except TidegateError:
        raise  # it names object, file and mend by itself
    except (Exception, SystemExit) as error:
        raise _import_failed(place, error) from error


def _import_failed(place: str, error: BaseException) -> DefinitionError:
    where = user_line(error)
    here = os.getcwd() + os.sep
    at = f" at {where.removeprefix(here)}" if where else ""
    text = text_of(error) if not isinstance(error, SyntaxError) else str(error.msg)
    mend = ""
    if isinstance(error, ModuleNotFoundError) and error.name:
        mend = f"Install {error.name.partition('.')[0]!r}, or correct the import."
    return DefinitionError(
        f"{place!r} cannot be imported: {type(error).__name__}{at}: {text.rstrip('.')}.", mend=mend
    )


def _pick(module: ModuleType, place: str, attribute: str) -> Definitions:
    from tidegate.sdk.definitions import Definitions

    if attribute:
        found: Any = getattr(module, attribute, None)
        if not isinstance(found, Definitions):
            what = "does not exist" if found is None else f"is a {type(found).__name__}"
            raise DefinitionError(
                f"{attribute!r} in {place!r} {what}.", mend="Name an object of class Definitions."
            )
        return found
    every = {
        id(value): (name, value)
        for name, value in vars(module).items()
        if isinstance(value, Definitions)
    }
    if not every:
        raise DefinitionError(
            f"{place!r} has no Definitions.", mend="Add: defs = Definitions(assets=[...])."
        )
    if len(every) > 1:
        names = ", ".join(name for name, _ in every.values())
        raise DefinitionError(
            f"{place!r} has several Definitions: {names}.",
            mend=f"Pick one: {place}:{next(iter(every.values()))[0]}, or merge them.",
        )
    return next(iter(every.values()))[1]
