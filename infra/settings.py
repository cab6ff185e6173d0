"""What can be chosen at synth: context keys of ``cdk.json``, or ``-c key=value`` of the CDK's CLI."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra import ROOT

PREFIX = re.compile(r"[a-z][a-z0-9-]{0,22}[a-z0-9]")
DEFINITIONS = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*)?")
NETWORKS = ("public", "isolated")
IMAGES = ("stock", "dockerfile")
RETENTIONS = (7, 14, 30, 60, 90, 180, 365)


class SynthError(Exception):
    """The stack cannot be made; the message is for the person who typed the command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InfraSettings:
    prefix: str = "tidegate"
    """Begins the physical name of everything that has one, so that several deployments fit into an account."""
    network: str = "public"
    """``public``: containers have a public address and no way in. ``isolated``: no internet, interface endpoints instead."""
    image: str = "stock"
    """``stock``: a public Python image, code fetched from S3 at start. ``dockerfile``: built by ``cdk deploy``, needs Docker."""
    definitions: str = "definitions"
    """Module that holds the user's ``Definitions``, and after a colon which of several."""
    retention_days: int = 30
    """Of CloudWatch logs and the access log of the data bucket. Runs and their events: ``tidegate.yaml``."""
    user_memory_mb: int = 1769
    """Of the user-code function; 1,769 MB is one vCPU."""

    @classmethod
    def read(cls, context: Callable[[str], Any]) -> InfraSettings:
        """Take what the context says and defaults for the rest.

        Raises:
            SynthError: a value that does not fit; names the key and what would.
        """
        default = cls()
        prefix = _text(context, "prefix", default.prefix)
        if not PREFIX.fullmatch(prefix):
            raise SynthError(
                f"Context 'prefix' is {prefix!r}: 2 to 24 lower-case letters, digits and hyphens, a letter first."
            )
        network = _one_of(context, "network", default.network, NETWORKS)
        image = _one_of(context, "image", default.image, IMAGES)
        if network == "isolated" and image == "stock":
            raise SynthError(
                "Context network=isolated needs image=dockerfile: without internet, tasks can pull from private ECR only."
            )
        retention = _integer(context, "retention_days", default.retention_days)
        if retention not in RETENTIONS:
            raise SynthError(
                f"Context 'retention_days' is {retention}; choose one of {RETENTIONS}."
            )
        memory = _integer(context, "user_memory_mb", default.user_memory_mb)
        if not 256 <= memory <= 10_240:
            raise SynthError(f"Context 'user_memory_mb' is {memory}; Lambda takes 256 to 10240.")
        definitions = _text(context, "definitions", default.definitions)
        if not DEFINITIONS.fullmatch(definitions):
            raise SynthError(
                f"Context 'definitions' is {definitions!r}; it must be a module such as 'definitions'."
            )
        return cls(
            prefix=prefix,
            network=network,
            image=image,
            definitions=definitions,
            retention_days=retention,
            user_memory_mb=memory,
        )


def top_level(definitions: str) -> str:
    """The top-level module or package that holds the definitions."""
    return re.split("[.:]", definitions, maxsplit=1)[0]


def read_context() -> dict[str, Any]:
    """The context of ``cdk.json``, which only the CDK's CLI reads by itself, below what the CLI or the caller gives.

    It holds feature flags that change the template, so it takes part in every synthesis.
    """
    flags = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    return {**flags, **json.loads(os.environ.get("CDK_CONTEXT_JSON", "{}"))}


def _text(context: Callable[[str], Any], key: str, default: str) -> str:
    value = context(key)
    if value is None:
        return default
    if not isinstance(value, str) or not value:
        raise SynthError(f"Context {key!r} is {value!r}; it must be a text.")
    return value


def _one_of(context: Callable[[str], Any], key: str, default: str, allowed: tuple[str, ...]) -> str:
    value = _text(context, key, default)
    if value not in allowed:
        raise SynthError(f"Context {key!r} is {value!r}; choose one of {', '.join(allowed)}.")
    return value


def _integer(context: Callable[[str], Any], key: str, default: int) -> int:
    value = context(key)
    try:
        return default if value is None else int(value)
    except (TypeError, ValueError):
        raise SynthError(f"Context {key!r} is {value!r}; it must be a whole number.") from None
