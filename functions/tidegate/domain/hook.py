"""One call of a hook: which, of what, and the name of its execution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "hook-"
RUN = "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class HookCall:
    run_id: str
    index: int | None = None
    """Number of the step; None: a hook of the run."""
    number: int
    """Its place among the hooks of the step, or of the run."""
    name: str = ""
    on: str = ""
    step: str | None = None
    """Key of the step."""

    @property
    def at(self) -> str:
        return RUN if self.index is None else str(self.index)

    @property
    def execution_name(self) -> str:
        """Step Functions runs a name at most once in 90 days; 80 characters at most."""
        return f"{PREFIX}{self.run_id}-{self.at}-{self.number}"

    def to_json(self) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "index": self.index,
            "number": self.number,
            "name": self.name,
            "on": self.on,
            "step": self.step,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> HookCall:
        return cls(**document)


def is_hook_execution(name: str) -> bool:
    return name.startswith(PREFIX)


def hook_execution_of(name: str) -> HookCall:
    """The call whose execution has this name, as far as the name says."""
    run_id, at, number = name.removeprefix(PREFIX).rsplit("-", 2)
    return HookCall(
        run_id=run_id,
        index=None if at == RUN else int(at),
        number=int(number),
        name=f"hook {number}",
    )
