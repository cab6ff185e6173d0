"""Hooks that note for what they were called, and one that fails."""

from __future__ import annotations

from tidegate import (
    HookContext,
    failure_hook,
    run_failure_hook,
    run_success_hook,
    success_hook,
)

CALLED: list[tuple[str, str | None, str]] = []
"""Hook, step, and what the step or the run raised."""


def note(context: HookContext) -> None:
    CALLED.append((context.hook_name, context.step_key, str(context.op_exception or "")))


@failure_hook
def complain(context: HookContext) -> None:
    note(context)


@run_success_hook
def cheer(context: HookContext) -> None:
    note(context)


@run_failure_hook
def mourn(context: HookContext) -> None:
    note(context)


@success_hook
def broken(context: HookContext) -> None:
    raise RuntimeError("the hook is broken")
