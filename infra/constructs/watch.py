"""Alarms for what should never happen, and one small dashboard."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.permissions import USER_CODE

METRICS = "Tidegate"
"""Namespace of the control plane's own metrics; see ``tidegate/handlers/observe.py``."""
PERIOD = cdk.Duration.minutes(5)


class Watch(Construct):
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        prefix: str,
        functions: Mapping[str, lambda_.Function],
        machine: sfn.StateMachine,
        dead_letters: sqs.Queue,
    ) -> None:
        super().__init__(scope, id)
        self.topic = sns.Topic(self, "Alarms", enforce_ssl=True)
        # A topic with a policy of its own has lost the one that let the account's alarms in.
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsOfThisAccount",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}},
            )
        )
        self._tell = actions.SnsAction(self.topic)
        left = dead_letters.metric_approximate_number_of_messages_visible(
            period=PERIOD, statistic="Maximum"
        )
        repairs = cloudwatch.Metric(
            namespace=METRICS,
            metric_name="Repairs",
            dimensions_map={"service": "tidegate"},
            period=PERIOD,
            statistic="Sum",
        )
        self._alarm(
            "DeadLetters", left, "Events could not be handled: look into the dead-letter queue."
        )
        self._alarm(
            "Repairs",
            repairs,
            "The sweep repaired something: a call was lost, and its cause is in the log.",
        )
        for name in ("queue", "steps", "monitor"):
            self._alarm(
                f"{name.title()}Errors",
                functions[name].metric_errors(period=PERIOD),
                f"The {name} function failed: it is retried, and its log says why.",
            )
        dashboard = cloudwatch.Dashboard(self, "Dashboard", dashboard_name=prefix)
        dashboard.add_widgets(
            _graph(
                "Steps",
                machine.metric_started(period=PERIOD),
                machine.metric_succeeded(period=PERIOD),
                machine.metric_failed(period=PERIOD),
            ),
            _graph(
                "User code on Lambda",
                functions[USER_CODE].metric(
                    "ConcurrentExecutions", period=PERIOD, statistic="Maximum"
                ),
                functions[USER_CODE].metric_throttles(period=PERIOD),
            ),
        )
        dashboard.add_widgets(
            _graph(
                "Duration of the control plane, p90",
                *(
                    functions[name].metric_duration(period=PERIOD, statistic="p90", label=name)
                    for name in functions
                    if name != USER_CODE
                ),
            ),
            _graph("Should be empty", left, repairs),
        )

    def _alarm(self, id: str, metric: cloudwatch.IMetric, description: str) -> None:
        alarm = cloudwatch.Alarm(
            self,
            id,
            metric=metric,
            alarm_description=description,
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(self._tell)


def _graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=12)
