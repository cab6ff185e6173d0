"""The resources of a run or of one step: each set up when first asked for, once, and torn down at the end."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Any, Self

from tidegate.errors import ConfigError, DefinitionError
from tidegate.execution.step_config import checked_config, resource_config
from tidegate.sdk.resource_definition import InitResourceContext, ResourceDefinition, Resources


class ResourceScope:
    """Resources by key. ``definitions`` may hold classes of config, functions, or plain objects, which are as they are.

    An object that is both a resource of its own and nested in another is set up once.
    """

    def __init__(
        self,
        definitions: Mapping[str, Any],
        *,
        run_config: Mapping[str, Any],
        run_id: str = "",
        run_tags: Mapping[str, str] | None = None,
        log: logging.Logger | None = None,
    ) -> None:
        self._definitions = definitions
        self._run_config = run_config
        self._run_id, self._run_tags = run_id, dict(run_tags or {})
        self.log = log or logging.getLogger("tidegate")
        self._keys = {id(one): key for key, one in definitions.items()}
        self._ready: dict[int, Any] = {}
        self._contexts: dict[str | None, InitResourceContext] = {}
        self._opening: list[str] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Tear down, in the reverse order. What cannot be torn down is logged, and the rest goes on."""
        self._stack.close()

    def __contains__(self, key: str) -> bool:
        return key in self._definitions

    def get(self, key: str) -> Any:
        """The resource, set up.

        Raises:
            DefinitionError: there is none of this key, or resources need each other in a circle.
            ConfigError: its config does not fit, or a variable of the environment is missing.
            Exception: whatever its own setting up raises.
        """
        if key not in self._definitions:
            raise DefinitionError(
                f"There is no resource {key!r}.", mend="Add it to Definitions(resources=...)."
            )
        return self._open(self._definitions[key], key)

    def several(self, of: str, keys: Iterable[str]) -> Resources:
        """Resources as the attributes of one object. ``of`` says whose they are, in errors."""
        return Resources(of, {key: self.get(key) for key in sorted(keys)})

    def given(self, key: str) -> InitResourceContext:
        """What the resource was set up with; of a plain object, nothing."""
        return self._contexts.get(key) or InitResourceContext(log=self.log)

    def _open(self, definition: Any, label: str) -> Any:
        if id(definition) in self._ready:
            return self._ready[id(definition)]
        if label in self._opening:
            raise DefinitionError(
                f"Resources need each other in a circle: {' -> '.join([*self._opening, label])}.",
                mend="Take one of these needs away.",
            )
        self._opening.append(label)
        try:
            opened = self._opened(definition, label)
            value = definition if opened is None else self._enter(label, opened)
        finally:
            self._opening.pop()
        self._ready[id(definition)] = value
        return value

    def _opened(self, definition: Any, label: str) -> AbstractContextManager[Any] | None:
        """What sets it up and tears it down; None for a plain object."""
        key = self._keys.get(id(definition))
        config = {} if key is None else resource_config(self._run_config, key)
        context = InitResourceContext(
            resource_config=config,
            log=self.log,
            resource_key=key,
            run_id=self._run_id,
            run_tags=self._run_tags,
        )
        self._contexts[key] = context
        if isinstance(definition, ResourceDefinition):
            context.resources = self.several(
                f"Resource {label!r}", definition.required_resource_keys
            )
            context.resource_config = self._function_config(definition, config, label)
            return definition.opened(context)
        module = sys.modules.get("tidegate.sdk.resource")
        if module is None or not isinstance(
            definition, (module.ConfigurableResource, module.PartialResource)
        ):
            if config:
                raise ConfigError(
                    f"Run config has config for resource {label!r}, which takes none.",
                    mend="Remove it, or declare the resource as a ConfigurableResource.",
                )
            return None
        nested = {
            name: self._open(one, self._keys.get(id(one), f"{label}.{name}"))
            for name, one in definition.nested_resources().items()
        }
        live = definition.resolved(config, nested, label)
        context.resource_config = {name: getattr(live, name) for name in type(live).model_fields}
        opened: AbstractContextManager[Any] = live.yield_for_execution(context)
        return opened

    @staticmethod
    def _function_config(definition: ResourceDefinition, config: Any, label: str) -> Any:
        given = config or definition.config
        if definition.config_schema is None:
            return given
        return checked_config(definition.config_schema, given or {}, f"resources.{label}.config")

    def _enter(self, label: str, opened: AbstractContextManager[Any]) -> Any:
        value = opened.__enter__()

        def leave() -> None:
            try:
                opened.__exit__(None, None, None)
            except Exception:
                self.log.exception("Resource %r could not be torn down.", label)

        self._stack.callback(leave)
        return value
