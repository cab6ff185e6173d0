"""What may be written in the settings file: each section a model, each key with the values it allows.

The description of a key is what an error says is allowed, so it is written to be read there. The sections ``run_queue``,
``run_coordinator``, ``concurrency``, ``run_monitoring`` and ``run_retries`` accept what Dagster 1.13 accepts in
``dagster.yaml``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    model_validator,
)

from tidegate.domain.fairness import LEAST_WEIGHT, MOST_WEIGHT
from tidegate.domain.rate import PERIOD, Rate, period_of
from tidegate.domain.settings import UNLIMITED

T = TypeVar("T")

POOL_CEILING = 1000
"""Most units of one pool, unless ``TIDEGATE_MAX_GLOBAL_OP_CONCURRENCY_LIMIT`` says otherwise. Dagster's figure."""


class Section(BaseModel):
    """A mapping in the file. A key left empty is a key not given; a key that is not a setting is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, value: object) -> object:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            return value
        known = cls.keys()
        return {key: one for key, one in value.items() if one is not None or key not in known}

    @classmethod
    def keys(cls) -> list[str]:
        """The keys of this section, as they are written in the file."""
        return [one.alias or name for name, one in cls.model_fields.items()]


def _from_environment(value: object, info: ValidationInfo) -> object:
    """Dagster's ``{env: NAME}`` in place of a number."""
    if not isinstance(value, Mapping) or set(value) != {"env"}:
        return value
    name = value["env"]
    environ = (info.context or {}).get("environ", {})
    if name not in environ:
        raise ValueError(f"Set the environment variable {name}.")
    try:
        return int(environ[name])
    except ValueError:
        raise ValueError(
            f"Set the environment variable {name} to an integer; it is {environ[name]!r}."
        ) from None


def _within_ceiling(value: int, info: ValidationInfo) -> int:
    ceiling = (info.context or {}).get("pool_ceiling", POOL_CEILING)
    if value > ceiling and info.data.get("per") is None:
        raise ValueError(f"Allowed: at most {ceiling}.")
    return value


_TAG_VALUE = "text (quote numbers and true/false), or {applyLimitPerUniqueValue: true}"


def _tag_value(value: object) -> tuple[str | None, bool]:
    """(value, per unique value). ``{applyLimitPerUniqueValue: false}`` is no value, as in Dagster."""
    if value is None or isinstance(value, str):
        return value or None, False
    if isinstance(value, Mapping) and set(value) == {"applyLimitPerUniqueValue"}:
        per_value = value["applyLimitPerUniqueValue"]
        if isinstance(per_value, bool):
            return None, per_value
    raise ValueError(f"Allowed: {_TAG_VALUE}.")


