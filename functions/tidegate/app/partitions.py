"""Partitions as the control plane sees them: which there are now, whether a run may be for one, and how they stand."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidegate.app.range_keys import range_keys_of
from tidegate.app.services import Services
from tidegate.domain.partitions.definition import (
    PARTITION_TAG,
    RANGE_END_TAG,
    RANGE_START_TAG,
    DynamicKeys,
    PartitionKeyRange,
    PartitionsDefinition,
    PartitionSpace,
    from_json,
)
from tidegate.domain.partitions.dynamic import check_keys
from tidegate.domain.partitions.partition_set import PartitionSet
from tidegate.domain.partitions.range_keys import dynamic_names, range_of
from tidegate.domain.partitions.state import (
    PartitionStatus,
    Place,
    place_of,
    places_of_windows,
    prefix_of,
    states_of,
)
from tidegate.domain.partitions.time_window import TimeWindowPartitionsDefinition
from tidegate.domain.plan import RunPlan
from tidegate.domain.run import Run
from tidegate.errors import (
    DeploymentError,
    InvocationError,
    RequestError,
    UnknownAssetError,
    UnknownPartitionError,
)
from tidegate.manifest.document import JobDoc, Manifest

Numbers = Mapping[str, Mapping[str, int]]
KeyLists = dict[str, list[str]]
MOST_SHOWN = 1000


def dynamic_numbers(
    services: Services, definitions: Iterable[PartitionsDefinition | None]
) -> Numbers:
    """The keys, with their numbers, of all dynamic definitions among these."""
    names = dict.fromkeys(name for one in definitions for name in dynamic_names(one))
    return {name: services.store.automation.partition_numbers(name) for name in names}


def space_of(
    services: Services, definition: PartitionsDefinition, at: datetime | None = None
) -> PartitionSpace:
    """The partitions there are, at a moment or now."""
    return definition.space(at or services.clock.now(), dynamic_numbers(services, [definition]))


# What a run is for


@dataclass(frozen=True, slots=True)
class Offered:
    """The partitions that runs of a job, of the same assets, may be for at one moment."""

    definition: PartitionsDefinition | None
    """None: nothing in such a run is partitioned."""
    at: datetime
    known: DynamicKeys


def offered(
    services: Services, manifest: Manifest, job: JobDoc, assets: Sequence[str] | None
) -> Offered:
    """
    Raises:
        RequestError: the assets are partitioned differently.
    """
    definition = _shared(manifest, job, assets)
    return Offered(definition, services.clock.now(), dynamic_numbers(services, [definition]))


def check_partition(partitions: Offered, tags: dict[str, str]) -> None:
    """Whether a run may be for the partition, or the range of partitions, that its tags name.

    Raises:
        UnknownPartitionError, InvocationError, RequestError: there is none such, or one is needed.
    """
    definition, now, known = partitions.definition, partitions.at, partitions.known
    key, key_range = tags.get(PARTITION_TAG), range_of(tags)
    if definition is None:
        if key is not None or key_range is not None:
            named = key if key is not None else f"{key_range.start}...{key_range.end}"  # type: ignore[union-attr]
            raise UnknownPartitionError(
                f"Partition {named!r} was given, but nothing in this run is partitioned.",
                mend="Leave it out.",
            )
        return
    if key is not None and key_range is not None:
        raise RequestError(
            "A run is for one partition, or for a range, not for both.", mend="Give one of them."
        )
    if key is not None:
        definition.validate_partition_key(key, now, known)
    elif key_range is not None:
        definition.subset_of_range(key_range, now, known)
    else:
        example = definition.get_last_partition_key(now, known)
        raise UnknownPartitionError(
            "This run needs a partition key.", mend=f"For example {example!r}." if example else ""
        )


def _shared(
    manifest: Manifest, job: JobDoc, assets: Sequence[str] | None
) -> PartitionsDefinition | None:
    """The one definition of all that a run makes; None: nothing is partitioned."""
    documents = {None: job["partitions"]}
    if job["steps"] is None:
        chosen = assets or job["assets"] or ()
        documents = {key: manifest.assets[key]["partitions"] for key in chosen}  # type: ignore[misc]
    found: dict[Any, PartitionsDefinition] = {
        key: from_json(one) for key, one in documents.items() if one is not None
    }
    first = next(iter(found.items()), None)
    if first is None:
        return None
    for key, one in found.items():
        if one != first[1]:
            raise RequestError(
                f"{first[0]!r} and {key!r} are partitioned differently, and cannot go in one run.",
                mend="Launch a backfill of both, or a run of each.",
            )
    return first[1]


def range_tags(text: str) -> dict[str, str]:
    """Tags of a run for the range ``A...B``."""
    found = read_range(text)
    return {RANGE_START_TAG: found.start, RANGE_END_TAG: found.end}


def read_range(text: str) -> PartitionKeyRange:
    """
    Raises:
        RequestError: it is not of the form ``A...B``.
    """
    start, dots, end = text.partition("...")
    if not dots or not start or not end:
        raise RequestError(f"{text!r} is no range of partitions.", mend="Write A...B.")
    return PartitionKeyRange(start, end)


def keys_for_step(services: Services, run: Run, assets: Iterable[str]) -> tuple[KeyLists, KeyLists]:
    """Keys of dynamic partitions that a step of these assets may need, by name: its own, if it is for a range, and those
    of what it reads, unless that is the same partition. Then its own, where what it reads has the same name."""
    manifest = services.manifests.get(run.manifest)
    read: dict[str, None] = {}
    for key in assets:
        document = manifest.assets[key]
        own = document["partitions"]
        for dep in document["deps"]:
            up = manifest.assets[dep]["partitions"] if dep in manifest.assets else None
            if up is not None and (up != own or dep in document.get("mappings", {})):
                read |= dict.fromkeys(dynamic_names(from_json(up)))
    fixed = {name: list(keys) for name, keys in range_keys_of(services, run).items()}
    now = {name: list(services.store.automation.partition_numbers(name)) for name in read}
    return fixed | now, {name: keys for name, keys in fixed.items() if name in now}


# How partitions stand


def mark(services: Services, run: Run, assets: Iterable[str], state: str) -> None:
    """Record what happens to the run's partitions of these assets. Twice is once.

    If it is lost which they are, nothing is recorded: that must not keep a step, or the run, from its end.
    """
    manifest = services.manifests.get(run.manifest)
    for key in assets:
        document = manifest.assets[key]["partitions"]
        if document is not None:
            with suppress(DeploymentError):
                places = places_of(services, run, from_json(document))
                version = manifest.assets[key].get("code_version")
                services.store.partition_states.mark(key, state, places, code_version=version)


def mark_stopped(services: Services, run: Run, plan: RunPlan | None) -> None:
    """None of the partitions of a run that was stopped is in progress any more."""
    for step in () if plan is None else plan.all_steps():
        mark(services, run, step.assets, "ended")


def places_of(services: Services, run: Run, definition: PartitionsDefinition) -> list[Place]:
    """Where the partitions are that a run is for."""
    key_range = range_of(run.tags)
    if isinstance(definition, TimeWindowPartitionsDefinition) and run.partition_key is None:
        if key_range is None:
            return []
        try:
            numbers = definition.subset_of_range(key_range, run.created_at, {})
        except (UnknownPartitionError, InvocationError):
            return []
        return places_of_windows(definition, numbers)
    found = (place_of(definition, key) for key in keys_of(services, run, definition))
    return [one for one in found if one is not None]


def keys_of(services: Services, run: Run, definition: PartitionsDefinition) -> list[str]:
    """The partitions that a run is for, as of when it was created.

    Raises:
        DeploymentError: the keys of its range were deleted from the bucket.
    """
    key_range = range_of(run.tags)
    if run.partition_key is not None:
        return [run.partition_key]
    if key_range is None:
        return []
    try:
        known = range_keys_of(services, run)
        return list(definition.get_partition_keys_in_range(key_range, run.created_at, known))
    except (UnknownPartitionError, InvocationError):
        return []


def asset_states(
    services: Services, asset: str
) -> tuple[PartitionsDefinition, PartitionSpace, Mapping[PartitionStatus, PartitionSet]]:
    """The partitions of an asset now, by state.

    Raises:
        UnknownAssetError: there is no such asset.
        UnknownPartitionError: it has no partitions.
    """
    document = services.manifests.current.assets.get(asset)
    if document is None:
        raise UnknownAssetError(
            f"There is no asset {asset!r}.", mend="`tidegate definitions list` shows all."
        )
    if document["partitions"] is None:
        raise UnknownPartitionError(f"Asset {asset!r} has no partitions.")
    definition = from_json(document["partitions"])
    space = space_of(services, definition)
    rows = services.store.partition_states.marked(asset, prefix_of(definition))
    return definition, space, states_of(definition, space, rows, document.get("code_version"))


def show_states(
    services: Services, asset: str, *, limit: int, cursor: str | None
) -> dict[str, Any]:
    """Counts of an asset's partitions by state, and a page of ranges ``[first key, last key, state]``, in order."""
    _, space, states = asset_states(services, asset)
    after = int(cursor) if cursor else 0
    merged = sorted(
        (start, stop, status.value)
        for status, numbers in states.items()
        for start, stop in _from(numbers, after, limit + 1)
    )
    shown = merged[:limit]
    return {
        "asset": asset,
        "total": len(space.everything),
        "counts": {status.value: len(numbers) for status, numbers in states.items()},
        "ranges": [
            [space.key(start), space.key(stop - 1), stop - start, status]
            for start, stop, status in shown
        ],
        "cursor": str(shown[-1][1]) if len(merged) > limit else None,
    }


