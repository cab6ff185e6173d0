"""What reaches the monitor, and where what could not be delivered is kept."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.findings import accept

SWEEP = cdk.Duration.minutes(5)


def dead_letters(scope: Construct, id: str, *, prefix: str) -> sqs.Queue:
    """Holds events that neither EventBridge nor Lambda could get rid of. An alarm tells of the first one."""
    queue = sqs.Queue(
        scope,
        id,
        queue_name=f"{prefix}-dead-letters",
        retention_period=cdk.Duration.days(14),
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
    )
    here = "It is the dead-letter queue."
    accept(queue, dict.fromkeys(("AwsSolutions-SQS3", "Serverless-SQSRedrivePolicy"), here))
    return queue


class Signals(Construct):
    """The rules whose target is the monitor."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        monitor: lambda_.Function,
        dead_letters: sqs.Queue,
        cluster: ecs.Cluster,
        machine: sfn.StateMachine,
    ) -> None:
        super().__init__(scope, id)
        self._monitor, self._dead_letters = monitor, dead_letters
        self._rule(
            "ContainerStopped",
            "A container stopped. ECS delivers this durably.",
            event_pattern=events.EventPattern(
                source=["aws.ecs"],
                detail_type=["ECS Task State Change"],
                detail={"clusterArn": [cluster.cluster_arn], "lastStatus": ["STOPPED"]},
            ),
        )
        self._rule(
            "ExecutionEnded",
            "An execution of the step machine ended without Complete. Best effort: the sweep finds the rest.",
            event_pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={
                    "stateMachineArn": [machine.state_machine_arn],
                    "status": ["FAILED", "TIMED_OUT", "ABORTED"],
                },
            ),
        )
        self._rule("Sweep", "The monitor's sweep.", schedule=events.Schedule.rate(SWEEP))

    def _rule(
        self,
        id: str,
        description: str,
        *,
        event_pattern: events.EventPattern | None = None,
        schedule: events.Schedule | None = None,
    ) -> None:
        events.Rule(
            self,
            id,
            description=description,
            event_pattern=event_pattern,
            schedule=schedule,
            targets=[
                targets.LambdaFunction(
                    self._monitor,
                    dead_letter_queue=self._dead_letters,
                    retry_attempts=185,
                    max_event_age=cdk.Duration.hours(24)
                    if schedule is None
                    else cdk.Duration.minutes(5),
                )
            ],
        )
