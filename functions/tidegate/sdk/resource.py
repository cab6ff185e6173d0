"""Resources declared as classes with typed fields: connections, clients, settings."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Self, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, PrivateAttr, SkipValidation, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticUndefined

from tidegate.errors import ConfigError, DefinitionError
from tidegate.sdk.declaration import at, caller_source
from tidegate.sdk.env_var import env_forms, from_env_forms, has_env_vars, read_env_vars
from tidegate.sdk.resource_definition import (
    InitResourceContext,
    ResourceDefinition,
    build_init_resource_context,
    resource,
)

__all__ = [
    "ConfigurableResource",
    "InitResourceContext",
    "PartialResource",
    "ResourceDefinition",
    "ResourceDependency",
    "ResourceParam",
    "build_init_resource_context",
    "is_resource_annotation",
    "resource",
]

T = TypeVar("T")


class _ResourceMark:
    """Marks an annotation as that of a resource."""


ResourceParam = Annotated[T, _ResourceMark()]
"""``client: ResourceParam[Client]`` asks for the resource ``client``, of whatever class."""

ResourceDependency = Annotated[T, SkipValidation(), _ResourceMark()]
"""A field of a resource that holds another one which a function makes: ``ResourceDependency[Client]``."""


class ConfigurableResource(BaseModel):
    """A resource whose fields are its config::

        class Database(ConfigurableResource):
            url: str
            password: str

        Database(url="postgresql://db", password=EnvVar("DB_PASSWORD"))

    Fields may be other resources. For each run (or step) a fresh copy is made, with the environment read and config of
    the run applied, then set up; private attributes (``_connection``) are for what it opens.

    Raises:
        DefinitionError: a field is missing, unknown or of the wrong type.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    _tidegate_given: dict[str, Any] = PrivateAttr(default_factory=dict)

    def __init__(self, **fields: Any) -> None:
        later = {name for name, value in fields.items() if _known_later(value)}
        if not later:
            try:
                super().__init__(**fields)
            except ValidationError as error:
                raise _not_definable(type(self), error) from error
            self._tidegate_given = fields
            return
        self._check_the_rest(fields, later)
        self._fill(fields)

    def setup_for_execution(self, context: InitResourceContext) -> None:
        """Override to open what the resource needs, before the first step that uses it."""

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        """Override to close it again, after the last."""

    @contextmanager
    def yield_for_execution(self, context: InitResourceContext) -> Iterator[Any]:
        """Override instead of the two above to do both in one place; what it yields is the resource."""
        self.setup_for_execution(context)
        try:
            yield self
        finally:
            self.teardown_after_execution(context)

    @classmethod
    def configure_at_launch(cls, **fields: Any) -> PartialResource[Self]:
        """The resource with the rest of its fields left to run config."""
        unknown = sorted(set(fields) - set(cls.model_fields))
        if unknown:
            raise DefinitionError(
                f"{cls.__name__} has no field {unknown[0]!r}{at(caller_source())}.",
                mend=f"Fields: {', '.join(cls.model_fields)}.",
            )
        return PartialResource(cls, fields)

    def nested_resources(self) -> dict[str, Any]:
        """Fields that hold resources, by name."""
        return nested_in(type(self), self._tidegate_given)

    def resolved(
        self, config: Mapping[str, Any], nested: Mapping[str, Any], resource_key: str | None = None
    ) -> Self:
        """A copy with ``config`` applied, the environment read and nested resources in place.

        Raises:
            ConfigError: a variable is not set, or a field does not fit.
        """
        return resolve(type(self), {**self._tidegate_given}, config, nested, resource_key)

    def process_config_and_initialize(self) -> Self:
        """A copy with the environment read, for use outside of runs. It is not set up."""
        nested = {
            name: one.process_config_and_initialize()
            for name, one in self.nested_resources().items()
            if isinstance(one, ConfigurableResource)
        }
        return self.resolved({}, nested)

    @contextmanager
    def process_config_and_initialize_cm(self) -> Iterator[Any]:
        """As above, set up, and torn down when the block ends."""
        with self.process_config_and_initialize().yield_for_execution(
            InitResourceContext()
        ) as ready:
            yield ready

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """Fields that were given, as run config: an EnvVar is ``{"env": name}``."""
        if not has_env_vars(self._tidegate_given):
            return super().model_dump(**options)
        return dict(env_forms(self._tidegate_given))

    def _check_the_rest(self, fields: dict[str, Any], later: set[str]) -> None:
        """Report what is wrong already, before the environment or run config is known."""
        cls = type(self)
        known = {one.alias or name for name, one in cls.model_fields.items()} | set(
            cls.model_fields
        )
        now = {name: value for name, value in fields.items() if name not in later}
        unknown = sorted(later - known)
        if unknown:
            now[unknown[0]] = None
        try:
            BaseModel.__init__(cls.__new__(cls), **now)
        except ValidationError as error:
            if _told(error, later - set(now)):
                raise _not_definable(cls, error, later - set(now)) from error
        except Exception:  # noqa: BLE001 - a validator of the user's that needs fields not known yet
            return

    def _fill(self, fields: dict[str, Any]) -> None:
        """Hold the fields as given, unvalidated, as pydantic holds them."""
        values = {}
        for name, one in type(self).model_fields.items():
            default = one.get_default(call_default_factory=True, validated_data={})
            value = fields.get(name, fields.get(one.alias or name, default))
            if value is not PydanticUndefined:
                values[name] = value
        object.__setattr__(self, "__dict__", values)
        object.__setattr__(self, "__pydantic_fields_set__", set(fields))
        object.__setattr__(self, "__pydantic_extra__", None)
        object.__setattr__(self, "__pydantic_private__", {"_tidegate_given": fields})


