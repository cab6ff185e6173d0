"""The Lambda functions: one factory, one row of a table for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from aws_cdk.aws_s3_assets import Asset
from constructs import Construct

from infra.constructs.retention import RETENTION
from infra.constructs.roles import Roles
from infra.findings import accept
from infra.permissions import USER_CODE, of_function
from infra.settings import InfraSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSpec:
    name: str
    purpose: str
    memory_mb: int
    timeout: cdk.Duration


CONTROL_PLANE = (
    FunctionSpec(
        name="api",
        purpose="Answers one request of the CLI or another caller.",
        memory_mb=512,
        timeout=cdk.Duration.seconds(60),
    ),
    FunctionSpec(
        name="queue",
        purpose="Admits one submitted run, or does what an alarm was set for.",
        memory_mb=512,
        timeout=cdk.Duration.minutes(5),
    ),
    FunctionSpec(
        name="backfill",
        purpose="Drives a backfill on: counts a run that ended, asks for the next chunk.",
        memory_mb=512,
        timeout=cdk.Duration.minutes(5),
    ),
    FunctionSpec(
        name="steps",
        purpose="Completes one step: records its report and launches what waited for it.",
        memory_mb=512,
        timeout=cdk.Duration.minutes(15),
    ),
    FunctionSpec(
        name="monitor",
        purpose="Completes work whose own report did not arrive, and sweeps.",
        memory_mb=512,
        timeout=cdk.Duration.minutes(15),
    ),
)

_OLDER_PYTHON = "Python 3.13 is the version that the tests and the byte code are made with."
_WILDCARDS = "Each wildcard is accepted by itself, with its reason, under AwsSolutions-IAM5."
_OWN_RETRIES = {
    "api": "Its caller waits for the answer and repeats the request.",
    "steps": "Its caller is the step state machine, which retries it until it succeeds.",
    USER_CODE: "Its caller is the step state machine, which records whatever became of it.",
}


class Functions(Construct):
    """Makes functions that share a code asset and a layer."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: InfraSettings,
        roles: Roles,
        code: Asset,
        libraries: Asset,
    ) -> None:
        super().__init__(scope, id)
        self._settings, self._roles = settings, roles
        self._code = lambda_.Code.from_bucket(code.bucket, code.s3_object_key)
        self._layer = lambda_.LayerVersion(
            self,
            "Libraries",
            code=lambda_.Code.from_bucket(libraries.bucket, libraries.s3_object_key),
            compatible_runtimes=[lambda_.Runtime.PYTHON_3_13],
            compatible_architectures=[lambda_.Architecture.ARM_64],
        )

    def make(
        self,
        spec: FunctionSpec,
        *,
        environment: Mapping[str, str],
        dead_letters: sqs.Queue | None = None,
    ) -> lambda_.Function:
        """A function with a role and a log group of its own."""
        scope = Construct(self, spec.name.title().replace("-", ""))
        role = self._roles.make(
            scope,
            "Role",
            service="lambda.amazonaws.com",
            description=spec.purpose,
            grants=lambda names: of_function(spec.name, names),
        )
        function = self._function(scope, spec, role, environment, dead_letters)
        reasons = dict.fromkeys(
            ("AwsSolutions-L1", "Serverless-LambdaLatestVersion"), _OLDER_PYTHON
        )
        if dead_letters is None:
            reasons["Serverless-LambdaDLQ"] = _OWN_RETRIES[spec.name]
        accept(function, reasons)
        accept(role, {"Serverless-LambdaStarPermissions": _WILDCARDS})
        return function

    def _function(
        self,
        scope: Construct,
        spec: FunctionSpec,
        role: iam.Role,
        environment: Mapping[str, str],
        dead_letters: sqs.Queue | None,
    ) -> lambda_.Function:
        name = f"{self._settings.prefix}-{spec.name}"
        return lambda_.Function(
            scope,
            "Function",
            function_name=name,
            description=spec.purpose,
            handler=f"tidegate.handlers.{spec.name.replace('-', '_')}.handler",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            code=self._code,
            layers=[self._layer],
            memory_size=spec.memory_mb,
            timeout=spec.timeout,
            role=iam.Role.without_policy_updates(role),
            tracing=lambda_.Tracing.ACTIVE,
            logging_format=lambda_.LoggingFormat.JSON,
            log_group=self._log(scope, name),
            dead_letter_queue=dead_letters,
            environment=dict(environment),
            current_version_options=lambda_.VersionOptions(
                removal_policy=cdk.RemovalPolicy.RETAIN,
                description="Kept: runs in flight go on with the version they began on.",
            ),
        )

    def _log(self, scope: Construct, name: str) -> logs.LogGroup:
        return logs.LogGroup(
            scope,
            "Log",
            log_group_name=f"/aws/lambda/{name}",
            retention=RETENTION[self._settings.retention_days],
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )


def user_code(settings: InfraSettings) -> FunctionSpec:
    return FunctionSpec(
        name=USER_CODE,
        purpose="Runs one step of user code. It has no access to the control tables.",
        memory_mb=settings.user_memory_mb,
        timeout=cdk.Duration.minutes(15),
    )
