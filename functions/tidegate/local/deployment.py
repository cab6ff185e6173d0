"""The whole deployment in this process: what CDK deploys, on what answers in place of AWS.

The control plane is the handlers, reached by the names CDK gives their functions; user code is the definitions handed
in; the state machine is the ASL file; tables come from the models. Only the composition is here.
"""

from __future__ import annotations

import json
import logging
import os
import random
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegate import state_machines
from tidegate.adapters.ids import TimeOrderedIds
from tidegate.app.admission.apply_settings import apply_settings
from tidegate.domain.settings import Settings
from tidegate.errors import DeploymentError, from_json
from tidegate.execution.io_s3 import S3IOManager
from tidegate.handlers import api, backfill, monitor, queue, steps
from tidegate.handlers.environment import Environment, build, serving
from tidegate.local.aws import LocalAws
from tidegate.local.role import Role
from tidegate.local.user_code import UserCode
from tidegate.manifest.compiler import compile_manifest
from tidegate.sdk.asset_key import AssetKey

if TYPE_CHECKING:
    from tidegate.local.clock import RealClock, SimulatedClock
    from tidegate.sdk.definitions import Definitions

API_FUNCTION = "tidegate-api"
"""By this name the CLI finds the API, here and on AWS."""
QUEUE_FUNCTION = "tidegate-queue"
BACKFILL_FUNCTION = "tidegate-backfill"
STEPS_FUNCTION = "tidegate-steps"
MONITOR_FUNCTION = "tidegate-monitor"
STATE_MACHINES = Path(state_machines.__file__).parent
STEP_MACHINE_ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:tidegate-step"
INTEGRATIONS = {
    "LambdaInvoke": "arn:aws:states:::lambda:invoke",
    "EcsRunTaskSync": "arn:aws:states:::ecs:runTask.sync",
}
SWEEP_EVERY = timedelta(minutes=5)
RULES: dict[str, dict[str, Any]] = {
    "tidegate-containers": {
        "source": ["aws.ecs"],
        "detail-type": ["ECS Task State Change"],
        "detail": {"lastStatus": ["STOPPED"]},
    },
    "tidegate-executions": {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {
            "stateMachineArn": [STEP_MACHINE_ARN],
            "status": ["FAILED", "TIMED_OUT", "ABORTED"],
        },
    },
}
"""As CDK deploys them."""


