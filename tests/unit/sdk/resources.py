"""Resources, and the scope they live in."""

from __future__ import annotations

from typing import Any

from pydantic import PrivateAttr, field_validator

from tidegate import (
    ConfigurableResource,
    InitResourceContext,
)
from tidegate.execution.resources import ResourceScope


class Database(ConfigurableResource):
    url: str
    port: int = 5432
    password: str = "none"
    _connection: str = PrivateAttr(default="closed")

    @field_validator("url")
    @classmethod
    def has_scheme(cls, value: str) -> str:
        if "://" not in value:
            raise ValueError("needs a scheme")
        return value

    def setup_for_execution(self, context: InitResourceContext) -> None:
        self._connection = f"open to {self.url}"

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        self._connection = "closed"


def scope(run_config: Any = None, **definitions: Any) -> ResourceScope:
    return ResourceScope(definitions, run_config={"resources": run_config or {}})
