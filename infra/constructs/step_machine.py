"""The step state machine: the very file that runs locally, as a literal, so that linters can read it."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra import ROOT
from infra.constructs.containers import Containers
from infra.constructs.network import Network
from infra.constructs.retention import RETENTION
from infra.constructs.roles import Roles
from infra.permissions import of_step_machine
from infra.settings import InfraSettings

DEFINITION = ROOT / "functions" / "tidegate" / "state_machines" / "step.asl.json"


class StepMachine(Construct):
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: InfraSettings,
        roles: Roles,
        steps: lambda_.Function,
        containers: Containers,
        network: Network,
    ) -> None:
        super().__init__(scope, id)
        may_pass = tuple(one.role_arn for one in containers.roles)
        role = roles.make(
            self,
            "Role",
            service="states.amazonaws.com",
            description="Runs the attempts of steps.",
            grants=lambda names: of_step_machine(names, roles=may_pass),
        )
        subnets = network.subnets
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            state_machine_name=f"{settings.prefix}-step",
            state_machine_type=sfn.StateMachineType.STANDARD,
            definition_body=sfn.DefinitionBody.from_string(DEFINITION.read_text(encoding="utf-8")),
            definition_substitutions={
                "LambdaInvoke": integration("lambda:invoke"),
                "EcsRunTaskSync": integration("ecs:runTask.sync"),
                "ClusterArn": containers.cluster.cluster_arn,
                "SubnetA": subnets[0],
                "SubnetB": subnets[1],
                "SecurityGroup": network.tasks.security_group_id,
                "AssignPublicIp": "ENABLED" if network.is_public else "DISABLED",
                "StepsFunctionArn": steps.function_arn,
            },
            role=iam.Role.without_policy_updates(role),
            tracing_enabled=True,
            logs=log_options(self, name=f"{settings.prefix}-step", settings=settings),
        )


def integration(name: str) -> str:
    """What a task state has as its resource to call a service, in whatever partition it is deployed to.

    A substitution of the whole value: of a part of it, cfn-lint would not believe that it is an ARN.
    """
    return f"arn:{cdk.Aws.PARTITION}:states:::{name}"


def log_options(scope: Construct, *, name: str, settings: InfraSettings) -> sfn.LogOptions:
    """Every event of a state machine, and no data of users, in a log group of its own."""
    return sfn.LogOptions(
        destination=logs.LogGroup(
            scope,
            "Log",
            log_group_name=f"/aws/vendedlogs/states/{name}",
            retention=RETENTION[settings.retention_days],
            removal_policy=cdk.RemovalPolicy.DESTROY,
        ),
        level=sfn.LogLevel.ALL,
        include_execution_data=False,
    )
