"""How many partitions of an asset one run of a backfill makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tidegate.errors import DefinitionError


@dataclass(frozen=True, slots=True)
class BackfillPolicy:
    """``BackfillPolicy.single_run()``, or ``BackfillPolicy.multi_run(30)``. Without one, each partition has a run of its own.

    A run of several partitions executes the body once, for all of ``context.partition_keys``.
    """

    max_partitions_per_run: int | None
    """None: a run for each stretch of partitions without a gap, however long."""

    def __post_init__(self) -> None:
        most = self.max_partitions_per_run
        if most is not None and (type(most) is not int or most < 1):
            raise DefinitionError(
                f"BackfillPolicy has max_partitions_per_run={most!r}.",
                mend="Give a whole number from 1 on, or use BackfillPolicy.single_run().",
            )

    @staticmethod
    def single_run() -> BackfillPolicy:
        """One run for each stretch of partitions without a gap."""
        return BackfillPolicy(None)

    @staticmethod
    def multi_run(max_partitions_per_run: int = 1) -> BackfillPolicy:
        """Runs of at most so many partitions that follow each other."""
        return BackfillPolicy(max_partitions_per_run)

    def to_json(self) -> dict[str, Any]:
        return {"max_partitions_per_run": self.max_partitions_per_run}
