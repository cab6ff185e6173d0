"""The settings of a deployment, as the control plane uses them: plain frozen values, no validation.

``settings_file.py`` reads and validates what people write; this is what is left when it has found nothing wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tidegate.domain.fairness import Fairness
from tidegate.domain.rate import Rate

UNLIMITED = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class TagLimit:
    """At most ``limit`` runs in progress that carry the tag.

    ``value`` None: all runs with the key share one limit; ``per_unique_value``: each value has its own.
    """

    key: str
    limit: int
    value: str | None = None
    per_unique_value: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLimit:
    limit: int
    on_conflict: str = "queue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Defaults are Dagster's (``reference: QueuedRunCoordinator``), where it has the setting."""

    max_concurrent_runs: int = 10
    tag_limits: tuple[TagLimit, ...] = ()
    jobs: Mapping[str, JobLimit] = field(default_factory=dict)
    locations: Mapping[str, int] = field(default_factory=dict)
    pools: Mapping[str, int] = field(default_factory=dict)
    fairness: Mapping[str, Fairness] = field(default_factory=dict)
    """By key of limit; ``run-tag/KEY=`` is that of each value of KEY."""
    rates: Mapping[str, Rate] = field(default_factory=dict)
    """As ``fairness``."""
    default_pool_limit: int | None = None
    pool_granularity: str = "op"
    pool_granularities: Mapping[str, str] = field(default_factory=dict)
    op_granularity_run_buffer: int = 0
    """Runs that may begin although all of their first steps wait for a slot, for each pool."""
    holds_back_blocked_runs: bool = True
    """A run all of whose first steps wait for a slot stays queued."""
    start_timeout_seconds: int = 180
    max_runtime_seconds: int = 0
    """0: no limit."""
    queue_timeout_seconds: int = 0
    """0: no limit."""
    fail_fast: bool = False
    """The first step of a run that fails stops the rest of it."""
    retries_runs: bool = True
    """False: no run is retried, whatever its tags say."""
    max_run_retries: int = 0
    """Of runs whose tags do not say."""
    run_retry_strategy: str = "FROM_FAILURE"
    run_retry_delay_seconds: float = 0
    run_retry_backoff: str | None = None
    run_retry_on_step_failure: bool = True
    """False: only runs that failed for a reason outside their steps are retried."""
    run_chunk_size: int = 25
    materialization_chunk_size: int = 1000
    cancel_batch_size: int = 500
    max_outstanding_runs: int = 200
    backfill_yield_seconds: int = 86_400
    """Runs of backfills let those go first that come within so many seconds after them."""
    event_batch_size: int = 25
    event_retention_days: int = 30
    run_retention_days: int = 90
    """Of runs, from their end; those that are not over are kept."""
    heartbeat_timeout_seconds: int = 900
    """A step on ECS whose container is silent for longer is lost; 0: it is not looked at."""
    step_timeout_seconds: int = 86_400
    """Of a step on ECS that sets none. On Lambda the function's own limit, 15 minutes, comes first."""

    def to_json(self) -> dict[str, Any]:
        document = asdict(self)
        document["tag_limits"] = list(document["tag_limits"])
        document["rates"] = {key: one.to_json() for key, one in self.rates.items()}
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Settings:
        given = dict(document)
        given["tag_limits"] = tuple(TagLimit(**one) for one in given.get("tag_limits", ()))
        given["jobs"] = {name: JobLimit(**one) for name, one in given.get("jobs", {}).items()}
        fairness = given.get("fairness", {})
        given["fairness"] = {key: Fairness(**one) for key, one in fairness.items()}
        rates = given.get("rates", {})
        given["rates"] = {key: Rate.from_json(one) for key, one in rates.items()}
        return cls(**given)

    def granularity_of(self, pool: str) -> str:
        return self.pool_granularities.get(pool, self.pool_granularity)
