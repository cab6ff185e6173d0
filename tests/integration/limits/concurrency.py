"""Settings of concurrency in few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.integration.limits.jobs import Move


def runs(most: int = 99, **tags: int) -> dict[str, Any]:
    """Limits on runs; ``team=2`` by the key."""
    rules = [{"key": key, "limit": limit} for key, limit in tags.items()]
    return {"runs": {"max_concurrent_runs": most, "tag_concurrency_limits": rules}}


def by_value(*rules: Mapping[str, Any]) -> dict[str, Any]:
    return {"runs": {"max_concurrent_runs": 99, "tag_concurrency_limits": list(rules)}}


def pools(granularity: str = "op", **limits: int) -> dict[str, Any]:
    return {"pools": {"granularity": granularity, "limits": limits}} | runs()


def on_conflict(policy: str, limit: int = 1) -> dict[str, Any]:
    """Of runs of job ``free``."""
    return {**runs(), "jobs": {"free": {"limit": limit, "on_conflict": policy}}}


def by(trigger: str, policy: str) -> Move:
    """A run of job ``free`` that a trigger asks for."""
    return ("free", {}, {"trigger": trigger, "on_conflict": policy})


def fair(most: int, key: str, **weights: float) -> dict[str, Any]:
    return {
        "runs": {"max_concurrent_runs": most, "fairness": {"key": key, "weights": weights}},
    }


def fair_pool(key: str, **limits: int) -> dict[str, Any]:
    rules = {name: {"limit": one, "fairness": {"key": key}} for name, one in limits.items()}
    return {"pools": {"limits": rules}} | runs()


EACH = {"applyLimitPerUniqueValue": True}
BLUE, RED = {"team": "blue"}, {"team": "red"}
