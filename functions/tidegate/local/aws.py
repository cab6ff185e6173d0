"""The AWS of a local deployment, in this process.

    with LocalAws() as aws:
        aws.register("tidegate-steps", handler, role="control")
        boto3.client("lambda").invoke(FunctionName="tidegate-steps", Payload=b"{}")
        aws.settle()

moto has S3, EventBridge, Secrets Manager and the rest; DynamoDB is moto's, repaired, or dynoxide; Lambda, Step Functions and ECS
are this package's own. Everything is reached through plain boto3 and PynamoDB.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import boto3
from moto.events.models import events_backends
from moto.s3.models import s3_backends

from tidegate.adapters.dynamodb.table import DEFAULT_PREFIX, all_tables, bind, table_name
from tidegate.errors import InvocationError
from tidegate.local.calls import Calls
from tidegate.local.clock import RealClock, SimulatedClock
from tidegate.local.containers import Container, FunctionContainer, ProcessContainer
from tidegate.local.dynoxide import Dynoxide, DynoxideTables
from tidegate.local.ecs import Ecs
from tidegate.local.faults import Faults
from tidegate.local.functions import Function, Functions, Handler
from tidegate.local.gateway import Gateway
from tidegate.local.guard import Guard
from tidegate.local.loop import Loop
from tidegate.local.objects import MotoObjects
from tidegate.local.process import (
    ACCOUNT,
    Tables,
    put_tables,
    reset_moto,
    start_moto,
    take_tables,
)
from tidegate.local.repairs import eventbridge_targets, s3_kept
from tidegate.local.repairs.s3_kept import ObjectFile
from tidegate.local.role import Role
from tidegate.local.schema import create_table_parameters
from tidegate.local.server import USER_CODE_KEY, Server
from tidegate.local.service import OnLoop, Service
from tidegate.local.step_functions import StepFunctions
from tidegate.local.stepper import Execution
from tidegate.local.tables import MotoTables

STORES = ("moto", "dynoxide")
WORKERS = 32
"""User code at work at once under ``inline=False``; more wait their turn."""

_made: dict[tuple[str, str], Tables] = {}
"""Tables made before in this process, by prefix and region."""
_clients: dict[tuple[str, str], Any] = {}
"""By service and region."""


class LocalAws:
    """One at a time in a process. Entering creates what every deployment has; ``reset`` empties it.

    ``inline``: user code runs on the loop, so that a test is deterministic; else in worker threads. ``persist_dir`` keeps the
    tables and the data bucket across restarts (dynoxide only); executions in flight are lost. ``may_invoke`` names the functions user code may invoke.
    """

    def __init__(
        self,
        clock: RealClock | SimulatedClock | None = None,
        *,
        store: str = "moto",
        persist_dir: Path | None = None,
        region: str = "us-east-1",
        prefix: str = DEFAULT_PREFIX,
        inline: bool = True,
        may_invoke: Iterable[str] = (),
        port: int = 0,
        seed: int = 0,
    ) -> None:
        _check_store(store, persist_dir)
        self.clock = clock or SimulatedClock()
        self.region = region
        self.prefix = prefix
        self.bucket = f"{prefix}-data-{ACCOUNT}-{region}"
        self.cluster_arn = f"arn:aws:ecs:{region}:{ACCOUNT}:cluster/{prefix}"
        self.task_family = f"{prefix}-step"
        self.task_definition_arn = ""
        """Of the task in which steps run, once entered."""
        self.bus_name = "default"
        self.calls = Calls()
        self.faults = Faults()
        self.guard = Guard(may_invoke=may_invoke)
        self.loop = Loop(self.clock)
        self._store = store
        self._persist_dir = persist_dir
        self._engine: Dynoxide | None = None
        self._objects: ObjectFile | None = None
        self._workers = None if inline else ThreadPoolExecutor(WORKERS, "tidegate-user-code")
        self._server: Server | None = None
        self._port = port
        self._seed = seed
        self._make()

    def _make(self) -> None:
        """The services of this package, empty."""
        chance = random.Random(self._seed)
        self.functions = Functions(
            self.loop, calls=self.calls, faults=self.faults, workers=self._workers
        )
        self.ecs = Ecs(self.loop, region=self.region, chance=chance, emit=self.emit)
        self.step_functions = StepFunctions(
            self.loop,
            region=self.region,
            tasks={
                "arn:aws:states:::lambda:invoke": self.functions,
                "arn:aws:states:::ecs:runTask.sync": self.ecs,
            },
            chance=chance,
            on_status_change=self._execution_changed,
        )

    def _gateway(self) -> Gateway:
        services: dict[str, Service] = {
            "dynamodb": self._tables(),
            "lambda": self.functions,
            "stepfunctions": OnLoop(self.loop, self.step_functions),
            "ecs": OnLoop(self.loop, self.ecs),
        }
        return Gateway(
            services,
            calls=self.calls,
            faults=self.faults,
            guard=self.guard,
            objects=MotoObjects(ACCOUNT),
        )

    def _tables(self) -> Service:
        if self._store == "moto":
            return MotoTables(region=self.region, account=ACCOUNT, calls=self.calls)
        if self._engine is None:
            directory = self._persist_dir
            self._engine = Dynoxide(db_path=directory / "tables.sqlite" if directory else None)
        return DynoxideTables(self._engine, calls=self.calls)

    def __enter__(self) -> Self:
        if Gateway.active is not None:
            raise InvocationError(
                "This process already has a local deployment.", mend="Leave that one first."
            )
        start_moto()
        os.environ.setdefault("AWS_DEFAULT_REGION", self.region)
        try:
            self._fill()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self.ecs.stop_all()
        if self._server is not None:
            self._server.stop()
            self._server = None
        Gateway.active = None
        eventbridge_targets.route(None)
        self.loop.clear()
        if self._workers is not None:
            self._workers.shutdown(wait=False, cancel_futures=True)
        if self._engine is not None:
            self._engine.stop()
            self._engine = None
        s3_kept.keep(None)
        if self._objects is not None:
            self._objects.close()
            self._objects = None
        reset_moto()

    def reset(self) -> None:
        """Forget everything. Functions, tasks and rules are to be registered again."""
        self.ecs.stop_all()
        self.loop.clear()
        self.faults.clear()
        self._make()
        if self._engine is not None:
            for name in self.guard.control_tables:
                self.client("dynamodb").delete_table(TableName=name)
        if self._objects is not None:
            self._objects.clear()
        self._fill()

    # What a deployment uses -----------------------------------------------------------------------------------

    def client(self, service: str) -> Any:
        """A boto3 client, kept for the process: making one takes tens of milliseconds."""
        found = _clients.get((service, self.region))
        if found is None:
            found = boto3.client(service, region_name=self.region)  # type: ignore[call-overload]
            _clients[service, self.region] = found
        return found

    def register(
        self,
        name: str,
        handler: Handler,
        *,
        role: Role | Literal["control", "user"],
        takes: Callable[[Any], timedelta] | None = None,
        version: str | None = None,
    ) -> str:
        """Make ``handler`` the Lambda function ``name``, or a version of it; answers its ARN.

        ``takes``: how long it runs, by its event.
        """
        function = Function(name=name, handler=handler, role=Role(role), takes=takes)
        self.functions.register(function, version)
        arn = f"arn:aws:lambda:{self.region}:{ACCOUNT}:function:{name}"
        return arn if version is None else f"{arn}:{version}"

    def register_task(
        self,
        container: Callable[[Mapping[str, str]], int] | Sequence[str] | Container,
        *,
        family: str | None = None,
    ) -> None:
        """Say what runs in the tasks of a family, by default that of steps.

        ``container`` is a function of the environment that answers an exit code (run on the loop), or a command (a
        subprocess).
        """
        if callable(container):
            made: Container = FunctionContainer(self.loop, container)
        elif isinstance(container, Sequence):
            made = ProcessContainer(self.loop, container, environ=self.child_environ)
        else:
            made = container
        self.ecs.containers[family or self.task_family] = made

    def define_task(self, family: str, environ: Mapping[str, str] | None = None) -> str:
        """Register a task definition, or the next revision of it; answers its ARN. ``environ`` is its container's."""
        answer = self.client("ecs").register_task_definition(
            family=family,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="1024",
            memory="2048",
            containerDefinitions=[
                {
                    "name": "step",
                    "image": "local",
                    "essential": True,
                    "environment": [
                        {"name": name, "value": value} for name, value in (environ or {}).items()
                    ],
                }
            ],
        )
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def child_environ(self) -> dict[str, str]:
        """The environment in which another process's boto3 finds this AWS, as user code."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": USER_CODE_KEY,
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @property
    def endpoint(self) -> str:
        """URL of this AWS for other processes. The server is started when it is first asked for."""
        if self._server is None:
            self._server = Server(self._port)
        return self._server.url

    def emit(
        self, source: str, detail_type: str, detail: Mapping[str, Any], resources: list[str]
    ) -> None:
        """Put an event of an AWS service on the default bus."""
        backend = events_backends[ACCOUNT][self.region]
        backend.put_events(
            [
                {
                    "Source": source,
                    "DetailType": detail_type,
                    "Detail": json.dumps(detail, default=_iso),
                    "Resources": resources,
                }
            ]
        )

    def settle(self) -> None:
        """Run until nothing can move without time passing or an outside event."""
        self.loop.run_until_idle()

    def advance(self, by: timedelta | None = None, *, to: datetime | None = None) -> None:
        """Move the simulated clock; what is due fires in order."""
        self.loop.advance(by, to=to)

    # ----------------------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Make an empty moto the AWS of a deployment in which nothing has happened yet."""
        reset_moto()
        Gateway.active = self._gateway()
        eventbridge_targets.route(self._on_event)
        self._bind()
        self._create_tables()
        self._create_bucket()
        self.client("ecs").create_cluster(clusterName=self.prefix)
        self.task_definition_arn = self.define_task(self.task_family)
        self.calls.clear()

    def _on_event(self, arn: str, event: dict[str, Any]) -> None:
        """A rule matched: invoke its function, with the time of this deployment."""
        if "detail-type" in event:
            event["time"] = self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        self.functions.send(arn, event)

    def _execution_changed(self, execution: Execution) -> None:
        detail = {
            "executionArn": execution.arn,
            "stateMachineArn": execution.machine_arn,
            "name": execution.name,
            "status": str(execution.status),
            "input": execution.input,
            "output": execution.output,
            "error": execution.error,
            "cause": execution.cause,
        }
        self.emit("aws.states", "Step Functions Execution Status Change", detail, [execution.arn])

    def _bind(self) -> None:
        """Point the models here, unless they are: each binding costs a client."""
        meta: Any = all_tables()[0].Meta
        if (meta.table_name, meta.region, meta.host) != (
            table_name(all_tables()[0], self.prefix),
            self.region,
            None,
        ):
            bind(prefix=self.prefix, region=self.region)

    def _create_bucket(self) -> None:
        self.client("s3").create_bucket(Bucket=self.bucket)
        if self._persist_dir is None:
            return
        if self._objects is None:
            self._objects = ObjectFile(self._persist_dir / "objects.sqlite", self.bucket)
        self._objects.fill(s3_backends[ACCOUNT]["aws"])
        s3_kept.keep(self._objects)

    def _create_tables(self) -> None:
        wanted = [create_table_parameters(model, self.prefix) for model in all_tables()]
        self.guard.control_tables = {one["TableName"] for one in wanted}
        if self._engine is None:
            put_tables(self.region, _made.get((self.prefix, self.region), {}))
        dynamodb = self.client("dynamodb")
        existing = set(dynamodb.list_tables()["TableNames"])
        for parameters in wanted:
            if parameters["TableName"] not in existing:
                dynamodb.create_table(**parameters)
        if self._engine is None:
            _made[self.prefix, self.region] = take_tables(self.region)


def _check_store(store: str, persist_dir: Path | None) -> None:
    if store not in STORES:
        raise InvocationError(f"There is no store {store!r}.", mend=f"Stores: {', '.join(STORES)}.")
    if persist_dir is not None and store != "dynoxide":
        raise InvocationError(
            "moto forgets everything when the process ends.", mend='Use store="dynoxide".'
        )


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
