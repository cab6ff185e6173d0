"""Values that are read from the environment when a step runs, and not before; so secrets stay out of code.

To a type checker an ``EnvVar`` is text and ``EnvVar.int`` a number, so that they fit the fields they stand in for.
At run time they are neither: nothing can take the name of a variable for its value.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.errors import ConfigError, InvocationError

if TYPE_CHECKING:

    class _Text(str):
        pass

    class _Number(int):
        pass

else:
    _Text = _Number = object


class _Variable:
    """The name of an environment variable; refuses to be used as a value."""

    env_var_name: str

    def __str__(self) -> str:
        raise InvocationError(
            f"The environment variable {self.env_var_name} was used where only its name is known.",
            mend="Call get_value(), or make it a field of a resource or config.",
        )

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.env_var_name))


class IntEnvVar(_Variable, _Number):
    """What ``EnvVar.int`` makes."""

    def __init__(self, name: str) -> None:
        self.env_var_name = name

    def get_value(self, default: int | None = None) -> int | None:
        """The number now; ``default`` when the variable is not set.

        Raises:
            ConfigError: its text is not a whole number.
        """
        text = os.environ.get(self.env_var_name)
        if text is None:
            return default
        try:
            return int(text)
        except ValueError:
            raise ConfigError(
                f"The environment variable {self.env_var_name} is not a whole number.",
                mend="Set one where the step runs.",
            ) from None

    def __repr__(self) -> str:
        return f"EnvVar.int({self.env_var_name!r})"


class EnvVar(_Variable, _Text):
    """``EnvVar("DB_PASSWORD")`` stands for the text of that variable where the step runs.

    Raises:
        InvocationError: the name is not text.
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise InvocationError(f"EnvVar has the name {name!r}.", mend="Name the variable.")
        self.env_var_name = name

    @classmethod
    def int(cls, name: str) -> IntEnvVar:
        """The variable's text as a whole number."""
        return IntEnvVar(cls(name).env_var_name)

    def get_value(self, default: str | None = None) -> str | None:
        """The text now; ``default`` when the variable is not set."""
        return os.environ.get(self.env_var_name, default)

    def __repr__(self) -> str:
        return f"EnvVar({self.env_var_name!r})"


def has_env_vars(value: Any) -> bool:
    """Whether an EnvVar is anywhere in a value made of dicts, lists and tuples."""
    if isinstance(value, (EnvVar, IntEnvVar)):
        return True
    if isinstance(value, dict):
        return any(has_env_vars(one) for one in value.values())
    return isinstance(value, (list, tuple)) and any(has_env_vars(one) for one in value)


def read_env_vars(value: Any, where: str) -> Any:
    """The value with each EnvVar read. ``where`` says for what, in errors.

    Raises:
        ConfigError: a variable is not set, or is no number where a number is wanted.
    """
    if isinstance(value, (EnvVar, IntEnvVar)):
        found = value.get_value()
        if found is None:
            raise ConfigError(
                f"The environment variable {value.env_var_name} is not set; {where} needs it.",
                mend="Set it where the step runs.",
            )
        return found
    if isinstance(value, dict):
        return {key: read_env_vars(one, where) for key, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(read_env_vars(one, where) for one in value)
    return value


def env_forms(value: Any) -> Any:
    """The value with each EnvVar as ``{"env": name}``, its form in run config."""
    if isinstance(value, (EnvVar, IntEnvVar)):
        return {"env": value.env_var_name}
    if isinstance(value, dict):
        return {key: env_forms(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [env_forms(one) for one in value]
    return value


def from_env_forms(config: Mapping[str, Any], annotations: Mapping[str, Any]) -> dict[str, Any]:
    """Config with ``{"env": name}`` as an EnvVar, in fields whose annotation is text or a whole number."""
    return {name: _from_env_form(value, annotations.get(name)) for name, value in config.items()}


def _from_env_form(value: Any, annotation: Any) -> Any:
    if isinstance(value, Mapping) and set(value) == {"env"} and isinstance(value["env"], str):
        kinds = (annotation, *getattr(annotation, "__args__", ()))
        if str in kinds:
            return EnvVar(value["env"])
        if int in kinds:
            return EnvVar.int(value["env"])
    return value
