"""Values kept in memory, for runs in one process."""

from __future__ import annotations

from typing import Any

from tidegate.execution.io_storage import is_by_partition, missing, several_partitions, wants_dict
from tidegate.execution.value_location import value_keys
from tidegate.sdk.io import InputContext, IOManager, IOManagerDefinition, OutputContext


class InMemoryIOManager(IOManager):
    """Keeps the objects themselves: what one step changes in a value, the next one sees."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        keys = value_keys(context)
        apart = is_by_partition(context, keys, obj)
        if len(keys) > 1 and not apart:
            raise several_partitions(context, len(keys))
        for partition, key in keys.items():
            self.values[key] = obj[partition] if apart else obj

    def load_input(self, context: InputContext) -> Any:
        keys = value_keys(context)
        for partition, key in keys.items():
            if key not in self.values:
                raise missing(context, partition)
        if len(keys) == 1 and not (None not in keys and wants_dict(context.annotation)):
            return self.values[next(iter(keys.values()))]
        return {partition: self.values[key] for partition, key in keys.items()}


mem_io_manager = IOManagerDefinition(
    function=InMemoryIOManager, description="Keeps values in memory, for one run."
)
