"""Submit: turn a request into one run, once."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import fastjsonschema

from tidegate.app.partitions import Offered, check_partition, offered
from tidegate.app.range_keys import fix_range_keys, kept_range_keys
from tidegate.app.runs.conflict import take_place
from tidegate.app.runs.give_way import gives_way, hold_or_give_way
from tidegate.app.services import Services
from tidegate.domain.conflict import OnConflict
from tidegate.domain.deadline import check_tags
from tidegate.domain.executor import executor_of
from tidegate.domain.limit import held_pools, policies_of, pool_capacity, pool_key
from tidegate.domain.partitions.definition import PARTITION_TAG
from tidegate.domain.partitions.hold import on_running
from tidegate.domain.pause import setting_of
from tidegate.domain.run import (
    Run,
    RunStatus,
    canonical_tags,
    run_id_of_key,
)
from tidegate.domain.run_retry import check_retry_tags
from tidegate.errors import ConfigError, RequestError, StoreError
from tidegate.manifest.document import ASSET_JOB, Manifest, StepDoc

logger = logging.getLogger(__name__)

MAX_CONFIG_BYTES = 200_000
"""Of run config and tags together: they are kept in the run's row, whose limit is 400 KB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What is asked for. ``origin`` and ``run_key`` together name the run: asked twice, it is created once."""

    job: str = ASSET_JOB
    assets: tuple[str, ...] | None = None
    run_config: dict[str, Any] | None = None
    tags: dict[str, str] = field(default_factory=dict)
    partition_key: str | None = None
    run_key: str | None = None
    origin: str = "api"
    trigger: str | None = None
    """What asks for it, when its runs are counted among themselves: one at a time."""
    on_conflict: str | None = None
    """What it does about runs of its trigger that are not over; None is ``queue``."""
    done_in: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    only: tuple[str, ...] | None = None
    """Of a retry: see ``Run``."""
    range_keys: str | None = None
    """Of a retry: the keys of its range are those of the run it follows, whatever there are now."""


def submit(services: Services, request: RunRequest) -> Run:
    """Create the run, or find the one this run key created before, and hand it to the queue.

    Everything is checked before anything is written. A caller that dies after the write leaves a QUEUED run; the
    same request again, or the sweep, hands it on. A run that gives way to others by its conflict policy is kept:
    it is CANCELED, and says which they were.

    Raises:
        UnknownJobError, UnknownAssetError, UnknownPartitionError, ConfigError, RequestError: nothing was created.
    """
    run = new_run(services, request)
    publish_manifest(services)
    stored, created = services.store.runs.create(run)
    stored = _in_its_place(services, stored, is_new=created)
    if stored.status is RunStatus.QUEUED:
        _wake_queue(services, [stored])
    return stored


def submit_all(services: Services, runs: Sequence[Run]) -> None:
    """As ``submit``, for runs that ``new_run`` has made, and in fewer calls."""
    if not runs:
        return
    publish_manifest(services)
    stored = [
        _in_its_place(services, run, is_new=created)
        for run, created in services.store.runs.create_all(runs)
    ]
    _wake_queue(services, [run for run in stored if run.status is RunStatus.QUEUED])


def _in_its_place(services: Services, run: Run, *, is_new: bool) -> Run:
    if run.status is RunStatus.QUEUED or (run.was_stopped and gives_way(run)):
        run = _placed(services, run, is_new=is_new)
    logger.info("run_submitted", extra={"run_id": run.run_id, "run_created": is_new})
    return run


def _placed(services: Services, run: Run, *, is_new: bool) -> Run:
    """The run, CANCELED if others came first. If that cannot be found out now, the queue function will."""
    try:
        if run.status is RunStatus.QUEUED:
            run = take_place(services, run, is_new=is_new)
        return hold_or_give_way(services, run) if gives_way(run) else run
    except StoreError as error:
        logger.warning("place_not_taken", extra={"run_id": run.run_id, "reason": str(error)})
        return run


