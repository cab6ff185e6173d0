"""``Definitions`` written down: all that the control plane knows of user code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tidegate import __version__
from tidegate.errors import DefinitionError
from tidegate.manifest.document import (
    MANIFEST_VERSION,
    AssetDoc,
    HookDoc,
    InputDoc,
    JobDoc,
    Manifest,
    ManifestDoc,
    OutputDoc,
    StepDoc,
)
from tidegate.sdk.asset_spec import AssetSpec
from tidegate.sdk.config_schema import check_schema, json_schema, relaxed
from tidegate.sdk.declaration import at
from tidegate.sdk.definitions import Definitions
from tidegate.sdk.hook import HookDefinition
from tidegate.sdk.job import JobDefinition
from tidegate.sdk.metadata import metadata_json
from tidegate.sdk.resource_check import manager_keys
from tidegate.sdk.step import StepDefinition, StepInput, StepOutput


def compile_manifest(defs: Definitions, *, location: str, code_version: str) -> Manifest:
    """The manifest of a code location. The same definitions always give the same hash.

    Args:
        location: Name of the code location.
        code_version: What the code is known by: a commit, a release.

    Raises:
        DefinitionError: something declared cannot be written down (metadata, a config class); the
            message says where.
    """
    schemas: dict[int, tuple[Any, dict[str, Any] | None]] = {}
    steps = {step.key: _step(step, schemas) for step in defs.asset_steps}
    outputs = {str(out.asset_key): (step, out) for step in defs.asset_steps for out in step.outputs}
    document: ManifestDoc = {
        "version": MANIFEST_VERSION,
        "location": location,
        "code_version": code_version,
        "tidegate": __version__,
        "steps": steps,
        "assets": {key: _asset(spec, outputs.get(key)) for key, spec in defs.specs.items()},
        "jobs": {name: _job(job, schemas) for name, job in defs.jobs.items()},
        "resources": _resources(defs),
    }
    return Manifest(document)


def _step(step: StepDefinition, schemas: dict[int, tuple[Any, dict[str, Any] | None]]) -> StepDoc:
    document: StepDoc = {
        "key": step.key,
        "description": step.description,
        "inputs": [_input(one) for one in step.inputs if one.sources],
        "outputs": [_output(out) for out in step.outputs],
        "pools": dict(sorted(step.pools.items())),
        "priority": step.priority,
        "tags": dict(sorted(step.tags.items())),
        "compute": dict(step.compute),
        "timeout_seconds": step.timeout_seconds,
        "retry": step.retry_policy.to_json() if step.retry_policy is not None else None,
        "config_schema": _schema(step, schemas),
        "resources": sorted(
            {*step.required_resource_keys, *step.resource_parameters, *manager_keys(step)}
        ),
        "can_subset": step.can_subset,
    }
    if step.hooks:
        document["hooks"] = _hooks(step.hooks)
    if step.mapped_over is not None:
        document["mapped_over"] = step.mapped_over
    return document


def _input(one: StepInput) -> InputDoc:
    document: InputDoc = {"name": one.name, "sources": list(one.sources), "fan_in": one.fan_in}
    if one.collects:
        document["collects"] = True
    return document


def _output(one: StepOutput) -> OutputDoc:
    document: OutputDoc = {"name": one.name, "required": one.required, "asset": _asset_key(one)}
    if one.is_dynamic:
        document["is_dynamic"] = True
    return document


def _asset_key(out: StepOutput) -> str | None:
    return None if out.asset_key is None else str(out.asset_key)


def _schema(
    step: StepDefinition, schemas: dict[int, tuple[Any, dict[str, Any] | None]]
) -> dict[str, Any] | None:
    """The JSON schema of a step's config; a class is asked once."""
    kind = step.config_type
    known = schemas.get(id(kind))
    if known is None:
        try:
            known = schemas[id(kind)] = (kind, json_schema(kind))
        except Exception as error:  # whatever describing a user's class raises
            raise DefinitionError(
                f"The config of step {step.key!r}{at(step.source)} has no JSON schema: "
                f"{_first_line(error)}.",
                mend="Use text, numbers, booleans, lists, dictionaries or Config classes.",
            ) from error
    return known[1]


def _asset(spec: AssetSpec, made: tuple[StepDefinition, StepOutput] | None) -> AssetDoc:
    step, output = made if made is not None else (None, None)
    document: AssetDoc = {
        "key": str(spec.key),
        "step": None if step is None else step.key,
        "output": output.name if output is not None else "result",
        "deps": [str(key) for key in spec.deps],
        "group": spec.group,
        "description": spec.description or "",
        "tags": dict(sorted(spec.tags.items())),
        "kinds": list(spec.kinds),
        "owners": list(spec.owners),
        "metadata": metadata_json(spec.metadata),
        "partitions": None if spec.partitions_def is None else spec.partitions_def.to_json(),
        "code_version": spec.code_version,
        "io_manager": output.io_manager_key if output is not None else "io_manager",
    }
    if spec.partition_mappings:
        document["mappings"] = {
            str(key): one.to_json() for key, one in spec.partition_mappings.items()
        }
    if step is not None and step.backfill_policy is not None:
        document["backfill_policy"] = step.backfill_policy.to_json()
    return document


def _job(job: JobDefinition, schemas: dict[int, tuple[Any, dict[str, Any] | None]]) -> JobDoc:
    own = job.asset_keys is None
    document: JobDoc = {
        "name": job.name,
        "description": job.description,
        "steps": [_step(step, schemas) for step in job.steps] if own else None,
        "assets": None if job.asset_keys is None else list(job.asset_keys),
        "tags": dict(sorted(job.tags.items())),
        "run_config": None if job.run_config is None else dict(job.run_config),
        "partitions": None if job.partitions_def is None else job.partitions_def.to_json(),
        "max_concurrent": job.max_concurrent,
    }
    if job.hooks:
        document["hooks"] = _hooks(job.hooks)
    if job.executor is not None:
        document["executor"] = dict(job.executor)
    if not own and job.retry_policy is not None:
        document["retry"] = job.retry_policy.to_json()
    return document


def _hooks(hooks: Iterable[HookDefinition]) -> list[HookDoc]:
    return [{"name": one.name, "on": one.on, "of": one.of} for one in hooks]


def _resources(defs: Definitions) -> dict[str, dict[str, Any] | None]:
    """Schemas of all resources: those of the definitions, and of single jobs where no other has the
    name."""
    found: dict[str, Any] = dict(defs.resources)
    for job in defs.jobs.values():
        for key, value in job.resources.items():
            found.setdefault(key, value)
    return {key: _resource(key, found[key]) for key in sorted(found)}


def _resource(key: str, value: Any) -> dict[str, Any] | None:
    schema = getattr(value, "config_schema", None)
    if schema is not None and not callable(schema):
        check_schema(f"Resource {key!r}", schema)
        return json_schema(schema)
    from tidegate.sdk.resource import config_json_schema

    found = config_json_schema(value)
    return None if found is None else relaxed(found)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
