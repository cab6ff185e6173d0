"""Find the deployment a command talks to, and talk to it.

The order: ``--target`` or ``TIDEGATE_TARGET``; else the ``tidegate dev`` that runs in this directory or above; else AWS, with
the credentials at hand. Every request may be made twice, so one whose answer was lost is made again.
"""

from __future__ import annotations

import getpass
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from tidegate.cli.discover import api_functions, the_only_one
from tidegate.errors import (
    ConflictError,
    DeploymentError,
    ThrottledError,
    UnavailableError,
    from_json,
)

logger = logging.getLogger(__name__)

API_FUNCTION = "tidegate-api"
DEV_FILE = Path(".tidegate") / "dev.json"
START_DEV = "Start it with `tidegate dev`, or name another deployment with --target."
PAUSES = (0.2, 0.5, 1.0)
"""Seconds before each repetition of a request that the control tables refused."""
_NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "NoRegionError")


class Client(Protocol):
    """What commands need of a deployment: ``app/api/actions.py`` answers."""

    def call(self, action: str, **fields: Any) -> dict[str, Any]:
        """The result of one request.

        Raises:
            TidegateError: the deployment refused it, or did not answer.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Where a deployment answers. ``endpoint`` None: on AWS."""

    function: str = API_FUNCTION
    is_guess: bool = field(default=False, compare=False)
    """Nobody named it: it has the name that the API has unless a deployment was given another prefix."""
    endpoint: str | None = None
    region: str | None = None
    pid: int | None = None

    def __str__(self) -> str:
        if self.endpoint is not None:
            return f"tidegate dev at {self.endpoint}"
        return f"function {self.function} on AWS"


def connect(target: str | None) -> Client:
    """A client of the deployment that ``target`` names, or of the one that is found.

    Raises:
        DeploymentError: there is none, or it cannot be reached.
    """
    return LambdaClient(locate(target, environ=os.environ, start=Path.cwd()))


def caller(target: str | None) -> str:
    """Who asks, for the audit: on AWS who the credentials say it is; else, or when that cannot be asked, the user here.

    Raises:
        DeploymentError: as ``locate``.
    """
    if locate(target, environ=os.environ, start=Path.cwd()).endpoint is None:
        try:
            import boto3

            return str(boto3.client("sts").get_caller_identity()["Arn"])
        except Exception:  # not allowed, not reachable: the change itself matters more
            logger.debug("caller_unknown", exc_info=True)
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return f"uid {os.getuid()}"


def locate(target: str | None, *, environ: Mapping[str, str], start: Path) -> Deployment:
    """Raises:
    DeploymentError: the ``tidegate dev`` that is asked for, or that left its file, does not run.
    """
    named = environ.get("TIDEGATE_API_FUNCTION")
    function = named or API_FUNCTION
    if target is not None and target not in ("aws", "dev"):
        if target.startswith(("http://", "https://")):
            return Deployment(function=function, endpoint=target, region="us-east-1")
        return Deployment(function=target)
    running = None if target == "aws" else running_dev(start)
    if running is not None:
        return running
    if target == "dev":
        raise DeploymentError("No `tidegate dev` is running here.", mend=START_DEV)
    return Deployment(function=function, is_guess=named is None)


def running_dev(start: Path) -> Deployment | None:
    """The ``tidegate dev`` of the nearest directory that has one; None if there is no trace of one.

    Raises:
        DeploymentError: there is a trace, and it leads nowhere.
    """
    for folder in (start, *start.parents):
        path = folder / DEV_FILE
        if path.is_file():
            return _read_dev_file(path)
    return None


