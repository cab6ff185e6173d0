"""ECS: clusters, task definitions and tasks that really run.

moto keeps a record of a task and lets it pass from status to status each time it is described; nothing runs, and loading its
EC2 takes two seconds. Here a task is a subprocess, or a function in tests; how it ended is its exit code, and each
change of its status is an "ECS Task State Change" event.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidegate.local.asl.errors import TASK_FAILED, StateError
from tidegate.local.clock import RealClock
from tidegate.local.containers import Container, Running
from tidegate.local.loop import Loop
from tidegate.local.process import ACCOUNT
from tidegate.local.service import ServiceError, required
from tidegate.local.stepper import Done

MAX_OVERRIDES = 8_192
KEPT = 1_000
"""Stopped tasks that can still be described."""
GRACE_SECONDS = 30.0
"""Between SIGTERM and SIGKILL, unless the container definition has a ``stopTimeout``."""
SHORT_GRACE_SECONDS = 2.0
"""The most on a simulated clock, which stands still while a process runs: real seconds, in which a test waits."""
SPOT_NOTICE_SECONDS = 120.0

Emit = Callable[[str, str, Mapping[str, Any], list[str]], None]
"""(source, detail type, detail, resources)."""


@dataclass(kw_only=True)
class Task:
    arn: str
    cluster_arn: str
    definition_arn: str
    container: str
    overrides: dict[str, Any]
    capacity_provider: str | None
    started_by: str | None
    stop_timeout: float
    created_at: datetime
    status: str = "PROVISIONING"
    desired_status: str = "RUNNING"
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    exit_code: int | None = None
    stop_code: str | None = None
    stopped_reason: str | None = None
    running: Running | None = None
    watchers: list[Callable[[Task], None]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        container: dict[str, Any] = {"name": self.container, "lastStatus": self.status}
        if self.exit_code is not None:
            container["exitCode"] = self.exit_code
        shown: dict[str, Any] = {
            "taskArn": self.arn,
            "clusterArn": self.cluster_arn,
            "taskDefinitionArn": self.definition_arn,
            "containers": [container],
            "overrides": self.overrides,
            "lastStatus": self.status,
            "desiredStatus": self.desired_status,
            "launchType": "FARGATE",
            "createdAt": self.created_at,
            "capacityProviderName": self.capacity_provider,
            "startedBy": self.started_by,
            "startedAt": self.started_at,
            "stoppedAt": self.stopped_at,
            "stopCode": self.stop_code,
            "stoppedReason": self.stopped_reason,
        }
        return {name: value for name, value in shown.items() if value is not None}


class Ecs:
    """The ECS API, and ``ecs:runTask.sync``."""

    def __init__(self, loop: Loop, *, region: str, chance: random.Random, emit: Emit) -> None:
        self._loop = loop
        self._prefix = f"arn:aws:ecs:{region}:{ACCOUNT}"
        self._chance = chance
        self._emit = emit
        self.containers: dict[str, Container] = {}
        """By family of the task definition."""
        self.capacity_refusals = 0
        """How many of the next RunTask calls find no capacity."""
        self.tasks: dict[str, Task] = {}
        self._clusters: dict[str, dict[str, Any]] = {}
        self._definitions: dict[str, list[dict[str, Any]]] = {}
        self._tokens: dict[str, Task] = {}
        self._operations: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "CreateCluster": self._create_cluster,
            "DescribeClusters": self._describe_clusters,
            "RegisterTaskDefinition": self._register,
            "DescribeTaskDefinition": self._describe_definition,
            "RunTask": self._run_task,
            "StopTask": self._stop_task,
            "DescribeTasks": self._describe_tasks,
            "ListTasks": self._list_tasks,
        }

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        known = self._operations.get(operation)
        if known is None:
            raise ServiceError("UnsupportedOperation", f"The local ECS does not do {operation}.")
        return known(body)

    # Faults ---------------------------------------------------------------------------------------------------

    def lose(self, arn: str) -> None:
        """The host of a task is gone: its container dies without a word."""
        task = self._task(arn)
        task.stop_code, task.stopped_reason = "TerminationNotice", "Host terminated"
        if task.running is not None:
            task.running.kill()

    def interrupt(self, arn: str) -> None:
        """Spot capacity is taken back: SIGTERM, and two minutes."""
        task = self._task(arn)
        task.stop_code, task.stopped_reason = "SpotInterruption", "Your Spot Task was interrupted."
        if task.running is not None:
            task.running.stop(self._grace(SPOT_NOTICE_SECONDS))

    def stop_all(self) -> None:
        """Kill what still runs."""
        for task in list(self.tasks.values()):
            if task.running is not None and task.status != "STOPPED":
                task.running.kill()

    # As a task of a state machine -----------------------------------------------------------------------------

    def start(self, parameters: Any, done: Done) -> Callable[[], None]:
        """``ecs:runTask.sync``: done when the task has stopped. Abandoned, the task is stopped."""
        try:
            task = self._launch(_camel(parameters))
        except ServiceError as error:
            refused = StateError(f"ECS.{error.code}", error.message)
            self._loop.call_soon(lambda: done(refused))
            return lambda: None
        task.watchers.append(lambda stopped: done(_sync_result(stopped)))
        return lambda: self._stop(task, "Aborted by Step Functions")

    # The API --------------------------------------------------------------------------------------------------

    def _create_cluster(self, body: Mapping[str, Any]) -> dict[str, Any]:
        name = body.get("clusterName", "default")
        cluster = {
            "clusterArn": f"{self._prefix}:cluster/{name}",
            "clusterName": name,
            "status": "ACTIVE",
        }
        return {"cluster": self._clusters.setdefault(name, cluster)}

    def _describe_clusters(self, body: Mapping[str, Any]) -> dict[str, Any]:
        names = [_last(one) for one in body.get("clusters", ["default"])]
        return {
            "clusters": [self._clusters[one] for one in names if one in self._clusters],
            "failures": [
                {"arn": one, "reason": "MISSING"} for one in names if one not in self._clusters
            ],
        }

    def _register(self, body: Mapping[str, Any]) -> dict[str, Any]:
        family = required(body, "family")
        revisions = self._definitions.setdefault(family, [])
        definition = {
            **body,
            "taskDefinitionArn": f"{self._prefix}:task-definition/{family}:{len(revisions) + 1}",
            "revision": len(revisions) + 1,
            "status": "ACTIVE",
        }
        revisions.append(definition)
        return {"taskDefinition": definition}

    def _describe_definition(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"taskDefinition": self._definition(required(body, "taskDefinition"))}

    def _run_task(self, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return {"tasks": [self._launch(body).to_json()], "failures": []}
        except _NoCapacityError as error:
            return {"tasks": [], "failures": [{"reason": error.message}]}

    def _stop_task(self, body: Mapping[str, Any]) -> dict[str, Any]:
        task = self._task(required(body, "task"))
        self._stop(task, body.get("reason", "Task stopped by user"))
        return {"task": task.to_json()}

    def _describe_tasks(self, body: Mapping[str, Any]) -> dict[str, Any]:
        arns = [self._arn(one) for one in required(body, "tasks")]
        return {
            "tasks": [self.tasks[one].to_json() for one in arns if one in self.tasks],
            "failures": [
                {"arn": one, "reason": "MISSING"} for one in arns if one not in self.tasks
            ],
        }

    def _list_tasks(self, body: Mapping[str, Any]) -> dict[str, Any]:
        wanted = body.get("desiredStatus", "RUNNING")
        return {
            "taskArns": [one.arn for one in self.tasks.values() if one.desired_status == wanted]
        }

    # ----------------------------------------------------------------------------------------------------------

    def _launch(self, body: Mapping[str, Any]) -> Task:
        token = body.get("clientToken")
        if token in self._tokens:
            return self._tokens[token]
        cluster = self._clusters.get(_last(body.get("cluster", "default")))
        if cluster is None:
            raise ServiceError("ClusterNotFoundException", "Cluster not found.")
        definition = self._definition(required(body, "taskDefinition"))
        overrides = dict(body.get("overrides") or {})
        if len(json.dumps(overrides)) > MAX_OVERRIDES:
            raise ServiceError(
                "InvalidParameterException",
                f"Container Overrides length must be at most {MAX_OVERRIDES}",
            )
        if self.capacity_refusals > 0:
            self.capacity_refusals -= 1
            raise _NoCapacityError
        strategy: list[dict[str, Any]] = body.get("capacityProviderStrategy") or [{}]
        task = Task(
            arn=f"{self._prefix}:task/{cluster['clusterName']}/{self._chance.getrandbits(128):032x}",
            cluster_arn=cluster["clusterArn"],
            definition_arn=definition["taskDefinitionArn"],
            container=definition["containerDefinitions"][0]["name"],
            overrides=overrides,
            capacity_provider=strategy[0].get("capacityProvider"),
            started_by=body.get("startedBy"),
            stop_timeout=float(
                definition["containerDefinitions"][0].get("stopTimeout", GRACE_SECONDS)
            ),
            created_at=self._loop.clock.now(),
        )
        self.tasks[task.arn] = task
        if token is not None:
            self._tokens[token] = task
        self._loop.call_soon(lambda: self._begin(task, definition))
        return task

    def _begin(self, task: Task, definition: Mapping[str, Any]) -> None:
        if task.desired_status == "STOPPED":
            self._ended(task, None)
            return
        container = self.containers.get(definition["family"])
        if container is None:
            task.stop_code = "TaskFailedToStart"
            task.stopped_reason = f"CannotPullContainerError: nothing runs {definition['family']}"
            self._ended(task, None)
            return
        task.status, task.started_at = "RUNNING", self._loop.clock.now()
        self._changed(task)
        task.running = container.start(
            _environment(definition, task.overrides), lambda code: self._ended(task, code)
        )

    def _ended(self, task: Task, code: int | None) -> None:
        if task.status == "STOPPED":
            return
        task.status = task.desired_status = "STOPPED"
        task.exit_code, task.stopped_at = code, self._loop.clock.now()
        task.stop_code = task.stop_code or "EssentialContainerExited"
        task.stopped_reason = task.stopped_reason or "Essential container in task exited"
        self._changed(task)
        for watcher in task.watchers:
            watcher(task)
        while len(self.tasks) > KEPT and next(iter(self.tasks.values())).status == "STOPPED":
            del self.tasks[next(iter(self.tasks))]

    def _stop(self, task: Task, reason: str) -> None:
        if task.desired_status == "STOPPED":
            return
        task.desired_status = "STOPPED"
        task.stop_code, task.stopped_reason = "UserInitiated", reason
        if task.running is not None:
            task.running.stop(self._grace(task.stop_timeout))

    def _grace(self, seconds: float) -> float:
        is_real = isinstance(self._loop.clock, RealClock)
        return seconds if is_real else min(seconds, SHORT_GRACE_SECONDS)

    def _changed(self, task: Task) -> None:
        self._emit("aws.ecs", "ECS Task State Change", task.to_json(), [task.arn])

    def _definition(self, name: str) -> dict[str, Any]:
        family, _, revision = _last(name).partition(":")
        revisions = self._definitions.get(family, [])
        place = int(revision) if revision else len(revisions)
        if not 1 <= place <= len(revisions):
            raise ServiceError("ClientException", "Unable to describe task definition.")
        return revisions[place - 1]

    def _task(self, name: str) -> Task:
        task = self.tasks.get(self._arn(name))
        if task is None:
            raise ServiceError("InvalidParameterException", "The referenced task was not found.")
        return task

    def _arn(self, name: str) -> str:
        return next((one for one in self.tasks if one.endswith(f"/{_last(name)}")), name)


class _NoCapacityError(ServiceError):
    def __init__(self) -> None:
        super().__init__(
            "AmazonECSException",
            "Capacity is unavailable at this time. Please try again later or in a different availability zone",
        )


def _sync_result(task: Task) -> dict[str, Any] | StateError:
    shown = _pascal(json.loads(json.dumps(task.to_json(), default=_milliseconds)))
    if task.exit_code == 0 and task.stop_code == "EssentialContainerExited":
        return dict(shown)
    return StateError(TASK_FAILED, json.dumps(shown))


def _environment(definition: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, str]:
    container = definition["containerDefinitions"][0]
    given = list(container.get("environment", ()))
    for one in overrides.get("containerOverrides", ()):
        if one.get("name") == container["name"]:
            given += one.get("environment", ())
    return {one["name"]: str(one["value"]) for one in given}


def _camel(value: Any) -> Any:
    """Parameters of a state machine are spelled PascalCase, those of the API camelCase."""
    if isinstance(value, list):
        return [_camel(one) for one in value]
    if isinstance(value, dict):
        return {name[:1].lower() + name[1:]: _camel(one) for name, one in value.items()}
    return value


def _pascal(value: Any) -> Any:
    if isinstance(value, list):
        return [_pascal(one) for one in value]
    if isinstance(value, dict):
        return {name[:1].upper() + name[1:]: _pascal(one) for name, one in value.items()}
    return value


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _last(name_or_arn: str) -> str:
    return name_or_arn.rsplit("/", maxsplit=1)[-1]
