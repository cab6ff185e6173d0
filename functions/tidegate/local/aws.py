"""The AWS of a local deployment, in this process.

    with LocalAws() as aws:
        aws.register("tidegate-steps", handler, role=Role.CONTROL)
        boto3.client("lambda").invoke(FunctionName="tidegate-steps", Payload=b"{}")
        aws.settle()

moto has S3, EventBridge, Secrets Manager and the rest; DynamoDB is moto's, repaired, or dynoxide; Lambda, Step Functions and ECS
are this package's own. Everything is reached through plain boto3 and PynamoDB.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Literal

import boto3

from tidegate.adapters.dynamodb.table import DEFAULT_PREFIX, all_tables, bind
from tidegate.errors import InvocationError
from tidegate.local.calls import Calls
from tidegate.local.clock import RealClock, SimulatedClock
from tidegate.local.faults import Faults
from tidegate.local.functions import Function, Functions, Handler
from tidegate.local.gateway import Gateway
from tidegate.local.guard import Guard
from tidegate.local.loop import Loop
from tidegate.local.process import ACCOUNT, reset_moto, start_moto
from tidegate.local.role import Role
from tidegate.local.schema import create_table_parameters
from tidegate.local.step_functions import StepFunctions
from tidegate.local.tables import MotoTables

StoreKind = Literal["moto", "dynoxide"]
WORKERS = 32

_bound: tuple[str, str] | None = None


class LocalAws:
    """One at a time in a process. Entering creates what every deployment has; ``reset`` empties it."""

    def __init__(
        self,
        clock: RealClock | SimulatedClock | None = None,
        *,
        region: str = "us-east-1",
        prefix: str = DEFAULT_PREFIX,
        inline: bool = True,
        may_invoke: Iterable[str] = (),
        seed: int = 0,
    ) -> None:
        self.clock = clock or SimulatedClock()
        self.region = region
        self.prefix = prefix
        self.bucket = f"{prefix}-data-{ACCOUNT}-{region}"
        self.calls = Calls()
        self.faults = Faults()
        self.guard = Guard(may_invoke=may_invoke)
        self.loop = Loop(self.clock)
        self._workers = None if inline else ThreadPoolExecutor(WORKERS, "tidegate-user-code")
        self._seed = seed
        self._clients: dict[str, Any] = {}
        self._make()

    def _make(self) -> None:
        """The services of this package, empty."""
        self.functions = Functions(
            self.loop, calls=self.calls, faults=self.faults, workers=self._workers
        )
        self.tables = MotoTables(region=self.region, account=ACCOUNT, calls=self.calls)
        self.step_functions = StepFunctions(
            self.loop,
            region=self.region,
            tasks={"arn:aws:states:::lambda:invoke": self.functions},
            chance=random.Random(self._seed),
        )
        self._gateway = Gateway(
            {
                "dynamodb": self.tables,
                "lambda": self.functions,
                "stepfunctions": self.step_functions,
            },
            calls=self.calls,
            faults=self.faults,
            guard=self.guard,
        )

    def __enter__(self) -> LocalAws:
        if Gateway.active is not None:
            raise InvocationError(
                "This process already has a local deployment.", mend="Leave that one first."
            )
        start_moto()
        os.environ.setdefault("AWS_DEFAULT_REGION", self.region)
        reset_moto(keep_tables=False)
        Gateway.active = self._gateway
        self._bind()
        self._create()
        self.calls.clear()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        Gateway.active = None
        self.loop.clear()
        if self._workers is not None:
            self._workers.shutdown(wait=False, cancel_futures=True)
        reset_moto(keep_tables=False)

    def reset(self) -> None:
        """Forget everything but the tables, which are emptied, and the bucket. Functions are to be registered again."""
        self.loop.clear()
        self.faults.clear()
        reset_moto(keep_tables=True)
        self._make()
        Gateway.active = self._gateway
        self._create_bucket()
        self.calls.clear()

    # What a deployment uses -----------------------------------------------------------------------------------

    def client(self, service: str) -> Any:
        """A boto3 client, kept: making one takes tens of milliseconds."""
        if service not in self._clients:
            self._clients[service] = boto3.client(service, region_name=self.region)  # type: ignore[call-overload]
        return self._clients[service]

    def register(
        self,
        name: str,
        handler: Handler,
        *,
        role: Role | Literal["control", "user"],
        takes: Callable[[Any], timedelta] | None = None,
    ) -> None:
        """Make ``handler`` the Lambda function ``name``. ``takes``: how long an invocation lasts, by its event."""
        self.functions.register(Function(name=name, handler=handler, role=Role(role), takes=takes))

    def settle(self) -> None:
        """Run until nothing can move without time passing or an outside event."""
        self.loop.run_until_idle()

    def advance(self, by: timedelta | None = None, *, to: datetime | None = None) -> None:
        self.loop.advance(by, to=to)

    # ----------------------------------------------------------------------------------------------------------

    def _bind(self) -> None:
        """Point the models here, once: each binding costs a client."""
        global _bound
        if _bound != (self.prefix, self.region):
            bind(prefix=self.prefix, region=self.region)
            _bound = (self.prefix, self.region)

    def _create(self) -> None:
        dynamodb = self.client("dynamodb")
        for model in all_tables():
            parameters = create_table_parameters(model, self.prefix)
            dynamodb.create_table(**parameters)
            self.guard.control_tables.add(parameters["TableName"])
        self._create_bucket()

    def _create_bucket(self) -> None:
        self.client("s3").create_bucket(Bucket=self.bucket)