def _wake_queue(services: Services, runs: Sequence[Run]) -> None:
    """The runs are there, so they are answered even if the queue could not be woken: else the caller would ask for others.
    The sweep finds them."""
    try:
        if len(runs) == 1:
            services.queue.enqueue(runs[0].run_id)
        elif runs:
            services.queue.enqueue_all([run.run_id for run in runs])
    except StoreError as error:
        ids = [run.run_id for run in runs]
        logger.warning("queue_not_woken", extra={"run_ids": ids, "reason": str(error)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What runs of a job, of the same assets and with the same config, have in common."""

    manifest: Manifest
    job_tags: Mapping[str, str]
    run_config: dict[str, Any]
    held_pools: tuple[str, ...]
    partitions: Offered


def kind_of(services: Services, request: RunRequest) -> Kind:
    """What can be said of a request without its tags and its partition, so once for many.

    Raises:
        UnknownJobError, UnknownAssetError, ConfigError, RequestError: there can be no such run.
    """
    manifest = services.manifests.current
    job = manifest.job(request.job)
    steps = manifest.steps_of(request.job, request.assets)
    if not steps:
        raise RequestError("The selection has nothing to run.", mend="Select at least one asset.")
    config = request.run_config if request.run_config is not None else (job["run_config"] or {})
    check_config(manifest, steps, config)
    executor_of(job.get("executor"), config)
    held = held_pools(manifest.plan(request.job, request.assets), services.settings)
    _check_slots(services, steps, held)
    return Kind(
        manifest=manifest,
        job_tags=job["tags"],
        run_config=config,
        held_pools=held,
        partitions=offered(services, manifest, job, request.assets),
    )


def new_run(services: Services, request: RunRequest, kind: Kind | None = None) -> Run:
    """The run that is asked for; nothing is written but the keys of its range. ``kind``: what ``kind_of`` says of the request, if that is known.

    Raises:
        UnknownJobError, UnknownAssetError, UnknownPartitionError, ConfigError, RequestError: there can be no such run.
    """
    kind = kind or kind_of(services, request)
    policy = _checked_policy(request)
    tags = {**kind.job_tags, **canonical_tags(request.tags)}
    partition = request.partition_key or tags.get(PARTITION_TAG)
    now = services.clock.now()
    if partition is not None:
        tags[PARTITION_TAG] = partition
    partitions = kind.partitions
    if request.range_keys is not None:
        fixed = kept_range_keys(services, request.range_keys)
        partitions = replace(partitions, known={**partitions.known, **fixed})
    check_partition(partitions, tags)
    check_asked(kind.run_config, tags)
    return Run(
        run_id=_run_id(services, request, now),
        job=request.job,
        manifest=kind.manifest.hash,
        location=kind.manifest.location,
        status=RunStatus.QUEUED,
        created_at=now,
        function=services.function,
        task_definition=services.task_definition,
        tags=tags,
        run_config=kind.run_config,
        partition_key=partition,
        range_keys=fix_range_keys(services, partitions.definition, tags, partitions.known),
        assets=request.assets,
        run_key=request.run_key,
        held_pools=kind.held_pools,
        done_in=request.done_in,
        only=request.only,
        on_conflict=policies_of(request.job, request.trigger, policy, services.settings),
    )


def _run_id(services: Services, request: RunRequest, now: datetime) -> str:
    if request.run_key is None:
        return services.ids.run_id(now)
    return run_id_of_key(f"{request.origin}/{request.job}", request.run_key)


def _checked_policy(request: RunRequest) -> OnConflict:
    name, given = request.trigger, request.on_conflict
    if name is not None and not re.fullmatch(r"\S{1,200}", name):
        raise RequestError(
            f"A trigger cannot be named {name!r}.", mend="1 to 200 characters without spaces."
        )
    if given is not None and given not in list(OnConflict):
        raise RequestError(
            f"There is no conflict policy {given!r}.", mend=f"Policies: {', '.join(OnConflict)}."
        )
    if given is not None and name is None:
        raise RequestError(
            "A conflict policy needs the trigger whose runs it is about.",
            mend=f"Name it; for all runs of the job set concurrency.jobs.{request.job}.on_conflict.",
        )
    return OnConflict.QUEUE if given is None else OnConflict(given)


def publish_manifest(services: Services) -> None:
    digest = services.manifests.current.hash
    if digest not in services.published:
        services.manifests.publish()
        services.published.add(digest)


def _check_slots(services: Services, steps: list[StepDoc], held: tuple[str, ...]) -> None:
    """No step wants more slots than its pool has by now: it would wait for ever, and all behind it.

    A pool set to 0 is closed on purpose, and refuses nobody. Pools of one slot a step need not be looked at.
    """
    most: dict[str, tuple[int, str]] = {}
    for step in steps:
        for pool, slots in step["pools"].items():
            if slots > 1 and pool not in held:
                most[pool] = max(most.get(pool, (0, "")), (slots, step["key"]))
    for pool, (slots, key) in most.items():
        limit = services.admission.limit(pool_key(pool))
        if limit is None:
            capacity = pool_capacity(services.settings, pool)
        else:
            capacity = setting_of(limit).capacity
        if 0 < capacity < slots:
            raise RequestError(
                f"Step {key!r} takes {slots} slots of pool {pool!r}, which has {capacity}.",
                mend=f"Raise it with `tidegate limits set pool/{pool} {slots}`, "
                "or let the step take fewer.",
            )


def check_asked(config: dict[str, Any], tags: dict[str, str]) -> None:
    """
    Raises:
        ConfigError, RequestError: config and tags are too large, or a tag that means something says nothing.
    """
    check_tags(tags)
    check_retry_tags(tags)
    on_running(tags)
    try:
        size = len(json.dumps(config).encode()) + len(json.dumps(tags).encode())
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"Run config is not JSON: {error}.", mend="Use strings, numbers, lists and mappings."
        ) from error
    if size > MAX_CONFIG_BYTES:
        raise ConfigError(
            f"Run config and tags are {size:,} bytes; {MAX_CONFIG_BYTES:,} is the most.",
            mend="Put large values in the bucket and pass their key.",
        )


def check_config(manifest: Manifest, steps: list[StepDoc], config: dict[str, Any]) -> None:
    """Raises:
    ConfigError: names the first field that does not fit, and what would.
    """
    if not isinstance(config, dict):
        raise ConfigError(
            "Run config must be a mapping.", mend='Like {"ops": {"name": {"config": {}}}}.'
        )
    unknown = sorted(set(config) - {"ops", "resources", "execution", "loggers"})
    if unknown:
        raise ConfigError(
            f"Run config has an unknown section {unknown[0]!r}.",
            mend="Sections: ops, resources, execution, loggers.",
        )
    by_key = {step["key"]: step for step in steps}
    ops = dict(_flat(_section(config, "ops")))
    for name in ops:
        if name not in by_key:
            raise ConfigError(
                f"Run config is for op {name!r}, which is not part of this run.",
                mend=f"Ops: {', '.join(sorted(by_key)[:12])}.",
            )
    for key, step in by_key.items():
        _check_against(f"ops.{key}.config", step["config_schema"], ops.get(key, {}))
    resources, schemas = _section(config, "resources"), manifest.document["resources"]
    for name, given in resources.items():
        if name not in schemas:
            raise ConfigError(
                f"Run config is for resource {name!r}, which is not defined.",
                mend=f"Resources: {', '.join(sorted(schemas)) or 'none'}.",
            )
        _check_against(f"resources.{name}.config", schemas[name], given)


def _section(config: dict[str, Any], name: str) -> dict[str, Any]:
    section = config.get(name) or {}
    if not isinstance(section, dict):
        raise ConfigError(f"Run config section {name!r} must be a mapping.")
    return section


def _flat(ops: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Config by step key: that of a graph's ops may stand under the graph (``outer: {ops: {inner: ...}}``)."""
    for name, given in ops.items():
        if isinstance(given, dict) and set(given) == {"ops"} and isinstance(given["ops"], dict):
            yield from _flat(given["ops"], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", given


def _check_against(path: str, schema: dict[str, Any] | None, given: Any) -> None:
    if not isinstance(given, dict) or set(given) - {"config"}:
        raise ConfigError(f"{path.rsplit('.', 1)[0]} must be a mapping with the one key 'config'.")
    value = given.get("config")
    if schema is None:
        if value:
            raise ConfigError(f"{path} is given, but it takes no config.", mend="Leave it out.")
        return
    try:
        fastjsonschema.validate(schema, {} if value is None else value, use_default=False)
    except fastjsonschema.JsonSchemaValueException as error:
        where = ".".join([path, *(str(part) for part in error.path[1:])])
        rule = error.message.removeprefix(error.name or "").strip()
        raise ConfigError(
            f"{where}: {rule}.",
            mend=f"It was {error.value!r}."[:200],
        ) from error
