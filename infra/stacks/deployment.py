"""One deployment of Tidegate: everything, in one stack, so that a deploy is one change."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from aws_cdk.aws_s3_assets import Asset
from constructs import Construct

from infra.constructs import packages
from infra.constructs.alarm_machine import AlarmMachine
from infra.constructs.containers import Containers
from infra.constructs.functions import CONTROL_PLANE, Functions, user_code
from infra.constructs.network import Network
from infra.constructs.roles import Roles
from infra.constructs.signals import Signals, dead_letters
from infra.constructs.step_machine import StepMachine
from infra.constructs.storage import Storage
from infra.constructs.tables import Tables
from infra.constructs.watch import Watch
from infra.permissions import USER_CODE
from infra.settings import InfraSettings
from tidegate.adapters.dynamodb.table import ControlTable
from tidegate.domain.settings import Settings


class Deployment(cdk.Stack):
    """``build`` holds the compiled manifest and settings."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: InfraSettings,
        models: Iterable[type[ControlTable]],
        build: Path,
    ) -> None:
        # Below a prefix of their own, so that a container can be allowed to read this deployment's assets and no others.
        synthesizer = cdk.DefaultStackSynthesizer(bucket_prefix=f"{settings.prefix}/")
        super().__init__(
            scope,
            id,
            synthesizer=synthesizer,
            description="Tidegate, a serverless data orchestrator.",
            termination_protection=True,
            tags={"tidegate": settings.prefix},
        )
        self._settings = settings
        Tables(self, "Tables", models=models, prefix=settings.prefix)
        self._bus = events.EventBus(self, "Bus", event_bus_name=settings.prefix)
        self._data = Storage(
            self,
            "Storage",
            settings=Settings.from_json(json.loads((build / "settings.json").read_bytes())),
            retention_days=settings.retention_days,
        ).data
        self._dead_letters = dead_letters(self, "DeadLetters", prefix=settings.prefix)
        archives = self._user_archives()
        self._roles = Roles(
            self, prefix=settings.prefix, data_bucket=self._data, assets=archives[0]
        )
        self._network = Network(self, "Network", settings=settings)
        self._containers = self._make_containers(archives)
        functions = self._functions(code_of_user=archives[0], build=build)
        watch = self._run_and_watch(functions)
        self._output("DataBucketName", self._data.bucket_name)
        self._output("ApiFunctionName", functions["api"].function_name)
        self._output("BusName", self._bus.event_bus_name)
        self._output("AlarmTopicArn", watch.topic.topic_arn)

    def _make_containers(self, archives: tuple[Asset, ...]) -> Containers:
        return Containers(
            self,
            "Containers",
            settings=self._settings,
            roles=self._roles,
            network=self._network,
            archives=archives,
            environment=self._user_environment()
            | {"AWS_DEFAULT_REGION": self.region, "HOME": "/tmp"},
        )

    def _run_and_watch(self, functions: dict[str, lambda_.Function]) -> Watch:
        """The state machines, what tells the monitor of it, and what tells people."""
        machine = StepMachine(
            self,
            "Steps",
            settings=self._settings,
            roles=self._roles,
            steps=functions["steps"],
            containers=self._containers,
            network=self._network,
        ).machine
        AlarmMachine(
            self,
            "Alarms",
            settings=self._settings,
            roles=self._roles,
            queue=functions["queue"],
        )
        Signals(
            self,
            "Signals",
            monitor=functions["monitor"],
            dead_letters=self._dead_letters,
            cluster=self._containers.cluster,
            machine=machine,
        )
        return Watch(
            self,
            "Watch",
            prefix=self._settings.prefix,
            functions=functions,
            machine=machine,
            dead_letters=self._dead_letters,
        )

    @property
    def availability_zones(self) -> list[str]:
        """The first two of whatever region it is deployed to.

        CDK's own answer is the same, and acknowledges a finding about it on every resource of the stack.
        """
        zones = cdk.Fn.get_azs()
        return [cdk.Fn.select(0, zones), cdk.Fn.select(1, zones)]

    def _user_archives(self) -> tuple[Asset, ...]:
        """The user's code, and the libraries of containers that do not have them built in."""
        code = packages.code(self, "UserCode", packages.user_code_files(self._settings.definitions))
        if self._settings.image == "dockerfile":
            return (code,)
        return (
            code,
            packages.libraries(self, "ContainerLibraries", "containers.lock", limit=None),
        )

    def _functions(self, *, code_of_user: Asset, build: Path) -> dict[str, lambda_.Function]:
        of_user = Functions(
            self,
            "UserFunctions",
            settings=self._settings,
            roles=self._roles,
            code=code_of_user,
            libraries=packages.libraries(self, "UserLibraries", "user_code.lock"),
        ).make(user_code(self._settings), environment=self._user_environment())
        factory = Functions(
            self,
            "Functions",
            settings=self._settings,
            roles=self._roles,
            code=packages.code(self, "ControlPlane", packages.control_plane_files(build)),
            libraries=packages.libraries(self, "Libraries", "control_plane.lock"),
        )
        environment = self._control_plane_environment(of_user.current_version)
        functions = {USER_CODE: of_user}
        for spec in CONTROL_PLANE:
            queue = self._dead_letters if spec.name in ("queue", "backfill", "monitor") else None
            functions[spec.name] = factory.make(spec, environment=environment, dead_letters=queue)
        return functions

    def _user_environment(self) -> dict[str, str]:
        return {
            "TIDEGATE_DATA_BUCKET": self._data.bucket_name,
            "TIDEGATE_DEFINITIONS": self._settings.definitions,
        }

    def _control_plane_environment(self, version: lambda_.Version) -> dict[str, str]:
        return {
            "TIDEGATE_TABLE_PREFIX": self._settings.prefix,
            "TIDEGATE_DATA_BUCKET": self._data.bucket_name,
            "TIDEGATE_STEP_MACHINE_ARN": self._roles.names.step_machine,
            "TIDEGATE_ALARM_MACHINE_ARN": self._roles.names.alarm_machine,
            "TIDEGATE_QUEUE_FUNCTION": f"{self._settings.prefix}-queue",
            "TIDEGATE_BACKFILL_FUNCTION": f"{self._settings.prefix}-backfill",
            "TIDEGATE_USER_FUNCTION_ARN": version.function_arn,
            "TIDEGATE_TASK_DEFINITION_ARN": self._containers.task_definition.task_definition_arn,
            "TIDEGATE_BUS_NAME": self._settings.prefix,
            "TIDEGATE_MANIFEST": "/var/task/manifest.json",
            "TIDEGATE_SETTINGS": "/var/task/settings.json",
            "POWERTOOLS_LOG_LEVEL": "INFO",
        }

    def _output(self, name: str, value: str) -> None:
        cdk.CfnOutput(self, name, value=value)
