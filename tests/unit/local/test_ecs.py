from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tidegate.local.aws import LocalAws
from tidegate.local.faults import Hang

ROLE = "arn:aws:iam::123456789012:role/machine"


def run(aws: LocalAws, **more: Any) -> str:
    answer = aws.client("ecs").run_task(
        cluster=aws.cluster_arn, taskDefinition=aws.task_definition_arn, **more
    )
    return str(answer["tasks"][0]["taskArn"])


def describe(aws: LocalAws, task: str) -> dict[str, Any]:
    found: dict[str, Any] = aws.client("ecs").describe_tasks(cluster=aws.cluster_arn, tasks=[task])[
        "tasks"
    ][0]
    return found


def execution_of(aws: LocalAws, **fields: Any) -> str:
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::ecs:runTask.sync",
        "Parameters": {"Cluster": aws.cluster_arn, "TaskDefinition": aws.task_definition_arn},
        "End": True,
        **fields,
    }
    step_functions = aws.client("stepfunctions")
    made = step_functions.create_state_machine(
        name="m",
        definition=json.dumps({"StartAt": "E", "States": {"E": state}}),
        roleArn=ROLE,
    )
    started = step_functions.start_execution(stateMachineArn=made["stateMachineArn"])
    return str(started["executionArn"])


def ending(aws: LocalAws, execution: str) -> dict[str, Any]:
    found: dict[str, Any] = aws.client("stepfunctions").describe_execution(executionArn=execution)
    return found


def hangs(environ: Mapping[str, str]) -> int:
    raise Hang


def raises(environ: Mapping[str, str]) -> int:
    raise ValueError("boom")


def exits(environ: Mapping[str, str]) -> int:
    raise SystemExit(7)


@pytest.mark.parametrize(
    ("main", "code"), [(lambda environ: 0, 0), (lambda environ: 3, 3), (raises, 1), (exits, 7)]
)
def test_task_runs_and_its_end_is_its_exit_code(main: Any, code: int, aws: LocalAws) -> None:
    aws.register_task(main)
    task = run(aws)

    before = describe(aws, task)["lastStatus"]
    aws.settle()

    stopped = describe(aws, task)
    assert before == "PROVISIONING"
    assert (stopped["lastStatus"], stopped["containers"][0]["exitCode"]) == ("STOPPED", code)
    assert stopped["stopCode"] == "EssentialContainerExited"


def test_task_is_given_its_environment(aws: LocalAws) -> None:
    given: list[Mapping[str, str]] = []
    aws.register_task(lambda environ: given.append(environ) or 0)  # type: ignore[func-returns-value]

    run(
        aws,
        overrides={
            "containerOverrides": [
                {"name": "step", "environment": [{"name": "A", "value": "1"}]},
                {"name": "other", "environment": [{"name": "B", "value": "2"}]},
            ]
        },
    )
    aws.settle()

    assert given == [{"A": "1"}]


def test_same_client_token_is_the_same_task(aws: LocalAws) -> None:
    aws.register_task(lambda environ: 0)

    assert run(aws, clientToken="t") == run(aws, clientToken="t")
    assert run(aws, clientToken="u") != run(aws, clientToken="t")


def test_task_of_which_nothing_is_known_does_not_start(aws: LocalAws) -> None:
    task = run(aws)

    aws.settle()

    assert describe(aws, task)["stopCode"] == "TaskFailedToStart"
    assert "exitCode" not in describe(aws, task)["containers"][0]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"cluster": "nope", "taskDefinition": "tidegate-step"}, "ClusterNotFoundException"),
        ({"cluster": "tidegate", "taskDefinition": "nope"}, "ClientException"),
        ({"cluster": "tidegate", "taskDefinition": "tidegate-step:9"}, "ClientException"),
        (
            {
                "cluster": "tidegate",
                "taskDefinition": "tidegate-step",
                "overrides": {
                    "containerOverrides": [
                        {"name": "step", "environment": [{"name": "A", "value": "x" * 9000}]}
                    ]
                },
            },
            "InvalidParameterException",
        ),
    ],
)
def test_task_that_cannot_be_run_is_refused(
    parameters: dict[str, Any], code: str, aws: LocalAws
) -> None:
    with pytest.raises(ClientError) as refused:
        aws.client("ecs").run_task(**parameters)

    assert refused.value.response["Error"]["Code"] == code


def test_status_changes_are_events(aws: LocalAws) -> None:
    seen: list[Any] = []
    watcher = aws.register("watcher", lambda event: seen.append(event["detail"]), role="control")
    events = aws.client("events")
    events.put_rule(
        Name="stopped",
        EventPattern=json.dumps(
            {
                "source": ["aws.ecs"],
                "detail-type": ["ECS Task State Change"],
                "detail": {"lastStatus": ["STOPPED"]},
            }
        ),
    )
    events.put_targets(Rule="stopped", Targets=[{"Id": "1", "Arn": watcher}])
    aws.register_task(lambda environ: 5)

    task = run(aws)
    aws.settle()

    assert [one["taskArn"] for one in seen] == [task]
    assert seen[0]["containers"][0]["exitCode"] == 5


def test_execution_waits_for_its_task_and_is_given_its_description(aws: LocalAws) -> None:
    aws.register_task(lambda environ: 0)
    execution = execution_of(aws)

    aws.settle()

    output = json.loads(ending(aws, execution)["output"])
    assert output["LastStatus"] == "STOPPED"
    assert output["Containers"][0]["ExitCode"] == 0


