"""Who may do what, written down a second time: a change of ``infra/permissions.py`` is a change here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from infra.permissions import CONTROL_PLANE, FUNCTIONS
from tidegate.adapters.dynamodb.table import all_tables

READ = {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"}
READ_WRITE = READ | {
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
}
TRACE = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
WRITE_LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
DATA = "<StorageData>"


def _both(actions: set[str], *resources: str) -> set[tuple[str, str]]:
    return {(action, resource) for action in actions for resource in resources}


def _function(name: str) -> set[tuple[str, str]]:
    return _both(TRACE, "*") | _both(
        WRITE_LOGS, f"arn::logs:::log-group:/aws/lambda/tidegate-{name}:*"
    )


def _tables(actions: set[str], *names: str) -> set[tuple[str, str]]:
    return _both(actions, *(f"arn::dynamodb:::table/tidegate-{one}" for one in names))


def _control_plane(name: str) -> set[tuple[str, str]]:
    return (
        _function(name)
        | _tables(READ_WRITE, "runs", "admission", "events", "audit")
        | _tables({"dynamodb:Query"}, "runs/index/*", "admission/index/*")
        | _both(
            {"states:StartExecution"},
            "arn::states:::stateMachine:tidegate-step",
            "arn::states:::stateMachine:tidegate-alarm",
        )
        | _both({"states:StopExecution"}, "arn::states:::execution:tidegate-step:*")
        | _both({"lambda:InvokeFunction"}, "arn::lambda:::function:tidegate-backfill")
        | _both({"events:PutEvents"}, "arn::events:::event-bus/tidegate")
        | _both({"s3:GetObject"}, f"{DATA}/control/*")
        | _both({"s3:PutObject"}, f"{DATA}/control/*", f"{DATA}/invocations/*")
        | _both({"s3:ListBucket"}, DATA)
    )


_ENQUEUE = _both({"lambda:InvokeFunction"}, "arn::lambda:::function:tidegate-queue")
_DEAD_LETTERS = _both({"sqs:SendMessage"}, "arn::sqs:::tidegate-dead-letters")
_DELIVER_LOGS = _both(
    {
        "logs:CreateLogDelivery",
        "logs:GetLogDelivery",
        "logs:UpdateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:DescribeResourcePolicies",
        "logs:DescribeLogGroups",
    },
    "*",
)
_USER_CODE = (
    _both(
        {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"}, f"{DATA}/*"
    )
    | _both({"s3:ListBucket"}, DATA)
    | _both({"secretsmanager:GetSecretValue"}, "arn::secretsmanager:::secret:tidegate/*")
)

ALLOWED = {
    "FunctionsApiRole": _control_plane("api")
    | _tables(READ_WRITE, "assets", "automation")
    | _both({"s3:GetObject"}, f"{DATA}/logs/*")
    | _ENQUEUE,
    "FunctionsQueueRole": _control_plane("queue")
    | _tables(READ_WRITE, "assets")
    | _tables(READ, "automation")
    | _DEAD_LETTERS,
    "FunctionsBackfillRole": _control_plane("backfill")
    | _tables(READ_WRITE, "assets", "automation")
    | _ENQUEUE
    | _DEAD_LETTERS,
    "FunctionsStepsRole": _control_plane("steps")
    | _tables(READ_WRITE, "assets")
    | _tables(READ, "automation")
    | _both({"s3:GetObject"}, f"{DATA}/reports/*"),
    "FunctionsMonitorRole": _control_plane("monitor")
    | _tables(READ_WRITE, "assets", "automation")
    | _both({"s3:GetObject"}, f"{DATA}/reports/*", f"{DATA}/heartbeats/*")
    | _ENQUEUE
    | _DEAD_LETTERS,
    "UserFunctionsUserCodeRole": _function("user-code") | _USER_CODE,
    "ContainersTaskRole": _USER_CODE
    | _both({"s3:GetObject"}, "arn::s3:::cdk-hnb659fds-assets--/tidegate/*"),
    "ContainersAgentRole": _both(WRITE_LOGS, "arn::logs:::log-group:/aws/ecs/tidegate-step:*"),
    "StepsRole": _both(TRACE, "*")
    | _both(
        {"lambda:InvokeFunction"},
        "arn::lambda:::function:tidegate-user-code:*",
        "arn::lambda:::function:tidegate-steps",
    )
    | _both({"ecs:RunTask"}, "arn::ecs:::task-definition/tidegate-step:*")
    | _both({"ecs:DescribeTasks", "ecs:StopTask"}, "arn::ecs:::task/tidegate/*")
    | _both({"iam:PassRole"}, "<ContainersTaskRole>", "<ContainersAgentRole>")
    | _both(
        {"events:PutTargets", "events:PutRule", "events:DescribeRule"},
        "arn::events:::rule/StepFunctionsGetEventsForECSTaskRule",
    )
    | _DELIVER_LOGS,
    "AlarmsRole": _both(TRACE, "*")
    | _both({"lambda:InvokeFunction"}, "arn::lambda:::function:tidegate-queue")
    | _DELIVER_LOGS,
}


def _pairs(statements: list[dict[str, Any]], effect: str = "Allow") -> set[tuple[str, str]]:
    return {
        (action, resource)
        for one in statements
        if one["Effect"] == effect
        for action in one["Action"]
        for resource in one["Resource"]
    }


@pytest.mark.parametrize("role", sorted(ALLOWED))
def test_a_role_may_do_exactly_what_is_written_here(template: Any, role: str) -> None:
    given = _pairs(template.statements(role))

    assert given == ALLOWED[role]


def test_there_is_no_role_but_those_written_here_and_that_of_the_flow_log(template: Any) -> None:
    roles = template.all("AWS::IAM::Role")

    known = {key for key in roles if any(key.startswith(one) for one in ALLOWED)}
    assert len(known) == len(ALLOWED)
    assert [key for key in roles if key not in known and "FlowIAMRole" not in key] == []


@pytest.mark.parametrize("role", ["UserFunctionsUserCodeRole", "ContainersTaskRole"])
def test_user_code_cannot_reach_the_control_plane(template: Any, role: str) -> None:
    given = _pairs(template.statements(role))

    services = {action.partition(":")[0] for action, _ in given}
    assert services <= {"logs", "s3", "secretsmanager", "xray"}


@pytest.mark.parametrize("role", ["UserFunctionsUserCodeRole", "ContainersTaskRole"])
def test_user_code_cannot_change_what_the_control_plane_wrote(template: Any, role: str) -> None:
    denied = _pairs(template.statements(role), "Deny")

    assert denied == _both(
        {"s3:PutObject", "s3:DeleteObject"}, f"{DATA}/control/*", f"{DATA}/invocations/*"
    )


@pytest.mark.parametrize("variant", [{}, {"network": "isolated", "image": "dockerfile"}])
def test_no_role_has_a_wildcard_action_or_a_scan(
    synthesize: Callable[..., Any], variant: dict[str, str]
) -> None:
    template = synthesize(**variant)

    for key in template.all("AWS::IAM::Role"):
        for action, _ in _pairs(template.statements(key)):
            assert "*" not in action
            assert action != "dynamodb:Scan"


def test_a_container_that_has_its_code_built_in_may_not_fetch_any(
    synthesize: Callable[..., Any],
) -> None:
    template = synthesize(image="dockerfile")

    assert _pairs(template.statements("ContainersTaskRole")) == _USER_CODE


def test_a_table_with_indexes_can_be_queried_through_them(template: Any) -> None:
    indexed = {one.name for one in all_tables() if one._get_schema()["global_secondary_indexes"]}

    for name in CONTROL_PLANE:
        given = _pairs(template.statements(f"Functions{name.title()}Role"))
        assert _tables({"dynamodb:Query"}, *(f"{one}/index/*" for one in indexed)) <= given


def test_the_step_machine_passes_roles_to_ecs_alone_and_runs_tasks_in_its_own_cluster_alone(
    template: Any,
) -> None:
    conditions = {
        action: one.get("Condition")
        for one in template.statements("StepsRole")
        for action in one["Action"]
    }

    assert conditions["iam:PassRole"] == {
        "StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    }
    for action in ("ecs:RunTask", "ecs:StopTask"):
        assert "tidegate" in str(conditions[action]["ArnEquals"]["ecs:cluster"])


def test_every_function_has_a_role_of_its_own(template: Any) -> None:
    roles = [str(template.function(name)["Role"]) for name in FUNCTIONS]

    assert len(set(roles)) == len(FUNCTIONS)
