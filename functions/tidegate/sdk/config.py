"""Config of ops and assets as classes with typed fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError
from pydantic_core import PydanticUndefined

from tidegate.errors import ConfigError, DefinitionError
from tidegate.sdk.declaration import at, caller_source
from tidegate.sdk.env_var import env_forms, from_env_forms, has_env_vars, read_env_vars
from tidegate.sdk.run_config import RunConfig

__all__ = ["Config", "PermissiveConfig", "RunConfig"]


class Config(BaseModel):
    """Config of an op or asset, which takes it as its parameter ``config``::

        class Load(Config):
            url: str
            rows: int = 1_000

        @asset
        def raw(config: Load): ...

    Unknown fields are refused. A field may be given as ``EnvVar("NAME")``: it is read where the step runs.
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
    def load(cls, value: Any, where: str) -> Self:
        """Config of a run, with ``{"env": name}`` read from the environment.

        Raises:
            ConfigError: it does not fit; the message names the field below ``where``.
        """
        if isinstance(value, cls) and not (value.__pydantic_private__ or {}).get("_tidegate_given"):
            return value
        if isinstance(value, cls):
            value = value.model_dump()
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} is {value!r}.", mend="Give a mapping of fields.")
        annotations = {name: one.annotation for name, one in cls.model_fields.items()}
        fields = read_env_vars(from_env_forms(value, annotations), where)
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise _in_words(cls, error, where) from error

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


class PermissiveConfig(Config):
    """Config that takes fields beyond its own, too."""

    model_config = ConfigDict(extra="allow")


def _in_words(cls: type[Config], error: ValidationError, where: str) -> ConfigError:
    found = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in found["loc"])
    path = f"{where}.{field}" if field else where
    if found["type"] == "missing":
        return ConfigError(f"{path} is missing.", mend=f"Give it: {cls.__name__} has no default.")
    if found["type"] == "extra_forbidden":
        return ConfigError(
            f"{path} is given, but {cls.__name__} has no such field.",
            mend=f"Fields: {', '.join(cls.model_fields)}.",
        )
    shown = repr(found.get("input"))
    shown = shown if len(shown) <= 100 else f"{shown[:100]}..."
    return ConfigError(f"{path} is {shown}: {found['msg']}.", mend="Mend the value.")
