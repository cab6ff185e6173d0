"""Where containers run. Functions are in no network of ours.

``public``: a public address for each task, a security group that lets nothing in, no NAT: idle costs nothing. ``isolated``: no way
to the internet at all, AWS by interface endpoints, which cost about $58 a month and AWS region.
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.constructs.retention import RETENTION
from infra.settings import InfraSettings

_ENDPOINTS = {
    "Registry": ec2.InterfaceVpcEndpointAwsService.ECR,
    "Images": ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER,
    "Logs": ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
    "Secrets": ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
}


class Network(Construct):
    def __init__(self, scope: Construct, id: str, *, settings: InfraSettings) -> None:
        super().__init__(scope, id)
        self.is_public = settings.network == "public"
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            max_azs=2,
            nat_gateways=0,
            subnet_configuration=[self._subnets()],
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)
            },
            # Emptying the default group takes a custom resource with a function of its own; nothing uses that group.
            restrict_default_security_group=False,
        )
        self.vpc.add_flow_log(
            "Flow",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(
                logs.LogGroup(
                    self,
                    "FlowLog",
                    retention=RETENTION[settings.retention_days],
                    removal_policy=cdk.RemovalPolicy.DESTROY,
                )
            ),
        )
        self.tasks = ec2.SecurityGroup(
            self, "Tasks", vpc=self.vpc, description="Containers that run steps: nothing comes in."
        )
        if not self.is_public:
            self._endpoints()

    @property
    def subnets(self) -> list[str]:
        chosen = self.vpc.public_subnets if self.is_public else self.vpc.isolated_subnets
        return [one.subnet_id for one in chosen]

    def _subnets(self) -> ec2.SubnetConfiguration:
        if self.is_public:
            return ec2.SubnetConfiguration(
                name="tasks", subnet_type=ec2.SubnetType.PUBLIC, map_public_ip_on_launch=False
            )
        return ec2.SubnetConfiguration(name="tasks", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)

    def _endpoints(self) -> None:
        group = ec2.SecurityGroup(
            self,
            "Endpoints",
            vpc=self.vpc,
            description="Interface endpoints: containers only.",
            allow_all_outbound=False,
        )
        group.add_ingress_rule(self.tasks, ec2.Port.tcp(443), "AWS APIs, from containers")
        for name, service in _ENDPOINTS.items():
            self.vpc.add_interface_endpoint(
                name, service=service, security_groups=[group], open=False
            )
