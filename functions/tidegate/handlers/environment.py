"""What the control-plane functions find in their environment, and the services they build from it, once per cold start."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

from tidegate.adapters.aws.alarms import StepFunctionsAlarms
from tidegate.adapters.aws.blobs import S3Blobs
from tidegate.adapters.aws.bus import EventBridgeBus
from tidegate.adapters.aws.launcher import StepFunctionsLauncher
from tidegate.adapters.aws.queue import LambdaBackfillQueue, LambdaRunQueue
from tidegate.adapters.clock import SystemClock
from tidegate.adapters.dynamodb.store import DynamoStore
from tidegate.adapters.dynamodb.table import bind
from tidegate.adapters.ids import TimeOrderedIds
from tidegate.app.admission.apply_settings import apply_settings
from tidegate.app.admission.engine import Admission
from tidegate.app.services import Manifests, Services
from tidegate.domain.settings import Settings
from tidegate.errors import DeploymentError
from tidegate.manifest.document import Manifest
from tidegate.ports import Clock, Ids

CLOCKS_DIFFER_BY = timedelta(milliseconds=20)
"""Lambda's clocks follow the Amazon Time Sync Service, which keeps them within one millisecond or so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The variables that ``infra/`` sets on each control-plane function."""

    region: str
    table_prefix: str
    data_bucket: str
    step_machine_arn: str
    alarm_machine_arn: str
    queue_function: str
    backfill_function: str
    user_function_arn: str
    task_definition_arn: str
    bus_name: str

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Environment:
        """Raises:
        DeploymentError: a variable is missing; it is named.
        """
        try:
            return cls(
                region=environ["AWS_REGION"],
                table_prefix=environ["TIDEGATE_TABLE_PREFIX"],
                data_bucket=environ["TIDEGATE_DATA_BUCKET"],
                step_machine_arn=environ["TIDEGATE_STEP_MACHINE_ARN"],
                alarm_machine_arn=environ["TIDEGATE_ALARM_MACHINE_ARN"],
                queue_function=environ["TIDEGATE_QUEUE_FUNCTION"],
                backfill_function=environ["TIDEGATE_BACKFILL_FUNCTION"],
                user_function_arn=environ["TIDEGATE_USER_FUNCTION_ARN"],
                task_definition_arn=environ["TIDEGATE_TASK_DEFINITION_ARN"],
                bus_name=environ["TIDEGATE_BUS_NAME"],
            )
        except KeyError as missing:
            raise DeploymentError(
                f"The environment variable {missing} is not set.", mend="Deploy with infra/app.py."
            ) from None


def build(
    environment: Environment,
    *,
    manifest: Manifest,
    settings: Settings,
    clock: Clock,
    ids: Ids,
    clocks_differ_by: timedelta = timedelta(0),
) -> Services:
    """The services on AWS, or on what answers in its place locally. The tables are bound already."""
    store = DynamoStore(
        batch_size=settings.event_batch_size,
        retention_days=settings.event_retention_days,
        run_retention_days=settings.run_retention_days,
        clock=clock,
    )
    blobs = S3Blobs(environment.data_bucket)
    alarms = StepFunctionsAlarms(environment.alarm_machine_arn, clock)
    return Services(
        store=store,
        admission=Admission(store.admission, clock, alarms=alarms),
        blobs=blobs,
        launcher=StepFunctionsLauncher(environment.step_machine_arn, blobs),
        queue=LambdaRunQueue(environment.queue_function),
        backfills=LambdaBackfillQueue(environment.backfill_function),
        alarms=alarms,
        bus=EventBridgeBus(environment.bus_name),
        clock=clock,
        ids=ids,
        settings=settings,
        manifests=Manifests(manifest, blobs),
        function=environment.user_function_arn,
        task_definition=environment.task_definition_arn,
        clocks_differ_by=clocks_differ_by,
    )


_serving: list[Services] = []


@contextmanager
def serving(built: Services) -> Iterator[None]:
    """Let the handlers work on these services: a deployment in this process, not the environment's."""
    _serving.append(built)
    try:
        yield
    finally:
        _serving.remove(built)


def services() -> Services:
    """What the handlers work on."""
    return _serving[-1] if _serving else _from_environment()


@cache
def _from_environment() -> Services:
    """The services of this function, once per cold start; settings that changed with the deploy are applied."""
    environment = Environment.read(os.environ)
    bind(prefix=environment.table_prefix, region=environment.region)
    built = build(
        environment,
        manifest=Manifest.parse(Path(os.environ["TIDEGATE_MANIFEST"]).read_bytes()),
        settings=Settings.from_json(json.loads(Path(os.environ["TIDEGATE_SETTINGS"]).read_bytes())),
        clock=SystemClock(),
        ids=TimeOrderedIds(),
        clocks_differ_by=CLOCKS_DIFFER_BY,
    )
    apply_settings(built)
    return built
