"""What run config says to one step or resource, checked against what it takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tidegate.errors import ConfigError
from tidegate.sdk.declaration import suggestion
from tidegate.sdk.env_var import from_env_forms, read_env_vars
from tidegate.sdk.step import StepDefinition


def op_config(run_config: Mapping[str, Any], step_key: str) -> Any:
    """The ``config`` of a step; None when there is none. ``a.b`` is found as ``ops.a.ops.b`` or ``ops["a.b"]``."""
    entries = section(run_config, "ops")
    if step_key in entries:
        return _config_of(entries[step_key], f"ops.{step_key}")
    *graphs, last = step_key.split(".")
    where = "ops"
    for name in graphs:
        where = f"{where}.{name}"
        inner = entries.get(name, {})
        entries = section(inner, "ops", where) if isinstance(inner, Mapping) else {}
    return _config_of(entries[last], f"{where}.{last}") if last in entries else None


def resource_config(run_config: Mapping[str, Any], key: str) -> Any:
    """The ``config`` of a resource; empty when there is none."""
    entries = section(run_config, "resources")
    return _config_of(entries[key], f"resources.{key}") or {} if key in entries else {}


def section(run_config: Mapping[str, Any], name: str, where: str = "") -> Mapping[str, Any]:
    found = run_config.get(name) or {}
    if not isinstance(found, Mapping):
        path = f"{where}.{name}".strip(".")
        raise ConfigError(f"Run config has {path} = {found!r}.", mend="Give a mapping.")
    return found


def _config_of(entry: Any, where: str) -> Any:
    if entry is None:
        return None
    if not isinstance(entry, Mapping):
        raise ConfigError(
            f"Run config has {where} = {entry!r}.", mend='Give a mapping: {"config": {...}}.'
        )
    unknown = sorted(set(entry) - {"config", "inputs", "outputs", "ops"})
    if unknown:
        raise ConfigError(
            f"Run config has {unknown[0]!r} in {where}.", mend=f"Put it into {where}.config."
        )
    return entry.get("config")


def step_config(run_config: Mapping[str, Any], step: StepDefinition, key: str) -> Any:
    """The config of a step as what its function is given: an instance of its Config, or checked plain values.

    ``key`` is what run config knows the step by.

    Raises:
        ConfigError: a value is missing, unknown, or of the wrong type.
    """
    found = op_config(run_config, key)
    if step.config_type is None and not found:
        return found
    return checked_config(step.config_type, found, f"ops.{key}.config")


def checked_config(config_type: Any, found: Any, where: str) -> Any:
    """Config as an instance of its Config class, or as checked plain values; the environment is read.

    Raises:
        ConfigError: it does not fit. Values are not shown: they may be secrets.
    """
    fields = getattr(config_type, "model_fields", None)
    if config_type is None:
        raise ConfigError(f"{where} is given, and nothing takes it.", mend="Remove it.")
    if fields is None:
        from tidegate.sdk.config_schema import resolve_config

        return resolve_config(config_type, found, where)
    given = {} if found is None else found
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where} is no mapping.", mend=f"Fields: {', '.join(fields)}.")
    forms = from_env_forms(given, {name: one.annotation for name, one in fields.items()})
    values = read_env_vars(forms, where)
    try:
        return config_type(**values)
    except ValueError as error:
        raise _wrong(error, config_type, where) from error


def _wrong(error: ValueError, config_type: Any, where: str) -> ConfigError:
    """What pydantic found first, in our words."""
    listed = getattr(error, "errors", None)
    if listed is None:
        return ConfigError(f"{where} does not fit: {error}.")
    first = listed(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    path = f"{where}.{field}" if field else where
    if first["type"] == "missing":
        return ConfigError(f"{path} is missing.", mend=f"{config_type.__name__} needs it.")
    if first["type"] == "extra_forbidden":
        names = list(config_type.model_fields)
        return ConfigError(
            f"{path} is given, and {config_type.__name__} has no such field.",
            mend=f"{suggestion(field, names)}Fields: {', '.join(names) or 'none'}.",
        )
    return ConfigError(f"{path} does not fit: {first['msg']}.")


def check_run_config(
    run_config: Mapping[str, Any], steps: Iterable[str], resources: Iterable[str]
) -> None:
    """Raise for sections, steps and resources that do not exist.

    Raises:
        ConfigError: the first that does not; near names are suggested.
    """
    sections = ("ops", "resources", "execution", "loggers", "inputs")
    for name in run_config:
        if name not in sections:
            raise ConfigError(
                f"Run config has the section {name!r}.",
                mend=f"{suggestion(name, sections)}Sections: {', '.join(sections)}.",
            )
    for kind, known in (("ops", _names(steps)), ("resources", set(resources))):
        for name in section(run_config, kind):
            if name not in known:
                what = "step" if kind == "ops" else "resource"
                raise ConfigError(
                    f"Run config has {kind}.{name}, and there is no such {what} in this run.",
                    mend=f"{suggestion(name, known)}Known: {', '.join(sorted(known)) or 'none'}.",
                )


def _names(steps: Iterable[str]) -> set[str]:
    """Step keys, and names of the graphs around them."""
    return {name for key in steps for name in (key, key.split(".")[0])}
