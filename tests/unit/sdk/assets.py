"""Assets and resources that definitions of tests are made of."""

from __future__ import annotations

from typing import Any

from tidegate import (
    ConfigurableIOManager,
    ConfigurableResource,
    InputContext,
    OutputContext,
    asset,
)


def plain(name: str, *deps: str, **arguments: Any) -> Any:
    @asset(name=name, deps=list(deps), **arguments)
    def made() -> int:
        return 1

    return made


def chain() -> list[Any]:
    """raw -> clean -> report, listed in the wrong order; and other, alone."""
    return [
        plain("report", "clean", group_name="out"),
        plain("other"),
        plain("clean", "raw"),
        plain("raw"),
    ]


class Database(ConfigurableResource):
    url: str = "memory"


class Lake(ConfigurableIOManager):
    def handle_output(self, context: OutputContext, obj: Any) -> None: ...

    def load_input(self, context: InputContext) -> Any: ...