R = TypeVar("R", bound=ConfigurableResource)


@dataclass(frozen=True)
class PartialResource(Generic[R]):
    """A resource some of whose fields run config gives; see ``ConfigurableResource.configure_at_launch``."""

    resource_class: type[R]
    fields: Mapping[str, Any]

    def nested_resources(self) -> dict[str, Any]:
        return nested_in(self.resource_class, self.fields)

    def resolved(
        self, config: Mapping[str, Any], nested: Mapping[str, Any], resource_key: str | None = None
    ) -> R:
        return resolve(self.resource_class, {**self.fields}, config, nested, resource_key)


def is_resource_annotation(annotation: Any) -> bool:
    """Whether a parameter so annotated asks for a resource."""
    if get_origin(annotation) is Annotated:
        return any(isinstance(one, _ResourceMark) for one in get_args(annotation)[1:])
    return isinstance(annotation, type) and issubclass(annotation, ConfigurableResource)


def nested_in(cls: type[ConfigurableResource], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields that hold resources, given or by default."""
    values = {name: fields.get(name, one.default) for name, one in cls.model_fields.items()}
    return {name: value for name, value in values.items() if _is_resource(value)}


def resolve(
    cls: type[R],
    fields: dict[str, Any],
    config: Mapping[str, Any],
    nested: Mapping[str, Any],
    resource_key: str | None,
) -> R:
    """The resource as it is in a run; see ``ConfigurableResource.resolved``."""
    where = f"resource {resource_key!r}" if resource_key else cls.__name__
    annotations = {name: one.annotation for name, one in cls.model_fields.items()}
    plain = {name: value for name, value in fields.items() if name not in nested}
    given = read_env_vars({**plain, **from_env_forms(config, annotations)}, where)
    made = cls.__new__(cls)
    try:
        BaseModel.__init__(made, **given, **nested)
    except ValidationError as error:
        message, mend = _words(cls, where[0].upper() + where[1:], "", _told(error)[0])
        raise ConfigError(message, mend=mend) from error
    return made


def config_json_schema(definition: Any) -> dict[str, Any] | None:
    """JSON schema of ``run_config["resources"][key]["config"]``; None for a resource that takes no config."""
    if isinstance(definition, ConfigurableResource):
        cls, given = type(definition), set(definition.model_fields_set)
    elif isinstance(definition, PartialResource):
        cls, given = definition.resource_class, set(definition.fields)
    else:
        return None
    schema = cls.model_json_schema(schema_generator=_LenientSchema)
    inner = definition.nested_resources()
    schema["properties"] = {
        name: one for name, one in schema.get("properties", {}).items() if name not in inner
    }
    schema["required"] = [one for one in schema.get("required", []) if one not in given]
    return schema


class _LenientSchema(GenerateJsonSchema):
    """A field JSON cannot describe may hold anything."""

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
        return {}


def _is_resource(value: Any) -> bool:
    return isinstance(value, (ConfigurableResource, PartialResource, ResourceDefinition))


def _known_later(value: Any) -> bool:
    return has_env_vars(value) or isinstance(value, (PartialResource, ResourceDefinition))


def _told(error: ValidationError, later: Collection[object] = ()) -> list[Any]:
    """What a validation found, without what it says of fields not known yet."""
    found = error.errors(include_url=False)
    return [one for one in found if not (later and (not one["loc"] or one["loc"][0] in later))]


def _not_definable(
    cls: type[ConfigurableResource], error: ValidationError, later: Collection[object] = ()
) -> DefinitionError:
    message, mend = _words(cls, cls.__name__, at(caller_source()), _told(error, later)[0])
    return DefinitionError(message, mend=mend)


def _words(cls: type[ConfigurableResource], label: str, source: str, found: Any) -> tuple[str, str]:
    """The sentence and the mend for one thing that pydantic found."""
    field = ".".join(str(part) for part in found["loc"])
    if found["type"] == "missing":
        mend = f"Give {field}=..., or leave it to run config with configure_at_launch()."
        return f"{label} has no value for its field {field!r}{source}.", mend
    if found["type"] == "extra_forbidden":
        mend = f"Fields: {', '.join(cls.model_fields)}."
        return f"{label} has no field {field!r}{source}.", mend
    said = f" for its field {field!r}" if field else ""
    return f"{label} cannot take the value given{said}{source}: {found['msg']}.", ""
