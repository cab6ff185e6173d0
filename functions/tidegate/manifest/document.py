"""The manifest: a JSON document, made from ``Definitions`` by ``compiler.py``, all the control
plane knows of user code.

It is content-addressed: ``Manifest.hash`` is the SHA-256 of its JSON, runs record that hash, and a
manifest once published under it never changes. The document is used as it is parsed (typed
dictionaries, no copies), because every cold start pays for reading it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, NotRequired, TypedDict

from tidegate.domain.mapping import mapped_step_key
from tidegate.domain.plan import PlanInput, PlanOutput, PlanStep, RunPlan
from tidegate.errors import DeploymentError, InvocationError, UnknownAssetError, UnknownJobError

MANIFEST_VERSION = 1
ASSET_JOB = "__ASSET_JOB"
"""The implicit job of ad-hoc asset runs, by Dagster's name."""


class InputDoc(TypedDict):
    name: str
    sources: list[tuple[str, str]]
    """(step key, output name); more than one only when ``fan_in``."""
    fan_in: bool
    collects: NotRequired[bool]
    """All values of its one source, which is dynamic or mapped. Left out when not so."""


class OutputDoc(TypedDict):
    name: str
    required: bool
    asset: str | None
    is_dynamic: NotRequired[bool]
    """Any number of values, each under a mapping key. Left out when not so."""


class HookDoc(TypedDict):
    name: str
    on: str
    """``success`` or ``failure``."""
    of: str
    """``step`` or ``run``."""


class StepDoc(TypedDict):
    key: str
    description: str
    inputs: list[InputDoc]
    outputs: list[OutputDoc]
    pools: dict[str, int]
    priority: int
    tags: dict[str, str]
    compute: dict[str, Any]
    timeout_seconds: int | None
    retry: dict[str, Any] | None
    config_schema: dict[str, Any] | None
    """JSON schema of ``run_config["ops"][key]["config"]``; None: takes no config."""
    resources: list[str]
    can_subset: bool
    hooks: NotRequired[list[HookDoc]]
    mapped_over: NotRequired[tuple[str, str]]
    """(step key, output name) of the dynamic output for each of whose values there is a step."""


class AssetDoc(TypedDict):
    key: str
    step: str | None
    """None: external, never materialized here."""
    output: str
    deps: list[str]
    group: str
    description: str
    tags: dict[str, str]
    kinds: list[str]
    owners: list[str]
    metadata: dict[str, dict[str, Any]]
    partitions: dict[str, Any] | None
    """See ``domain/partitions/definition.py: from_json``."""
    code_version: str | None
    io_manager: str
    mappings: NotRequired[dict[str, dict[str, Any]]]
    """Upstream key -> its partition mapping, where one is given; see ``domain/partitions/default_mapping.py``."""
    backfill_policy: NotRequired[dict[str, Any]]


class JobDoc(TypedDict):
    name: str
    description: str
    steps: list[StepDoc] | None
    """An op job's own steps; None for an asset job, whose steps are those of ``assets``."""
    assets: list[str] | None
    tags: dict[str, str]
    run_config: dict[str, Any] | None
    """What a run gets that is submitted without run config."""
    partitions: dict[str, Any] | None
    max_concurrent: int | None
    """Steps of one run at once, by its executor and its config; what a run's own config says wins."""
    executor: NotRequired[dict[str, Any]]
    """``{"multiprocess": config}`` or ``{"in_process": config}``; see ``domain/executor.py``."""
    retry: NotRequired[dict[str, Any]]
    hooks: NotRequired[list[HookDoc]]
    """For all of its steps, and for its runs."""
    """Of an asset job: for those of its steps that have none of their own."""


class ManifestDoc(TypedDict):
    version: int
    location: str
    code_version: str
    tidegate: str
    steps: dict[str, StepDoc]
    """Steps that materialize assets, upstream before downstream."""
    assets: dict[str, AssetDoc]
    jobs: dict[str, JobDoc]
    """``__ASSET_JOB`` included when there is any asset."""
    resources: dict[str, dict[str, Any] | None]
    """Resource key -> JSON schema of ``run_config["resources"][key]["config"]``."""


