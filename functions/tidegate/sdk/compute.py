"""Where a step runs: on Lambda, or in a container of its own on ECS Fargate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from tidegate.errors import DefinitionError
from tidegate.sdk.declaration import at, caller_source, known_arguments

LAMBDA_TIMEOUT_SECONDS = 900
"""The longest one Lambda invocation may take."""

_GB = 1024
_MEMORY_OF_CPU: dict[int, tuple[int, ...]] = {
    256: (512, _GB, 2 * _GB),
    512: tuple(range(_GB, 4 * _GB + 1, _GB)),
    1024: tuple(range(2 * _GB, 8 * _GB + 1, _GB)),
    2048: tuple(range(4 * _GB, 16 * _GB + 1, _GB)),
    4096: tuple(range(8 * _GB, 30 * _GB + 1, _GB)),
    8192: tuple(range(16 * _GB, 60 * _GB + 1, 4 * _GB)),
    16384: tuple(range(32 * _GB, 120 * _GB + 1, 8 * _GB)),
}
"""Fargate's task sizes: CPU units (1024 is one vCPU) -> memory in MiB."""


@known_arguments
@dataclass(frozen=True, slots=True, kw_only=True)
class Ecs:
    """A Fargate task. ``cpu`` in units of 1/1024 vCPU, ``memory`` in MiB; ``spot`` costs less and
    may be taken away.

    Raises:
        DefinitionError: Fargate has no task of this size.
    """

    cpu: int = 1024
    memory: int = 2048
    spot: bool = False

    def __post_init__(self) -> None:
        sizes = _MEMORY_OF_CPU.get(self.cpu) if type(self.cpu) is int else None
        if sizes is None:
            raise DefinitionError(
                f"Fargate has no task with cpu={self.cpu!r}{at(caller_source())}.",
                mend=f"Use one of {', '.join(map(str, _MEMORY_OF_CPU))}.",
            )
        if type(self.memory) is not int or self.memory not in sizes:
            raise DefinitionError(
                f"Fargate has no task with cpu={self.cpu} and memory={self.memory!r}"
                f"{at(caller_source())}.",
                mend=f"With this cpu, memory is one of {', '.join(map(str, sizes))}.",
            )
        if type(self.spot) is not bool:
            raise DefinitionError(
                f"Ecs has spot={self.spot!r}{at(caller_source())}.", mend="Give True or False."
            )

    def to_json(self) -> dict[str, Any]:
        return {"kind": "ecs", "cpu": self.cpu, "memory": self.memory, "spot": self.spot}


@known_arguments
@dataclass(frozen=True, slots=True, kw_only=True)
class Lambda:
    """A Lambda function, as ``"lambda"`` is. With ``escalate`` a step that runs out of memory, or into Lambda's 15 minutes,
    is tried again in such a container, once; its retry policy does not count that.

    Raises:
        DefinitionError: ``escalate`` is no ``Ecs(...)``.
    """

    escalate: Ecs | None = None

    def __post_init__(self) -> None:
        if self.escalate is not None and not isinstance(self.escalate, Ecs):
            raise DefinitionError(
                f"Lambda has escalate={self.escalate!r}{at(caller_source())}.",
                mend="Use escalate=Ecs(cpu=1024, memory=2048).",
            )

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {"kind": "lambda"}
        return (
            document if self.escalate is None else document | {"escalate": self.escalate.to_json()}
        )


Compute: TypeAlias = Literal["lambda"] | Lambda | Ecs


def compute_document(compute: Any, label: str) -> dict[str, Any]:
    """The manifest's form of a ``compute=`` argument.

    Raises:
        DefinitionError: it is neither ``"lambda"`` nor ``Lambda(...)`` nor ``Ecs(...)``.
    """
    if isinstance(compute, Ecs | Lambda):
        return compute.to_json()
    if compute == "lambda":
        return {"kind": "lambda"}
    raise DefinitionError(
        f"{label} has compute={compute!r}.",
        mend='Use compute="lambda" or compute=Ecs(cpu=1024, memory=2048).',
    )