def test_task_that_ends_badly_fails_the_state(aws: LocalAws) -> None:
    aws.register_task(lambda environ: 3)
    execution = execution_of(aws)

    aws.settle()

    found = ending(aws, execution)
    assert (found["status"], found["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(found["cause"])["Containers"][0]["ExitCode"] == 3


def test_task_that_takes_too_long_is_stopped(aws: LocalAws) -> None:
    aws.register_task(hangs)
    execution = execution_of(aws, TimeoutSeconds=60)

    aws.advance(timedelta(seconds=60))

    assert ending(aws, execution)["error"] == "States.Timeout"
    assert [one.status for one in aws.ecs.tasks.values()] == ["STOPPED"]


def test_stopping_an_execution_stops_its_task(aws: LocalAws) -> None:
    aws.register_task(hangs)
    execution = execution_of(aws)
    aws.settle()

    aws.client("stepfunctions").stop_execution(executionArn=execution)
    aws.settle()

    (task,) = aws.ecs.tasks.values()
    assert (task.status, task.stop_code) == ("STOPPED", "UserInitiated")
    assert ending(aws, execution)["status"] == "ABORTED"


def test_stopping_before_the_task_has_begun_never_begins_it(aws: LocalAws) -> None:
    ran: list[Any] = []
    aws.register_task(lambda environ: ran.append(environ) or 0)  # type: ignore[func-returns-value]
    task = run(aws)

    aws.client("ecs").stop_task(cluster=aws.cluster_arn, task=task)
    aws.settle()

    assert (ran, describe(aws, task)["lastStatus"]) == ([], "STOPPED")


def test_lack_of_capacity_is_an_error_that_can_be_retried(aws: LocalAws) -> None:
    aws.register_task(lambda environ: 0)
    aws.ecs.capacity_refusals = 2
    retry = {"ErrorEquals": ["ECS.AmazonECSException"], "IntervalSeconds": 5, "MaxAttempts": 3}
    execution = execution_of(aws, Retry=[retry])

    aws.advance(timedelta(seconds=15))

    assert ending(aws, execution)["status"] == "SUCCEEDED"


def test_lack_of_capacity_is_told_to_who_runs_a_task(aws: LocalAws) -> None:
    aws.ecs.capacity_refusals = 1

    answer = aws.client("ecs").run_task(
        cluster=aws.cluster_arn, taskDefinition=aws.task_definition_arn
    )

    assert (answer["tasks"], len(answer["failures"])) == ([], 1)


@pytest.mark.parametrize(
    ("fault", "stop_code"), [("lose", "TerminationNotice"), ("interrupt", "SpotInterruption")]
)
def test_lost_container_stops_its_task(fault: str, stop_code: str, aws: LocalAws) -> None:
    aws.register_task(hangs)
    execution = execution_of(aws)
    aws.settle()
    (task,) = aws.ecs.tasks.values()

    getattr(aws.ecs, fault)(task.arn)
    aws.settle()

    assert (task.status, task.stop_code) == ("STOPPED", stop_code)
    assert ending(aws, execution)["error"] == "States.TaskFailed"


def test_container_is_a_process_that_reaches_this_aws_as_user_code(aws: LocalAws) -> None:
    program = (
        "import boto3, os, sys\n"
        "bucket = os.environ['BUCKET']\n"
        "boto3.client('s3').put_object(Bucket=bucket, Key='from-container', Body=b'hello')\n"
        "try:\n"
        "    boto3.client('dynamodb').get_item(\n"
        "        TableName='tidegate-runs', Key={'pk': {'S': 'a'}, 'sk': {'S': 'b'}})\n"
        "except Exception as error:\n"
        "    sys.exit(42 if 'AccessDenied' in str(error) else 1)\n"
    )
    aws.register_task([sys.executable, "-c", program])
    environment = [{"name": "BUCKET", "value": aws.bucket}]

    task = run(
        aws, overrides={"containerOverrides": [{"name": "step", "environment": environment}]}
    )
    aws.settle()

    body = aws.client("s3").get_object(Bucket=aws.bucket, Key="from-container")["Body"].read()
    assert body == b"hello"
    assert describe(aws, task)["containers"][0]["exitCode"] == 42


def test_stopped_process_is_asked_to_end(aws: LocalAws) -> None:
    program = (
        "import signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\n"
        "print('ready', flush=True)\n"
        "signal.pause()\n"
    )
    aws.register_task([sys.executable, "-c", program])
    task = aws.ecs.tasks[run(aws)]
    aws.loop.call_soon(lambda: aws.loop.call_soon(lambda: stop_when_running(aws, task.arn)))

    aws.settle()

    assert (task.stop_code, task.exit_code) in (("UserInitiated", 9), ("UserInitiated", 143))


def stop_when_running(aws: LocalAws, task: str) -> None:
    aws.client("ecs").stop_task(cluster=aws.cluster_arn, task=task)


def test_lost_process_is_killed(aws: LocalAws) -> None:
    aws.register_task([sys.executable, "-c", "import signal; signal.pause()"])
    task = aws.ecs.tasks[run(aws)]
    aws.loop.call_soon(lambda: aws.loop.call_soon(lambda: aws.ecs.lose(task.arn)))

    aws.settle()

    assert (task.status, task.exit_code) == ("STOPPED", 137)


def test_leaving_a_deployment_kills_what_still_runs() -> None:
    with LocalAws() as aws:
        aws.register_task([sys.executable, "-c", "import signal; signal.pause()"])
        task = aws.ecs.tasks[run(aws)]
        aws.ecs._begin(
            task, {"family": aws.task_family, "containerDefinitions": [{"name": "step"}]}
        )
        process: Any = task.running

    assert process._process.wait(30) == -9
