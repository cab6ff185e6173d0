"""Where steps with ``compute=Ecs(...)`` run: a cluster that costs nothing idle, and one task definition.

CPU and memory in it are only what a task gets that asks for nothing: each run of a task overrides them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk.aws_s3_assets import Asset
from constructs import Construct

from infra import ROOT
from infra.constructs.network import Network
from infra.constructs.retention import RETENTION
from infra.constructs.roles import Roles
from infra.findings import accept
from infra.permissions import of_container_agent, of_stock_container, of_user_code
from infra.settings import InfraSettings, top_level

STOCK_IMAGE = "public.ecr.aws/lambda/python:3.13-arm64"
"""Has Python and boto3, in the versions of the Lambda runtime."""
PYTHON = "/var/lang/bin/python3"
CONTAINER = "step"
"""Named in the state machine's overrides."""


class Containers(Construct):
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: InfraSettings,
        roles: Roles,
        network: Network,
        archives: tuple[Asset, ...],
        environment: Mapping[str, str],
    ) -> None:
        super().__init__(scope, id)
        self._settings, self._archives = settings, archives
        self.cluster = ecs.Cluster(
            self,
            "Cluster",
            cluster_name=settings.prefix,
            vpc=network.vpc,
            enable_fargate_capacity_providers=True,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
        )
        self.roles = self._make_roles(roles)
        self.task_definition = self._task_definition(environment)
        if settings.image == "dockerfile":
            accept(
                self.roles[1],
                {"AwsSolutions-IAM5[Resource::*]": "ecr:GetAuthorizationToken knows no resources."},
            )

    def _make_roles(self, roles: Roles) -> tuple[iam.Role, iam.Role]:
        """The role of the user's code, and that of the agent which starts it."""
        of_task = of_user_code if self._settings.image == "dockerfile" else of_stock_container
        return (
            roles.make(
                self,
                "TaskRole",
                service="ecs-tasks.amazonaws.com",
                description="Steps of user code in containers. No access to the control tables.",
                grants=of_task,
            ),
            roles.make(
                self,
                "AgentRole",
                service="ecs-tasks.amazonaws.com",
                description="Starts the containers of steps.",
                grants=of_container_agent,
            ),
        )

    def _task_definition(self, environment: Mapping[str, str]) -> ecs.FargateTaskDefinition:
        task_role, agent_role = self.roles
        definition = ecs.FargateTaskDefinition(
            self,
            "Task",
            family=f"{self._settings.prefix}-step",
            cpu=256,
            memory_limit_mib=512,
            task_role=iam.Role.without_policy_updates(task_role),
            # The agent of a private image needs rights on its repository, which CDK knows.
            execution_role=agent_role
            if self._settings.image == "dockerfile"
            else iam.Role.without_policy_updates(agent_role),
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.ARM64,
                operating_system_family=ecs.OperatingSystemFamily.LINUX,
            ),
        )
        # A run in flight starts tasks of the revision it was created with: no deploy may deregister it.
        definition.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        definition.add_container(
            CONTAINER,
            image=self._image(),
            environment=dict(environment),
            logging=self._logging(),
            linux_parameters=ecs.LinuxParameters(self, "Linux", init_process_enabled=True),
            user="1000:1000",
            **self._command(),
        )
        accept(
            definition,
            {
                "AwsSolutions-ECS2": "Names of a bucket, a module and a directory; nothing that has to be secret."
            },
        )
        return definition

    def _image(self) -> ecs.ContainerImage:
        if self._settings.image == "stock":
            return ecs.ContainerImage.from_registry(STOCK_IMAGE)
        top = top_level(self._settings.definitions)
        return ecs.ContainerImage.from_asset(
            str(ROOT),
            file="infra/container/Dockerfile",
            build_args={"DEFINITIONS": top},
            platform=ecr_assets.Platform.LINUX_ARM64,
            ignore_mode=cdk.IgnoreMode.DOCKER,
            exclude=[
                "*",
                "!functions",
                f"!{top}",
                "!infra/container/Dockerfile",
                "!infra/locks/containers.lock",
                "**/__pycache__",
            ],
        )

    def _command(self) -> dict[str, Any]:
        """The stock image gets its first program as an argument; an image of our own has it built in."""
        if self._settings.image == "dockerfile":
            return {}
        start = (ROOT / "infra" / "container" / "start.py").read_text(encoding="utf-8")
        return {
            "entry_point": [PYTHON, "-c", start],
            "command": [self._archives[0].s3_bucket_name]
            + [one.s3_object_key for one in self._archives],
        }

    def _logging(self) -> ecs.LogDriver:
        return ecs.LogDriver.aws_logs(
            stream_prefix="step",
            mode=ecs.AwsLogDriverMode.NON_BLOCKING,
            log_group=logs.LogGroup(
                self,
                "Log",
                log_group_name=f"/aws/ecs/{self._settings.prefix}-step",
                retention=RETENTION[self._settings.retention_days],
                removal_policy=cdk.RemovalPolicy.DESTROY,
            ),
        )
