"""``Definitions``: everything one code location declares, checked as a whole when it is built."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from types import FrameType
from typing import TYPE_CHECKING, Any

from tidegate.domain.asset_graph import AssetGraph, AssetNode
from tidegate.errors import DefinitionError, InvocationError, UnknownJobError
from tidegate.sdk.asset_job import UnresolvedAssetJobDefinition
from tidegate.sdk.asset_layout import AssetLayout, lay_out, refuse_unknown
from tidegate.sdk.asset_spec import AssetSpec
from tidegate.sdk.assets_definition import AssetsDefinition
from tidegate.sdk.declaration import at, caller_source, known_arguments, suggestion, user_frame
from tidegate.sdk.executor import ExecutorDefinition, executor_document
from tidegate.sdk.job import JobDefinition, steps_within
from tidegate.sdk.resource_check import check_resources, check_run_config
from tidegate.sdk.step import StepDefinition

if TYPE_CHECKING:
    from tidegate.sdk.asset_spec import SourceAsset

ASSET_JOB = "__ASSET_JOB"
"""The implicit job of ad-hoc asset runs."""


@known_arguments
class Definitions:
    """Assets, jobs and resources that belong together: ``defs = Definitions(assets=[...],
    jobs=[...])``.

    Raises:
        DefinitionError: a cycle, an unknown upstream asset, two things of one name, a missing or
            wrong resource, a selection that selects nothing, an asset job of different partitions.
            The message names the object, its file and line, and the mend.
    """

    def __init__(
        self,
        assets: Iterable[AssetsDefinition | AssetSpec | SourceAsset] | None = None,
        jobs: Iterable[JobDefinition | UnresolvedAssetJobDefinition] | None = None,
        resources: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        executor: ExecutorDefinition | None = None,
    ) -> None:
        self._modules = _modules_being_imported(user_frame())
        self.resources: Mapping[str, Any] = _mapping("resources", resources)
        self.metadata: Mapping[str, Any] = _mapping("metadata", metadata)
        self.executor = executor
        self._executor = executor_document("Definitions", executor)
        self._declared = (_items("assets", assets), _items("jobs", jobs))
        self._layout: AssetLayout = lay_out(self._declared[0])
        self.jobs: Mapping[str, JobDefinition] = self._jobs()
        self._check()

    def _check(self) -> None:
        """Resources, and config of jobs, once all names are known."""
        check_resources((), self.resources)
        for job in self.jobs.values():
            resources = {**self.resources, **job.resources}
            check_resources(job.steps, resources)
            check_run_config(
                f"Job {job.name!r}{at(job.source)}", job.run_config, job.steps, resources
            )

    @property
    def origin(self) -> tuple[str, str | None]:
        """(path of the file, name of the module's attribute) by which another process finds these
        definitions.

        The name is None when no module that was being imported when they were built has kept them.
        """
        for names in self._modules:
            for name, value in names.items():
                if value is self:
                    return str(names.get("__file__", "")), name
        return (str(self._modules[0].get("__file__", "")) if self._modules else "", None)

    @property
    def assets(self) -> tuple[AssetsDefinition, ...]:
        """What is made here, upstream before downstream, with the keys of upstream assets as they
        were found."""
        return self._layout.made

    @property
    def external_assets(self) -> tuple[AssetSpec, ...]:
        return self._layout.external

    @property
    def asset_steps(self) -> tuple[StepDefinition, ...]:
        """The steps that make assets, upstream before downstream."""
        return self._layout.steps

    @cached_property
    def specs(self) -> dict[str, AssetSpec]:
        """Key -> spec, of external assets and then of those made here, upstream before
        downstream."""
        specs = [*self.external_assets, *(spec for one in self.assets for spec in one.specs)]
        return {str(spec.key): spec for spec in specs}

    @cached_property
    def asset_graph(self) -> AssetGraph:
        steps = {key: one.name for one in self.assets for key in one.keys}
        return AssetGraph(
            AssetNode(
                key=key,
                deps=tuple(map(str, spec.deps)),
                step=steps.get(spec.key),
                group=spec.group,
                tags=spec.tags,
                kinds=tuple(spec.kinds),
                owners=tuple(spec.owners),
            )
            for key, spec in self.specs.items()
        )

    def resolve_asset_graph(self) -> AssetGraph:
        return self.asset_graph

    def resolve_job_def(self, name: str) -> JobDefinition:
        """The job of this name, with the resources of these definitions; ``__ASSET_JOB``
        materializes any asset.

        Raises:
            UnknownJobError: there is no such job.
        """
        found = self.jobs.get(name)
        if found is None:
            known = [one for one in self.jobs if one != ASSET_JOB]
            listed = f"Jobs: {', '.join(known)}." if known else "No job is defined."
            raise UnknownJobError(
                f"There is no job {name!r}.", mend=f"{suggestion(name, known)}{listed}"
            )
        return replace(found, resources={**self.resources, **found.resources})

    def resolve_implicit_global_asset_job_def(self) -> JobDefinition:
        """The job that materializes any of the assets."""
        return self.resolve_job_def(ASSET_JOB)

    @staticmethod
    def merge(*def_sets: Definitions) -> Definitions:
        """All of several definitions in one.

        Raises:
            DefinitionError: two of them give different objects one name.
        """
        resources: dict[str, Any] = {}
        metadata: dict[str, Any] = {}
        executors = [one.executor for one in def_sets if getattr(one, "executor", None)]
        if any(one is not executors[0] for one in executors):
            raise DefinitionError(
                "Two of the merged Definitions have an executor.", mend="Share one object."
            )
        for one in def_sets:
            if not isinstance(one, Definitions):
                raise DefinitionError(f"{one!r} is merged.", mend="Merge Definitions.")
            for what, merged, own in (
                ("resource", resources, one.resources),
                ("metadata", metadata, one.metadata),
            ):
                for key, value in own.items():
                    if key in merged and merged[key] is not value and merged[key] != value:
                        raise DefinitionError(
                            f"Two of the merged Definitions have the {what} {key!r}.",
                            mend="Rename one, or share one object.",
                        )
                    merged[key] = value
        return Definitions(
            assets=list({id(a): a for one in def_sets for a in one._declared[0]}.values()),
            jobs=list({id(j): j for one in def_sets for j in one._declared[1]}.values()),
            resources=resources,
            metadata=metadata,
            executor=executors[0] if executors else None,
        )

    def _jobs(self) -> dict[str, JobDefinition]:
        jobs: dict[str, JobDefinition] = {}
        for one in self._declared[1]:
            if isinstance(one, UnresolvedAssetJobDefinition):
                resolved = self._asset_job(one)
            elif isinstance(one, JobDefinition) and one.asset_keys is None:
                one.check_fed(DefinitionError)
                resolved = self._op_job(one)
            else:
                raise DefinitionError(
                    f"Definitions{at(caller_source())} has {one!r} among its jobs.",
                    mend="List jobs: what @job, graph.to_job() or define_asset_job answered.",
                )
            if one.name == ASSET_JOB:
                raise DefinitionError(
                    f"Job {one.name!r}{at(one.source)} has the name of the implicit job.",
                    mend="Rename it.",
                )
            if one.name in jobs:
                raise DefinitionError(
                    f"Job {one.name!r}{at(one.source)} has the name of another"
                    f"{at(jobs[one.name].source)}.",
                    mend="Rename one of them.",
                )
            jobs[one.name] = replace(resolved, executor=resolved.executor or self._executor)
        if self.asset_steps:
            keys = tuple(str(out.asset_key) for step in self.asset_steps for out in step.outputs)
            jobs[ASSET_JOB] = JobDefinition(
                name=ASSET_JOB,
                steps=self.asset_steps,
                asset_keys=keys,
                description="All assets.",
                executor=self._executor,
            )
        return jobs

    def _op_job(self, job: JobDefinition) -> JobDefinition:
        known = self._layout.upstream
        if not job.steps:
            raise DefinitionError(
                f"Job {job.name!r}{at(job.source)} calls no op.", mend="Call one in its body."
            )
        for step in job.steps:
            for one in step.inputs:
                if one.asset_key is not None and one.asset_key not in known:
                    refuse_unknown(
                        f"Step {step.key!r} of job {job.name!r}{at(job.source)}",
                        one.asset_key,
                        f"input {one.name!r}",
                        known,
                    )
        return job.with_upstream(known)

    def _asset_job(self, job: UnresolvedAssetJobDefinition) -> JobDefinition:
        label = f"Asset job {job.name!r}{at(job.source)}"
        try:
            chosen = job.selection.materializable().selection.keys(self.asset_graph)
        except DefinitionError as error:
            raise DefinitionError(f"{label}: {error.message}", mend=error.mend) from None
        if not chosen:
            raise DefinitionError(
                f"{label} selects no asset that is made here.", mend="Widen its selection."
            )
        steps = tuple(
            step
            for step in self.asset_steps
            if any(str(out.asset_key) in chosen for out in step.outputs)
        )
        try:
            within = steps_within(steps, frozenset(chosen))
        except InvocationError as error:
            raise DefinitionError(f"{label}: {error.message}", mend=error.mend) from None
        if job.retry_policy is not None:
            steps = tuple(
                replace(step, retry_policy=step.retry_policy or job.retry_policy) for step in steps
            )
        return JobDefinition(
            name=job.name,
            steps=steps,
            asset_keys=tuple(str(out.asset_key) for step in within for out in step.outputs),
            description=job.description,
            tags=job.tags,
            run_config=job.run_config,
            metadata=job.metadata,
            partitions_def=self._partitions(label, job, sorted(chosen)),
            retry_policy=job.retry_policy,
            hooks=job.hooks,
            executor=job.executor,
            source=job.source,
        )

    def _partitions(self, label: str, job: UnresolvedAssetJobDefinition, chosen: list[str]) -> Any:
        """The partitions that the assets of a job share, or those it says it has."""
        found, first = job.partitions_def, ""
        for key in chosen:
            own = self.specs[key].partitions_def
            if own is None:
                continue
            if found is None:
                found, first = own, key
            elif own is not found and own != found:
                other = f"{first!r}" if first else "the job's partitions_def"
                raise DefinitionError(
                    f"{label}: {key!r} has other partitions than {other}.",
                    mend="Assets of one job share their partitions: make a job for each kind.",
                )
        return found


def _items(what: str, value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        raise DefinitionError(
            f"Definitions{at(caller_source())} has {what}={value!r}.", mend="Give a list."
        )
    return tuple(value)


def _mapping(what: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise DefinitionError(
            f"Definitions{at(caller_source())} has {what}={value!r}.",
            mend='Give a mapping, such as {"name": value}.',
        )
    return dict(value)


def _modules_being_imported(frame: FrameType | None) -> list[dict[str, Any]]:
    """Names of the modules whose files the call came through, nearest first."""
    found: dict[int, dict[str, Any]] = {}
    while frame is not None:
        if "__file__" in frame.f_globals and not frame.f_code.co_filename.startswith("<"):
            found.setdefault(id(frame.f_globals), frame.f_globals)
        frame = frame.f_back
    return list(found.values())
