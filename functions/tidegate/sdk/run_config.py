"""Run config, in the shape that runs carry: ``{"ops": {key: {"config": ...}}, "resources":
{...}}``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.domain.executor import executor_of
from tidegate.errors import ConfigError, DefinitionError
from tidegate.sdk.declaration import at, caller_source, known_arguments
from tidegate.sdk.env_var import env_forms

SECTIONS = ("ops", "resources", "execution", "loggers", "inputs")


@known_arguments
@dataclass(frozen=True, slots=True)
class RunConfig:
    """Config of one run. Values of ``ops`` and ``resources`` are Config objects, or ``{"config":
    {...}}``."""

    ops: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)
    loggers: Mapping[str, Any] = field(default_factory=dict)
    execution: Mapping[str, Any] = field(default_factory=dict)

    def to_config_dict(self) -> dict[str, Any]:
        """The plain dictionary; sections that hold nothing are left out."""
        document: dict[str, Any] = {
            "ops": {key: _entry(one) for key, one in self.ops.items()},
            "resources": {key: _entry(one) for key, one in self.resources.items()},
            "loggers": dict(self.loggers),
            "execution": dict(self.execution),
        }
        return {name: section for name, section in document.items() if section}


def run_config_document(config: Any, where: str) -> dict[str, Any] | None:
    """The plain dictionary of a ``config=`` argument; None for None.

    Raises:
        DefinitionError: it is neither a RunConfig nor a mapping with the sections of one.
    """
    if config is None:
        return None
    if isinstance(config, RunConfig):
        return run_config_document(config.to_config_dict(), where)
    if not isinstance(config, Mapping):
        raise DefinitionError(
            f"{where} has config={config!r}.", mend="Give RunConfig(ops={...}) or a dictionary."
        )
    for name in config:
        if name not in SECTIONS:
            raise DefinitionError(
                f"{where} has config with the section {name!r}{at(caller_source())}.",
                mend=f"Sections: {', '.join(SECTIONS)}.",
            )
    document = {name: section for name, section in config.items() if section is not None}
    for name in ("ops", "resources"):
        if isinstance(document.get(name), Mapping):
            document[name] = {key: _entry(one) for key, one in document[name].items()}
    document = _plain(document, where)
    try:
        executor_of(None, document)
    except ConfigError as error:
        raise DefinitionError(f"{where}: {error.message}", mend=error.mend) from None
    return document


def _plain(document: dict[str, Any], where: str) -> dict[str, Any]:
    """As JSON has it: runs and the manifest carry it as text. An EnvVar becomes ``{"env":
    name}``."""
    try:
        return dict(json.loads(json.dumps(env_forms(document), allow_nan=False)))
    except (TypeError, ValueError, RecursionError) as error:
        raise DefinitionError(
            f"{where} has config that JSON cannot hold: {error}.",
            mend="Use text, numbers, booleans, lists and dictionaries.",
        ) from None


def _entry(value: Any) -> Any:
    """``{"config": ...}`` for a Config or resource object; a mapping is taken as it stands."""
    dump = getattr(value, "model_dump", None)
    return value if dump is None else {"config": dump(mode="json", exclude_unset=False)}
