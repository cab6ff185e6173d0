"""What the template must say, beyond keys (``test_tables.py``) and rights (``test_permissions.py``)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from infra.constructs import alarm_machine, step_machine
from infra.permissions import CONTROL_PLANE, FUNCTIONS
from tests.infra.templates import as_text
from tidegate.handlers.environment import Environment


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_runs_its_handler_on_arm_with_limits_logs_and_traces(
    template: Any, name: str
) -> None:
    function = template.function(name)

    module = f"tidegate.handlers.{name.replace('-', '_')}"
    assert function["Handler"] == f"{module}.handler"
    assert find_spec(module) is not None
    assert function["Architectures"] == ["arm64"]
    assert function["Runtime"] == "python3.13"
    assert function["Timeout"] <= 900
    assert function["MemorySize"] >= 512
    assert function["TracingConfig"] == {"Mode": "Active"}
    assert function["LoggingConfig"]["LogFormat"] == "JSON"


def test_every_log_ends_some_day(template: Any) -> None:
    for group in template.all("AWS::Logs::LogGroup").values():
        assert group["Properties"]["RetentionInDays"] == 30


@pytest.mark.parametrize("name", CONTROL_PLANE)
def test_a_control_plane_function_finds_all_that_it_reads_from_its_environment(
    template: Any, name: str
) -> None:
    variables = template.function(name)["Environment"]["Variables"]

    Environment.read({"AWS_REGION": "eu-west-1", **variables})
    assert variables["TIDEGATE_MANIFEST"] == "/var/task/manifest.json"
    assert variables["TIDEGATE_SETTINGS"] == "/var/task/settings.json"


def test_user_code_is_told_of_its_bucket_and_of_nothing_in_the_control_plane(template: Any) -> None:
    (container,) = template.one("AWS::ECS::TaskDefinition")["ContainerDefinitions"]

    of_function = set(template.function("user-code")["Environment"]["Variables"])
    of_container = {one["Name"] for one in container["Environment"]}

    assert of_function == {"TIDEGATE_DATA_BUCKET", "TIDEGATE_DEFINITIONS"}
    assert of_container == of_function | {"AWS_DEFAULT_REGION", "HOME"}


def test_a_deploy_keeps_the_code_that_runs_in_flight_began_on(template: Any) -> None:
    (version,) = template.all("AWS::Lambda::Version").values()
    (task,) = template.all("AWS::ECS::TaskDefinition").values()

    assert version["DeletionPolicy"] == version["UpdateReplacePolicy"] == "Retain"
    assert task["DeletionPolicy"] == task["UpdateReplacePolicy"] == "Retain"


def test_new_runs_are_told_the_exact_version_of_the_code_for_lambda_and_for_ecs(
    template: Any,
) -> None:
    (version,) = template.all("AWS::Lambda::Version")

    (task,) = template.all("AWS::ECS::TaskDefinition")

    variables = template.function("api")["Environment"]["Variables"]

    assert variables["TIDEGATE_USER_FUNCTION_ARN"] == {"Ref": version}
    assert variables["TIDEGATE_TASK_DEFINITION_ARN"] == {"Ref": task}


@pytest.mark.parametrize(
    ("name", "definition"),
    [("Steps", step_machine.DEFINITION), ("Alarms", alarm_machine.DEFINITION)],
)
def test_a_state_machine_is_the_file_that_runs_locally_and_lacks_no_value(
    template: Any, name: str, definition: Path
) -> None:
    machine = template.one("AWS::StepFunctions::StateMachine", name)

    assert machine["DefinitionString"] == definition.read_text(encoding="utf-8")
    placeholders = set(re.findall(r"\$\{(\w+)\}", machine["DefinitionString"]))
    assert set(machine["DefinitionSubstitutions"]) == placeholders


def test_no_partition_of_aws_is_written_down(template: Any) -> None:
    assert "arn:aws:" not in json.dumps(template.document)


@pytest.mark.parametrize("name", ["Steps", "Alarms"])
def test_a_state_machine_logs_every_event_but_no_data_of_users(template: Any, name: str) -> None:
    logging = template.one("AWS::StepFunctions::StateMachine", name)["LoggingConfiguration"]

    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", False)


def test_alarms_are_set_on_the_machine_that_wakes_the_queue_function(template: Any) -> None:
    machine = template.one("AWS::StepFunctions::StateMachine", "Alarms")
    queue = next(key for key in template.all("AWS::Lambda::Function") if "Queue" in key)

    variables = template.function("steps")["Environment"]["Variables"]

    arn = as_text(variables["TIDEGATE_ALARM_MACHINE_ARN"])
    assert arn == f"arn::states:::stateMachine:{machine['StateMachineName']}"
    assert machine["DefinitionSubstitutions"]["QueueFunctionArn"] == {"Fn::GetAtt": [queue, "Arn"]}
    assert machine["StateMachineType"] == "STANDARD"


def test_the_container_is_the_one_that_the_state_machine_overrides(template: Any) -> None:
    task = template.one("AWS::ECS::TaskDefinition")
    states = json.loads(step_machine.DEFINITION.read_text(encoding="utf-8"))["States"]

    (overrides,) = states["Run on ECS"]["Parameters"]["Overrides"]["ContainerOverrides"]

    assert [one["Name"] for one in task["ContainerDefinitions"]] == [overrides["Name"]]
    assert task["RuntimePlatform"]["CpuArchitecture"] == "ARM64"


def test_containers_may_run_on_spot_capacity(template: Any) -> None:
    providers = template.one("AWS::ECS::ClusterCapacityProviderAssociations")

    assert providers["CapacityProviders"] == ["FARGATE", "FARGATE_SPOT"]


def test_the_data_bucket_is_private_and_speaks_tls_only(template: Any) -> None:
    bucket = template.one("AWS::S3::Bucket", "StorageData")
    policy = template.one("AWS::S3::BucketPolicy", "StorageDataPolicy")

    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert "VersioningConfiguration" not in bucket
    denied = [one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Deny"]
    assert {"Bool": {"aws:SecureTransport": "false"}} in [one["Condition"] for one in denied]


def _lives(template: Any) -> dict[str, int]:
    rules = template.one("AWS::S3::Bucket", "StorageData")["LifecycleConfiguration"]["Rules"]
    return {one["Prefix"]: one["ExpirationInDays"] for one in rules if "ExpirationInDays" in one}


def test_what_belongs_to_one_run_expires_some_time_after_it_and_assets_do_not(
    template: Any,
) -> None:
    assert _lives(template) == {
        "runs/": 120,
        "reports/": 120,
        "invocations/": 120,
        "control/manifests/": 120,
        "control/mappings/": 120,
        "control/keys/": 120,
        "heartbeats/": 2,
        "logs/": 30,
    }


def test_objects_are_kept_as_long_as_the_settings_say_of_runs_and_events(
    tmp_path: Path, synthesize: Callable[..., Any]
) -> None:
    given = {"run_retention_days": 365, "event_retention_days": 60}
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "settings.json").write_text(json.dumps(given))

    template = synthesize(build=tmp_path)

    assert (_lives(template)["runs/"], _lives(template)["logs/"]) == (395, 60)


def test_retention_of_logs_can_be_chosen(synthesize: Callable[..., Any]) -> None:
    template = synthesize(retention_days="90")

    rules = template.one("AWS::S3::Bucket", "StorageAccessLog")["LifecycleConfiguration"]["Rules"]
    logs = template.all("AWS::Logs::LogGroup").values()
    assert [one["ExpirationInDays"] for one in rules] == [90]
    assert {one["Properties"]["RetentionInDays"] for one in logs} == {90}


def test_every_event_for_the_monitor_is_retried_and_then_kept(template: Any) -> None:
    monitor = next(key for key in template.all("AWS::Lambda::Function") if "Monitor" in key)
    rules = template.all("AWS::Events::Rule").values()

    for rule in rules:
        (target,) = rule["Properties"]["Targets"]
        assert target["Arn"] == {"Fn::GetAtt": [monitor, "Arn"]}
        assert "DeadLetterConfig" in target
        assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0


def test_the_monitor_hears_of_stopped_containers_failed_executions_and_the_clock(
    template: Any,
) -> None:
    rules = [one["Properties"] for one in template.all("AWS::Events::Rule").values()]

    heard = {
        one["EventPattern"]["detail-type"][0]: one["EventPattern"]["detail"]
        for one in rules
        if "EventPattern" in one
    }
    assert heard["ECS Task State Change"]["lastStatus"] == ["STOPPED"]
    assert "clusterArn" in heard["ECS Task State Change"]
    executions = heard["Step Functions Execution Status Change"]
    assert executions["status"] == ["FAILED", "TIMED_OUT", "ABORTED"]
    assert "stateMachineArn" in executions
    assert [one["ScheduleExpression"] for one in rules if "ScheduleExpression" in one] == [
        "rate(5 minutes)"
    ]


@pytest.mark.parametrize("name", ["queue", "backfill", "monitor"])
def test_a_function_that_is_invoked_asynchronously_leaves_nothing_behind_unseen(
    template: Any, name: str
) -> None:
    assert "DeadLetterConfig" in template.function(name)


def test_what_should_never_happen_raises_an_alarm_that_reaches_somebody(template: Any) -> None:
    alarms = [one["Properties"] for one in template.all("AWS::CloudWatch::Alarm").values()]
    (topic,) = template.all("AWS::SNS::Topic")
    policy = template.one("AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]

    watched = sorted(one["MetricName"] for one in alarms)
    assert watched == [
        "ApproximateNumberOfMessagesVisible",
        "Errors",
        "Errors",
        "Errors",
        "Errors",
        "Repairs",
    ]
    assert all(one["AlarmActions"] == [{"Ref": topic}] for one in alarms)
    assert {"Service": "cloudwatch.amazonaws.com"} in [
        one["Principal"] for one in policy if one["Effect"] == "Allow"
    ]


def test_the_alarm_on_repairs_watches_the_metric_that_the_monitor_writes(template: Any) -> None:
    from tidegate.handlers.observe import metrics

    alarm = template.one("AWS::CloudWatch::Alarm", "Repairs")

    assert alarm["Namespace"] == metrics.namespace
    assert alarm["Dimensions"] == [{"Name": "service", "Value": metrics.service}]


def test_containers_have_a_public_address_and_no_way_in(template: Any) -> None:
    machine = template.one("AWS::StepFunctions::StateMachine", "Steps")
    group = template.one("AWS::EC2::SecurityGroup")

    assert machine["DefinitionSubstitutions"]["AssignPublicIp"] == "ENABLED"
    assert "SecurityGroupIngress" not in group
    assert template.all("AWS::EC2::SecurityGroupIngress") == {}
    assert template.all("AWS::EC2::NatGateway") == {}
    for subnet in template.all("AWS::EC2::Subnet").values():
        assert subnet["Properties"]["MapPublicIpOnLaunch"] is False


def test_isolated_containers_reach_aws_by_endpoints_and_nothing_else(
    synthesize: Callable[..., Any],
) -> None:
    template = synthesize(network="isolated", image="dockerfile")

    machine = template.one("AWS::StepFunctions::StateMachine", "Steps")
    services = {
        str(one["Properties"]["ServiceName"])
        for one in template.all("AWS::EC2::VPCEndpoint").values()
    }
    assert machine["DefinitionSubstitutions"]["AssignPublicIp"] == "DISABLED"
    assert template.all("AWS::EC2::InternetGateway") == {}
    assert template.all("AWS::EC2::NatGateway") == {}
    for service in ("s3", "ecr.api", "ecr.dkr", "logs", "secretsmanager"):
        assert any(f".{service}" in one for one in services), service


def test_two_deployments_share_no_name(synthesize: Callable[..., Any]) -> None:
    ours, theirs = synthesize(), synthesize(prefix="staging")

    assert not _names(ours) & _names(theirs)


def _names(template: Any) -> set[str]:
    keys = ("TableName", "FunctionName", "StateMachineName", "QueueName", "ClusterName", "Family")
    keys += ("LogGroupName", "DashboardName")
    return {
        str(one["Properties"][key])
        for one in template.document["Resources"].values()
        for key in keys
        if isinstance(one.get("Properties", {}).get(key), str)
    }