def _number_is_limit(value: object) -> object:
    """``db: 3`` is short for ``db: {limit: 3}``."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return {"limit": value} if is_number else value


_RUNS = "-1 (no limit), 0 (admits nothing), or a number of runs"
RunLimitOrEnv = Annotated[int, BeforeValidator(_from_environment), Field(ge=-1)]
PoolLimit = Annotated[int, AfterValidator(_within_ceiling)]
Granularity = Literal["op", "run"]
_GRANULARITY = (
    "op (each step takes a slot while it runs) or run (a run takes one from start to end)"
)


class FairnessRule(Section):
    key: str = Field(min_length=1, description="the key of a run tag, as text")
    weights: dict[str, Annotated[float, Field(ge=LEAST_WEIGHT, le=MOST_WEIGHT)]] = Field(
        default_factory=dict,
        description=f"a mapping VALUE: WEIGHT, from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}; values left out have 1",
    )


_FAIRNESS = "a mapping {key: TAG, weights: {VALUE: WEIGHT}}"


def _period(value: object) -> timedelta:
    period = period_of(value)
    if period is None:
        raise ValueError(f"Allowed: {PERIOD}.")
    return period


Period = Annotated[timedelta, PlainValidator(_period)]
_STARTS = "a number of starts, at least 1"


class RateRule(Section):
    limit: int = Field(ge=1, description=_STARTS)
    per: Period = Field(description=PERIOD)
    burst: int = Field(default=1, ge=1, description=f"{_STARTS}: so many may start at once")

    def value(self) -> Rate:
        return Rate(limit=self.limit, per=self.per, burst=self.burst)


_RATE = "a mapping {limit: N, per: minute, burst: N}"


def _beside_per(value: T, info: ValidationInfo) -> T:
    if value is not None and info.data.get("per") is None:
        raise ValueError("Give per as well: it is of {limit: N, per: minute, burst: N}.")
    return value


def _instead_of_per(value: T, info: ValidationInfo) -> T:
    if value is not None and info.data.get("per") is not None:
        raise ValueError("Leave it out, or leave out per: a limit has one rate.")
    return value


def _starts(value: T, info: ValidationInfo) -> T:
    """With ``per`` beside it, the limit is that of a rate."""
    if info.data.get("per") is not None and isinstance(value, int) and value < 1:
        raise ValueError(f"Allowed with per: {_STARTS}.")
    return value


RunLimit = Annotated[int, Field(ge=-1), AfterValidator(_starts)]


class Rated(Section):
    """``{limit: 3, rate: {limit: 100, per: minute}}``, or ``{limit: 100, per: minute}`` where there is a rate alone.

    Its fields come before ``limit``, whose validator looks at them.
    """

    per: Period | None = Field(default=None, description=PERIOD)
    burst: Annotated[int | None, AfterValidator(_beside_per)] = Field(
        default=None, ge=1, description=f"{_STARTS}: so many may start at once"
    )
    rate: Annotated[RateRule | None, AfterValidator(_instead_of_per)] = Field(
        default=None, description=_RATE
    )

    limit: int | None = None

    @model_validator(mode="after")
    def _has_a_number(self) -> Self:
        if self.per is not None and self.limit is None:
            raise ValueError(f"Allowed with per: limit, {_STARTS}.")
        return self

    @property
    def capacity(self) -> int | None:
        """Most at once. None: nothing is said of it."""
        return self.limit if self.per is None else UNLIMITED

    @property
    def starts(self) -> Rate | None:
        """The rate, in whichever form it was given."""
        if self.per is not None and self.limit is not None:
            return Rate(limit=self.limit, per=self.per, burst=self.burst or 1)
        return None if self.rate is None else self.rate.value()


class TagRule(Rated):
    key: str = Field(min_length=1, description="the key of a run tag, as text")
    value: Annotated[tuple[str | None, bool], PlainValidator(_tag_value)] = Field(
        default=(None, False),
        description=_TAG_VALUE,
    )
    limit: RunLimit = Field(description=_RUNS)
    fairness: FairnessRule | None = Field(default=None, description=_FAIRNESS)


_TAG_RULES = "a list of {key: TAG, value: TEXT, limit: N}"


class Runs(Section):
    rate: RateRule | None = Field(default=None, description=_RATE)
    max_concurrent_runs: RunLimitOrEnv | None = Field(
        default=None, description=f"{_RUNS}, or {{env: NAME}}"
    )
    tag_concurrency_limits: list[TagRule] | None = Field(default=None, description=_TAG_RULES)
    fairness: FairnessRule | None = Field(default=None, description=_FAIRNESS)


class PoolRule(Rated):
    limit: Annotated[PoolLimit, AfterValidator(_starts)] | None = Field(
        default=None, ge=-1, description="-1 (no limit), 0 (admits nothing), or a number of slots"
    )
    granularity: Granularity | None = Field(default=None, description=_GRANULARITY)
    fairness: FairnessRule | None = Field(default=None, description=_FAIRNESS)


class Pools(Section):
    default_limit: PoolLimit | None = Field(
        default=None, ge=0, description=f"0 to {POOL_CEILING}; leave it out for no limit"
    )
    granularity: Granularity | None = Field(default=None, description=_GRANULARITY)
    op_granularity_run_buffer: int | None = Field(
        default=None, ge=0, description="0 or a number of runs"
    )
    limits: dict[str, Annotated[PoolRule, BeforeValidator(_number_is_limit)]] = Field(
        default_factory=dict, description="a mapping POOL: N, or POOL: {limit: N, granularity: run}"
    )


class JobRule(Rated):
    limit: RunLimit = Field(description=_RUNS)
    on_conflict: Literal["queue", "skip", "cancel_oldest", "queue_one"] = Field(
        default="queue", description="queue, skip, cancel_oldest or queue_one"
    )
    fairness: FairnessRule | None = Field(default=None, description=_FAIRNESS)


class LocationRule(Rated):
    limit: RunLimit = Field(description=_RUNS)
    fairness: FairnessRule | None = Field(default=None, description=_FAIRNESS)


class Concurrency(Section):
    runs: Runs | None = Field(default=None, description="a mapping")
    pools: Pools | None = Field(default=None, description="a mapping")
    jobs: dict[str, Annotated[JobRule, BeforeValidator(_number_is_limit)]] = Field(
        default_factory=dict, description="a mapping JOB: N, or JOB: {limit: N, on_conflict: queue}"
    )
    locations: dict[str, Annotated[LocationRule, BeforeValidator(_number_is_limit)]] = Field(
        default_factory=dict, description="a mapping CODE_LOCATION: N"
    )
    default_op_concurrency_limit: PoolLimit | None = Field(
        default=None, ge=0, description=f"0 to {POOL_CEILING}"
    )
    """Dagster's old name of ``pools.default_limit``."""


class BlockedRuns(Section):
    enabled: bool | None = Field(default=None, description="true or false")
    op_concurrency_slot_buffer: int | None = Field(
        default=None, ge=0, description="0 or a number of runs"
    )


