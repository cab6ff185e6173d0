"""Partitions that come and go while the deployment runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tidegate.domain.partitions.definition import (
    CONTROL_CHARACTERS,
    DynamicKeys,
    KeySpace,
    PartitionsDefinition,
    PartitionSpace,
    is_key,
)
from tidegate.errors import DefinitionError, InvocationError, RequestError

NOT_IN_KEYS = "|"
"""It joins keys of several dimensions."""


class DynamicPartitionsDefinition(PartitionsDefinition):
    """Partitions that come and go: ``DynamicPartitionsDefinition(name="customers")``.

    The deployment keeps the keys under the name, in the order in which they were added; see ``tidegate partitions``.
    """

    def __init__(self, *, name: str) -> None:
        if not isinstance(name, str) or not name or not CONTROL_CHARACTERS.isdisjoint(name):
            raise DefinitionError(
                f"DynamicPartitionsDefinition has name={name!r}.",
                mend="Give a name under which the keys are kept.",
            )
        self.name = name

    def space(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> PartitionSpace:
        if dynamic_partitions_store is None:
            raise InvocationError(
                f"Which partitions {self.name!r} has, only a deployment knows.",
                mend="Give dynamic_partitions_store, a mapping from names to keys.",
            )
        keys = dynamic_partitions_store.get(self.name, ())
        if isinstance(keys, Mapping):
            return KeySpace(keys, self)
        return KeySpace({key: number for number, key in enumerate(keys)}, self)

    def describe(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> str:
        known = super().describe(current_time, dynamic_partitions_store)
        return f"{known} Add one with `tidegate partitions add {self.name} KEY`."

    def to_json(self) -> dict[str, Any]:
        return {"kind": "dynamic", "name": self.name}


def check_keys(keys: object) -> tuple[str, ...]:
    """Keys to add, each once.

    Raises:
        RequestError: one of them cannot be a key.
    """
    given = list(keys) if isinstance(keys, (list, tuple)) else []
    for key in given:
        if not is_key(key) or NOT_IN_KEYS in key:
            raise RequestError(
                f"{key!r} cannot be a partition.",
                mend="A key is text without `...`, `|` and control characters.",
            )
    if not given:
        raise RequestError("No partition is named.", mend="Name at least one key.")
    return tuple(dict.fromkeys(given))
