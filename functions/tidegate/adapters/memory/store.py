"""All control tables in memory."""

from __future__ import annotations

from tidegate.adapters.memory.admission import MemoryAdmissionStore
from tidegate.adapters.memory.assets import MemoryAssetStore
from tidegate.adapters.memory.audit import MemoryAuditStore
from tidegate.adapters.memory.automation import MemoryAutomationStore, MemoryPartitionStates
from tidegate.adapters.memory.events import MemoryEventStore
from tidegate.adapters.memory.partition_holds import MemoryPartitionHolds
from tidegate.adapters.memory.runs import MemoryRunStore
from tidegate.ports import Clock


class MemoryStore:
    """``tidegate.ports.Store`` in memory."""

    def __init__(
        self,
        *,
        batch_size: int = 25,
        retention_days: int | None = 30,
        clock: Clock | None = None,
    ) -> None:
        self.runs = MemoryRunStore()
        self.audit = MemoryAuditStore()
        self.admission = MemoryAdmissionStore(self.audit)
        self.events = MemoryEventStore(
            batch_size=batch_size, retention_days=retention_days, clock=clock
        )
        self.assets = MemoryAssetStore()
        self.automation = MemoryAutomationStore()
        self.partition_states = MemoryPartitionStates()
        self.partition_holds = MemoryPartitionHolds()
