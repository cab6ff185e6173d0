"""The alarm state machine: the very file that runs locally, as a literal, so that linters can read it."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra import ROOT
from infra.constructs.roles import Roles
from infra.constructs.step_machine import integration, log_options
from infra.permissions import of_alarm_machine
from infra.settings import InfraSettings

DEFINITION = ROOT / "functions" / "tidegate" / "state_machines" / "alarm.asl.json"


class AlarmMachine(Construct):
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: InfraSettings,
        roles: Roles,
        queue: lambda_.Function,
    ) -> None:
        super().__init__(scope, id)
        role = roles.make(
            self,
            "Role",
            service="states.amazonaws.com",
            description="Wakes the queue function at moments asked for.",
            grants=of_alarm_machine,
        )
        sfn.StateMachine(
            self,
            "Machine",
            state_machine_name=f"{settings.prefix}-alarm",
            state_machine_type=sfn.StateMachineType.STANDARD,
            definition_body=sfn.DefinitionBody.from_string(DEFINITION.read_text(encoding="utf-8")),
            definition_substitutions={
                "LambdaInvoke": integration("lambda:invoke"),
                "QueueFunctionArn": queue.function_arn,
            },
            role=iam.Role.without_policy_updates(role),
            tracing_enabled=True,
            logs=log_options(self, name=f"{settings.prefix}-alarm", settings=settings),
        )
