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
        self.topic = self._make_topic()
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
        self._alarms(left, repairs, functions)
        dashboard = cloudwatch.Dashboard(self, "Dashboard", dashboard_name=prefix)
        dashboard.add_widgets(_steps(machine), _user_code(functions[USER_CODE]))
        dashboard.add_widgets(_durations(functions), _graph("Should be empty", left, repairs))

    def _make_topic(self) -> sns.Topic:
        topic = sns.Topic(self, "Alarms", enforce_ssl=True)
        # A topic with a policy of its own has lost the one that let the account's alarms in.
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsOfThisAccount",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}},
            )
        )
        return topic

    def _alarms(
        self,
        left: cloudwatch.IMetric,
        repairs: cloudwatch.IMetric,
        functions: Mapping[str, lambda_.Function],
    ) -> None:
        self._alarm(
            "DeadLetters", left, "Events could not be handled: look into the dead-letter queue."
        )
        self._alarm(
            "Repairs",
            repairs,
            "The sweep repaired something: a call was lost, and its cause is in the log.",
        )
        for name in ("queue", "backfill", "steps", "monitor"):
            self._alarm(
                f"{name.title()}Errors",
                functions[name].metric_errors(period=PERIOD),
                f"The {name} function failed: it is retried, and its log says why.",
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
        alarm.add_alarm_action(actions.SnsAction(self.topic))


def _steps(machine: sfn.StateMachine) -> cloudwatch.GraphWidget:
    return _graph(
        "Steps",
        machine.metric_started(period=PERIOD),
        machine.metric_succeeded(period=PERIOD),
        machine.metric_failed(period=PERIOD),
    )


def _user_code(function: lambda_.Function) -> cloudwatch.GraphWidget:
    return _graph(
        "User code on Lambda",
        function.metric("ConcurrentExecutions", period=PERIOD, statistic="Maximum"),
        function.metric_throttles(period=PERIOD),
    )


def _durations(functions: Mapping[str, lambda_.Function]) -> cloudwatch.GraphWidget:
    return _graph(
        "Duration of the control plane, p90",
        *(
            function.metric_duration(period=PERIOD, statistic="p90", label=name)
            for name, function in functions.items()
            if name != USER_CODE
        ),
    )


def _graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=12)