def _from(numbers: PartitionSet, after: int, count: int) -> list[tuple[int, int]]:
    last = numbers.last
    if last is None or last < after:
        return []
    left = numbers if after == 0 else numbers & PartitionSet.range(after, last + 1)
    return list(itertools.islice(left.ranges(), count))


# Dynamic partitions


def list_dynamic(services: Services, name: str) -> dict[str, Any]:
    _check_name(services, name)
    return {"name": name, "keys": list(services.store.automation.partition_numbers(name))}


def add_dynamic(services: Services, name: str, keys: Any) -> dict[str, Any]:
    """Add keys; those that are there already stay as they are.

    Raises:
        RequestError: a key cannot be one, or no partitions have this name.
    """
    _check_name(services, name)
    new = services.store.automation.add_partitions(name, check_keys(keys))
    return {"name": name, "added": list(new)}


def delete_dynamic(services: Services, name: str, key: str) -> dict[str, Any]:
    """Forget a key. What was made of it stays.

    Raises:
        UnknownPartitionError: there is none.
    """
    _check_name(services, name)
    if not services.store.automation.delete_partition(name, key):
        raise UnknownPartitionError(
            f"{name!r} has no partition {key!r}.",
            mend=f"`tidegate partitions list {name}` shows all.",
        )
    return {"name": name, "deleted": key}


def _check_name(services: Services, name: str) -> None:
    documents = services.manifests.current.document
    found: dict[str, None] = {}
    for one in (*documents["assets"].values(), *documents["jobs"].values()):
        if one["partitions"] is not None:
            found |= dict.fromkeys(dynamic_names(from_json(one["partitions"])))
    if name not in found:
        raise UnknownPartitionError(
            f"No dynamic partitions have the name {name!r}.",
            mend=f"There are: {', '.join(sorted(found))}." if found else "There are none.",
        )