class RunQueue(Section):
    """Dagster's older place for the limits on runs. What steers its polling loop is accepted and has no meaning here."""

    max_concurrent_runs: RunLimitOrEnv | None = Field(
        default=None, description=f"{_RUNS}, or {{env: NAME}}"
    )
    tag_concurrency_limits: list[TagRule] | None = Field(default=None, description=_TAG_RULES)
    block_op_concurrency_limited_runs: BlockedRuns | None = Field(
        default=None, description="a mapping"
    )
    dequeue_interval_seconds: Any = None
    dequeue_use_threads: Any = None
    dequeue_num_workers: Any = None
    max_user_code_failure_retries: Any = None
    user_code_failure_retry_delay: Any = None


class RunCoordinator(Section):
    module: str = Field(description="dagster.core.run_coordinator")
    class_name: Literal["QueuedRunCoordinator", "DefaultRunCoordinator"] = Field(
        alias="class", description="QueuedRunCoordinator or DefaultRunCoordinator"
    )
    config: RunQueue | None = Field(default=None, description="a mapping, as in run_queue")


def _heartbeat(value: int) -> int:
    """Signs of life come each minute; one that is late is no sign of death."""
    if value and value < 180:
        raise ValueError("Allowed: 0 (off), or 180 or more seconds.")
    return value


Heartbeat = Annotated[int, Field(ge=0), AfterValidator(_heartbeat)]


class RunMonitoring(Section):
    enabled: bool | None = Field(default=None, description="true or false")
    start_timeout_seconds: int | None = Field(
        default=None, ge=0, description="seconds; 0 is no limit"
    )
    max_runtime_seconds: int | None = Field(
        default=None, ge=0, description="seconds; 0 is no limit"
    )
    queue_timeout_seconds: int | None = Field(
        default=None, ge=0, le=31_536_000, description="seconds; 0 is no limit"
    )
    fail_fast: bool | None = Field(default=None, description="true or false")
    heartbeat_timeout_seconds: Heartbeat | None = Field(
        default=None, description="0 (off), or 180 or more seconds"
    )
    step_timeout_seconds: int | None = Field(
        default=None, ge=1, le=99_999_999, description="1 to 99999999 seconds"
    )
    cancel_timeout_seconds: Any = None
    max_resume_run_attempts: Any = None
    poll_interval_seconds: Any = None
    cancellation_thread_poll_interval_seconds: Any = None
    free_slots_after_run_end_seconds: Any = None


class RunRetries(Section):
    enabled: bool | None = Field(default=None, description="true or false")
    max_retries: int = Field(default=0, ge=0, description="0 or a number of retries")
    retry_on_asset_or_op_failure: bool = Field(default=True, description="true or false")
    strategy: Literal["FROM_FAILURE", "ALL_STEPS", "FROM_ASSET_FAILURE"] = Field(
        default="FROM_FAILURE", description="FROM_FAILURE, ALL_STEPS or FROM_ASSET_FAILURE"
    )
    delay: float = Field(default=0, ge=0, le=31_536_000, description="seconds, at most a year")
    backoff: Literal["LINEAR", "EXPONENTIAL"] | None = Field(
        default=None, description="LINEAR or EXPONENTIAL; leave it out for the same delay each time"
    )


class Backfills(Section):
    run_chunk_size: int = Field(default=25, ge=1, le=1000, description="1 to 1000")
    materialization_chunk_size: int = Field(default=1000, ge=1, le=10_000, description="1 to 10000")
    cancel_batch_size: int = Field(default=500, ge=1, le=10_000, description="1 to 10000")
    max_outstanding_runs: int = Field(default=200, ge=1, description="1 or more")
    yield_seconds: int = Field(
        default=86_400,
        ge=0,
        le=31_536_000,
        description="seconds by which runs of backfills let live runs go first; 0 is not at all",
    )


class Events(Section):
    batch_size: int = Field(default=25, ge=0, le=1000, description="0 (off) to 1000")
    retention_days: int = Field(default=30, ge=1, le=3650, description="1 to 3650 days")


class RunsKept(Section):
    retention_days: int = Field(default=90, ge=1, le=3650, description="1 to 3650 days")


class File(Section):
    """The whole of ``tidegate.yaml``."""

    concurrency: Concurrency = Field(default_factory=Concurrency, description="a mapping")
    run_queue: RunQueue | None = Field(default=None, description="a mapping")
    run_coordinator: RunCoordinator | None = Field(default=None, description="a mapping")
    run_monitoring: RunMonitoring | None = Field(default=None, description="a mapping")
    run_retries: RunRetries | None = Field(default=None, description="a mapping")
    backfills: Backfills = Field(default_factory=Backfills, description="a mapping")
    events: Events = Field(default_factory=Events, description="a mapping")
    runs: RunsKept = Field(default_factory=RunsKept, description="a mapping")


DAGSTER_SECTIONS = frozenset(
    {"concurrency", "run_queue", "run_coordinator", "run_monitoring", "run_retries"}
)
"""Sections of ``dagster.yaml`` that mean something here."""
