"""Config of ops and resources: what ``config_schema=`` may say, its JSON schema, and reading config
of a run by it.

A schema is a subclass of Config, or plain Python: ``str``, ``{"rows": int, "mode": str | None}``,
``[int]``, ``dict[str, float]``. Keys of a dictionary are required, unless None is allowed. A Config
class reads its config itself.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Any, Union

from tidegate.errors import ConfigError, DefinitionError
from tidegate.sdk.env_var import EnvVar, read_env_vars
from tidegate.sdk.signature import is_config

_JSON_TYPES: dict[Any, dict[str, Any]] = {
    Any: {},
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    list: {"type": "array"},
    dict: {"type": "object"},
    type(None): {"type": "null"},
}
_PYTHON_TYPES: dict[Any, tuple[type, ...]] = {
    str: (str,),
    int: (int,),
    float: (int, float),
    bool: (bool,),
    list: (list, tuple),
    dict: (Mapping,),
    type(None): (type(None),),
}
_ENV = {
    "type": "object",
    "properties": {"env": {"type": "string"}},
    "required": ["env"],
    "additionalProperties": False,
}
"""``{"env": NAME}``: the text of an environment variable where the step runs."""


def check_schema(where: str, schema: Any) -> None:
    """Raise DefinitionError unless it is a schema."""
    if not is_config(schema):
        _check_plain(where, schema)


def _check_plain(where: str, schema: Any) -> None:
    kind, parts = _taken_apart(schema)
    if kind is None:
        raise DefinitionError(
            f"{where} has {schema!r} in its config_schema.",
            mend='Use a Config class, or plain types: {"rows": int, "names": [str]}.',
        )
    for part in parts:
        _check_plain(where, part)


def json_schema(schema: Any) -> dict[str, Any] | None:
    """The JSON schema of run config for it; None for None: no config."""
    if schema is None:
        return None
    found: dict[str, Any] = schema.json_schema() if is_config(schema) else _json_schema(schema)
    return dict(relaxed(found))


def resolve_config(schema: Any, value: Any, where: str) -> Any:
    """Config of a run, checked against a plain schema, as plain values.

    ``{"env": NAME}`` in the place of text or a whole number is read from the environment.

    Raises:
        ConfigError: the config does not fit; the message names the field below ``where``.
    """
    return _read(schema, {} if value is None and isinstance(schema, dict) else value, where)


def relaxed(schema: Any) -> Any:
    """A JSON schema that refuses nothing a run would take: without formats, and with ``{"env":
    NAME}`` for scalars."""
    if isinstance(schema, list):
        return [relaxed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if key != "format"}
    for key in ("properties", "$defs", "patternProperties"):
        if key in kept:
            kept[key] = {name: relaxed(one) for name, one in kept[key].items()}
    for key in ("items", "additionalProperties", "anyOf", "oneOf", "allOf", "prefixItems"):
        if key in kept:
            kept[key] = relaxed(kept[key])
    if kept.get("type") in ("string", "integer") and "enum" not in kept and "const" not in kept:
        said = {key: kept.pop(key) for key in ("title", "description", "default") if key in kept}
        return {**said, "anyOf": [kept, _ENV]}
    return kept


def _taken_apart(schema: Any) -> tuple[str | None, tuple[Any, ...]]:
    """What a plain schema is, and the schemas in it."""
    if isinstance(schema, dict):
        keys = all(isinstance(key, str) for key in schema)
        return ("keys" if keys else None), tuple(schema.values())
    if isinstance(schema, list):
        return ("items", tuple(schema)) if len(schema) == 1 else (None, ())
    origin, parts = typing.get_origin(schema), typing.get_args(schema)
    if origin in (Union, types.UnionType):
        return "any", parts
    if origin is list and len(parts) == 1:
        return "items", parts
    if origin is dict and len(parts) == 2 and parts[0] is str:
        return "values", parts[1:]
    try:
        return ("plain", ()) if schema in _JSON_TYPES else (None, ())
    except TypeError:  # unhashable, so no type
        return None, ()


def _json_schema(schema: Any) -> dict[str, Any]:
    kind, parts = _taken_apart(schema)
    if kind == "keys":
        return {
            "type": "object",
            "properties": {key: _json_schema(one) for key, one in schema.items()},
            "required": [key for key, one in schema.items() if not _optional(one)],
            "additionalProperties": False,
        }
    if kind == "items":
        return {"type": "array", "items": _json_schema(parts[0])}
    if kind == "values":
        return {"type": "object", "additionalProperties": _json_schema(parts[0])}
    if kind == "any":
        return {"anyOf": [_json_schema(one) for one in parts]}
    return dict(_JSON_TYPES[schema])


def _optional(schema: Any) -> bool:
    kind, parts = _taken_apart(schema)
    return kind == "any" and type(None) in parts


def _read(schema: Any, value: Any, where: str) -> Any:
    kind, parts = _taken_apart(schema)
    if kind == "any":
        return _read_any(parts, value, where)
    if kind == "keys":
        return _read_keys(schema, value, where)
    if kind == "items":
        _check_type(list, value, where)
        return [_read(parts[0], one, f"{where}[{place}]") for place, one in enumerate(value)]
    if kind == "values":
        _check_type(dict, value, where)
        return {key: _read(parts[0], one, f"{where}.{key}") for key, one in value.items()}
    if schema in (str, int) and isinstance(value, Mapping) and set(value) == {"env"}:
        name = str(value["env"])
        value = read_env_vars(EnvVar(name) if schema is str else EnvVar.int(name), where)
    if schema is not Any:
        _check_type(schema, value, where)
    return value


def _read_any(parts: tuple[Any, ...], value: Any, where: str) -> Any:
    errors = []
    for one in parts:
        try:
            return _read(one, value, where)
        except ConfigError as error:
            errors.append(error)
    raise errors[0]


def _read_keys(schema: dict[str, Any], value: Any, where: str) -> dict[str, Any]:
    _check_type(dict, value, where)
    for key in value:
        if key not in schema:
            raise ConfigError(
                f"{where} has the unknown field {key!r}.", mend=f"Fields: {', '.join(schema)}."
            )
    for key, one in schema.items():
        if key not in value and not _optional(one):
            raise ConfigError(f"{where} lacks the field {key!r}.", mend="Give it.")
    return {key: _read(schema[key], one, f"{where}.{key}") for key, one in value.items()}


def _check_type(kind: Any, value: Any, where: str) -> None:
    fits = isinstance(value, _PYTHON_TYPES[kind])
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise ConfigError(f"{where} is {value!r}.", mend=f"Give a value of type {kind.__name__}.")
