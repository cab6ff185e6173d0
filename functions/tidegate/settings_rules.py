"""What a valid settings file means: which of two places counts, what they may not both say, what has no effect.

The rules about ``run_queue``, ``run_coordinator`` and ``concurrency`` are Dagster's, so that a ``dagster.yaml`` means here
what it means there.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from tidegate.domain.fairness import Fairness
from tidegate.domain.limit import RUNS, job_key, location_key, pool_key, tag_key
from tidegate.domain.settings import UNLIMITED, JobLimit, Settings, TagLimit
from tidegate.errors import SettingsError
from tidegate.settings_schema import (
    Backfills,
    File,
    JobRule,
    LocationRule,
    PoolRule,
    Pools,
    RunMonitoring,
    RunQueue,
    RunRetries,
    TagRule,
)
from tidegate.settings_source import Place

T = TypeVar("T")
LimitRule = TagRule | PoolRule | JobRule | LocationRule

_LOOP_KEYS = (
    "dequeue_interval_seconds",
    "dequeue_use_threads",
    "dequeue_num_workers",
    "max_user_code_failure_retries",
    "user_code_failure_retry_delay",
)
_MONITOR_KEYS = (
    "cancel_timeout_seconds",
    "max_resume_run_attempts",
    "poll_interval_seconds",
    "cancellation_thread_poll_interval_seconds",
    "free_slots_after_run_end_seconds",
)
NOT_ACTED_ON: dict[str, set[str]] = {}
"""Settings that nothing acts on yet, by section; who gives one is told so."""


class _Error(Protocol):
    def __call__(self, place: Place, message: str, mend: str) -> SettingsError: ...


class Rules:
    """Reads one validated file. ``notes`` is complete once ``settings`` was called."""

    def __init__(self, file: File, *, error: _Error, is_dagster: bool) -> None:
        self._file = file
        self._error = error
        self._is_dagster = is_dagster
        self.notes: list[str] = []

    def settings(self) -> Settings:
        """Raises:
        SettingsError: two places say the same thing, or a rule is there twice.
        """
        file = self._file
        queue, place, is_limited = self._run_queue()
        self._check_conflicts(queue, place)
        given = {
            **self._runs(queue, place, is_limited),
            **self._pools(queue),
            **self._options(queue),
            "holds_back_blocked_runs": self._holds_back(queue, is_limited=is_limited),
            **self._monitoring(file.run_monitoring),
            **self._retries(file.run_retries),
            "event_batch_size": file.events.batch_size,
            "event_retention_days": file.events.retention_days,
            "run_retention_days": file.runs.retention_days,
            **_backfills(file.backfills),
        }
        self._note_unused(queue, _LOOP_KEYS, place)
        self._note_what_nothing_acts_on()
        return Settings(**{name: one for name, one in given.items() if one is not None})

    def _run_queue(self) -> tuple[RunQueue, Place, bool]:
        """Dagster's run queue, where it is written, and whether runs queue at all there."""
        queue, coordinator = self._file.run_queue, self._file.run_coordinator
        if coordinator is None:
            return queue or RunQueue(), ("run_queue",), True
        if queue is not None:
            raise self._error(
                ("run_coordinator",), "and run_queue are both given.", "Keep one of them."
            )
        is_limited = coordinator.class_name == "QueuedRunCoordinator"
        return coordinator.config or RunQueue(), ("run_coordinator", "config"), is_limited

    def _runs(self, queue: RunQueue, place: Place, is_limited: bool) -> dict[str, Any]:
        concurrency = self._file.concurrency
        runs = concurrency.runs
        if runs is not None:
            most, rules = runs.max_concurrent_runs, runs.tag_concurrency_limits
            place = ("concurrency", "runs")
        else:
            most, rules = queue.max_concurrent_runs, queue.tag_concurrency_limits
        return {
            "max_concurrent_runs": UNLIMITED if most is None and not is_limited else most,
            "tag_limits": self._tag_limits(rules or [], (*place, "tag_concurrency_limits")),
            "jobs": {
                name: JobLimit(limit=_capacity(one), on_conflict=one.on_conflict)
                for name, one in concurrency.jobs.items()
            },
            "locations": {name: _capacity(one) for name, one in concurrency.locations.items()},
        }

    def _check_conflicts(self, queue: RunQueue, place: Place) -> None:
        concurrency, blocked = self._file.concurrency, queue.block_op_concurrency_limited_runs
        given = {
            "max_concurrent_runs": queue.max_concurrent_runs,
            "tag_concurrency_limits": queue.tag_concurrency_limits,
            "block_op_concurrency_limited_runs": blocked and blocked.op_concurrency_slot_buffer,
        }
        if concurrency.runs is not None or concurrency.pools is not None:
            for key, value in given.items():
                if value is not None:
                    raise self._error(
                        (*place, key),
                        "cannot be given together with concurrency.runs or concurrency.pools.",
                        "Move it there.",
                    )
        if blocked and blocked.enabled is False and blocked.op_concurrency_slot_buffer:
            raise self._error(
                (*place, "block_op_concurrency_limited_runs", "op_concurrency_slot_buffer"),
                "is given, but enabled is false.",
                "Leave one of them out.",
            )

    def _tag_limits(self, rules: list[TagRule], place: Place) -> tuple[TagLimit, ...]:
        """Each rule once: of two rules of one kind for the same tag, nobody can say which counts."""
        seen: dict[tuple[str, str | None, bool], int] = {}
        limits = []
        for position, rule in enumerate(rules):
            key = _own(rule.key)
            value, per_value = rule.value
            first = seen.setdefault((key, value, per_value), position)
            if first != position:
                tag = key if value is None else f"{key}={value}"
                raise self._error(
                    (*place, position),
                    f"is a second rule of one kind for the tag {tag}, after [{first}].",
                    "Keep one of them.",
                )
            limits.append(
                TagLimit(key=key, limit=_capacity(rule), value=value, per_unique_value=per_value)
            )
        return tuple(limits)

    def _options(self, queue: RunQueue) -> dict[str, Any]:
        """Fairness and rates, by the key of the limit whose option it is."""
        concurrency = self._file.concurrency
        runs, pools = concurrency.runs, concurrency.pools or Pools()
        rules = queue.tag_concurrency_limits if runs is None else runs.tag_concurrency_limits
        given: dict[str, LimitRule] = {}
        for rule in rules or []:
            value, per_value = rule.value
            given[tag_key(_own(rule.key), "" if per_value else value)] = rule
        given |= {pool_key(name): one for name, one in pools.limits.items()}
        given |= {job_key(name): one for name, one in concurrency.jobs.items()}
        given |= {location_key(name): one for name, one in concurrency.locations.items()}
        fairness = {key: one.fairness for key, one in given.items() if one.fairness}
        rates = {key: one.starts for key, one in given.items() if one.starts}
        if runs is not None and runs.fairness:
            fairness[RUNS] = runs.fairness
        if runs is not None and runs.rate:
            rates[RUNS] = runs.rate.value()
        return {
            "fairness": {
                key: Fairness(key=_own(one.key), weights=one.weights)
                for key, one in fairness.items()
            },
            "rates": rates,
        }

    def _pools(self, queue: RunQueue) -> dict[str, Any]:
        concurrency = self._file.concurrency
        if concurrency.pools is not None and concurrency.default_op_concurrency_limit is not None:
            raise self._error(
                ("concurrency", "default_op_concurrency_limit"),
                "cannot be given together with concurrency.pools.",
                "Use concurrency.pools.default_limit.",
            )
        pools = concurrency.pools or Pools()
        blocked = queue.block_op_concurrency_limited_runs
        old_buffer = blocked.op_concurrency_slot_buffer if blocked else None
        # Dagster: blocking runs by their pools, said outright, is what op granularity was called before.
        old_granularity = "op" if blocked and blocked.enabled else None
        return {
            "default_pool_limit": _first(
                pools.default_limit, concurrency.default_op_concurrency_limit
            ),
            "pool_granularity": _first(old_granularity, pools.granularity),
            "op_granularity_run_buffer": _first(pools.op_granularity_run_buffer, old_buffer),
            "pools": {
                name: _capacity(one, pools.default_limit)
                for name, one in pools.limits.items()
                if one.capacity is not None or one.starts is not None
            },
            "pool_granularities": {
                k: one.granularity for k, one in pools.limits.items() if one.granularity
            },
        }

    @staticmethod
    def _holds_back(queue: RunQueue, *, is_limited: bool) -> bool:
        """Where runs do not queue, none stays queued for its pools."""
        blocked = queue.block_op_concurrency_limited_runs
        return is_limited and not (blocked and blocked.enabled is False)

    def _monitoring(self, section: RunMonitoring | None) -> dict[str, Any]:
        if section is None:
            return {}
        self._note_unused(section, _MONITOR_KEYS, ("run_monitoring",))
        if not self._is_on(section.enabled):
            return {
                "start_timeout_seconds": 0,
                "max_runtime_seconds": 0,
                "step_timeout_seconds": section.step_timeout_seconds,
                "heartbeat_timeout_seconds": section.heartbeat_timeout_seconds,
                "fail_fast": section.fail_fast,
            }
        return {
            "start_timeout_seconds": section.start_timeout_seconds,
            "max_runtime_seconds": section.max_runtime_seconds,
            "queue_timeout_seconds": section.queue_timeout_seconds,
            "fail_fast": section.fail_fast,
            "step_timeout_seconds": section.step_timeout_seconds,
            "heartbeat_timeout_seconds": section.heartbeat_timeout_seconds,
        }

    def _retries(self, section: RunRetries | None) -> dict[str, Any]:
        if section is None:
            return {"retries_runs": self._is_on(None)}
        is_on = self._is_on(section.enabled)
        if section.max_retries and not is_on:
            self.notes.append("run_retries.enabled is not true, so failed runs are not retried.")
        return {
            "retries_runs": is_on,
            "max_run_retries": section.max_retries if is_on else 0,
            "run_retry_strategy": section.strategy,
            "run_retry_delay_seconds": section.delay,
            "run_retry_backoff": section.backoff,
            "run_retry_on_step_failure": section.retry_on_asset_or_op_failure,
        }

    def _is_on(self, enabled: bool | None) -> bool:
        """Left out, a section is on in ``tidegate.yaml`` and off in ``dagster.yaml``, as it is in Dagster."""
        return not self._is_dagster if enabled is None else enabled

    def _note_unused(self, section: BaseModel, keys: tuple[str, ...], place: Place) -> None:
        given = [key for key in keys if key in section.model_fields_set]
        if given:
            self.notes.append(
                f"{'.'.join(map(str, place))}: not used by Tidegate: {', '.join(given)}."
            )

    def _note_what_nothing_acts_on(self) -> None:
        """Settings that later parts of the product act on. A setting without effect must not look like one with."""
        file = self._file
        waiting: list[str] = []
        for name, keys in NOT_ACTED_ON.items():
            section: BaseModel | None = getattr(file, name)
            waiting += [f"{name}.{key}" for key in _changed(section) if key in keys]
        if waiting:
            self.notes.append(f"Kept, and nothing acts on it yet: {', '.join(waiting)}.")


def _own(tag: str) -> str:
    """Dagster's tags are known by our names."""
    return f"tidegate/{tag[8:]}" if tag.startswith("dagster/") else tag


def _capacity(rule: LimitRule, default: int | None = None) -> int:
    """Most at once. Where nothing is said of it, there is a rate alone."""
    known = _first(rule.capacity, default)
    return UNLIMITED if known is None else known


def _first(*values: T | None) -> T | None:
    return next((one for one in values if one is not None), None)


def _backfills(section: Backfills) -> dict[str, Any]:
    given = section.model_dump()
    yield_seconds = given.pop("yield_seconds")
    return {**given, "backfill_yield_seconds": yield_seconds}


def _changed(section: BaseModel | None) -> list[str]:
    """Keys of the section that were given a value other than their default."""
    if section is None:
        return []
    fields = type(section).model_fields
    return sorted(
        key for key in section.model_fields_set if getattr(section, key) != fields[key].default
    )
