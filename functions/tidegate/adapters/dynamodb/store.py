"""All control tables on DynamoDB."""

from __future__ import annotations

from tidegate.adapters.dynamodb.admission import DynamoAdmissionStore
from tidegate.adapters.dynamodb.assets import DynamoAssetStore
from tidegate.adapters.dynamodb.audit import DynamoAuditStore
from tidegate.adapters.dynamodb.automation import DynamoAutomationStore
from tidegate.adapters.dynamodb.events import DynamoEventStore
from tidegate.adapters.dynamodb.partition_holds import DynamoPartitionHolds
from tidegate.adapters.dynamodb.partition_states import DynamoPartitionStates
from tidegate.adapters.dynamodb.runs import DynamoRunStore
from tidegate.ports import Clock


class DynamoStore:
    """``tidegate.ports.Store`` on the tables that ``table.bind`` points to."""

    def __init__(
        self,
        *,
        batch_size: int = 25,
        retention_days: int | None = 30,
        run_retention_days: int = 90,
        clock: Clock | None = None,
    ) -> None:
        """Events: at most ``batch_size`` in a row, deleted after ``retention_days``; see ``DynamoEventStore``.

        Runs: deleted ``run_retention_days`` after their end, or a little later; not without a ``clock``.
        """
        self.runs = DynamoRunStore(clock=clock, kept_days=run_retention_days)
        self.admission = DynamoAdmissionStore()
        self.events = DynamoEventStore(
            batch_size=batch_size, retention_days=retention_days, clock=clock
        )
        self.assets = DynamoAssetStore()
        self.audit = DynamoAuditStore()
        self.automation = DynamoAutomationStore()
        self.partition_states = DynamoPartitionStates()
        self.partition_holds = DynamoPartitionHolds()
