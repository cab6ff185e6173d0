"""Executors, by Dagster's names. Every step runs on its own wherever ``compute=`` says; an executor says how many at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.domain.executor import IN_PROCESS, MULTIPROCESS, executor_of
from tidegate.errors import ConfigError, DefinitionError
from tidegate.sdk.declaration import at, caller_source, known_arguments


class ExecutorDefinition:
    """How the steps of one run may run beside each other: ``multiprocess_executor.configured({"max_concurrent": 3})``."""

    def __init__(self, name: str, document: Mapping[str, Any]) -> None:
        self.name = name
        self.document = dict(document)
        """``{"multiprocess": config}`` or ``{"in_process": config}``: as ``execution.config`` of a run has it."""

    @property
    def __name__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"ExecutorDefinition({self.name!r})"

    @known_arguments
    def configured(
        self, config_or_config_fn: Mapping[str, Any], name: str | None = None
    ) -> ExecutorDefinition:
        """The executor with config; what a run's own ``execution.config`` says wins, key by key.

        Raises:
            DefinitionError: the config does not fit the executor.
        """
        where = f"Executor {self.name!r}{at(caller_source())}"
        config = config_or_config_fn
        if not isinstance(config, Mapping):
            raise DefinitionError(
                f"{where} is configured with {config!r}.", mend='Give {"max_concurrent": 3}.'
            )
        return ExecutorDefinition(name or self.name, self._document(where, config))

    def _document(self, where: str, config: Mapping[str, Any]) -> dict[str, Any]:
        ((kind, _),) = self.document.items()
        document = {kind: dict(config)}
        if self.name == "multi_or_in_process_executor" and config:
            if len(config) != 1 or set(config) - {IN_PROCESS, MULTIPROCESS}:
                raise DefinitionError(
                    f"{where} is configured with {dict(config)!r}.",
                    mend='Give {"multiprocess": {...}} or {"in_process": {}}.',
                )
            document = {key: dict(value or {}) for key, value in config.items()}
        try:
            executor_of(document, {})
        except ConfigError as error:
            raise DefinitionError(f"{where}: {error.message}", mend=error.mend) from None
        return document


in_process_executor = ExecutorDefinition("in_process_executor", {IN_PROCESS: {}})
multiprocess_executor = ExecutorDefinition("multiprocess_executor", {MULTIPROCESS: {}})
multi_or_in_process_executor = ExecutorDefinition(
    "multi_or_in_process_executor", {MULTIPROCESS: {}}
)


def executor_document(where: str, executor: Any) -> Mapping[str, Any] | None:
    """What the manifest says of an ``executor_def=`` argument; None for None.

    Raises:
        DefinitionError: it is no executor.
    """
    if executor is None:
        return None
    if not isinstance(executor, ExecutorDefinition):
        raise DefinitionError(
            f"{where} has executor_def={executor!r}.",
            mend="Give in_process_executor or multiprocess_executor.configured({...}).",
        )
    return executor.document
