"""One execution of the step state machine: an attempt of a step, or a hook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.domain.hook import HookCall
from tidegate.domain.run import execution_name


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTask:
    """Input of one execution of the step state machine."""

    run_id: str
    index: int
    attempt: int
    function: str
    """Version of the user-code function."""
    task_definition: str
    """Revision in which it runs if it runs on ECS."""
    compute: Mapping[str, Any]
    """{"kind": "lambda"} or {"kind": "ecs", "cpu": 1024, "memory": 2048, "spot": false}."""
    timeout_seconds: int
    invocation: Mapping[str, Any]
    hook: HookCall | None = None
    """What is executed is a hook, not the step."""

    @property
    def name(self) -> str:
        """Of its execution."""
        if self.hook is not None:
            return self.hook.execution_name
        return execution_name(self.run_id, self.index, self.attempt)
