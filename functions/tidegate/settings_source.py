"""Where settings come from: the YAML file with its line numbers, what is laid over it, and the sentences about a fault."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tidegate.errors import SettingsError
from tidegate.settings_schema import File, Section

Place = tuple[str | int, ...]
"""Keys and list positions that lead to a value."""


@dataclass(kw_only=True)
class Source:
    """The document as it grows from its sources. ``origins`` says where the value at a place came from."""

    document: dict[Any, Any] = field(default_factory=dict)
    origins: dict[Place, str] = field(default_factory=dict)

    def merge(self, more: Mapping[str, Any], *, origin: str, place: Place = ()) -> None:
        """Lay ``more`` over the document: mappings key by key, anything else as a whole."""
        target: Any = self.document
        for part in place:
            target = target[part]
        for key, value in more.items():
            here = (*place, key)
            if not isinstance(value, Mapping):
                target[key] = value
                self.origins[here] = origin
                continue
            if target.get(key) is None:
                target[key] = {}
                self.origins[here] = origin
            if isinstance(target[key], dict):
                self.merge(value, origin=origin, place=here)

    def error(self, place: Place, message: str, mend: str) -> SettingsError:
        """An error about the value at ``place``; ``message`` goes on after its name."""
        known = place
        while known and known not in self.origins:
            known = known[:-1]
        origin = self.origins.get(known, "Settings")
        named = f"{_dotted(place)} {message}" if place else message
        return SettingsError(f"{origin}: {named}" if place else f"{origin} {named}", mend=mend)

    def wrong(self, error: ValidationError) -> SettingsError:
        """The first fault, as a sentence: one is read, a list is not. How many follow is said."""
        faults = error.errors()
        more = f" {len(faults) - 1} more after it." if len(faults) > 1 else ""
        place, message, mend = _sentence(faults[0])
        return self.error(place, message, f"{mend}{more}")


def _sentence(fault: ErrorDetails) -> tuple[Place, str, str]:
    place = fault["loc"]
    section, allowed = _schema_at(place)
    if fault["type"] == "extra_forbidden":
        keys = sorted(section.keys())
        near = difflib.get_close_matches(str(place[-1]), keys, n=1)
        guess = f"Did you mean {near[0]}? " if near else ""
        return place, "is not a setting.", f"{guess}Allowed there: {', '.join(keys)}."
    if fault["type"] == "missing":
        return place, "is missing.", f"Allowed: {allowed}."
    if fault["type"] == "invalid_key" or place[-1:] == ("[key]",):
        place = place[:-1] if place[-1] == "[key]" else place
        return place[:-1], f"has a key {place[-1]!r} that is not text.", "Put quotes around it."
    if fault["type"] == "value_error":
        return place, f"is {_shown(fault['input'])}.", str(fault["ctx"]["error"])
    return place, f"is {_shown(fault['input'])}.", f"Allowed: {allowed}."


def _schema_at(place: Place) -> tuple[type[Section], str]:
    """The section that holds ``place``, and what the schema says is allowed there."""
    section: type[Section] = File
    inner: Any = File
    allowed = "a mapping"
    for part in place:
        if get_origin(inner) in (list, dict):
            inner = _plain(get_args(inner)[-1])
            continue
        if not (isinstance(inner, type) and issubclass(inner, Section)):
            break
        section = inner
        fields = {one.alias or name: one for name, one in section.model_fields.items()}
        if part not in fields:
            break
        allowed = fields[part].description or "any value"
        inner = _plain(fields[part].annotation)
    return section, allowed


def _plain(annotation: Any) -> Any:
    """The type under ``Annotated`` and ``| None``."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return _plain(next(one for one in get_args(annotation) if one is not type(None)))
    return annotation


def _dotted(place: Place) -> str:
    """``concurrency.runs.tag_concurrency_limits[0].limit``"""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def _shown(value: object) -> str:
    """The value as YAML would have it, cut short."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        text = repr(value)
    return f"{text[:77]}..." if len(text) > 80 else text


def read_yaml(path: Path) -> Source:
    """The document of a file, with the line of each key.

    Raises:
        SettingsError: there is no such file, it is not YAML, not a mapping, or names a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(
            f"There is no settings file {path}.", mend="Create it, or name another with --settings."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"The settings file {path} cannot be read: {error}.", mend="It must be a UTF-8 text."
        ) from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines = {} if node is None else _Lines(path.name).of(node)
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _not_yaml(path.name, error) from None
    except RecursionError:
        raise SettingsError(
            f"{path.name} is nested too deeply.", mend="Check its brackets."
        ) from None
    if document is not None and not isinstance(document, dict):
        raise SettingsError(
            f"{path.name} is {_shown(document)}.",
            mend="It must be a mapping, like `concurrency: ...`.",
        )
    return Source(document=document or {}, origins={(): path.name, **lines})


def _not_yaml(name: str, error: yaml.YAMLError) -> SettingsError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    where = name if mark is None else f"{name}, line {mark.line + 1}"
    problem = getattr(error, "problem", None) or "it cannot be parsed"
    return SettingsError(
        f"{where}: not YAML: {problem}.", mend="Check indentation, brackets and quotes there."
    )


class _Lines:
    """The line of each key; finds keys that are given twice, of which YAML readers silently drop the first."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lines: dict[Place, str] = {}
        self._seen: set[int] = set()

    def of(self, node: yaml.Node) -> dict[Place, str]:
        self._walk(node, ())
        return self._lines

    def _walk(self, node: yaml.Node, place: Place) -> None:
        if id(node) in self._seen:
            return  # An alias: its lines are those of its anchor.
        self._seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for position, one in enumerate(node.value):
                self._lines[(*place, position)] = self._line(one)
                self._walk(one, (*place, position))
        elif isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in node.value:
                here = (*place, str(key.value))
                if str(key.value) in keys:
                    raise SettingsError(
                        f"{self._line(key)}: {_dotted(here)} is given twice.",
                        mend="Keep one of them.",
                    )
                keys.add(str(key.value))
                self._lines[here] = self._line(key)
                self._walk(value, here)

    def _line(self, node: yaml.Node) -> str:
        return f"{self._name}, line {node.start_mark.line + 1}"