def _read_dev_file(path: Path) -> Deployment:
    try:
        document = json.loads(path.read_text())
        found = Deployment(
            function=str(document["function"]),
            endpoint=str(document["endpoint"]),
            region=str(document["region"]),
            pid=int(document["pid"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise DeploymentError(
            f"{path} cannot be read.", mend="Delete it and start `tidegate dev` again."
        ) from None
    if found.pid is not None and not _is_alive(found.pid):
        raise DeploymentError("The `tidegate dev` of this directory has ended.", mend=START_DEV)
    return found


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


class LambdaClient:
    """Calls the API by invoking its function: who may do what is IAM's to say."""

    def __init__(
        self,
        deployment: Deployment,
        *,
        client: Any = None,
        tagging: Any = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._deployment = deployment
        self._client = client
        self._tagging = tagging
        self._sleep = sleep

    def call(self, action: str, **fields: Any) -> dict[str, Any]:
        request = {"action": action} | {k: v for k, v in fields.items() if v is not None}
        for pause in PAUSES:
            try:
                return self._once(request)
            except (ThrottledError, ConflictError, UnavailableError):
                self._sleep(pause)
        return self._once(request)

    def _once(self, request: dict[str, Any]) -> dict[str, Any]:
        answer = self._invoke(request)
        if not isinstance(answer, dict) or "ok" not in answer:
            raise DeploymentError(
                f"What answers as {self._deployment} is not the API of Tidegate.",
                mend="Check --target and TIDEGATE_API_FUNCTION.",
            )
        if not answer["ok"]:
            raise from_json(answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    def _invoke(self, request: dict[str, Any]) -> Any:
        client = self._client or self._connect()
        try:
            response = client.invoke(
                FunctionName=self._deployment.function, Payload=json.dumps(request).encode()
            )
            body = response["Payload"].read()
        except Exception as error:
            if _code(error) == "ResourceNotFoundException" and self._finds_another():
                return self._invoke(request)
            raise self._unreachable(error) from error
        if response.get("FunctionError"):
            raise self._failed(body)
        try:
            return json.loads(body)
        except ValueError:
            return None

    def _finds_another(self) -> bool:
        """Whether there is one deployment here, of another prefix than the usual; it is asked from now on.

        Raises:
            DeploymentError: there are several.
        """
        if not self._deployment.is_guess:
            return False
        try:
            names = api_functions(self._tagging or self._connect_tagging())
        except Exception:  # not allowed: what is said then is that the usual one is missing
            logger.debug("deployments_unknown", exc_info=True)
            return False
        name = the_only_one(names)
        self._deployment = replace(
            self._deployment, function=name or self._deployment.function, is_guess=False
        )
        return name is not None

    def _connect_tagging(self) -> Any:
        import boto3

        return boto3.client("resourcegroupstaggingapi")

    def _connect(self) -> Any:
        where = self._deployment
        if where.endpoint is not None:
            from tidegate.cli.loopback import LoopbackLambda

            self._client = LoopbackLambda(where.endpoint, region=where.region or "us-east-1")
            return self._client
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        try:
            self._client = boto3.client("lambda", config=Config(read_timeout=65))
        except BotoCoreError as error:
            raise self._unreachable(error) from error
        return self._client

    def _unreachable(self, error: Exception) -> DeploymentError:
        where, kind = self._deployment, type(error).__name__
        code = _code(error)
        if where.endpoint is not None and isinstance(error, OSError):
            return DeploymentError(f"No answer from {where}.", mend=START_DEV)
        if kind in _NO_CREDENTIALS:
            return DeploymentError(
                "No `tidegate dev` runs here, and there are no AWS credentials and region.",
                mend="Start `tidegate dev`, or set AWS_PROFILE and AWS_REGION.",
            )
        if code == "ResourceNotFoundException":
            return DeploymentError(
                f"There is no {where}.",
                mend="Deploy it, or check AWS_PROFILE, AWS_REGION and TIDEGATE_API_FUNCTION.",
            )
        mend = "Check AWS_PROFILE, AWS_REGION and what your role may invoke."
        if where.endpoint is not None:
            mend = "Check that a `tidegate dev` of this release runs there."
        return DeploymentError(
            f"The {where} cannot be called: {str(error).rstrip('.')}.", mend=mend
        )

    def _failed(self, body: bytes) -> DeploymentError:
        try:
            document = json.loads(body)
            reason = f"{document.get('errorType', 'Error')}: {document.get('errorMessage', '')}"
        except (ValueError, AttributeError):
            reason = body[:200].decode(errors="replace")
        return DeploymentError(
            f"The API failed: {reason.rstrip('.')}.",
            mend="Its log group has the details; try again.",
        )


def _code(error: Exception) -> str:
    """Error code of a refusal by AWS, or an empty text."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
