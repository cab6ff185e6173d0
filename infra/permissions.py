"""Who may do what: the whole policy of every role, as a table.

Each grant says why it is there, and the reason is what the audit trail of the template shows for its wildcards. Resources are
named, not referenced, wherever their names are ours to choose; so no policy makes one resource wait for another.

Nothing grants a scan, a wildcard action, or user code any way to the control tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

READ = ("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query")
WRITE = (
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
)

CONTROL_PLANE = ("api", "queue", "backfill", "steps", "monitor")
USER_CODE = "user-code"
FUNCTIONS = (*CONTROL_PLANE, USER_CODE)

_WRITES = {
    "api": ("runs", "admission", "events", "audit", "assets", "automation"),
    "queue": ("runs", "admission", "events", "audit", "assets"),
    "backfill": ("runs", "admission", "events", "audit", "assets", "automation"),
    "steps": ("runs", "admission", "events", "audit", "assets"),
    "monitor": ("runs", "admission", "events", "audit", "assets", "automation"),
}
"""Every one of them may launch: a raised limit, an admitted run, a completed step and a repair all grant claims. And each
applies new settings when it is the first to start after a deploy, which the audit is told of."""
_READS_ONLY = {"queue": ("automation",), "steps": ("automation",)}
_READS_BLOBS = {
    "api": ("control/*", "logs/*"),
    "queue": ("control/*",),
    "backfill": ("control/*",),
    "steps": ("control/*", "reports/*"),
    "monitor": ("control/*", "reports/*", "heartbeats/*"),
}
_WRITES_BLOBS = ("control/*", "invocations/*")
_ENQUEUES = ("api", "backfill", "monitor")
_HAS_DEAD_LETTERS = ("queue", "backfill", "monitor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """How the resources of one deployment are named. Bucket and prefix are given, the rest follows."""

    prefix: str
    data_bucket: str
    """ARN."""
    assets: str
    """ARN of what the deployment uploaded, without the last part of each key."""
    partition: str = "${AWS::Partition}"
    region: str = "${AWS::Region}"
    account: str = "${AWS::AccountId}"

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def table(self, name: str) -> str:
        return self.arn("dynamodb", f"table/{self.prefix}-{name}")

    def function(self, name: str) -> str:
        return self.arn("lambda", f"function:{self.prefix}-{name}")

    def log_group(self, name: str) -> str:
        return self.arn("logs", f"log-group:{name}")

    @property
    def step_machine(self) -> str:
        return self.arn("states", f"stateMachine:{self.prefix}-step")

    @property
    def alarm_machine(self) -> str:
        return self.arn("states", f"stateMachine:{self.prefix}-alarm")

    @property
    def step_executions(self) -> str:
        return self.arn("states", f"execution:{self.prefix}-step:*")

    @property
    def bus(self) -> str:
        return self.arn("events", f"event-bus/{self.prefix}")

    @property
    def dead_letters(self) -> str:
        return self.arn("sqs", f"{self.prefix}-dead-letters")

    @property
    def cluster(self) -> str:
        return self.arn("ecs", f"cluster/{self.prefix}")

    @property
    def task_definitions(self) -> str:
        return self.arn("ecs", f"task-definition/{self.prefix}-step:*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    why: str
    allow: bool = True
    conditions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def of_function(name: str, names: Names) -> tuple[Grant, ...]:
    """All that the role of the function may do."""
    own = (
        Grant(
            sid="WriteLogs",
            actions=("logs:CreateLogStream", "logs:PutLogEvents"),
            resources=(names.log_group(f"/aws/lambda/{names.prefix}-{name}") + ":*",),
            why="The streams of the function's own log group.",
        ),
        _TRACES,
    )
    if name == USER_CODE:
        return own + of_user_code(names)
    return own + _control_plane(name, names)


def _control_plane(name: str, names: Names) -> tuple[Grant, ...]:
    return (
        *_tables(name, names),
        *_launching(names),
        *_blobs(name, names),
        *_some_functions_only(name, names),
    )


def _tables(name: str, names: Names) -> tuple[Grant, ...]:
    return (
        Grant(
            sid="ReadAndWriteTables",
            actions=READ + WRITE,
            resources=tuple(names.table(one) for one in _WRITES[name]),
            why="State changes by conditional writes and transactions.",
        ),
        Grant(
            sid="QueryIndexes",
            actions=("dynamodb:Query",),
            resources=tuple(names.table(one) + "/index/*" for one in _INDEXED),
            why="The indexes of a table are read together with it; they are defined with the table's model.",
        ),
    )


def _launching(names: Names) -> tuple[Grant, ...]:
    return (
        Grant(
            sid="StartSteps",
            actions=("states:StartExecution",),
            resources=(names.step_machine,),
            why="Whatever grants a claim launches the step it was for.",
        ),
        Grant(
            sid="StopSteps",
            actions=("states:StopExecution",),
            resources=(names.step_executions,),
            why="Whoever cancels a run stops its steps; Step Functions then stops their containers.",
        ),
        Grant(
            sid="SetAlarms",
            actions=("states:StartExecution",),
            resources=(names.alarm_machine,),
            why="Whoever waits for a moment, of a rate say, is woken then.",
        ),
        Grant(
            sid="TellBackfills",
            actions=("lambda:InvokeFunction",),
            resources=(names.function("backfill"),),
            why="Whoever ends a run of a backfill has it counted, asynchronously.",
        ),
        Grant(
            sid="PublishRuns",
            actions=("events:PutEvents",),
            resources=(names.bus,),
            why="Run status for whoever listens.",
        ),
    )


def _blobs(name: str, names: Names) -> tuple[Grant, ...]:
    return (
        Grant(
            sid="ReadBlobs",
            actions=("s3:GetObject",),
            resources=tuple(f"{names.data_bucket}/{one}" for one in _READS_BLOBS[name]),
            why="The parts of the data bucket that the control plane reads; not the users' data.",
        ),
        Grant(
            sid="WriteBlobs",
            actions=("s3:PutObject",),
            resources=tuple(f"{names.data_bucket}/{one}" for one in _WRITES_BLOBS),
            why="Manifests, applied settings and invocations, which user code cannot write.",
        ),
        _tell_missing_from_forbidden(names),
    )


def _some_functions_only(name: str, names: Names) -> tuple[Grant, ...]:
    grants: list[Grant] = []
    if name in _READS_ONLY:
        grants.append(
            Grant(
                sid="ReadTables",
                actions=READ,
                resources=tuple(names.table(one) for one in _READS_ONLY[name]),
                why="Dynamic partitions that a step may need.",
            )
        )
    if name in _ENQUEUES:
        grants.append(
            Grant(
                sid="Enqueue",
                actions=("lambda:InvokeFunction",),
                resources=(names.function("queue"),),
                why="A submitted run is admitted by the queue function, asynchronously.",
            )
        )
    if name in _HAS_DEAD_LETTERS:
        grants.append(
            Grant(
                sid="KeepDeadLetters",
                actions=("sqs:SendMessage",),
                resources=(names.dead_letters,),
                why="Lambda puts an event that failed three times there, with the function's role.",
            )
        )
    return tuple(grants)


def of_user_code(names: Names) -> tuple[Grant, ...]:
    """What user code may do, on Lambda and in containers alike."""
    return (
        Grant(
            sid="ReadAndWriteData",
            actions=("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"),
            resources=(f"{names.data_bucket}/*",),
            why="The bucket is the users'; IO managers choose the keys in it.",
        ),
        Grant(
            sid="LeaveControlPlaneAlone",
            allow=False,
            actions=("s3:PutObject", "s3:DeleteObject"),
            resources=tuple(f"{names.data_bucket}/{one}" for one in _WRITES_BLOBS),
            why="What the control plane wrote, it must be able to believe.",
        ),
        _tell_missing_from_forbidden(names),
        Grant(
            sid="ReadOwnSecrets",
            actions=("secretsmanager:GetSecretValue",),
            resources=(names.arn("secretsmanager", f"secret:{names.prefix}/*"),),
            why="The users' secrets are those whose names begin with the deployment's prefix.",
        ),
    )


def of_stock_container(names: Names) -> tuple[Grant, ...]:
    """A container of the stock image also fetches its code."""
    return (
        *of_user_code(names),
        Grant(
            sid="FetchCode",
            actions=("s3:GetObject",),
            resources=(f"{names.assets}/*",),
            why="A run in flight executes on the code it was created with: each version has a key of its own.",
        ),
    )


def of_step_machine(names: Names, *, roles: tuple[str, ...]) -> tuple[Grant, ...]:
    """What the step state machine may do. ``roles``: ARNs of the roles a task runs with."""
    return (
        Grant(
            sid="ExecuteAndComplete",
            actions=("lambda:InvokeFunction",),
            resources=(names.function(USER_CODE) + ":*", names.function("steps")),
            why="A run in flight executes on the version of the user code that it was created with, whichever that is.",
        ),
        *_containers(names, roles),
        _DELIVERS_LOGS,
        _TRACES,
    )


def of_alarm_machine(names: Names) -> tuple[Grant, ...]:
    """What the alarm state machine may do."""
    return (
        Grant(
            sid="Wake",
            actions=("lambda:InvokeFunction",),
            resources=(names.function("queue"),),
            why="The queue function does what an alarm was set for.",
        ),
        _DELIVERS_LOGS,
        _TRACES,
    )


def _containers(names: Names, roles: tuple[str, ...]) -> tuple[Grant, ...]:
    in_cluster = {"ArnEquals": {"ecs:cluster": names.cluster}}
    return (
        Grant(
            sid="RunContainers",
            actions=("ecs:RunTask",),
            resources=(names.task_definitions,),
            conditions=in_cluster,
            why="A run in flight executes on the revision of the task definition that it was created with.",
        ),
        Grant(
            sid="FollowContainers",
            actions=("ecs:DescribeTasks", "ecs:StopTask"),
            resources=(names.arn("ecs", f"task/{names.prefix}/*"),),
            conditions=in_cluster,
            why="Tasks get their ids when they start; they are those of the deployment's own cluster.",
        ),
        Grant(
            sid="GiveRoles",
            actions=("iam:PassRole",),
            resources=roles,
            conditions={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
            why="The two roles of the task definition, and to ECS alone.",
        ),
        Grant(
            sid="HearOfStoppedContainers",
            actions=("events:PutTargets", "events:PutRule", "events:DescribeRule"),
            resources=(names.arn("events", "rule/StepFunctionsGetEventsForECSTaskRule"),),
            why="The rule by which Step Functions learns that a task it waits for has stopped.",
        ),
    )


def of_container_agent(names: Names) -> tuple[Grant, ...]:
    """What ECS itself may do to start a task (the execution role)."""
    return (
        Grant(
            sid="WriteLogs",
            actions=("logs:CreateLogStream", "logs:PutLogEvents"),
            resources=(names.log_group(f"/aws/ecs/{names.prefix}-step") + ":*",),
            why="The streams of the containers' own log group.",
        ),
    )


def _tell_missing_from_forbidden(names: Names) -> Grant:
    return Grant(
        sid="TellMissingFromForbidden",
        actions=("s3:ListBucket",),
        resources=(names.data_bucket,),
        why="Without it S3 answers 403 for an object that is not there.",
    )


_INDEXED = ("runs", "admission")

_TRACES = Grant(
    sid="Trace",
    actions=("xray:PutTraceSegments", "xray:PutTelemetryRecords"),
    resources=("*",),
    why="X-Ray knows no resource-level permissions for sending traces.",
)

_DELIVERS_LOGS = Grant(
    sid="DeliverLogs",
    actions=(
        "logs:CreateLogDelivery",
        "logs:GetLogDelivery",
        "logs:UpdateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:DescribeResourcePolicies",
        "logs:DescribeLogGroups",
    ),
    resources=("*",),
    why="Log delivery of Step Functions knows no resource-level permissions.",
)
