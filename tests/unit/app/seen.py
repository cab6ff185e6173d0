"""What is seen of runs, steps and limits in a world."""

from __future__ import annotations

from typing import Any


def kinds(tg: Any, run_id: str) -> list[str]:
    """Of the events of a run, in their order."""
    return [str(one.kind) for one in tg.store.events.read(run_id).items]


def in_use(tg: Any) -> dict[str, int]:
    """Limit -> units that are held of it; those of which none is are left out."""
    return {one.key: one.in_use for one in tg.store.admission.limits() if one.in_use}


def begun(tg: Any, step: str) -> list[Any]:
    """What a step was begun with, each time it was, over all runs."""
    return [
        one["invocation"]
        for one in tg.launcher.started.values()
        if one["invocation"]["step"] == step
    ]
