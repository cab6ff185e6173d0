"""User code as a deploy leaves it: a version of its function and a revision of its task definition, which stay.

A run executes on those that were the newest when it was submitted, whatever is deployed after.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tidegate.errors import DeploymentError
from tidegate.execution.user_code import handle
from tidegate.local.containers import ProcessContainer
from tidegate.local.role import Role

if TYPE_CHECKING:
    from tidegate.local.aws import LocalAws
    from tidegate.local.containers import Exited, Running
    from tidegate.sdk.definitions import Definitions

USER_FUNCTION = "tidegate-user-code"
_DEFINITIONS = "TIDEGATE_DEFINITIONS"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeVersion:
    """What one deploy made, by ARN."""

    number: int
    function: str
    task_definition: str


class UserCode:
    """Deploys definitions, one version after the other.

    Args:
        step_time: how long a step on Lambda lasts on a simulated clock.
    """

    def __init__(self, aws: LocalAws, *, step_time: timedelta = timedelta(0)) -> None:
        self._aws = aws
        self._step_time = step_time
        self._latest = 0
        aws.register_task(_Containers(aws))

    def deploy(self, defs: Definitions) -> CodeVersion:
        self._latest += 1
        takes = (lambda _: self._step_time) if self._step_time else None
        path, attribute = defs.origin
        return CodeVersion(
            number=self._latest,
            function=self._aws.register(
                USER_FUNCTION,
                lambda event: self._run_step(defs, event),
                role=Role.USER,
                takes=takes,
                version=str(self._latest),
            ),
            task_definition=self._aws.define_task(
                self._aws.task_family,
                {} if attribute is None else {_DEFINITIONS: f"{path}:{attribute}"},
            ),
        )

    def _run_step(self, defs: Definitions, event: dict[str, Any]) -> dict[str, Any]:
        report = handle(event, defs=defs, bucket=self._aws.bucket, now=self._aws.clock.now)
        if self._step_time and "finished_at" in report:
            finished = datetime.fromisoformat(report["finished_at"]) + self._step_time
            report["finished_at"] = finished.isoformat()
        return report


class _Containers:
    """Steps on ECS: a Python of their own, which imports the definitions again, as the container on AWS does."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws

    def start(self, environ: Mapping[str, str], exited: Exited) -> Running:
        if _DEFINITIONS not in environ:
            raise DeploymentError(
                "A step on ECS cannot import its definitions again: no name at the top level of their module holds them.",
                mend="Assign the Definitions to a name at the top level of their module.",
            )
        own = {
            "TIDEGATE_DATA_BUCKET": self._aws.bucket,
            "PYTHONPATH": os.pathsep.join(one for one in sys.path if one),
        }
        process = ProcessContainer(
            self._aws.loop,
            [sys.executable, "-m", "tidegate.execution.container"],
            environ=lambda: {**self._aws.child_environ(), **own},
        )
        return process.start(environ, exited)
