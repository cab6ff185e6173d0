"""Config of ops and assets as classes with typed fields."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, PrivateAttr
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticUndefined

from tidegate.errors import DefinitionError
from tidegate.sdk.declaration import at, caller_source
from tidegate.sdk.env_var import env_forms, has_env_vars
from tidegate.sdk.run_config import RunConfig

__all__ = ["Config", "PermissiveConfig", "RunConfig"]


class Config(BaseModel):
    """Config of an op or asset, which takes it as its parameter ``config``::

        class Load(Config):
            url: str
            rows: int = 1_000

        @asset
        def raw(config: Load): ...

    Unknown fields are refused. A field may be given as ``EnvVar("NAME")``: it is read where the
    step runs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    _tidegate_given: dict[str, Any] = PrivateAttr(default_factory=dict)

    def __init__(self, **fields: Any) -> None:
        if not has_env_vars(fields):
            super().__init__(**fields)
            return
        unknown = sorted(set(fields) - set(type(self).model_fields))
        if unknown and self.model_config.get("extra") == "forbid":
            raise DefinitionError(
                f"{type(self).__name__} has no field {unknown[0]!r}{at(caller_source())}.",
                mend=f"Fields: {', '.join(type(self).model_fields)}.",
            )
        self._hold(fields)

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """The fields; when one is an EnvVar, as run config: ``{"env": name}``."""
        private = self.__pydantic_private__ or {}
        given = private.get("_tidegate_given")
        return dict(env_forms(given)) if given else super().model_dump(**options)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON schema of the fields; a default that JSON cannot hold is left out of it."""
        return cls.model_json_schema(schema_generator=_QuietSchema)

    def _hold(self, fields: dict[str, Any]) -> None:
        """Keep fields that are known only where the step runs, without validation."""
        values = {}
        for name, one in type(self).model_fields.items():
            default = one.get_default(call_default_factory=True, validated_data={})
            value = fields.get(name, default)
            if value is not PydanticUndefined:
                values[name] = value
        object.__setattr__(self, "__dict__", values)
        object.__setattr__(self, "__pydantic_fields_set__", set(fields))
        object.__setattr__(self, "__pydantic_extra__", None)
        object.__setattr__(self, "__pydantic_private__", {"_tidegate_given": fields})


class _QuietSchema(GenerateJsonSchema):
    """Does not warn of what is left out."""

    ignored_warning_kinds = {  # noqa: RUF012 - as in the base
        "non-serializable-default",
        "skipped-choice",
    }


class PermissiveConfig(Config):
    """Config that takes fields beyond its own, too."""

    model_config = ConfigDict(extra="allow")
