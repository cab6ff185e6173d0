"""What crosses the trust boundary: the invocation handed to user code, and the report it answers with.

Both are plain JSON documents. The control plane builds and trusts its own invocations; a report comes from user code
and is believed only after ``Report.from_json`` has found it well-formed and about the step it was asked for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidegate.domain.mapping import MAX_MAPPED, mapping_key_problem
from tidegate.errors import ReportError

REPORT_VERSION = 1
MAX_INLINE_BYTES = 64 * 1024
"""A report or invocation above this goes to S3 and a pointer takes its place. (Step Functions carries 256 KiB.)"""
MAX_REPORT_BYTES = 16 * 1024 * 1024
"""A report above this is refused: the step fails, and says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One step for user code to run. ``to_json`` is the payload of the user-code function."""

    run_id: str
    job: str
    step: str
    """Step key."""
    index: int
    attempt: int = 1
    manifest: str = ""
    assets: tuple[str, ...] | None = None
    """Asset keys the run selected; None means all of the job."""
    partition_key: str | None = None
    run_config: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    missing: tuple[int, ...] = ()
    """Sources of the step's inputs (place among all of them) that were not produced: a fan-in leaves them out."""
    mapping_key: str | None = None
    """Of the value for which the step runs, when it is mapped over a dynamic output."""
    is_whole_run: bool = False
    """All steps of the run are to be run, one after the other; ``step`` names none."""
    fails_fast: bool = False
    """Of a whole run: once a step has failed, no other begins."""
    collected: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Place of a source that an input collects -> the mapping keys of the values there are, in order."""
    done_in: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Of a retry: by run, the steps upstream whose outputs are those of that run."""
    dynamic_partitions: dict[str, list[str]] = field(default_factory=dict)
    """Keys of dynamic partitions that the step or its inputs have, by name, where the run's own is not enough."""
    own_partitions: dict[str, list[str]] = field(default_factory=dict)
    """Those that the run's own range has, where ``dynamic_partitions`` has others under the name, for an input."""

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "step",
            "run_id": self.run_id,
            "job": self.job,
            "step": self.step,
            "index": self.index,
            "attempt": self.attempt,
            "manifest": self.manifest,
            "assets": None if self.assets is None else list(self.assets),
            "partition_key": self.partition_key,
            "run_config": self.run_config,
            "tags": self.tags,
            "missing": list(self.missing),
            "mapping_key": self.mapping_key,
            "is_whole_run": self.is_whole_run,
            "fails_fast": self.fails_fast,
            "collected": {str(place): list(keys) for place, keys in self.collected.items()},
            "done_in": {run_id: list(steps) for run_id, steps in self.done_in.items()},
            "dynamic_partitions": self.dynamic_partitions,
            "own_partitions": self.own_partitions,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Invocation:
        assets = document["assets"]
        return cls(
            run_id=document["run_id"],
            job=document["job"],
            step=document["step"],
            index=document["index"],
            attempt=document["attempt"],
            manifest=document["manifest"],
            assets=None if assets is None else tuple(assets),
            partition_key=document["partition_key"],
            run_config=document["run_config"],
            tags=document["tags"],
            missing=tuple(document["missing"]),
            mapping_key=document.get("mapping_key"),
            is_whole_run=document.get("is_whole_run", False),
            fails_fast=document.get("fails_fast", False),
            collected={
                int(place): tuple(keys) for place, keys in document.get("collected", {}).items()
            },
            done_in={run_id: tuple(steps) for run_id, steps in document.get("done_in", {}).items()},
            dynamic_partitions=document.get("dynamic_partitions") or {},
            own_partitions=document.get("own_partitions") or {},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Materialization:
    """One asset, or one partition of it, was made."""

    asset: str
    partition: str | None = None
    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Name -> {"type": "int", "value": 3}; types as in ``sdk/metadata.py``."""
    tags: dict[str, str] = field(default_factory=dict)
    data_version: str | None = None


DIED = frozenset({"Crash", "Timeout", "Lost", "Stopped"})
"""``StepFailure.error`` of code that ended without raising anything of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailure:
    """Why a step failed: what user code raised, or how it died."""

    error: str
    """Class name of the exception, or one of ``DIED``, or ``BadReport``."""
    message: str
    stack: str = ""
    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)
    allow_retries: bool = True
    retry_after_seconds: float | None = None
    """Set when user code raised RetryRequested."""
    max_retries: int | None = None
    kinds: tuple[str, ...] = ()
    """The exception's class and those it derives from, as ``module.Name``: what a retry policy goes by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    at: datetime
    level: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepWithin:
    """What became of one step of a run that was one execution."""

    index: int
    reports: tuple[Report, ...] = ()
    """Of its attempts; none: it was skipped."""
    reason: str = ""
    """Why it was skipped."""
    is_abandoned: bool = False
    """It was skipped because something upstream failed."""

    def to_json(self) -> dict[str, Any]:
        return {
            "index": self.index,
            "reports": [one.to_json() for one in self.reports],
            "reason": self.reason,
            "is_abandoned": self.is_abandoned,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one attempt of one step came to."""

    run_id: str
    index: int
    attempt: int
    started_at: datetime
    finished_at: datetime
    produced: tuple[str, ...] = ()
    """Names of the outputs that were stored."""
    materializations: tuple[Materialization, ...] = ()
    output_metadata: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """Output name -> metadata, of outputs that are not assets."""
    mapping_keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Dynamic output -> mapping keys of its values, in the order in which they were yielded."""
    within: tuple[StepWithin, ...] = ()
    """Of a whole run: its steps, in the order in which they were over."""
    failure: StepFailure | None = None
    logs: tuple[LogLine, ...] = ()
    logs_key: str | None = None
    """Where in the data bucket all log lines are (JSON lines), when they were too many to carry along."""

    def to_json(self) -> dict[str, Any]:
        failure = self.failure
        return {
            "version": REPORT_VERSION,
            "run_id": self.run_id,
            "index": self.index,
            "attempt": self.attempt,
            "started_at": self.started_at.isoformat(),
            "finished_at": self.finished_at.isoformat(),
            "produced": list(self.produced),
            "materializations": [
                {
                    "asset": one.asset,
                    "partition": one.partition,
                    "metadata": one.metadata,
                    "tags": one.tags,
                    "data_version": one.data_version,
                }
                for one in self.materializations
            ],
            "output_metadata": self.output_metadata,
            "mapping_keys": {name: list(keys) for name, keys in self.mapping_keys.items()},
            "within": [one.to_json() for one in self.within],
            "failure": None
            if failure is None
            else {
                "error": failure.error,
                "message": failure.message,
                "stack": failure.stack,
                "metadata": failure.metadata,
                "allow_retries": failure.allow_retries,
                "retry_after_seconds": failure.retry_after_seconds,
                "max_retries": failure.max_retries,
                "kinds": list(failure.kinds),
            },
            "logs": [[line.at.isoformat(), line.level, line.message] for line in self.logs],
            "logs_key": self.logs_key,
        }

    @classmethod
    def from_json(cls, document: object) -> Report:
        """Read a report.

        Raises:
            ReportError: it is not one; the message names the field.
        """
        return _ReportReader().report(document)

    def fingerprint(self) -> str:
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]


class _ReportReader:
    """Checks each field by type; the first that does not fit is named."""

    def report(self, document: object) -> Report:
        top = self.mapping(document, "report")
        if top.get("version") != REPORT_VERSION:
            raise ReportError(
                f"The report has version {top.get('version')!r}; this deployment reads {REPORT_VERSION}.",
                mend="Deploy the user code and the control plane from the same release.",
            )
        failure = top.get("failure")
        return Report(
            run_id=self.of(top, "run_id", str),
            index=self.of(top, "index", int),
            attempt=self.of(top, "attempt", int),
            started_at=self.moment(top.get("started_at"), "started_at"),
            finished_at=self.moment(top.get("finished_at"), "finished_at"),
            produced=tuple(self.text(one, "produced") for one in self.of(top, "produced", list)),
            materializations=tuple(
                self.materialization(one) for one in self.of(top, "materializations", list)
            ),
            output_metadata={
                self.text(name, "output_metadata"): self.metadata(one, "output_metadata")
                for name, one in self.of(top, "output_metadata", dict).items()
            },
            mapping_keys={
                self.text(name, "mapping_keys"): self.mapping_keys(keys)
                for name, keys in self.mapping(top.get("mapping_keys", {}), "mapping_keys").items()
            },
            within=tuple(self.step_within(one) for one in self.of(top, "within", list, [])),
            failure=None if failure is None else self.failure(failure),
            logs=tuple(self.log(one) for one in self.of(top, "logs", list)),
            logs_key=self.optional_text(top.get("logs_key"), "logs_key"),
        )

    def step_within(self, document: object) -> StepWithin:
        one = self.mapping(document, "within")
        reports = tuple(self.report(each) for each in self.of(one, "reports", list))
        if any(each.within for each in reports):
            raise self.wrong("within", document)
        return StepWithin(
            index=self.of(one, "index", int),
            reports=reports,
            reason=self.text(one.get("reason", ""), "within.reason"),
            is_abandoned=bool(one.get("is_abandoned")),
        )

    def mapping_keys(self, document: object) -> tuple[str, ...]:
        if not isinstance(document, list):
            raise self.wrong("mapping_keys", document)
        if len(document) > MAX_MAPPED:
            raise ReportError(
                f"A dynamic output has {len(document):,} values; {MAX_MAPPED:,} is the most.",
                mend="Let each value stand for several things.",
            )
        for key in document:
            if mapping_key_problem(key) is not None:
                raise self.wrong("mapping_keys", key)
        if len(set(document)) < len(document):
            twice = next(key for key in document if document.count(key) > 1)
            raise ReportError(
                f"The report has the mapping key {twice!r} twice.",
                mend="Give each value a key of its own.",
            )
        return tuple(document)

    def materialization(self, document: object) -> Materialization:
        one = self.mapping(document, "materializations")
        return Materialization(
            asset=self.of(one, "asset", str),
            partition=self.optional_text(one.get("partition"), "partition"),
            metadata=self.metadata(one.get("metadata", {}), "metadata"),
            tags={
                self.text(key, "tags"): self.text(value, "tags")
                for key, value in self.mapping(one.get("tags", {}), "tags").items()
            },
            data_version=self.optional_text(one.get("data_version"), "data_version"),
        )

    def failure(self, document: object) -> StepFailure:
        one = self.mapping(document, "failure")
        after, most = one.get("retry_after_seconds"), one.get("max_retries")
        if after is not None and (isinstance(after, bool) or not isinstance(after, int | float)):
            raise self.wrong("retry_after_seconds", after)
        if most is not None and (isinstance(most, bool) or not isinstance(most, int)):
            raise self.wrong("max_retries", most)
        return StepFailure(
            error=self.of(one, "error", str),
            message=self.of(one, "message", str),
            stack=self.text(one.get("stack", ""), "stack"),
            metadata=self.metadata(one.get("metadata", {}), "metadata"),
            allow_retries=bool(one.get("allow_retries", True)),
            retry_after_seconds=after,
            max_retries=most,
            kinds=tuple(self.text(kind, "kinds") for kind in self.listed(one, "kinds")),
        )

    def log(self, document: object) -> LogLine:
        if not isinstance(document, list) or len(document) != 3:
            raise self.wrong("logs", document)
        at, level, message = document
        return LogLine(
            at=self.moment(at, "logs"),
            level=self.text(level, "logs"),
            message=self.text(message, "logs"),
        )

    def metadata(self, document: object, field_name: str) -> dict[str, dict[str, Any]]:
        entries = self.mapping(document, field_name)
        for name, value in entries.items():
            if not isinstance(value, Mapping) or not isinstance(value.get("type"), str):
                raise self.wrong(f"{field_name}.{name}", value)
        return {str(name): dict(value) for name, value in entries.items()}

    def of(self, document: Mapping[str, Any], name: str, kind: type, default: Any = None) -> Any:
        value = document.get(name, default)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.wrong(name, value)
        return value

    def listed(self, document: Mapping[str, Any], name: str) -> list[Any]:
        """A list that may be left out."""
        return [] if name not in document else list(self.of(document, name, list))

    def mapping(self, value: object, name: str) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise self.wrong(name, value)
        return value

    def text(self, value: object, name: str) -> str:
        if not isinstance(value, str):
            raise self.wrong(name, value)
        return value

    def optional_text(self, value: object, name: str) -> str | None:
        return None if value is None else self.text(value, name)

    def moment(self, value: object, name: str) -> datetime:
        try:
            moment = datetime.fromisoformat(self.text(value, name))
        except ValueError:
            raise self.wrong(name, value) from None
        if moment.tzinfo is None:
            raise self.wrong(name, value)
        return moment

    @staticmethod
    def wrong(name: str, value: object) -> ReportError:
        shown = repr(value)
        return ReportError(
            f"The report's field {name!r} is {shown[:80]}{'...' if len(shown) > 80 else ''}, which does not fit.",
            mend="Reports are made by tidegate.execution; check what replaced it.",
        )
