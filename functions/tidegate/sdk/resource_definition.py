"""Resources made by a function, and what any resource is given when it is set up."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace, TracebackType
from typing import Any, overload

from tidegate.errors import DefinitionError, InvocationError
from tidegate.sdk.declaration import at, function_source, known_arguments

ResourceFunction = Callable[..., Any]


class Resources(SimpleNamespace):
    """Resources by name: ``context.resources.database``."""

    def __init__(self, of: str, values: Mapping[str, Any]) -> None:
        super().__init__(**values)
        object.__setattr__(self, "_of", of)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise _NoResource(
            f"{self.__dict__['_of']} was not given the resource {name!r}. "
            "Name it in required_resource_keys, or take it as a parameter."
        )


class _NoResource(AttributeError):
    """An attribute error, so that ``getattr`` with a default works; its text is the mend."""


@dataclass(kw_only=True)
class InitResourceContext:
    """What a resource is given when it is set up and torn down."""

    resource_config: Any = None
    resources: Any = field(default_factory=lambda: Resources("The resource", {}))
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("tidegate"))
    run_id: str | None = None
    run_tags: Mapping[str, str] = field(default_factory=dict)
    resource_key: str | None = None

    def replace_config(self, config: Any) -> InitResourceContext:
        """The same context with other config."""
        return InitResourceContext(**{**self.__dict__, "resource_config": config})


@dataclass(frozen=True, kw_only=True)
class ResourceDefinition:
    """A resource that a function makes; see ``resource``. Called with a context (or nothing), it makes it at once."""

    function: ResourceFunction
    config_schema: Any = None
    description: str = ""
    required_resource_keys: frozenset[str] = frozenset()
    config: Any = None
    """Config bound with ``configured``."""

    def __call__(self, context: InitResourceContext | None = None) -> Any:
        return _call(self.function, context or InitResourceContext(resource_config=self.config))

    def configured(self, config: Any) -> ResourceDefinition:
        """The same resource with its config fixed."""
        return ResourceDefinition(**{**self.__dict__, "config": config})

    @staticmethod
    def hardcoded_resource(value: Any, description: str = "") -> ResourceDefinition:
        """A resource that is this value."""
        return ResourceDefinition(function=lambda: value, description=description)

    @staticmethod
    def none_resource(description: str = "") -> ResourceDefinition:
        """A resource that is None."""
        return ResourceDefinition.hardcoded_resource(None, description)

    @staticmethod
    def mock_resource(description: str = "") -> ResourceDefinition:
        """A resource that is a ``MagicMock``, a new one in each run."""
        from unittest.mock import MagicMock

        return ResourceDefinition(function=lambda: MagicMock(), description=description)

    @contextmanager
    def opened(self, context: InitResourceContext) -> Iterator[Any]:
        """The resource, set up; a generator or context manager is finished when the block ends."""
        made = _call(self.function, context)
        if inspect.isgenerator(made):
            with _Generated(made, function_source(self.function)) as value:
                yield value
        elif isinstance(made, AbstractContextManager) and hasattr(made, "gen"):
            with made as value:
                yield value
        else:
            yield made


class _Generated:
    """A generator that yields a resource once, as a context manager."""

    def __init__(self, generator: Any, source: str) -> None:
        self._generator, self._source = generator, source

    def __enter__(self) -> Any:
        try:
            return next(self._generator)
        except StopIteration:
            raise DefinitionError(
                f"The resource function{at(self._source)} yielded nothing.",
                mend="Yield the resource once.",
            ) from None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for _ in self._generator:
            raise DefinitionError(
                f"The resource function{at(self._source)} yielded twice.",
                mend="Yield the resource once.",
            )


def _call(function: ResourceFunction, context: InitResourceContext) -> Any:
    """Call with the context if the function takes a parameter."""
    return function(context) if inspect.signature(function).parameters else function()


@overload
def resource(function: ResourceFunction, /) -> ResourceDefinition: ...
@overload
def resource(
    function: None = None,
    /,
    *,
    config_schema: Any = None,
    description: str | None = None,
    required_resource_keys: Iterable[str] | None = None,
) -> Callable[[ResourceFunction], ResourceDefinition]: ...
@known_arguments
def resource(
    function: ResourceFunction | None = None,
    /,
    *,
    config_schema: Any = None,
    description: str | None = None,
    required_resource_keys: Iterable[str] | None = None,
) -> Any:
    """Make a function a resource: it is called with an ``InitResourceContext`` once per run or step, and what it returns
    (or yields, to tidy up afterwards) is the resource.

    Raises:
        DefinitionError: it decorates something that is not a function.
    """

    def declare(made: ResourceFunction) -> ResourceDefinition:
        if not callable(made):
            raise DefinitionError(f"@resource decorates {made!r}.", mend="Decorate a function.")
        return ResourceDefinition(
            function=made,
            config_schema=config_schema,
            description=description if description is not None else (made.__doc__ or ""),
            required_resource_keys=frozenset(required_resource_keys or ()),
        )

    return declare if function is None else declare(function)


def build_init_resource_context(
    config: Any = None, resources: Mapping[str, Any] | None = None
) -> InitResourceContext:
    """A context for calling a resource's functions in a test.

    Raises:
        InvocationError: ``resources`` is not a mapping.
    """
    if resources is not None and not isinstance(resources, Mapping):
        raise InvocationError(f"resources is {resources!r}.", mend='Give {"name": value}.')
    return InitResourceContext(
        resource_config=config, resources=Resources("The resource", resources or {})
    )