class Manifest:
    """A manifest and what is asked of it."""

    def __init__(self, document: ManifestDoc) -> None:
        if document.get("version") != MANIFEST_VERSION:
            raise DeploymentError(
                f"The manifest has version {document.get('version')!r}; "
                f"this release reads {MANIFEST_VERSION}.",
                mend="Run `tidegate compile` with this release.",
            )
        self.document = document
        self._plans: dict[tuple[str, tuple[str, ...] | None], RunPlan] = {}

    @classmethod
    def parse(cls, text: str | bytes) -> Manifest:
        return cls(json.loads(text))

    @cached_property
    def text(self) -> str:
        """JSON without white space. Keys stay as the compiler ordered them: of ``steps``, the order
        is meant."""
        return json.dumps(self.document, separators=(",", ":"), ensure_ascii=False)

    @cached_property
    def hash(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def assets(self) -> dict[str, AssetDoc]:
        return self.document["assets"]

    @property
    def location(self) -> str:
        return self.document["location"]

    def job(self, name: str) -> JobDoc:
        try:
            return self.document["jobs"][name]
        except KeyError:
            known = ", ".join(sorted(one for one in self.document["jobs"] if one != ASSET_JOB))
            raise UnknownJobError(
                f"There is no job {name!r}.",
                mend=f"Jobs: {known}." if known else "No job is defined.",
            ) from None

    def steps_of(self, job: str, assets: tuple[str, ...] | None) -> list[StepDoc]:
        """The steps a run of ``job`` executes, upstream before downstream, with sources outside the
        run left out."""
        document = self.job(job)
        if document["steps"] is not None:
            if assets is not None:
                raise InvocationError(
                    f"Job {job!r} is made of ops; it has no assets to select.",
                    mend="Submit it without a selection.",
                )
            return document["steps"]
        chosen = frozenset(self._chosen(job, document, assets))
        kept = [
            step
            for step in self.document["steps"].values()
            if any(out["asset"] in chosen for out in step["outputs"])
        ]
        made = {
            (step["key"], out["name"])
            for step in kept
            for out in step["outputs"]
            if out["asset"] in chosen
        }
        steps = [self._within(step, chosen, made) for step in kept]
        retry = document.get("retry")
        return (
            steps if retry is None else [{**one, "retry": one["retry"] or retry} for one in steps]
        )

    def plan(self, job: str, assets: tuple[str, ...] | None = None) -> RunPlan:
        """The plan of a run of ``job``, of the selected assets.

        Raises:
            UnknownJobError, UnknownAssetError, InvocationError: the job or selection does not exist
            as asked.
        """
        found = self._plans.get((job, assets))
        if found is None:
            found = self._plans[job, assets] = _plan_of(
                self.steps_of(job, assets), self.job(job).get("hooks", [])
            )
        return found

    def _chosen(self, job: str, document: JobDoc, assets: tuple[str, ...] | None) -> Iterable[str]:
        offered = frozenset(document["assets"] or [])
        if assets is None:
            return offered
        for key in assets:
            if key not in self.assets:
                raise UnknownAssetError(
                    f"There is no asset {key!r}.", mend="`tidegate definitions list` shows all."
                )
            if key not in offered:
                raise UnknownAssetError(
                    f"Asset {key!r} cannot be materialized by job {job!r}.",
                    mend="It is external, or outside the job's selection.",
                )
        return assets

    def _within(
        self, step: StepDoc, chosen: frozenset[str], within: set[tuple[str, str]]
    ) -> StepDoc:
        made = [out for out in step["outputs"] if out["asset"] in chosen]
        if len(made) < len(step["outputs"]) and not step["can_subset"]:
            left = ", ".join(str(out["asset"]) for out in step["outputs"] if out not in made)
            raise InvocationError(
                f"{step['key']!r} makes all of its assets at once, and {left} is not selected.",
                mend="Select all of them, or declare can_subset=True.",
            )
        inputs: list[InputDoc] = [
            {
                "name": one["name"],
                "fan_in": one["fan_in"],
                "sources": [source for source in one["sources"] if tuple(source) in within],
            }
            for one in step["inputs"]
        ]
        return {**step, "outputs": made, "inputs": [one for one in inputs if one["sources"]]}


def _plan_of(steps: list[StepDoc], hooks: list[HookDoc]) -> RunPlan:
    numbers = {step["key"]: index for index, step in enumerate(steps)}
    return RunPlan(tuple(_plan_step(step, numbers, hooks) for step in steps))


def _plan_step(step: StepDoc, numbers: Mapping[str, int], hooks: list[HookDoc]) -> PlanStep:
    over = step.get("mapped_over")
    called = {
        one["name"]: one["on"] for one in (*hooks, *step.get("hooks", ())) if one["of"] == "step"
    }
    return PlanStep(
        index=numbers[step["key"]],
        key=step["key"] if over is None else mapped_step_key(step["key"], None),
        inputs=tuple(
            PlanInput(
                name=one["name"],
                sources=tuple((numbers[key], output) for key, output in one["sources"]),
                fan_in=one["fan_in"],
                collects=one.get("collects", False),
            )
            for one in step["inputs"]
        ),
        outputs=tuple(
            PlanOutput(
                name=one["name"],
                required=one["required"],
                is_dynamic=one.get("is_dynamic", False),
                asset=one["asset"],
            )
            for one in step["outputs"]
        ),
        pools=tuple(sorted(step["pools"].items())),
        priority=step["priority"],
        tags=step["tags"],
        compute=step["compute"],
        timeout_seconds=step["timeout_seconds"],
        retry=step["retry"],
        hooks=tuple(sorted(called.items())),
        mapped_over=None if over is None else (numbers[over[0]], over[1]),
    )
