"""What a backfill shall make: which partitions of which assets, and what must be known of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tidegate.app.api.selecting import select_assets
from tidegate.app.partitions import (
    Numbers,
    asset_states,
    dynamic_numbers,
    read_range,
)
from tidegate.app.services import Services
from tidegate.domain.backfills.graph import BackfillNode, Nodes
from tidegate.domain.backfills.policy import BackfillPolicy
from tidegate.domain.partitions.default_mapping import infer_mapping, mapping_from_json
from tidegate.domain.partitions.definition import PartitionsDefinition, PartitionSpace, from_json
from tidegate.domain.partitions.mapping import WHOLE, PartitionMapping
from tidegate.domain.partitions.partition_set import EMPTY, PartitionSet, union
from tidegate.domain.partitions.state import PartitionStatus
from tidegate.errors import RequestError, UnknownAssetError, UnknownPartitionError
from tidegate.manifest.document import ASSET_JOB, AssetDoc, JobDoc, Manifest

Found = dict[str, PartitionSet]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillRequest:
    """What is asked for. Of ``partition_keys``, ``partition_range`` and ``all_partitions``, one; of ``only``, at most one."""

    selection: str | None = None
    job: str | None = None
    partition_keys: tuple[str, ...] | None = None
    partition_range: str | None = None
    all_partitions: bool = False
    only: str | None = None
    """``missing``: those that are not made; ``failed``; ``stale``: made by another version of the code."""
    tags: dict[str, str] = field(default_factory=dict)
    run_config: dict[str, Any] | None = None
    title: str = ""
    descending: bool = False
    max_outstanding: int | None = None
    backfill_id: str | None = None
    by: str = ""


def job_of(request: BackfillRequest) -> str:
    return request.job or ASSET_JOB


def assets_of(services: Services, request: BackfillRequest) -> tuple[str, ...]:
    """The assets, upstream first; of a job of ops, the job itself, as ``job:NAME``.

    Raises:
        RequestError, NotFoundError: there are none, or it is not said which.
    """
    manifest = services.manifests.current
    if (request.selection is None) == (request.job is None):
        raise RequestError("Backfill what?", mend="Give a selection of assets, or a job.")
    if request.selection is not None:
        return select_assets(manifest, request.selection)
    assert request.job is not None
    job = manifest.job(request.job)
    if job["assets"] is None:
        return (node_of_job(request.job),)
    chosen = frozenset(job["assets"])
    return tuple(
        out["asset"]
        for step in manifest.document["steps"].values()
        for out in step["outputs"]
        if out["asset"] in chosen and out["asset"] is not None
    )


def node_of_job(name: str) -> str:
    return f"job:{name}"


def nodes_of(
    services: Services, manifest: Manifest, job: str, assets: Sequence[str], at: datetime
) -> Nodes:
    """What a backfill must know of its assets, as of when it was created."""
    document = manifest.job(job)
    if document["assets"] is None:
        nodes = [_of_job(job, document)]
    else:
        nodes = [_of_asset(manifest, manifest.assets[key], frozenset(assets)) for key in assets]
    known = dynamic_numbers(services, (one.definition for one in nodes))
    spaces = _Spaces(at, known)
    return {one.key: replace(one, space=spaces.of(one.definition)) for one in nodes}


class _Spaces:
    """Partitions at one moment: of equal definitions, the same object."""

    def __init__(self, at: datetime, known: Numbers) -> None:
        self._at, self._known = at, known
        self._made: dict[PartitionsDefinition, PartitionSpace] = {}

    def of(self, definition: PartitionsDefinition | None) -> PartitionSpace:
        if definition is None:
            return WHOLE
        found = self._made.get(definition)
        if found is None:
            found = self._made[definition] = definition.space(self._at, self._known)
        return found


def _of_job(job: str, document: JobDoc) -> BackfillNode:
    if document["partitions"] is None:
        raise UnknownPartitionError(f"Job {job!r} has no partitions.")
    key = node_of_job(job)
    return BackfillNode(key=key, definition=from_json(document["partitions"]), step=key)


def _of_asset(manifest: Manifest, asset: AssetDoc, chosen: frozenset[str]) -> BackfillNode:
    definition = None if asset["partitions"] is None else from_json(asset["partitions"])
    policy = asset.get("backfill_policy")
    step = manifest.document["steps"][str(asset["step"])]
    return BackfillNode(
        key=asset["key"],
        definition=definition,
        step=step["key"],
        is_whole_step=not step["can_subset"],
        upstream={key: mapping_of(manifest, asset, key) for key in asset["deps"] if key in chosen},
        policy=None if policy is None else BackfillPolicy(policy["max_partitions_per_run"]),
    )


def mapping_of(manifest: Manifest, asset: AssetDoc, dep: str) -> PartitionMapping:
    given = asset.get("mappings", {}).get(dep)
    if given is not None:
        return mapping_from_json(given)
    own, up = asset["partitions"], manifest.assets[dep]["partitions"]
    return infer_mapping(
        None if own is None else from_json(own), None if up is None else from_json(up)
    )


# Which partitions


def target_of(services: Services, request: BackfillRequest, nodes: Nodes) -> Found:
    """The partitions of each asset; assets of which there are none are left out.

    Raises:
        RequestError, UnknownPartitionError, InvocationError: there are none such, or none at all.
    """
    said = (request.partition_keys, request.partition_range, request.all_partitions or None)
    if sum(one is not None for one in said) > 1:
        raise RequestError(
            "Partitions are given in several ways.", mend="Give keys, a range A...B, or all."
        )
    if not any(one is not None for one in said) and request.only is None and _partitioned(nodes):
        raise RequestError(
            "Which partitions?", mend="Give keys, a range A...B, all, or those missing or failed."
        )
    wide = request.partition_keys is None and request.partition_range is None
    found = _everything(nodes) if wide else _named(services, request, nodes)
    if request.only is not None:
        found = {key: _only(services, request.only, nodes[key], one) for key, one in found.items()}
    target = {key: one for key, one in found.items() if one}
    if not target:
        raise RequestError(
            "There is nothing to backfill: no partition is left to make.",
            mend="`tidegate partitions status ASSET` shows how they stand.",
        )
    _check_upstream(services, target, nodes)
    return target


def _partitioned(nodes: Nodes) -> list[BackfillNode]:
    return [one for one in nodes.values() if one.definition is not None]


def _everything(nodes: Nodes) -> Found:
    return {key: one.space.everything for key, one in nodes.items()}


def _named(services: Services, request: BackfillRequest, nodes: Nodes) -> Found:
    """The partitions of the roots that are named, and downstream all that are made of any of them."""
    roots = [
        one
        for one in _partitioned(nodes)
        if not any(nodes[up].definition is not None for up in one.upstream if up != one.key)
    ]
    if not roots:
        raise UnknownPartitionError("None of these assets has partitions.", mend="Name none.")
    first = roots[0]
    for one in roots:
        if one.definition != first.definition:
            raise RequestError(
                f"{first.key!r} and {one.key!r} are partitioned differently.",
                mend="Give all partitions, or launch a backfill of each.",
            )
    chosen = _chosen(request, first, services)
    found: Found = {}
    for key, node in nodes.items():
        if node.definition is None:
            found[key] = WHOLE.everything
        elif node in roots:
            found[key] = chosen
        else:
            found[key] = node.space.everything & union(
                mapping.downstream(found[up], nodes[up].space, node.space)
                for up, mapping in node.upstream.items()
                if up != key and nodes[up].definition is not None
            )
    return found


def _chosen(request: BackfillRequest, node: BackfillNode, services: Services) -> PartitionSet:
    definition, now = node.definition, services.clock.now()
    assert definition is not None
    known = dynamic_numbers(services, [definition])
    if request.partition_range is not None:
        return definition.subset_of_range(read_range(request.partition_range), now, known)
    numbers = []
    for key in request.partition_keys or ():
        definition.validate_partition_key(key, now, known)
        numbers.append(node.space.number(key))
    return PartitionSet.of(one for one in numbers if one is not None)


def _only(services: Services, only: str, node: BackfillNode, numbers: PartitionSet) -> PartitionSet:
    if only not in ("missing", "failed", "stale"):
        raise RequestError(f"{only!r} is neither missing, nor failed, nor stale.")
    if node.definition is None:
        made = services.store.assets.latest(node.key)
        version = services.manifests.current.assets[node.key].get("code_version")
        is_stale = made is not None and version is not None and made.code_version != version
        return numbers if {"missing": made is None, "stale": is_stale}.get(only) else EMPTY
    _, _, states = asset_states(services, node.key)
    if only == "failed":
        return numbers & states[PartitionStatus.FAILED]
    if only == "stale":
        return numbers & states[PartitionStatus.STALE]
    kept = (PartitionStatus.MATERIALIZED, PartitionStatus.STALE, PartitionStatus.IN_PROGRESS)
    return numbers - union(states[one] for one in kept)


def _check_upstream(services: Services, target: Mapping[str, PartitionSet], nodes: Nodes) -> None:
    """Refuse partitions that need some upstream which do not exist."""
    for key, numbers in target.items():
        node = nodes[key]
        for up, mapping in node.upstream.items():
            needed = mapping.upstream(numbers, node.space, nodes[up].space)
            if needed.missing:
                raise RequestError(
                    f"Asset {key!r} needs {len(needed.missing)} partitions of {up!r} "
                    "that do not exist.",
                    mend="Choose later partitions, or let the mapping allow it "
                    "(allow_nonexistent_upstream_partitions=True).",
                )


def gone(services: Services, assets: Iterable[str]) -> None:
    """
    Raises:
        UnknownAssetError: one of the assets is not deployed any more.
    """
    for key in assets:
        if key not in services.manifests.current.assets:
            raise UnknownAssetError(f"Asset {key!r} is not deployed any more.")