class Deployment:
    """A deployment; ``start`` before use, ``stop`` after.

    Args:
        step_time: how long a step on Lambda lasts on a simulated clock.
    """

    def __init__(
        self,
        defs: Definitions,
        *,
        settings: Settings,
        clock: RealClock | SimulatedClock,
        store: str = "moto",
        persist: Path | None = None,
        inline: bool = True,
        port: int = 0,
        step_time: timedelta = timedelta(0),
        code_version: str = "local",
    ) -> None:
        self._defs = defs
        self._settings = settings
        self._code_version = code_version
        self._stack = ExitStack()
        self._step_time = step_time
        self.aws = LocalAws(clock, store=store, persist_dir=persist, inline=inline, port=port)

    def start(self) -> None:
        _log_for_people()
        aws = self._stack.enter_context(self.aws)
        self._code = UserCode(aws, step_time=self._step_time)
        self._environment = Environment(
            region=aws.region,
            table_prefix=aws.prefix,
            data_bucket=aws.bucket,
            step_machine_arn=self._create_step_machine(),
            alarm_machine_arn=self._create_machine("alarm", QueueFunctionArn=QUEUE_FUNCTION),
            queue_function=QUEUE_FUNCTION,
            backfill_function=BACKFILL_FUNCTION,
            user_function_arn="",
            task_definition_arn="",
            bus_name=aws.bus_name,
        )
        self._ids = TimeOrderedIds(random.Random(0).randbytes)
        for name, module in (
            (API_FUNCTION, api),
            (QUEUE_FUNCTION, queue),
            (BACKFILL_FUNCTION, backfill),
            (STEPS_FUNCTION, steps),
            (MONITOR_FUNCTION, monitor),
        ):
            aws.register(name, _entry(module.handler), role=Role.CONTROL)
        self._create_rules()
        self._sweep_later()
        self.deploy(self._defs)

    def deploy(self, defs: Definitions | None = None, settings: Settings | None = None) -> None:
        """From now on the handlers work with these settings, and new runs execute on these definitions."""
        self._settings = _as_containers_tell(settings or self._settings, self.aws.clock)
        if defs is not None:
            version = self._code.deploy(defs)
            self._environment = replace(
                self._environment,
                user_function_arn=version.function,
                task_definition_arn=version.task_definition,
            )
            said = self._code_version + ("" if version.number == 1 else f"-{version.number}")
            self._manifest = compile_manifest(defs, location="definitions", code_version=said)
        self.services = build(
            self._environment,
            manifest=self._manifest,
            settings=self._settings,
            clock=self.aws.clock,
            ids=self._ids,
        )
        self._stack.enter_context(serving(self.services))
        apply_settings(self.services)

    def _create_step_machine(self) -> str:
        return self._create_machine(
            "step",
            StepsFunctionArn=STEPS_FUNCTION,
            ClusterArn=self.aws.cluster_arn,
            SubnetA="subnet-a",
            SubnetB="subnet-b",
            SecurityGroup="sg-steps",
            AssignPublicIp="ENABLED",
        )

    def _create_machine(self, name: str, **substitutions: str) -> str:
        """From the file that CDK deploys, with its substitutions made. Answers its ARN."""
        definition = (STATE_MACHINES / f"{name}.asl.json").read_text()
        for placeholder, value in {**INTEGRATIONS, **substitutions}.items():
            definition = definition.replace(f"${{{placeholder}}}", value)
        made = self.aws.client("stepfunctions").create_state_machine(
            name=f"tidegate-{name}",
            definition=definition,
            roleArn=f"arn:aws:iam::123456789012:role/tidegate-{name}",
        )
        return str(made["stateMachineArn"])

    def _create_rules(self) -> None:
        """Containers and executions that ended are told to the monitor, as on AWS."""
        events = self.aws.client("events")
        for name, pattern in RULES.items():
            events.put_rule(Name=name, EventPattern=json.dumps(pattern), State="ENABLED")
            target = f"arn:aws:lambda:{self.aws.region}:123456789012:function:{MONITOR_FUNCTION}"
            events.put_targets(Rule=name, Targets=[{"Id": "monitor", "Arn": target}])

    def _sweep_later(self) -> None:
        """The rule that ticks every few minutes; moto's never fire."""

        def tick() -> None:
            self.aws.functions.send(MONITOR_FUNCTION, {"detail-type": "Scheduled Event"})
            self._sweep_later()

        self.aws.loop.call_later(SWEEP_EVERY, tick)

    def stop(self) -> None:
        self._stack.close()

    def call(self, action: str, **fields: Any) -> dict[str, Any]:
        """One request to the API, through Lambda, as the CLI makes it.

        Raises:
            TidegateError: the request was refused.
            DeploymentError: its function died, by a fault that was armed, say.
        """
        answer = self.aws.client("lambda").invoke(
            FunctionName=API_FUNCTION, Payload=json.dumps({"action": action, **fields}).encode()
        )
        document: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise DeploymentError(
                f"The API failed: {document['errorType']}: {document['errorMessage']}.",
                mend="Ask again.",
            )
        if not document["ok"]:
            raise from_json(document["error"])
        result: dict[str, Any] = document["result"]
        return result

    def load_asset(self, key: str, partition: str | None) -> Any:
        return S3IOManager(bucket=self.aws.bucket).load_asset(
            AssetKey.from_user_string(key), partition
        )

    def load_output(self, run_id: str, step: str, output: str) -> Any:
        return S3IOManager(bucket=self.aws.bucket).load_output(run_id, step, output)


def _as_containers_tell(settings: Settings, clock: RealClock | SimulatedClock) -> Settings:
    """Containers give signs of life in real time: by a clock that runs faster they would all be lost."""
    if getattr(clock, "speed", 1.0) == 1.0:
        return settings
    return replace(settings, heartbeat_timeout_seconds=0)


def _log_for_people() -> None:
    """On AWS the handlers print JSON for CloudWatch; here warnings go to whoever watches, as Python's own do."""
    os.environ["POWERTOOLS_METRICS_DISABLED"] = "true"
    logger = logging.getLogger("tidegate")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.setLevel(logging.WARNING)
    logger.propagate = True


class _Context:
    """As much of a Lambda context as the handlers' logger reads."""

    memory_limit_in_mb = 512
    aws_request_id = "local"

    def __init__(self, name: str) -> None:
        self.function_name = name
        self.invoked_function_arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"


def _entry(handler: Callable[[dict[str, Any], Any], Any]) -> Callable[[Any], Any]:
    context = _Context(handler.__module__.rsplit(".", maxsplit=1)[-1])
    return lambda event: handler(event, context)
